"""What following a run gives: a mask a structure and frame, kept small, and how far it came."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class FrameMask:
    """One structure in one frame. ``bits`` is the compressed mask of ``size`` (H, W).

    ``score`` is the IoU that the model predicts, ``overlap`` the Dice coefficient with the mask of the frame
    before, moved along; ``doubt`` says why somebody should look, "" if nobody needs to. ``points`` (x, y) and
    ``labels`` are the clicks as they were moved to this frame.
    """

    name: str
    size: tuple[int, int]
    bits: bytes
    score: float
    overlap: float = 1.0
    doubt: str = ""
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    area: int = 0
    centroid: tuple[float, float] | None = None

    @classmethod
    def of(cls, name: str, mask: np.ndarray, **known) -> FrameMask:
        """Of a bool mask (H, W); ``area`` in pixels and ``centroid`` (x, y) are taken from it."""
        rows, columns = mask.nonzero()
        centroid = (float(columns.mean()), float(rows.mean())) if rows.size else None
        packed = zlib.compress(np.packbits(mask).tobytes(), 1)
        return cls(name, mask.shape, packed, area=int(rows.size), centroid=centroid, **known)

    @property
    def mask(self) -> np.ndarray:
        """Bool (H, W), made anew at each call."""
        bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        return np.unpackbits(bits, count=self.size[0] * self.size[1]).reshape(self.size) != 0


@dataclass(frozen=True, eq=False)
class FrameAnswers:
    """All structures of one frame, counted from 0."""

    frame: int
    masks: tuple[FrameMask, ...]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why somebody should look at this frame."""
        return tuple(f"{one.name}: {one.doubt}" for one in self.masks if one.doubt)


@dataclass(eq=False)
class Propagation:
    """``frames`` by number, as far as they were done; ``stops`` say where following ended before its time."""

    start: int
    frames: dict[int, FrameAnswers] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    cancelled: bool = False

    @property
    def unsure(self) -> list[FrameAnswers]:
        """The frames that somebody should look at, in their order."""
        return [self.frames[number] for number in sorted(self.frames) if self.frames[number].doubts]
