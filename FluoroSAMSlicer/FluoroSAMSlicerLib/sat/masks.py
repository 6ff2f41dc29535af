"""From features to masks: names' probabilities blended over windows, then back on the CT's own grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .features import FeatureStore
from .network import SAT
from .scan import Scan
from .slabs import slabs
from .windows import Window, importance

THRESHOLD = 0.5
SLAB_VALUES = 8 << 20
"""Logits that are computed at a time."""
EDGE = 0.5 + 1e-6
"""How far beyond the outermost voxel centres of SAT's grid a voxel of the CT still takes its value."""
NEAREST_SHIFT = 0.5 + 1e-6


def blend(
    network: SAT,
    queries: Tensor,
    windows: Sequence[Window],
    store: FeatureStore,
    shape: tuple[int, int, int],
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """Probabilities (N, *shape) float32 of N names' ``queries`` (N, width), averaged over ``windows``.

    Voxels in no window are 0. All windows must be in ``store``.
    """
    weights = torch.from_numpy(importance(network.config.tile).copy())
    total = torch.zeros(shape)
    result = torch.zeros(len(queries), *shape)
    for window in windows:
        features = store.get(window)
        device = queries.device
        mask_weights = network.mask_weights(queries, features.tokens.to(device))
        depth, height, width = window.size
        corner = [slice(0, n) for n in window.size]
        rows = max(1, SLAB_VALUES // (len(queries) * height * width))
        for start, end in slabs(depth, rows):
            check()
            part = features.volume[:, start:end, : corner[1].stop, : corner[2].stop].to(device)
            values = network.logits(mask_weights, part).sigmoid_().cpu()
            g = weights[start:end, : corner[1].stop, : corner[2].stop]
            at = (slice(window.start[0] + start, window.start[0] + end), *window.place[1:])
            result[(slice(None), *at)] += values.mul_(g)
            total[at] += g
    return result.div_(total.clamp_(min=torch.finfo(torch.float32).tiny))


@dataclass(frozen=True, eq=False)
class MaskBox:
    """Where a mask is: bool ``mask`` whose first voxel is ``start`` in the stored array (I, J, K); may be empty."""

    start: tuple[int, int, int]
    mask: np.ndarray

    def whole(self, shape: tuple[int, int, int]) -> np.ndarray:
        """The mask of the whole stored array."""
        full = np.zeros(shape, bool)
        full[tuple(slice(a, a + n) for a, n in zip(self.start, self.mask.shape, strict=True))] = self.mask
        return full

    def within(self, placement: np.ndarray, first: np.ndarray, second: np.ndarray) -> MaskBox:
        """What lies in the box between two corners, world RAS mm; ``placement`` is the stored array's."""
        low, high = np.minimum(first, second), np.maximum(first, second)
        i, j, k = np.ogrid[tuple(slice(a, a + n) for a, n in zip(self.start, self.mask.shape, strict=True))]
        mask = self.mask.copy()
        for axis in range(3):
            row = placement[axis]
            at = row[0] * i + row[1] * j + row[2] * k + row[3]
            mask &= (at >= low[axis]) & (at <= high[axis])
        return _trimmed(MaskBox(self.start, mask))


EMPTY = MaskBox((0, 0, 0), np.zeros((0, 0, 0), bool))


def restore(
    probability: Tensor,
    scan: Scan,
    linear: bool = True,
    check: Callable[[], None] = lambda: None,
) -> MaskBox:
    """The mask of one name on the stored grid.

    ``probability`` (R, A, S) float32 is interpolated between the voxels of SAT's grid, then compared with 0.5;
    without ``linear`` the nearest voxel decides. Voxels outside that grid are background.
    """
    box = _stored_box(probability, scan)
    if box is None:
        return EMPTY
    mask = np.zeros([part.stop - part.start for part in box], bool)
    sample = _aligned if _is_aligned(scan.to_grid) else _oblique
    rows = max(1, SLAB_VALUES // 4 // max(1, mask.shape[1] * mask.shape[2]))
    for begin, end in slabs(mask.shape[0], rows):
        check()
        part = (slice(box[0].start + begin, box[0].start + end), *box[1:])
        mask[begin:end] = sample(probability, scan.to_grid, part, linear).numpy()
    return _trimmed(MaskBox(tuple(part.start for part in box), mask))


def _is_aligned(to_grid: np.ndarray) -> bool:
    """Whether the stored axes run along those of the grid, as in most scans."""
    steps = np.abs(to_grid[:3, :3])
    return bool((np.sort(steps, axis=1)[:, :2] <= 1e-9 * steps.max()).all())


def _aligned(
    probability: Tensor, to_grid: np.ndarray, box: tuple[slice, slice, slice], linear: bool
) -> Tensor:
    """The mask in the stored voxels of ``box``: one axis after the other, which is far quicker than at once."""
    columns = np.abs(to_grid[:3, :3]).argmax(1)
    inside = torch.ones([part.stop - part.start for part in box], dtype=torch.bool)
    values = probability
    # The axis that runs along the slab's few rows first, so that what follows is small.
    for axis in sorted(range(3), key=lambda axis: columns[axis]):
        column = int(columns[axis])
        size = probability.shape[axis]
        at = to_grid[axis, column] * np.arange(box[column].start, box[column].stop) + to_grid[axis, 3]
        shape = [-1 if other == column else 1 for other in range(3)]
        inside &= torch.from_numpy((at >= -EDGE) & (at <= size - 1 + EDGE)).view(shape)
        at = at.clip(0, size - 1) if linear else np.floor(at + NEAREST_SHIFT).clip(0, size - 1)
        low = np.minimum(at.astype(np.int64), max(0, size - 2))
        weight = torch.from_numpy((at - low).astype(np.float32)).view(
            [-1 if other == axis else 1 for other in range(3)]
        )
        first = values.index_select(axis, torch.from_numpy(low))
        second = values.index_select(axis, torch.from_numpy(np.minimum(low + 1, size - 1)))
        values = first.lerp_(second, weight)
    order = [int(np.flatnonzero(columns == column)[0]) for column in range(3)]
    return (values.permute(order) > THRESHOLD) & inside


def _oblique(
    probability: Tensor, to_grid: np.ndarray, box: tuple[slice, slice, slice], linear: bool
) -> Tensor:
    """The mask in the stored voxels of ``box``, whatever way their axes run."""
    i, j, k = (torch.arange(part.start, part.stop, dtype=torch.float64) for part in box)
    inside, places = None, []
    for axis in range(3):
        steps, size = to_grid[axis], probability.shape[axis]
        plane = j[:, None] * steps[1] + k[None, :] * steps[2] + steps[3]
        at = i[:, None, None] * steps[0] + plane
        within = (at >= -EDGE) & (at <= size - 1 + EDGE)
        inside = within if inside is None else inside & within
        if linear:
            places.append(at.clamp_(0, size - 1).mul_(2).add_(1).div_(size).sub_(1).float())
        else:
            places.append(at.add_(NEAREST_SHIFT).floor_().clamp_(0, size - 1).long())
    if linear:
        grid = torch.stack(places[::-1], -1)[None]
        found = F.grid_sample(probability[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
    else:
        found = probability[tuple(places)]
    return (found > THRESHOLD) & inside


def _stored_box(probability: Tensor, scan: Scan) -> tuple[slice, slice, slice] | None:
    """The stored voxels that the mask can reach: those near grid voxels above the threshold."""
    above = probability > THRESHOLD
    low, high = [], []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        at = above.any(others[1]).any(others[0]).nonzero()
        if not len(at):
            return None
        low.append(int(at[0]) - 1)
        high.append(int(at[-1]) + 1)
    corners = np.array(
        [(a, b, c, 1) for a in (low[0], high[0]) for b in (low[1], high[1]) for c in (low[2], high[2])]
    )
    there = corners @ np.linalg.inv(scan.to_grid).T
    first = np.maximum(np.floor(there.min(0)[:3]).astype(int), 0)
    last = np.minimum(np.ceil(there.max(0)[:3]).astype(int) + 1, scan.stored)
    if (last <= first).any():
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))


def _trimmed(box: MaskBox) -> MaskBox:
    """Without empty margins."""
    start, parts = [], []
    for axis in range(3):
        at = np.flatnonzero(box.mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(at):
            return EMPTY
        start.append(box.start[axis] + int(at[0]))
        parts.append(slice(int(at[0]), int(at[-1]) + 1))
    return MaskBox(tuple(start), np.ascontiguousarray(box.mask[tuple(parts)]))
