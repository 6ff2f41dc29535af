"""Labels of any grid on the voxels of a CT."""

from __future__ import annotations

import numpy as np

from ...drr import Grid


def on_ct_grid(labels: np.ndarray, own: Grid, grid: Grid, where: str) -> tuple[np.ndarray, str]:
    """Labels (K, J, I) on the voxels of ``grid``, uint16, and a note for the user, which may be empty.

    A grid with the same voxels in part or in all loses nothing. From any other the nearest label is taken, as
    Slicer itself does it, and the note says so. Raises DatasetError where no labelled voxel lies within the CT.
    """
    from ...dataset import DatasetError
    from ...dataset.layers import on_grid

    labels = labels.astype(np.uint16, copy=False)
    try:
        return on_grid(labels, own, grid, where), ""
    except DatasetError:
        placed = nearest(labels, own, grid)
    if not placed.any():
        raise DatasetError(
            f"{where}: the labels lie outside the CT, or none is drawn; choose the segmentation of this CT, and check"
            " the transforms of both"
        )
    return placed, (
        "The labels lie on another grid than the CT; the nearest label of each of the CT's voxels was taken."
    )


def nearest(labels: np.ndarray, own: Grid, grid: Grid) -> np.ndarray:
    """For each voxel of ``grid`` the label (uint16) at its centre; 0 outside of ``own``."""
    matrix = np.linalg.inv(own.index_to_world) @ grid.index_to_world
    start = own.world_to_index(grid.origin)
    depth, height, width = grid.shape
    size = labels.shape[::-1]
    i, j = np.arange(width)[None, :], np.arange(height)[:, None]
    in_plane = [matrix[axis, 0] * i + matrix[axis, 1] * j + start[axis] + 0.5 for axis in range(3)]
    result = np.zeros(grid.shape, np.uint16)
    for k in range(depth):
        index = [
            np.floor(plane + matrix[axis, 2] * k).astype(np.int32) for axis, plane in enumerate(in_plane)
        ]
        inside = np.logical_and.reduce(
            [(one >= 0) & (one < count) for one, count in zip(index, size, strict=True)]
        )
        if inside.any():
            result[k][inside] = labels[index[2][inside], index[1][inside], index[0][inside]]
    return result
