"""One structure from one frame to the next: what is asked there, and whether the answer can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..segmentation.cut_mask import CutMask
from ..segmentation.overlap import dice
from ..segmentation.prompt import LOW_SCORE
from .anchor import SURE, Anchor
from .answers import FrameMask
from .errors import RunError
from .motion import Motion

if TYPE_CHECKING:
    from ..segmentation import ImageEmbedding, Predictor

DOUBTFUL = 0.7
"""Dice with the mask before, moved along, below which somebody should look."""

DISAGREED = 0.5
"""Trust in the mask that following started from, below which somebody should look."""

LOST_SCORE = 0.2
"""Loss of predicted IoU since the frame that was started from, from which on somebody should look."""

COARSE = 256
"""Longer side (pixels) at which masks of neighbouring frames are compared."""

NOTHING = "nothing found"

DEEPEST_AT = 96
"""Longer side (pixels) at which the place deepest inside a mask is looked for."""


@dataclass(frozen=True, eq=False)
class Followed:
    """What is known of a structure in the frame that following starts from.

    ``name`` is its own, ``text`` what the model reads (None: clicks and mask alone). ``points`` (x, y) with
    ``labels`` and ``box`` are in pixels of that frame. ``mask`` bool (H, W) is what it shows there, None to
    have the model asked; ``drawn`` says that somebody changed it by hand, so that the name alone would lose it.
    """

    name: str
    text: str | None = None
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None
    drawn: bool = False
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Held:
    """A structure in the frame done last: its ``mask`` (H, W), where its clicks are, how sure the model was at first
    (None: it was not asked yet), and the ``anchor``: what it was in the frame that was started from."""

    followed: Followed
    anchor: Anchor
    mask: np.ndarray
    points: tuple[tuple[float, float], ...]
    labels: tuple[int, ...]
    first_score: float | None

    @property
    def named(self) -> bool:
        """It has a name by which it may be found, and found again."""
        return self.followed.text is not None and not self.followed.drawn


def began(
    predictor: Predictor,
    embedding: ImageEmbedding,
    followed: Sequence[Followed],
    shown: np.ndarray | None = None,
) -> list[tuple[Held, FrameMask]]:
    """The structures in the frame that following starts from; the model is asked for those without a mask. Nothing
    is known of what is behind a shutter (``shown``)."""
    height, width = embedding.size
    found = []
    for one in followed:
        mask, score = one.mask, one.score
        if mask is None:
            prediction = None
            rounds = range(0 if one.text is not None or one.box is not None else 1, len(one.points) + 1)
            for clicks in rounds:
                points, labels = one.points[:clicks], one.labels[:clicks]
                prediction = predictor.predict(
                    embedding, one.text, points, labels, one.box, prediction, allow_unknown=True
                )
            if prediction is None:
                raise RunError(f"{one.name}: nothing is known of it; give a name, a click, a box or a mask.")
            mask, score = prediction.mask, prediction.score
        elif mask.shape != (height, width):
            raise RunError(
                f"{one.name}: its mask is {mask.shape[1]} x {mask.shape[0]} pixels, the frame {width} x {height}."
            )
        told = 1.0 if score is None else float(score)
        doubt = NOTHING if not mask.any() else _unsure(told) if told < LOW_SCORE else ""
        answer = FrameMask(one.name, CutMask.of(mask), told, 1.0, doubt, one.points, one.labels)
        found.append((Held(one, Anchor.of(mask, shown), mask, one.points, one.labels, score), answer))
    return found


def carried(
    predictor: Predictor,
    embedding: ImageEmbedding,
    held: Sequence[Held],
    moved: Motion,
    since: Motion,
    shown: np.ndarray | None = None,
) -> list[tuple[Held, FrameMask]]:
    """The structures in the next frame, which ``moved`` leads to, and ``since`` from the frame that was started from.

    Nothing of them is behind a shutter (``shown``).
    """
    named = [one for one in held if one.named]
    texts = [one.followed.text for one in named]
    fresh = predictor.predict_names(embedding, texts, allow_unknown=True, closer=False) if named else []
    by_name = dict(zip((id(one) for one in named), fresh, strict=True))
    return [_carried(predictor, embedding, one, moved, since, by_name.get(id(one)), shown) for one in held]


def _carried(predictor, embedding, held: Held, moved: Motion, since: Motion, fresh, shown):
    points, labels = _inside(moved.points(held.points), held.labels, embedding.size)
    there, anchor = held.anchor.moved(since), held.anchor
    answers = _answers(predictor, embedding, held, (there > 0).numpy(), points, labels, fresh)
    if answers:
        low_res = torch.stack([one.low_res.clamp(-SURE, SURE) for one in answers]).mean(0)
        seen = embedding.frame.restore(low_res[None, None])[0, 0]
        anchor, mask = anchor.joined(there, seen)
        score, strayed = float(answers[-1].score), dice((seen > 0).numpy(), (there > 0).numpy()) < DOUBTFUL
    else:
        mask, score, strayed = (there > 0).numpy(), 0.0, False
    if held.followed.drawn and strayed:
        mask = (there > 0).numpy()
    if shown is not None and shown.shape == mask.shape:
        mask = mask & shown
    step = -(-max(mask.shape) // COARSE)
    before = moved.mask(held.mask[::step, ::step])
    overlap = dice(mask[::step, ::step], before)
    first = held.first_score if held.first_score is not None or not answers else score
    doubt = _doubt(held, anchor, mask, overlap, score, first or 0.0)
    if held.followed.drawn and strayed:
        doubt = "the model sees it otherwise; the mask was moved along"
    answer = FrameMask(held.followed.name, CutMask.of(mask), score, overlap, doubt, points, labels)
    return Held(held.followed, anchor, mask, points, labels, first), answer


def _answers(predictor, embedding, held: Held, there: np.ndarray, points, labels, fresh) -> list:
    """What the model says, the surest last: to the name alone (``fresh``, None without one), and to name and clicks.

    Where neither says where it is, the model goes on from the mask that was started from, moved ``there``.
    """
    from ..segmentation.drawn import drawn

    text = held.followed.text
    if fresh is not None:
        clicked = points and predictor.predict(embedding, text, points, labels, None, fresh, True, ())
        return [fresh, clicked] if clicked else [fresh]
    start = None
    if held.followed.drawn or 1 not in labels:
        if not there.any():
            return []
        # A model may have learnt to go on from a mask only where a click asks for it.
        start = drawn(embedding, there)
        points, labels = (*points, deepest(there)), (*labels, 1)
    return [predictor.predict(embedding, text, points, labels, None, start, True, ())]


def _inside(points, labels, size: tuple[int, int]):
    height, width = size
    kept = [
        (point, label)
        for point, label in zip(points, labels, strict=True)
        if -0.5 <= point[0] <= width - 0.5 and -0.5 <= point[1] <= height - 0.5
    ]
    return tuple(point for point, _ in kept), tuple(label for _, label in kept)


def _doubt(held: Held, anchor: Anchor, mask: np.ndarray, overlap: float, score: float, first: float) -> str:
    """Why somebody should look; a score that was low where somebody looked already is no reason, one that fell is."""
    if not mask.any():
        return NOTHING if held.mask.any() else ""
    if overlap < DOUBTFUL:
        return f"overlaps the frame before by {overlap:.2f} only"
    if score < first - LOST_SCORE:
        return _unsure(score)
    if anchor.trust is not None and anchor.trust < DISAGREED:
        return "the model sees it otherwise than in the frame it was carried from"
    return ""


def _unsure(score: float) -> str:
    return f"the model is less sure ({score:.2f})"


def deepest(mask: np.ndarray) -> tuple[float, float]:
    """The place (x, y) of a mask that is furthest from its border, to within a hundredth of its size."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    step = -(-max(part.shape) // DEEPEST_AT)
    coarse = part[::step, ::step]
    if not coarse.any():
        step, coarse = 1, part
    depth = distance_transform_edt(np.pad(coarse, 1))
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return float(columns[0] + (column - 1) * step), float(rows[0] + (row - 1) * step)
