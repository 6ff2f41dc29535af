"""What following a run gives: a mask a structure and frame, kept small, and how far it came."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..segmentation.cut_mask import CutMask


@dataclass(frozen=True, eq=False)
class FrameMask:
    """One structure in one frame. ``cut`` is its mask, kept small.

    ``score`` is the IoU that the model predicts, ``overlap`` the Dice coefficient with the mask of the frame
    before, moved along; ``doubt`` says why somebody should look, "" if nobody needs to. ``points`` (x, y) and
    ``labels`` are the clicks as they were moved to this frame.
    """

    name: str
    cut: CutMask
    score: float
    overlap: float = 1.0
    doubt: str = ""
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()

    @property
    def mask(self) -> np.ndarray:
        """Bool (H, W), made anew at each call."""
        return self.cut.mask

    @property
    def area(self) -> int:
        """Pixels."""
        return self.cut.area

    @cached_property
    def centroid(self) -> tuple[float, float] | None:
        """Its mean place (x, y) in pixels; None for an empty mask."""
        return self.cut.centroid


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
