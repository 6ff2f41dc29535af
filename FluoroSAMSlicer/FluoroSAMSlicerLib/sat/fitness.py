"""Whether a stored volume can be labelled, as far as its voxels alone tell; torch is not needed for that."""

from __future__ import annotations

import numpy as np

from .errors import ScanError

SMALLEST = 2
"""Voxels that a volume must have along each axis."""


def require_fit(image: np.ndarray, modality: str) -> None:
    """Raise :class:`ScanError` for a volume that no scan can be made of.

    ``image`` has its axes in any order, HU if ``modality`` is ``ct``. What is refused: other than three axes, fewer
    than 2 voxels along one, what is no number or not finite, nothing above zero, CT without a value below zero.
    """
    if image.ndim != 3 or min(image.shape) < SMALLEST:
        size = " x ".join(map(str, image.shape))
        raise ScanError(f"a volume of {size} voxels cannot be labelled: it needs at least 2 along each axis")
    if image.dtype.kind not in "iufb":
        raise ScanError(f"the volume must hold numbers, not {image.dtype}")
    lowest, highest = image.min(), image.max()
    # NaN is the lowest and the highest of all that it is among.
    if not np.isfinite([lowest, highest]).all():
        raise ScanError("the volume holds values that are not finite (NaN or infinite); repair it first")
    if highest <= 0:
        raise ScanError(nothing_above_zero(modality))
    if modality == "ct" and lowest >= 0:
        raise ScanError(
            f"this is no CT in Hounsfield units: its lowest value is {lowest}, where air has -1000. "
            "If it is MR or PET, say so"
        )


def nothing_above_zero(modality: str) -> str:
    """What is wrong with a volume that shows nothing."""
    zero = "0 HU, so no tissue: is it in Hounsfield units?" if modality == "ct" else "0"
    return f"the volume has no voxel above {zero}"
