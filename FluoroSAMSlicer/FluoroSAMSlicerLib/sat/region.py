"""The part of a scan that is looked at: the body without its surroundings, or a box that the user gives."""

from __future__ import annotations

import numpy as np

from .errors import ScanError
from .scan import Scan
from .windows import Box

COARSE = (4, 4, 1)
"""Voxels that are left out where the body is looked for: 4 x 4 x 3 mm."""
OPENING = (2, 2, 1)
"""Coarse voxels by which thin things, such as the table top, are parted from the body."""
MARGIN = (8, 8, 2)
"""Voxels around the body that are looked at too."""


def body_box(scan: Scan) -> Box:
    """The box of the largest thing in a CT that is no air, with a margin; all of any other image."""
    whole = ((0, 0, 0), scan.values.shape)
    if scan.air is None:
        return whole
    import SimpleITK as sitk

    coarse = scan.values[:: COARSE[0], :: COARSE[1], :: COARSE[2]] > scan.air + 1e-4
    image = sitk.GetImageFromArray(coarse.astype(np.uint8))
    opened = sitk.BinaryMorphologicalOpening(image, OPENING[::-1])
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(opened), sortByObjectSize=True)
    body = sitk.GetArrayViewFromImage(parts) == 1
    low, high = [], []
    for axis in range(3):
        at = np.flatnonzero(body.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(at):
            return whole
        low.append(max(0, int(at[0]) * COARSE[axis] - MARGIN[axis]))
        high.append(min(scan.values.shape[axis], (int(at[-1]) + 1) * COARSE[axis] + MARGIN[axis]))
    return tuple(low), tuple(high)


def box_between(scan: Scan, placement: np.ndarray, first: np.ndarray, second: np.ndarray) -> Box:
    """The scan's voxels in the box that two corners span, world RAS mm; ``placement`` is the stored array's.

    Raises :class:`ScanError` where the box misses what the scan shows.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != (3,) or second.shape != (3,) or not np.isfinite([first, second]).all():
        raise ScanError("a region is two corners of three finite numbers each, in mm")
    low, high = np.minimum(first, second), np.maximum(first, second)
    corners = np.array(
        [(x, y, z, 1.0) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    there = (corners @ (scan.to_grid @ np.linalg.inv(placement)).T)[:, :3]
    start = np.maximum(np.floor(there.min(0) + 0.5).astype(int), 0)
    end = np.minimum(np.floor(there.max(0) + 0.5).astype(int) + 1, scan.values.shape)
    if (end <= start).any():
        raise ScanError("the region lies outside what the volume shows; move it onto the body")
    return tuple(map(int, start)), tuple(map(int, end))
