"""Where structures are in a projection: from the length of each ray's path through them to masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..anatomy import vocabulary

BELOW = ("liver", "spleen", "stomach")
"""What lies against the diaphragm from below."""


@dataclass(frozen=True, eq=False)
class StructureMask:
    """Where one structure, or one tool, is in view, bool (H, W).

    ``threshold_mm`` is the path length a pixel had to exceed, ``longest_mm`` the longest path.
    """

    structure: str
    mask: np.ndarray
    threshold_mm: float
    longest_mm: float


@dataclass(frozen=True)
class MaskRule:
    """From which path length on a pixel belongs to a structure.

    threshold_mm: a structure's mask is where a ray runs longer than this through it; thin structures (hand,
        foot, skull) count from ``thin_share`` of their longest path on when that is less.
    own: thresholds of single structures in mm.
    lung_mm, dome_mm, lung_share: a lung is drawn as radiographs show it, without its recess behind the dome of the
        diaphragm: only where a ray also runs longer than ``lung_mm`` through the whole of it, and not longer than
        ``dome_mm`` through what lies `BELOW` the dome. Where nothing of that has a label, a lung counts where the
        ray runs longer through it than ``lung_share`` of the longest path in view, which loses its apex too.
        Lungs and lobes with an ``own`` threshold are exempt.
    smallest_pixels: a smaller mask is left out.
    """

    threshold_mm: float = 2.0
    thin_share: float = 0.25
    own: Mapping[str, float] = field(default_factory=dict)
    lung_mm: float = 25.0
    dome_mm: float = 15.0
    lung_share: float = 0.35
    smallest_pixels: int = 12

    def masks(
        self, structures: Mapping[str, Sequence[int]], values: Sequence[int], path_mm: np.ndarray
    ) -> Iterator[StructureMask]:
        """Masks of what is in view, in the order of ``structures`` (label values by name).

        path_mm: float32 (L, H, W), the path length through each of the label values ``values`` (L).
        """
        row_of = {int(value): row for row, value in enumerate(values)}
        rows = {name: [row_of[v] for v in own if v in row_of] for name, own in structures.items()}
        fields = self._lung_fields(rows, path_mm)
        for name, own in rows.items():
            path = _summed(path_mm, own)
            longest = 0.0 if path is None else float(path.max())
            if longest <= 0:
                continue
            threshold = min(self.own.get(name, self.threshold_mm), self.thin_share * longest)
            mask = path > threshold
            if name in fields:
                mask &= fields[name]
            if np.count_nonzero(mask) >= self.smallest_pixels:
                yield StructureMask(name, mask, threshold, longest)

    def _lung_fields(self, rows: Mapping[str, list[int]], path_mm: np.ndarray) -> dict[str, np.ndarray]:
        """By the names of lungs and lobes, bool (H, W): where the lung that they belong to is seen."""
        fields = {}
        below = _summed(path_mm, [row for name in BELOW for row in rows.get(name, ())])
        for lung in ("left lung", "right lung"):
            parts = sorted(rows.keys() & vocabulary().constituents(lung))
            path = _summed(path_mm, list(dict.fromkeys(row for name in parts for row in rows[name])))
            if path is not None:
                if below is None:
                    seen = path > max(self.lung_mm, self.lung_share * float(path.max()))
                else:
                    seen = (path > self.lung_mm) & (below <= self.dome_mm)
                fields |= {name: seen for name in parts if name not in self.own}
        return fields


def _summed(path_mm: np.ndarray, rows: list[int]) -> np.ndarray | None:
    """The path length (H, W) through several label values; None where there are none."""
    if not rows:
        return None
    return path_mm[rows[0]] if len(rows) == 1 else path_mm[rows].sum(0)
