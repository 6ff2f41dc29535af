"""Whether the values of a CT are Hounsfield units."""

from __future__ import annotations

import numpy as np

from .errors import VolumeError

AIR_BELOW = -500
"""HU that only air and lung fall below: what a CT of a patient holds somewhere."""
METAL = 2500
RESCALE = "--rescale SLOPE,INTERCEPT corrects it (HU = SLOPE x value + INTERCEPT)"


def refuse_unit_scale(voxels: np.ndarray) -> None:
    """Raise VolumeError for fractions within -1..1: a CT that was scaled, of which rounding would leave nothing."""
    voxels = np.asarray(voxels)
    if voxels.dtype.kind != "f" or not voxels.size:
        return
    low, high = float(voxels.min()), float(voxels.max())
    if -1.01 <= low < high <= 1.01:
        raise VolumeError(
            f"its values are no Hounsfield units (no voxel below {AIR_BELOW} HU): they lie within"
            f" {low:.3g} to {high:.3g} and were scaled; {RESCALE}, such as 4095,-1024 for 0..1 of 12 bits"
        )


def hounsfield_doubt(hu: np.ndarray) -> str:
    """Why the values (K, J, I) look otherwise than HU, with the likely cause and the remedy; empty if they do not.

    A CT shows air somewhere, unless it is cropped within the body or its corners are metal.
    """
    low = int(hu.min())
    if low < AIR_BELOW:
        return ""
    corners = hu[:: max(1, hu.shape[0] - 1), :: max(1, hu.shape[1] - 1), :: max(1, hu.shape[2] - 1)]
    corner = float(np.median(corners))
    if corner > METAL:
        return ""
    start = f"its values may be no Hounsfield units: no voxel is below {AIR_BELOW} HU"
    if low >= 0 and float(np.median(hu)) < corner + 1 and corner > 500:
        return f"{start}; is it inverted? {RESCALE}, such as -1,{int(hu.max()) - 1000}"
    if -100 <= low <= 200 and corner <= 300:
        return f"{start}, the corners have {corner:.0f}; were 1024 added? {RESCALE}, such as 1,-1024"
    return f"{start}; this is right only where the CT is cropped within the body; {RESCALE}"
