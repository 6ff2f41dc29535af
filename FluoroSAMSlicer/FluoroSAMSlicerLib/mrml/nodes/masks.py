"""Masks on their way between a scene and a worker: plain arrays of what lies in a mask, without any node."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class CutMask:
    """A mask, bool (H, W) of ``size``, cut to what it holds: ``part``, bool (h, w), begins at (``top``, ``left``).

    An empty mask has an empty part. ``fingerprint`` is that of the whole mask. Making one reads all of the mask,
    which takes some time for a large image, and so is a worker's job.
    """

    size: tuple[int, int]
    top: int
    left: int
    part: np.ndarray
    fingerprint: str

    @classmethod
    def of(cls, mask: np.ndarray) -> CutMask:
        """From a bool mask (H, W); what it holds is copied."""
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size == 0:
            return cls.empty(mask.shape)
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        columns = np.flatnonzero(mask[top:bottom].any(axis=0))
        left, right = int(columns[0]), int(columns[-1]) + 1
        return cls(mask.shape, top, left, mask[top:bottom, left:right].copy(), fingerprint(mask))

    @classmethod
    def empty(cls, size: tuple[int, int]) -> CutMask:
        """One that holds nothing, of an image of (H, W) pixels."""
        return cls(size, 0, 0, np.zeros((0, 0), bool), fingerprint(np.zeros(size, bool)))


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


def fingerprint(mask: np.ndarray) -> str:
    """Tells masks, bool (H, W), apart, wherever they come from."""
    digest = hashlib.sha1(repr(mask.shape).encode(), usedforsecurity=False)
    digest.update(np.packbits(mask).tobytes())
    return digest.hexdigest()
