"""Where a place in the world lies in an image volume, and back.

Pixels are (x, y) = (column, row) of the voxel array with pixel centres at integers; world positions are
RAS in mm, through every transform the volume is under, warping ones too. The third index of the one-slice
grid is ignored: a click beside the image plane means the pixel in front of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import SceneError

Box = tuple[float, float, float, float]


def matrix_array(matrix) -> np.ndarray:
    """The elements (4, 4) of a vtkMatrix4x4."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def image_size(volume_node) -> tuple[int, int]:
    """Columns and rows of a volume node, (0, 0) without voxels."""
    image = volume_node.GetImageData()
    return (0, 0) if image is None else tuple(image.GetDimensions()[:2])


def pixel_from_ras(volume_node, ras: Sequence[float]) -> tuple[float, float]:
    """The pixel (x, y) at a world position; may lie outside the image."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    local = [0.0, 0.0, 0.0]
    volume_node.TransformPointFromWorld([float(value) for value in ras], local)
    matrix = vtkMatrix4x4()
    volume_node.GetRASToIJKMatrix(matrix)
    x, y, _, _ = matrix.MultiplyPoint((*local, 1.0))
    return x, y


def ras_from_pixel(volume_node, x: float, y: float) -> tuple[float, float, float]:
    """The world position of a pixel, in the plane of the image."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    local = matrix.MultiplyPoint((float(x), float(y), 0.0, 1.0))[:3]
    world = [0.0, 0.0, 0.0]
    volume_node.TransformPointToWorld(local, world)
    return tuple(world)


def is_inside(volume_node, x: float, y: float) -> bool:
    """Whether a pixel is on the image, which reaches half a pixel beyond its outermost centres."""
    width, height = image_size(volume_node)
    return -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5


def box_around(volume_node, places: Iterable[Sequence[float]]) -> Box:
    """The pixel box x1, y1, x2, y2 around world positions, cut off at the image's edge.

    Raises SceneError where nothing of the image is inside.
    """
    pixels = [pixel_from_ras(volume_node, ras) for ras in places]
    width, height = image_size(volume_node)
    x1, x2 = (_within(choose(x for x, _ in pixels), width) for choose in (min, max))
    y1, y2 = (_within(choose(y for _, y in pixels), height) for choose in (min, max))
    if x1 >= x2 or y1 >= y2:
        raise SceneError("The box covers nothing of the image. Draw it over the structure.")
    return x1, y1, x2, y2


def roi_corners(roi_node) -> list[tuple[float, float, float]]:
    """The eight corners of a markups ROI in the world, RAS in mm."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    to_world = vtkMatrix4x4()
    to_world.DeepCopy(roi_node.GetObjectToWorldMatrix())
    half = [side / 2 for side in roi_node.GetSize()]
    signs = [(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    return [
        to_world.MultiplyPoint((*(sign * side for sign, side in zip(corner, half, strict=True)), 1.0))[:3]
        for corner in signs
    ]


def _within(value: float, count: int) -> float:
    return min(max(value, -0.5), count - 0.5)
