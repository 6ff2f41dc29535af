"""A stored volume as SAT sees it: turned, resampled, cropped, normalised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from .errors import ScanError
from .fitness import SMALLEST, nothing_above_zero, require_fit
from .grid import RAS, SPACING, regrid, turn_to

HOUNSFIELD = (-500.0, 1000.0)
"""What CT is clipped to."""
PERCENTILES = (0.5, 99.5)
"""What everything else is clipped to, of its own voxels."""
SLAB_VOXELS = 8 << 20


@dataclass(frozen=True, eq=False)
class Scan:
    """A volume on SAT's grid.

    values: float32 (R, A, S), normalised: zero mean, deviation one. air: the value of air, CT only.
    to_grid: 4x4, from the stored array's index (i, j, k) to the index in ``values``. stored: its shape.
    start: the first voxel of the crop within the whole resampled grid. modality: a key of MODALITIES.
    """

    values: np.ndarray
    to_grid: np.ndarray
    stored: tuple[int, int, int]
    start: tuple[int, int, int]
    modality: str
    air: float | None


def prepare(
    image: np.ndarray,
    placement: np.ndarray,
    modality: str = "ct",
    orientation: str = RAS,
    spacing: tuple[float, float, float] = SPACING,
    check: Callable[[], None] = lambda: None,
) -> Scan:
    """The scan of a stored ``image`` (I, J, K), in HU if it is CT, with its ``placement`` in world RAS mm.

    ``check`` is called between slabs and may raise. Raises :class:`ScanError` for values that are not finite,
    a volume of fewer than 2 voxels along an axis, one without a voxel above zero, of one value throughout,
    or CT that is none.
    """
    require_fit(image, modality)
    whole, placement = resample(image, placement, orientation, spacing, check)
    inside = foreground(whole)
    if inside is None:
        raise ScanError(nothing_above_zero(modality))
    values = np.ascontiguousarray(whole[inside])
    del whole
    if min(values.shape) < SMALLEST or float(np.ptp(values)) == 0:
        raise ScanError(
            "what the volume shows is a single value or a single slice; choose one that shows more"
        )
    start = tuple(part.start for part in inside)
    shift = np.eye(4)
    shift[:3, 3] = start
    to_grid = np.linalg.inv(placement.grid @ shift) @ placement.stored
    air = normalise(values, modality)
    return Scan(values, to_grid, image.shape, start, modality, air)


@dataclass(frozen=True, eq=False)
class Placements:
    stored: np.ndarray
    grid: np.ndarray


def resample(
    image: np.ndarray,
    placement: np.ndarray,
    orientation: str = RAS,
    spacing: tuple[float, float, float] = SPACING,
    check: Callable[[], None] = lambda: None,
) -> tuple[np.ndarray, Placements]:
    """The whole volume on SAT's grid, float32, trilinear, and the placements of both grids."""
    placement = np.asarray(placement, np.float64)
    turn = turn_to(placement, orientation)
    turned = turn.apply(image)
    own = turn.place(placement, image.shape)
    plan = regrid(turned.shape, own, spacing)
    places = Placements(placement, plan.placement)
    if not plan.needed:
        return np.ascontiguousarray(turned, np.float32), places
    source = torch.from_numpy(np.ascontiguousarray(turned, np.float64))[None, None]
    theta = _theta(plan.steps, turned.shape, plan.shape)
    out = np.empty(plan.shape, np.float32)
    height = max(1, SLAB_VOXELS // (plan.shape[1] * plan.shape[2]))
    axes = [_unit(size) for size in plan.shape]
    for begin in range(0, plan.shape[0], height):
        check()
        rows = axes[0][begin : begin + height]
        places_x = axes[2][None, None, :].expand(len(rows), plan.shape[1], -1)
        places_y = axes[1][None, :, None].expand(len(rows), -1, plan.shape[2])
        places_z = rows[:, None, None].expand(-1, plan.shape[1], plan.shape[2])
        base = torch.stack((places_x, places_y, places_z, torch.ones_like(places_x)), -1)
        points = (base.reshape(-1, 4) @ theta[:3].T).view(1, len(rows), *plan.shape[1:], 3)
        part = F.grid_sample(source, points, "bilinear", "border", align_corners=False)
        out[begin : begin + height] = part[0, 0].float().numpy()
    return out, places


def foreground(values: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds all voxels above zero; None without any."""
    above = values > 0
    found = []
    for axis in range(3):
        at = np.flatnonzero(above.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(at):
            return None
        found.append(slice(int(at[0]), int(at[-1]) + 1))
    return tuple(found)


def normalise(values: np.ndarray, modality: str) -> float | None:
    """Clip and standardise in place; for CT what air becomes."""
    low, high = HOUNSFIELD if modality == "ct" else np.percentile(values, PERCENTILES)
    np.clip(values, low, high, out=values)
    mean, deviation = values.mean(), values.std()
    if not deviation > 0:
        raise ScanError("what the volume shows is a single value once it is clipped; choose another")
    values -= mean
    values /= deviation
    return float((np.float32(low) - mean) / deviation) if modality == "ct" else None


def _unit(size: int) -> torch.Tensor:
    """Voxel centres of an axis between -1 and 1, as torch's affine_grid has them (align_corners False)."""
    if size == 1:
        return torch.zeros(1, dtype=torch.float64)
    return torch.linspace(-1, 1, size, dtype=torch.float64) * ((size - 1) / size)


def _theta(steps: np.ndarray, old: tuple, new: tuple) -> torch.Tensor:
    """What takes new to old positions, both between -1 and 1, axes in torch's reversed order."""

    def unit(shape) -> np.ndarray:
        matrix = np.diag([*(2.0 / np.array(shape)), 1.0])
        matrix[:3, 3] = 1.0 / np.array(shape) - 1.0
        return matrix

    matrix = unit(old) @ steps @ np.linalg.inv(unit(new))
    order = [2, 1, 0, 3]
    return torch.from_numpy(matrix[order][:, order].copy())
