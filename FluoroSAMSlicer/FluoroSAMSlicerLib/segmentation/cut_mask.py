"""Masks kept small: those of a whole run fit into memory, and a scene gets no more pixels than a mask holds."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class CutMask:
    """A mask, bool (H, W) of ``size``, cut to what it holds, which begins at (``top``, ``left``).

    ``shape`` (h, w) is that of the part, (0, 0) for an empty mask, ``bits`` its compressed bit image, ``area`` the
    number of pixels set. ``fingerprint`` is that of the whole mask. Making one reads all of the mask, which takes
    some time for a large image, and so is a worker's job.
    """

    size: tuple[int, int]
    top: int
    left: int
    shape: tuple[int, int]
    bits: bytes
    area: int
    fingerprint: str

    @classmethod
    def of(cls, mask: np.ndarray) -> CutMask:
        """From a bool mask (H, W)."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size == 0:
            return cls.empty(mask.shape)
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        bits = zlib.compress(np.packbits(part).tobytes(), 1)
        place = int(rows[0]), int(columns[0])
        return cls(mask.shape, *place, part.shape, bits, int(np.count_nonzero(part)), fingerprint(mask))

    @classmethod
    def empty(cls, size: tuple[int, int]) -> CutMask:
        """One that holds nothing, of an image of (H, W) pixels."""
        return cls(size, 0, 0, (0, 0), zlib.compress(b"", 1), 0, fingerprint(np.zeros(size, bool)))

    @property
    def part(self) -> np.ndarray:
        """What the mask holds, bool (h, w), made anew at each call."""
        bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        return np.unpackbits(bits, count=self.shape[0] * self.shape[1]).reshape(self.shape).view(bool)

    @property
    def mask(self) -> np.ndarray:
        """The whole mask, bool (H, W), made anew at each call."""
        whole = np.zeros(self.size, bool)
        whole[self.top : self.top + self.shape[0], self.left : self.left + self.shape[1]] = self.part
        return whole

    @property
    def centroid(self) -> tuple[float, float] | None:
        """Its mean place (x, y) in pixels; None for an empty mask."""
        if not self.area:
            return None
        part = self.part
        columns, rows = part.sum(0), part.sum(1)
        x = columns @ np.arange(columns.size) / self.area + self.left
        return float(x), float(rows @ np.arange(rows.size) / self.area + self.top)


def fingerprint(mask: np.ndarray) -> str:
    """Tells masks, bool (H, W), apart, wherever they come from."""
    digest = hashlib.sha1(repr(mask.shape).encode(), usedforsecurity=False)
    digest.update(np.packbits(mask).tobytes())
    return digest.hexdigest()
