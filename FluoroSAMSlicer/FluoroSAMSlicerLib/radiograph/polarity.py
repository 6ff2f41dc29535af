"""Which way round a DICOM image is: is bone bright or dark in its stored values?"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset


def shows_bone_dark(dataset: Dataset, pixels: np.ndarray) -> tuple[bool, str]:
    """Whether stored values (normalised ``pixels`` (H, W)) have bone dark, and by which rule, in this order:

    1. Pixel Intensity Relationship Sign (PS3.3 C.8.11.3.1.2): 1 means that less X-ray gives a lower value,
       so bone is dark; -1 that it is bright.
    2. Pixel Intensity Relationship LIN, values proportional to the beam: dark.
    3. Angiography (modality XA) shows the beam: dark in MONOCHROME2, bright in MONOCHROME1.
    4. MONOCHROME1, of a radiograph displayed with bone bright: dark. MONOCHROME2: bright.
    5. A colour picture says nothing; of a chest, the spine between the lungs tells. Else bright is assumed.
    """
    sign = dataset.get("PixelIntensityRelationshipSign")
    if sign in (1, -1):
        return sign == 1, f"PixelIntensityRelationshipSign {sign}"
    if dataset.get("PixelIntensityRelationship") == "LIN":
        return True, "values proportional to the beam"
    photometric = dataset.get("PhotometricInterpretation")
    if dataset.get("Modality") == "XA" and str(photometric).startswith("MONOCHROME"):
        return photometric == "MONOCHROME2", f"angiography in {photometric}"
    if str(photometric).startswith("MONOCHROME"):
        return photometric == "MONOCHROME1", str(photometric)
    if str(dataset.get("BodyPartExamined", "")).upper() in ("CHEST", "THORAX", "LUNG"):
        dark = _spine_is_dark(pixels)
        return dark, f"colour picture of a chest with the spine {'dark' if dark else 'bright'}"
    return False, "colour picture, taken as it is displayed"


def _spine_is_dark(pixels: np.ndarray) -> bool:
    """Whether the middle of the upper two thirds is darker than both sides of it."""
    upper = pixels[: max(1, 2 * pixels.shape[0] // 3)]
    columns = np.median(upper, axis=0)
    third = np.array_split(columns, 5)
    return float(third[2].mean()) < min(float(third[1].mean()), float(third[3].mean()))
