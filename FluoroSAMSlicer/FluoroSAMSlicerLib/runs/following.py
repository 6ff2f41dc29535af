"""One structure from one frame to the next: what is asked there, and whether the answer can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..segmentation.cut_mask import CutMask
from ..segmentation.overlap import dice
from ..segmentation.prompt import LOW_SCORE
from .answers import FrameMask
from .errors import RunError
from .motion import Motion

if TYPE_CHECKING:
    from ..segmentation import ImageEmbedding, Predictor

STEADY = 0.8
"""Dice with the mask before, moved along, below which a name is asked again with that mask."""

DOUBTFUL = 0.7
"""The same below which somebody should look."""

CORRECTIONS = 1
"""Clicks that the model is shown of its own accord where its answer strays from the mask before."""

LOST_SCORE = 0.2
"""Loss of predicted IoU since the frame that was started from, from which on somebody should look."""

LOOK = 1
"""Which of `LOOKS` is taken in frames that a structure is carried to. Each costs as much as the image; with this one
alone the masks of three structures of a chest agreed with those of all three looks by a Dice of 0.96 to 0.99."""

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
    """A structure in the frame done last: its mask (H, W), where its clicks are, how sure the model was at first."""

    followed: Followed
    mask: np.ndarray
    points: tuple[tuple[float, float], ...]
    labels: tuple[int, ...]
    first_score: float

    @property
    def by_name_alone(self) -> bool:
        one = self.followed
        return one.text is not None and not one.points and one.box is None and not one.drawn

    @property
    def lost(self) -> bool:
        """It has a name by which it may be found again."""
        return self.followed.text is not None and not self.followed.drawn and not self.mask.any()


def began(
    predictor: Predictor, embedding: ImageEmbedding, followed: Sequence[Followed]
) -> list[tuple[Held, FrameMask]]:
    """The structures in the frame that following starts from; the model is asked for those without a mask."""
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
        score = 1.0 if score is None else float(score)
        doubt = _doubt(mask, mask, 1.0, score, score) if mask.any() else NOTHING
        answer = FrameMask(one.name, CutMask.of(mask), score, 1.0, doubt, one.points, one.labels)
        found.append((Held(one, mask, one.points, one.labels, score), answer))
    return found


def carried(
    predictor: Predictor,
    embedding: ImageEmbedding,
    held: Sequence[Held],
    moved: Motion,
    shown: np.ndarray | None = None,
) -> list[tuple[Held, FrameMask]]:
    """The structures in the next frame, which ``moved`` leads to; nothing of them is behind a shutter (``shown``)."""
    named = [one for one in held if one.by_name_alone or one.lost]
    texts = [one.followed.text for one in named]
    if len(texts) == 1:
        fresh = [predictor.predict(embedding, *texts, allow_unknown=True, looks=_looks())]
    else:
        fresh = predictor.predict_names(embedding, texts, allow_unknown=True)
    by_name = dict(zip((id(one) for one in named), fresh, strict=True))
    return [_carried(predictor, embedding, one, moved, by_name.get(id(one)), shown) for one in held]


def _carried(predictor, embedding, held: Held, moved: Motion, fresh, shown) -> tuple[Held, FrameMask]:
    before = moved.mask(held.mask)
    points, labels = _inside(moved.points(held.points), held.labels, embedding.size)
    if before.any() and (fresh is None or dice(fresh.mask, before) < STEADY):
        best = _guided(predictor, embedding, held, before, points, labels, fresh)
    else:
        best = fresh
    mask = np.zeros(embedding.size, bool) if best is None else best.mask
    score = 0.0 if best is None else float(best.score)
    if shown is not None and shown.shape == mask.shape:
        mask = mask & shown
    overlap = dice(mask, before)
    doubt = _doubt(mask, before, overlap, score, held.first_score)
    if held.followed.drawn and overlap < DOUBTFUL:
        mask, doubt = before, "the model sees it otherwise; the mask was moved along"
    answer = FrameMask(held.followed.name, CutMask.of(mask), score, overlap, doubt, points, labels)
    return Held(held.followed, mask, points, labels, held.first_score), answer


def _guided(predictor, embedding, held: Held, before: np.ndarray, points, labels, fresh):
    """Of the model's answers to name, clicks and the mask before, all moved along, that nearest to the mask.

    ``fresh`` is the answer to the name alone, None where that was not asked. Where the answer strays, the model is
    shown where by clicks, as somebody would who wants the mask before.
    """
    from ..segmentation.drawn import drawn

    if 1 not in labels:
        # A model may have learnt to go on from a mask only where a click asks for it.
        points, labels = (*points, deepest(before)), (*labels, 1)
    start, text = drawn(embedding, before), held.followed.text
    answers = [] if fresh is None else [fresh]
    for _ in range(1 + CORRECTIONS):
        start = predictor.predict(embedding, text, points, labels, None, start, True, _looks())
        answers.append(start)
        if dice(start.mask, before) >= STEADY:
            break
        missing, surplus = before & ~start.mask, start.mask & ~before
        wanted = int(missing.sum() >= surplus.sum())
        points, labels = (*points, deepest(missing if wanted else surplus)), (*labels, wanted)
    return max(answers, key=lambda one: dice(one.mask, before))


def _looks():
    from ..segmentation.close_up import LOOKS

    return LOOKS[LOOK : LOOK + 1]


def _inside(points, labels, size: tuple[int, int]):
    height, width = size
    kept = [
        (point, label)
        for point, label in zip(points, labels, strict=True)
        if -0.5 <= point[0] <= width - 0.5 and -0.5 <= point[1] <= height - 0.5
    ]
    return tuple(point for point, _ in kept), tuple(label for _, label in kept)


def _doubt(mask: np.ndarray, before: np.ndarray, overlap: float, score: float, first: float) -> str:
    if not mask.any():
        return NOTHING if before.any() else ""
    if overlap < DOUBTFUL:
        return f"overlaps the frame before by {overlap:.2f} only"
    if score < LOW_SCORE or score < first - LOST_SCORE:
        return f"the model is less sure ({score:.2f})"
    return ""


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
