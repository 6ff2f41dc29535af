"""The range of values that a DICOM image is shown over."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi

from .image import normalised, own_range

CLIPPED = 0.1
"""Share of the image that a window may clip at one end before it is taken for a detail window and left out."""


def displayed(header: Dataset, values: np.ndarray, image: np.ndarray, notes: list[str]) -> np.ndarray:
    """Values (H, W) after the modality LUT as pixels in [0, 1], before the photometric interpretation.

    The first VOI LUT that fits is applied, else the first window that does (PS3.3 C.11.2.1; LINEAR,
    LINEAR_EXACT and SIGMOID). What clips more than a tenth of the ``image`` pixels (bool (H, W), False for
    padding) at one end shows a detail and does not fit: the model sets its own contrast and cannot bring back
    what was cut. Pixels at the image's least or greatest value (collimated or saturated) lose nothing.
    Where nothing fits, the image's own range is taken. ``notes`` receives what was done.
    """
    for index in range(len(header.get("VOILUTSequence") or ())):
        shown = _by_table(header, values, image, index)
        if shown is not None:
            notes.append("VOI LUT applied")
            return shown
        notes.append("VOI LUT left out: it does not fit the image")
    function = header.get("VOILUTFunction") or "LINEAR"
    for centre, width in _windows(header):
        shown, clipped = _by_window(values, image, centre, width, function)
        if clipped <= CLIPPED:
            notes.append(f"window {centre:g}/{width:g}")
            return shown
        notes.append(f"window {centre:g}/{width:g} clips {clipped:.0%} of the image and is left out")
    notes.append("full range kept")
    return normalised(values, *own_range(values[image]))


def _by_table(header: Dataset, values: np.ndarray, image: np.ndarray, index: int) -> np.ndarray | None:
    """Pixels by one VOI LUT, over the range of its output; None where it is damaged or does not fit."""
    try:
        count, first, _ = (int(number) for number in header.VOILUTSequence[index].LUTDescriptor)
        whole = np.rint(values).astype(np.int32)
        if first > 32767 and whole.min() < 0:
            first -= 65536
        last = first + (count or 65536) - 1
        if _clipped(whole[image], first, last) > CLIPPED:
            return None
        shown = np.asarray(apply_voi(whole, header, index), np.float32)
    except Exception:
        return None
    low, high = float(shown[image].min()), float(shown[image].max())
    return normalised(shown, low, high) if high > low else None


def _windows(header: Dataset) -> list[tuple[float, float]]:
    """Centre and width of the windows that can be read, in the file's order."""
    found = []
    centres, widths = (header.get(keyword) for keyword in ("WindowCenter", "WindowWidth"))
    for pair in zip(_listed(centres), _listed(widths), strict=False):
        try:
            centre, width = float(pair[0]), float(pair[1])
        except (TypeError, ValueError):
            continue
        if np.isfinite([centre, width]).all() and width >= 1:
            found.append((centre, width))
    return found


def _listed(value) -> list:
    if value is None or isinstance(value, str | int | float):
        return [] if value is None else [value]
    return list(value)


def _by_window(
    values: np.ndarray, image: np.ndarray, centre: float, width: float, function: str
) -> tuple[np.ndarray, float]:
    """Pixels by a window and the share of the image it clips at one end.

    A window wider than the image's values is narrowed to them. The sigmoid counts as clipping where it is
    within 2 % of an end.
    """
    inside = values[image]
    if function == "SIGMOID":
        clipped = _clipped(inside, centre - width, centre + width)
        shown = 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -60, 60)))
        return normalised(shown, float(shown[image].min()), float(shown[image].max())), clipped
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    bottom, top = centre - width / 2, centre + width / 2
    clipped = _clipped(inside, bottom, top)
    return normalised(values, max(bottom, float(inside.min())), min(top, float(inside.max()))), clipped


def _clipped(inside: np.ndarray, bottom: float, top: float) -> float:
    """Share of the pixels that differ among themselves and fall together at one end."""
    below = (inside < bottom) & (inside > inside.min())
    above = (inside > top) & (inside < inside.max())
    if inside.min() >= top or inside.max() <= bottom:
        return 1.0
    return float(max(below.mean(), above.mean()))
