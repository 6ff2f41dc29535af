"""Exposures of a staged body on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .panoramic import PanoramicGeometry
from .slits import expose_slits, ghost, on_square
from .staging import Staged
from .tracing import view_tracer

STEP = 0.5
"""Distance of samples on a ray, voxels."""


@dataclass(frozen=True, eq=False)
class Exposures:
    """What the rays of V views met; numpy arrays, or torch tensors on the GPU.

    density: float32 (V, 3, S, S), g/cm2 of soft tissue, bone, metal.
    path: float32 (V, L, S, S), mm through each label that some view shows.
    values: (L,) int64 numpy, the label values of the planes, ascending.
    """

    density: object
    path: object
    values: np.ndarray


def march(staged: Staged, pixels: int, threads: int = 1, views: Sequence[int] | None = None) -> Exposures:
    """March every ray of the views (all, or those numbered) at ``pixels`` squared. Threads share the views.

    A panoramic picture is lower than wide: it fills its geometry's ``rows``, and no path is beyond them.
    """
    numbers = range(len(staged.views)) if views is None else list(views)
    values, slots = slots_of(staged, numbers)
    density = np.empty((len(numbers), 3, pixels, pixels), np.float32)
    path = np.zeros((len(numbers), len(values), pixels, pixels), np.float32)
    kernel = view_tracer()
    spacing, step = np.float32(staged.spacing[0]), np.float32(STEP)
    nowhere = np.full_like(slots, -1)

    def traced(beams: np.ndarray, rows: int, planes: int) -> tuple[np.ndarray, np.ndarray]:
        met = np.empty((len(beams), 3, rows, 1), np.float32)
        lengths = np.zeros((len(beams), planes, rows, 1), np.float32)
        own = slots if planes else nowhere
        for column in range(len(beams)):
            kernel(staged.tissue, staged.labels, own, beams, spacing, step, column, met, lengths)
        return met, lengths

    def one(v: int) -> None:
        geometry = staged.views[numbers[v]].geometry.resized(pixels)
        if isinstance(geometry, PanoramicGeometry):
            sharp, lengths, through = expose_slits(staged, geometry, traced, len(values))
            path[v][:, geometry.rows] = lengths
            density[v] = on_square(sharp + ghost(through, sharp, geometry), geometry)
        else:
            beams = beams_of(staged, pixels, [numbers[v]])
            kernel(staged.tissue, staged.labels, slots, beams, spacing, step, 0, density[v:][:1], path[v:][:1])

    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, range(len(numbers))))
    else:
        for v in range(len(numbers)):
            one(v)
    return Exposures(density, path, values)


def beams_of(staged: Staged, pixels: int, numbers: Sequence[int]) -> np.ndarray:
    """(V, 12) float32 as ``trace`` takes them, of views with one source each."""
    beams = []
    for number in numbers:
        view = staged.views[number].geometry.resized(pixels)
        points = np.stack([view.source, view.first_pixel]) - staged.origin
        steps = np.stack([view.column_axis * view.pixel_mm[0], view.row_axis * view.pixel_mm[1]])
        beams.append(np.concatenate([points / staged.spacing + 0.5, steps / staged.spacing]).reshape(-1))
    return np.array(beams, np.float32).reshape(-1, 12)


def slots_of(staged: Staged, numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The labels whose box some view may show, ascending (L,), and each label's plane or -1 (labels,) int32."""
    boxes = staged.boxes
    present = np.flatnonzero(boxes[:, 0] <= boxes[:, 3])
    present = present[present > 0]
    seen = np.zeros(len(present), bool)
    low, high = boxes[present, :3] - 0.5, boxes[present, 3:] + 0.5
    corners = np.stack(
        [np.where([(c >> axis) & 1 for axis in range(3)], high, low) for c in range(8)], axis=1
    )
    points = staged.origin + corners * staged.spacing
    for number in numbers:
        view = staged.views[number].geometry
        if isinstance(view, PanoramicGeometry):
            seen |= view.shows(points.min(axis=1), points.max(axis=1))
            continue
        at = view.project_points(points.reshape(-1, 3)).reshape(-1, 8, 2)
        behind = np.isnan(at).any(axis=(1, 2))
        limit = np.array(view.size) - 0.5
        seen |= behind | ((np.nanmax(at, 1) > -0.5) & (np.nanmin(at, 1) < limit)).all(axis=1)
    values = present[seen].astype(np.int64)
    slots = np.full(len(boxes), -1, np.int32)
    slots[values] = np.arange(len(values))
    return values, slots
