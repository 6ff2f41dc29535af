"""What a box frames: of bones and organs that are often asked for, the one whose mask by name fills the box best.

A box alone leaves open which of the things in it is meant, and a diagonal clavicle takes little of it. One look at
each, mean Dice without and with the name of what a tight box, and one up to a fifth too wide at each edge, frames:
0.71 and 0.76, 0.65 and 0.71 (43 structures of real radiographs); 0.89 and 0.94, 0.79 and 0.91 (lungs); 0.87 and 0.89,
0.81 and 0.83 (DRRs of legs); 0.69 and 0.69, 0.62 and 0.63 (DRRs of an abdomen).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from ..anatomy import vocabulary
from .candidates import THRESHOLD
from .embedding import ImageCache, ImageEmbedding
from .inference import Inference

FITS = 0.6
"""IoU of two boxes from which on the name of the one is taken for what is in the other."""

LEAST = 0.35
"""Score from which on a mask by name is believed."""

KINDS = ("bone", "organ", "airway")
"""What is meant by a box: metal and tubes are hardly ever found by name, and what is not is no rival either."""

SURE = 0.3
"""What is added to the score of a mask before its box's IoU is multiplied by it."""

TOGETHER = 64
"""Names whose masks are held in memory at once."""

KEPT = 4


@dataclass(frozen=True, eq=False)
class FoundBoxes:
    """Boxes (N, 4) and scores (N,) of what each name finds in the image of that ``key``; what finds nothing has a box
    without area."""

    key: str
    boxes: np.ndarray
    scores: np.ndarray


class Framing:
    """The boxes of everything that ``inference`` finds by name in an image, for the ``KEPT`` images asked of last."""

    def __init__(self, inference: Inference) -> None:
        self.inference = inference
        self._known: ImageCache[FoundBoxes] = ImageCache(KEPT)

    @cached_property
    def names(self) -> list[str]:
        """Single structures, often asked for."""
        return [
            one.name for one in vocabulary()
            if one.rank == 1 and one.category in KINDS and not one.is_group and not one.part_of
        ]  # fmt: skip

    def name(self, embedding: ImageEmbedding, box: tuple[float, ...]) -> str | None:
        """The structure that ``box`` (x1, y1, x2, y2), pixels of the image, frames; None where none fits."""
        found = self._known.get(embedding.key)
        if found is None:
            found = self._found(embedding)
            self._known.put(found)
        fits = overlap(found.boxes, np.array(box) + (-0.5, -0.5, 0.5, 0.5))
        ranks = np.where((fits > FITS) & (found.scores > LEAST), fits * (SURE + found.scores), 0)
        return self.names[int(ranks.argmax())] if ranks.any() else None

    def _found(self, embedding: ImageEmbedding) -> FoundBoxes:
        boxes, scores = [], []
        self.inference.read(self.names)
        for start in range(0, len(self.names), TOGETHER):
            for found in self.inference.names(embedding, self.names[start : start + TOGETHER]):
                boxes.append(_box(found.low_res[0], embedding))
                scores.append(found.scores[0])
        return FoundBoxes(embedding.key, np.array(boxes), np.array(scores))


def overlap(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """IoU (N,) of ``boxes`` (N, 4) with ``box`` (4,), each x1, y1, x2, y2."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    both = sides.clip(0).prod(1)
    either = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - both
    return both / np.maximum(either, 1e-9)


def _box(low_res: Tensor, embedding: ImageEmbedding) -> tuple[float, float, float, float]:
    """The box of a mask of logits (h, h), in pixels of the image."""
    drawn = low_res > THRESHOLD
    pixel = embedding.frame.size / low_res.shape[-1] / embedding.frame.scale
    ends = []
    for axis in (0, 1):
        places = drawn.any(axis).nonzero()[:, 0]
        if not len(places):
            return 0.0, 0.0, 0.0, 0.0
        ends.append((float(places[0]) * pixel - 0.5, float(places[-1] + 1) * pixel - 0.5))
    (left, right), (top, bottom) = ends
    return left, top, right, bottom
