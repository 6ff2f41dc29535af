"""Left and right of one structure that were found in one and the same place."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from ...anatomy import Structure, vocabulary
from ...segmentation.cut_mask import CutMask

KEPT = 32
ALIKE = 0.9
"""Dice from which on two masks are one and the same to a user; the two sides of a body hardly reach 0.2."""


class Sides:
    """Remembers the masks of structures that have a side, image by image, the last ones only."""

    def __init__(self) -> None:
        self._masks: OrderedDict[tuple[str, str], CutMask] = OrderedDict()

    def note(self, image: str, structure: Structure | None, cut: CutMask) -> str:
        """Keep a mask of ``structure`` on the image of this key; what the user should know of it and of the other
        side's, "" if there is nothing."""
        other = mirrored(structure)
        if structure is None or other is None:
            return ""
        self._masks.pop((image, structure.name), None)
        self._masks[image, structure.name] = cut
        while len(self._masks) > KEPT:
            self._masks.popitem(last=False)
        there = self._masks.get((image, other.name))
        if there is None or overlap(cut, there) < ALIKE:
            return ""
        return (
            f"{structure.name} and {other.name} have one and the same mask: the image may show one side only, or not "
            "which it is."
        )

    def forget(self) -> None:
        self._masks.clear()


def mirrored(structure: Structure | None) -> Structure | None:
    """The same structure on the other side; None for one without a side."""
    known = vocabulary()
    if structure is None or structure.laterality is None or structure.name not in known:
        return None
    name = known.mirrored(structure.name)
    return known[name] if name else None


def overlap(first: CutMask, second: CutMask) -> float:
    """Dice of two masks of one size; 0 where both are empty."""
    top, left = max(first.top, second.top), max(first.left, second.left)
    bottom = min(first.top + first.shape[0], second.top + second.shape[0])
    right = min(first.left + first.shape[1], second.left + second.shape[1])
    total = first.area + second.area
    if first.size != second.size or top >= bottom or left >= right or not total:
        return 0.0
    one, other = (
        mask.part[top - mask.top : bottom - mask.top, left - mask.left : right - mask.left]
        for mask in (first, second)
    )
    return 2 * int(np.count_nonzero(one & other)) / total
