"""How a CT is looked at for its labels, and what that will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..sat import SatError
from ..sat.grid import RAS, SPACING
from ..sat.modality import modality_of
from ..sat.windows import EXACT, FAST, PLANS

COARSE = (1.4, 1.4, 4.2)
"""Millimetres of the coarser grid: the edge of the zoom that SAT was trained with (0.7 to 1.4)."""
UNTESTED = "not tested with the published weights"
ALL, BODY = "all", "body"


@dataclass(frozen=True)
class LabelSettings:
    """How a CT is looked at.

    plan: ``exact`` (as published) or ``fast`` (the fewest windows that cover). coarse: on a grid of
    1.4 x 1.4 x 4.2 mm instead of 1 x 1 x 3. Fast and coarse are not tested with the published weights.
    modality: ``ct``, ``mri``, ``pet`` or ``us``, or what a header calls it. region: ``all``, ``body``, or two
    corners in world LPS mm. orientation: where the axes of the array that SAT sees run; ASR is what its authors
    recommend for sagittal scans of the spine.
    """

    plan: str = EXACT
    coarse: bool = False
    modality: str = "ct"
    region: str | tuple[Sequence[float], Sequence[float]] = ALL
    orientation: str = RAS

    def __post_init__(self) -> None:
        if self.plan not in PLANS:
            raise SatError(f"{self.plan!r} is no plan: say {' or '.join(PLANS)}")
        if isinstance(self.region, str) and self.region not in (ALL, BODY):
            raise SatError(f"{self.region!r} is no region: say {ALL}, {BODY}, or give two corners")
        object.__setattr__(self, "modality", modality_of(self.modality))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres of the grid: right, anterior, superior."""
        return COARSE if self.coarse else SPACING

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the user should know about these settings."""
        parts = ["the fast plan"] * (self.plan == FAST) + ["the coarse grid"] * self.coarse
        return (f"{' and '.join(parts)}: {UNTESTED}",) if parts else ()


@dataclass(frozen=True)
class Estimate:
    """What a request will take: windows to look through, those already kept, seconds, bytes of features."""

    windows: int
    kept: int
    seconds: float
    bytes: int


AS_PUBLISHED = LabelSettings()
