"""Masks on their way from a scene to a worker: plain arrays, without any node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TakenMask:
    """A segment's voxels as they are in the scene: ``labels`` (h, w) is ``value`` inside.

    They begin at row ``top`` and column ``left`` of an image of ``size`` (H, W) and may reach beyond it. Taking
    them is a plain copy; `mask` may be made on another thread.
    """

    size: tuple[int, int]
    top: int
    left: int
    labels: np.ndarray
    value: int = 1

    def mask(self) -> np.ndarray:
        """Bool (H, W), a new array."""
        mask = np.zeros(self.size, bool)
        (height, width), (rows, columns) = self.size, self.labels.shape
        top, bottom = max(self.top, 0), min(self.top + rows, height)
        left, right = max(self.left, 0), min(self.left + columns, width)
        if top < bottom and left < right:
            part = self.labels[top - self.top : bottom - self.top, left - self.left : right - self.left]
            np.equal(part, self.value, out=mask[top:bottom, left:right])
        return mask
