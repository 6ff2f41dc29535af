"""Where a view's rays run in the index space of a grid."""

from __future__ import annotations

import numpy as np

from .geometry import ProjectionGeometry
from .volume import Grid


def rays(grid: Grid, view: ProjectionGeometry, shift: float) -> tuple[np.ndarray, ...]:
    """First pixel, steps to the next column and row, and source, in continuous voxel index plus ``shift``."""
    step = np.linalg.inv(grid.index_to_world)
    return (
        grid.world_to_index(view.first_pixel) + shift,
        step @ (view.column_axis * view.pixel_mm[0]),
        step @ (view.row_axis * view.pixel_mm[1]),
        grid.world_to_index(view.source) + shift,
    )
