"""Whether the values of a CT are Hounsfield units, and if not, what they are likely to be."""

from __future__ import annotations

import numpy as np

from .errors import VolumeError

AIR_BELOW = -500
"""HU that only air and lung fall below: what a CT of a patient holds somewhere."""
PADDING_BELOW = -1100
"""HU that nothing has: what lies lower fills the places outside the scanner's field of view (-2000, -3024)."""
METAL = 2500
NO_CT_NUMBER = 100_000
"""More than 16-bit scanners write; beyond it lie marks of missing values, such as 1e30."""
FRACTIONS_WITHIN = 40
"""Width of the range of attenuation relative to water, or of HU divided by 1000, with metal."""
LABELS = 40
SIXTEEN_BITS = 20_000
RESCALE = "--rescale SLOPE,INTERCEPT corrects it (HU = SLOPE x value + INTERCEPT)"


def hounsfield_doubt(voxels: np.ndarray) -> str:
    """Why values (K, J, I), as the file holds them, look otherwise than HU: the likely cause and the remedy.

    Empty where nothing speaks against HU. A CT shows air somewhere, unless it is cropped within the body or its
    corners are metal. Raises VolumeError for values of which rounding to whole HU would leave nothing (fractions,
    a mask, marks such as 1e30).
    """
    voxels = np.asarray(voxels)
    low, high = float(voxels.min()), float(voxels.max())
    _refuse(voxels, low, high)
    corners = voxels[:: max(1, len(voxels) - 1)][
        :, :: max(1, voxels.shape[1] - 1), :: max(1, voxels.shape[2] - 1)
    ]
    corner = float(np.median(corners))
    start = "its values may be no Hounsfield units: "
    if float(corners.min()) > -AIR_BELOW and float(np.ptp(corners)) < 300 and low < corner - 500:
        if high <= corner + 300:
            remedy = f"{RESCALE}, such as -1,{corner - 1000:.0f}"
            return f"{start}nothing is denser than the corners; is it inverted? {remedy}"
    padding = low < PADDING_BELOW
    if padding:
        body = voxels[voxels >= PADDING_BELOW]
        low = float(body.min()) if body.size else low
    if low < AIR_BELOW or (corner > METAL and not padding):
        return ""
    start += f"no voxel is below {AIR_BELOW} HU"
    if padding:
        start += f" but padding of {voxels.min():.0f}"
    if low >= 0 and high <= 255:
        if _distinct(voxels) <= LABELS:
            return f"{start} and few values occur; is it a label map? Give the CT that it belongs to"
        return (
            f"{start}, they lie within 0 to 255: a picture of 8 bits, scaled for display? Give the CT itself;"
            f" {RESCALE}, such as 15.7,-1024 where 0 to 255 stand for the whole range"
        )
    if low >= 0 and high > SIXTEEN_BITS:
        return f"{start}, they reach {high:.0f}: stretched to 16 bits? {RESCALE}, such as 0.0625,-1024"
    if -100 <= low <= 200 and (padding or corner <= 300):
        return f"{start}, the lowest is {low:.0f}; were 1024 added? {RESCALE}, such as 1,-1024"
    return f"{start}; this is right only where the CT is cropped within the body; {RESCALE}"


def _refuse(voxels: np.ndarray, low: float, high: float) -> None:
    start = "its values are no Hounsfield units"
    if max(-low, high) > NO_CT_NUMBER:
        raise VolumeError(
            f"{start}: they lie within {low:.3g} to {high:.3g}, which no scanner writes; if these are marks of"
            " missing values, set them to -1000"
        )
    if low >= 0 and high <= 255 and low < high and _distinct(voxels) == 2:
        raise VolumeError(
            f"{start} but {low:g} and {high:g} alone: a mask; give it as labels, and the CT that it belongs to"
        )
    if (
        voxels.dtype.kind != "f"
        or not 0 < high - low <= FRACTIONS_WITHIN
        or max(-low, high) > FRACTIONS_WITHIN
    ):
        return
    if (np.rint(voxels) == voxels).all():
        return
    within = f"{start} (no voxel below {AIR_BELOW} HU): they lie within {low:.3g} to {high:.3g}"
    if low < AIR_BELOW / 1000:
        raise VolumeError(f"{within} and were divided, by 1000? {RESCALE}, such as 1000,0")
    if high > 1.01:
        raise VolumeError(f"{within}: attenuation relative to water (1)? {RESCALE}, such as 1000,-1000")
    raise VolumeError(f"{within} and were scaled; {RESCALE}, such as 4095,-1024 for 0..1 of 12 bits")


def _distinct(voxels: np.ndarray) -> int:
    """How many values occur, counted to one more than `LABELS`."""
    found = np.unique(voxels[len(voxels) // 2])
    return len(found) if len(found) > LABELS else len(np.unique(voxels))
