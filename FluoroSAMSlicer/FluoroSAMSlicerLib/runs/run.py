"""What a run is, wherever its frames come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..radiograph import Radiograph
from .cine import Subtraction
from .errors import RunError


@dataclass(frozen=True, eq=False)
class Run:
    """Frames in the order in which they were taken; none of them is kept.

    ``read(number)`` gives a frame, counted from 0, from wherever it is. ``times`` (s, from the first frame) are
    empty where nobody says. ``shown`` bool (H, W) is False behind a shutter, None without one. ``subtraction`` says
    which frames a file wants subtracted from which; frames are read as they were taken all the same.
    """

    name: str
    count: int
    read: Callable[[int], Radiograph]
    times: tuple[float, ...] = ()
    shown: np.ndarray | None = None
    subtraction: tuple[Subtraction, ...] = ()
    notes: tuple[str, ...] = ()

    def radiograph(self, frame: int) -> Radiograph:
        """One frame, 0 behind its shutter. Raises `RunError` for a frame that is not there, and RadiographError."""
        if not 0 <= frame < self.count:
            raise RunError(
                f"{self.name} has no frame {frame + 1}; its frames are numbered 1 to {self.count}."
            )
        radiograph = self.read(frame)
        if self.shown is not None and self.shown.shape == radiograph.size:
            radiograph.pixels[~self.shown] = 0
        return radiograph
