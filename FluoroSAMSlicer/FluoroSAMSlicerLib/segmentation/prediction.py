"""The model's answer to a prompt, kept small until its full-size mask is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..anatomy import Structure
from ..model import InputFrame
from .candidates import THRESHOLD, Candidates
from .close_up import CloseUp
from .prompt import Prompt, pulled_inside
from .settling import FINEST, Settled, surer


@dataclass(frozen=True, eq=False)
class Prediction:
    """A mask, how sure the model is of it, and everything it came from.

    ``structure`` is what the text was resolved to, None for clicks alone or a text outside the vocabulary.
    ``chosen`` is the index of this mask among ``candidates``. ``image`` is the key of the embedding; ``model`` and
    ``model_version`` name the weights. ``notes`` are for the user: that the GPU was too small, for example.
    ``candidates`` are the model's own; ``corrected`` is what became of them where they contradict clicks, and what
    mask and logits come from, together with ``close_ups`` where the model looked closer at the chosen one, and with
    what the round ``before`` the newest click showed, see :mod:`~.settling`.
    """

    prompt: Prompt
    structure: Structure | None
    candidates: Candidates
    chosen: int
    image: str
    model: str
    model_version: str
    notes: tuple[str, ...] = ()
    corrected: Candidates | None = None
    close_ups: tuple[CloseUp, ...] = ()
    before: Settled | None = None

    @property
    def text(self) -> str | None:
        """The name as it was typed."""
        return self.prompt.text

    @property
    def score(self) -> float:
        """The IoU that the model predicts for this mask, the mean of all looks: about 0 to 1, but not bounded.

        The model knows of its newest answer only; what clicks have settled is as much surer, see :mod:`~.settling`.
        """
        looks = [self.candidates.scores[self.chosen], *(look.score for look in self.close_ups)]
        mean = sum(looks) / len(looks)
        return mean if self.before is None else surer(mean, len(self.prompt.points))

    @cached_property
    def mask(self) -> np.ndarray:
        """Bool (H, W) in the image's own pixels."""
        return self.logits > THRESHOLD

    @property
    def logits(self) -> np.ndarray:
        """Float32 (H, W) in the image's own pixels, restored at each call: four bytes a pixel."""
        return self.shrunk(1.0)

    def shrunk(self, scale: float) -> np.ndarray:
        """The logits, float32 (h, w), of the image made ``scale`` times as large, at most 1."""
        fresh = _restored(self._final, self.chosen, *size_at(self.candidates.frame, scale))
        fresh = _blended(fresh, self.close_ups, scale)
        if self.before is None:
            return fresh
        click, reach = self._newest
        if click is not None:
            click = (click[0] + 0.5) * scale - 0.5, (click[1] + 0.5) * scale - 0.5
        return self.before.join(fresh, click, reach * scale)

    @property
    def settled(self) -> Settled:
        """What the next round keeps of this one, made at each call."""
        frame = self.candidates.frame
        seen = self.shrunk(min(1.0, FINEST / max(frame.height, frame.width)))
        return Settled.of(seen, self.low_res, frame, self.score)

    @property
    def low_res(self) -> Tensor:
        """The low-resolution logits (h, h) that the model gave for the whole image, close-ups and what was before
        left out."""
        return self._final.low_res[self.chosen]

    @cached_property
    def missed(self) -> tuple[int, ...]:
        """The indices of the prompt's clicks that the mask does not satisfy, since others contradict them."""
        if not self.prompt.points:
            return ()
        frame = self.candidates.frame
        points = tuple(map(tuple, pulled_inside(self.prompt.points, frame.height, frame.width).tolist()))
        looks = [self._final.at(points)[self.chosen], *(look.at(points) for look in self.close_ups)]
        seen = torch.stack(looks).nanmean(0)
        if self.before is not None:
            seen = self.before.join_at(points, seen, *self._newest)
        wrong = (seen > THRESHOLD) != torch.tensor(self.prompt.labels).bool()
        return tuple(wrong.nonzero().flatten().tolist())

    @cached_property
    def without_hold(self) -> tuple[int, ...]:
        """The indices of the prompt's clicks inside that lie in a part of the mask which nothing but clicks made: the
        model sees the structure nowhere near, and what is drawn is a disc around the click."""
        if self.corrected is None:
            return ()
        seen, drawn = (one.low_res[self.chosen].numpy() > THRESHOLD for one in (self.candidates, self._final))
        side, frame = drawn.shape[0], self.candidates.frame
        parts = _parts(drawn)
        reached = set(parts[seen & drawn].tolist())
        alone = []
        for number, (point, label) in enumerate(zip(self.prompt.points, self.prompt.labels, strict=True)):
            x, y = ((frame.to_input([point])[0] + 0.5) * side / frame.size - 0.5).round().astype(int)
            place = min(max(y, 0), side - 1), min(max(x, 0), side - 1)
            if label and drawn[place] and int(parts[place]) not in reached:
                alone.append(number)
        return tuple(alone)

    @property
    def _newest(self) -> tuple[tuple[float, float] | None, float]:
        """The pixel (x, y) of the newest click, if there is any, and how many pixels it reaches."""
        frame, click = self.candidates.frame, None
        if self.prompt.points:
            (place,) = pulled_inside(self.prompt.points[-1:], frame.height, frame.width)
            click = tuple(np.floor(place + 0.5).tolist())
        return click, self.before.reach(self.low_res)

    @property
    def _final(self) -> Candidates:
        return self.corrected or self.candidates


def _parts(mask: np.ndarray) -> np.ndarray:
    """The connected parts of a mask, bool (h, h), numbered from 1; 0 outside."""
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8))))


def size_at(frame: InputFrame, scale: float) -> tuple[int, int]:
    """Height and width of an image made ``scale`` times as large."""
    return max(1, round(frame.height * scale)), max(1, round(frame.width * scale))


def _restored(candidates: Candidates, index: int, height: int, width: int) -> np.ndarray:
    """Logits (h, w) of one candidate at another size than its image's own."""
    return replace(candidates, frame=replace(candidates.frame, height=height, width=width)).logits(index)


def _blended(logits: np.ndarray, close_ups: tuple[CloseUp, ...], scale: float) -> np.ndarray:
    """The mean of ``logits`` (h, w) of the whole image and of those close-ups that show a pixel, in place."""
    if not close_ups:
        return logits
    looks = np.ones(logits.shape, np.uint8)
    for close_up in close_ups:
        window = close_up.window.shrunk(scale)
        part, count = window.cut(logits), window.cut(looks)
        part += _restored(close_up.answer, 0, *part.shape)
        count += 1
    logits /= looks
    return logits
