"""The model's answer to a prompt, kept small until its full-size mask is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..anatomy import Structure
from .candidates import THRESHOLD, Candidates
from .close_up import CloseUp
from .prompt import Prompt


@dataclass(frozen=True, eq=False)
class Prediction:
    """A mask, how sure the model is of it, and everything it came from.

    ``structure`` is what the text was resolved to, None for clicks alone or a text outside the vocabulary.
    ``chosen`` is the index of this mask among ``candidates``. ``image`` is the key of the embedding; ``model`` and
    ``model_version`` name the weights. ``notes`` are for the user: that the GPU was too small, for example.
    ``candidates`` are the model's own; ``corrected`` is what became of them where they contradict clicks, and what
    mask and logits come from, together with ``close_ups`` where the model looked closer at the chosen one.
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

    @property
    def text(self) -> str | None:
        """The name as it was typed."""
        return self.prompt.text

    @property
    def score(self) -> float:
        """The IoU that the model predicts for this mask, the mean of all looks: about 0 to 1, but not bounded."""
        looks = [self.candidates.scores[self.chosen], *(look.score for look in self.close_ups)]
        return sum(looks) / len(looks)

    @cached_property
    def mask(self) -> np.ndarray:
        """Bool (H, W) in the image's own pixels."""
        return self.logits > THRESHOLD

    @property
    def logits(self) -> np.ndarray:
        """Float32 (H, W) in the image's own pixels, restored at each call: four bytes a pixel."""
        return _blended(self._final.logits(self.chosen), self.close_ups)

    @property
    def low_res(self) -> Tensor:
        """The low-resolution logits (h, h) of the whole image, which the next round reads."""
        return self._final.low_res[self.chosen]

    @cached_property
    def missed(self) -> tuple[int, ...]:
        """The indices of the prompt's clicks that the mask does not satisfy, since others contradict them."""
        points = self.prompt.points
        if not points:
            return ()
        looks = [self._final.at(points)[self.chosen], *(look.at(points) for look in self.close_ups)]
        wrong = (torch.stack(looks).nanmean(0) > THRESHOLD) != torch.tensor(self.prompt.labels).bool()
        return tuple(wrong.nonzero().flatten().tolist())

    @property
    def _final(self) -> Candidates:
        return self.corrected or self.candidates


def _blended(logits: np.ndarray, close_ups: tuple[CloseUp, ...]) -> np.ndarray:
    """The mean of ``logits`` (H, W) of the whole image and of those close-ups that show a pixel, in place."""
    if not close_ups:
        return logits
    looks = np.ones(logits.shape, np.uint8)
    for close_up in close_ups:
        part, count = close_up.window.cut(logits), close_up.window.cut(looks)
        part += close_up.answer.logits(0)
        count += 1
    logits /= looks
    return logits
