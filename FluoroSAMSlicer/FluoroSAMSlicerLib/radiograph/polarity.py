"""Which way round a DICOM image is: is bone bright or dark in it?"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset


def shows_bone_dark(
    header: Dataset, pixels: np.ndarray, rising: bool = True, invert: bool | None = None
) -> tuple[bool, str]:
    """Whether ``pixels`` (H, W), before the photometric interpretation, have bone dark, and by which rule.

    ``rising`` is False where the tables or a negative slope on the way to ``pixels`` turned the stored values
    over. ``invert`` True or False overrules: the picture as it is displayed, inverted or not. Else the first
    rule that applies:

    1. Pixel Intensity Relationship Sign (PS3.3 C.8.11.3.1.2): 1 means that less X-ray gives a lower stored
       value, so bone is dark; -1 that it is bright.
    2. Pixel Intensity Relationship LIN, stored values proportional to the beam: dark.
    3. Angiography (modality XA) displays the beam, bone and contrast medium dark.
    4. A radiograph is displayed with bone bright.
    5. A colour picture says nothing; of a chest, the spine between the lungs tells. Else bright is assumed.

    MONOCHROME1 is displayed inverted, as is MONOCHROME2 with the Presentation LUT Shape INVERSE; with
    MONOCHROME1 the shape repeats what the photometric interpretation says (PS3.3 C.11.6.1.2).
    """
    photometric = str(header.get("PhotometricInterpretation"))
    grey = photometric.startswith("MONOCHROME")
    inverted = photometric == "MONOCHROME1" or (grey and header.get("PresentationLUTShape") == "INVERSE")
    if invert is not None:
        return invert != inverted, "as asked"
    if grey:
        sign = header.get("PixelIntensityRelationshipSign")
        if sign in (1, -1):
            return (sign == 1) == rising, f"PixelIntensityRelationshipSign {sign}"
        if header.get("PixelIntensityRelationship") == "LIN":
            return rising, "values proportional to the beam"
        shape = " INVERSE" if inverted and photometric != "MONOCHROME1" else ""
        if header.get("Modality") == "XA":
            return not inverted, f"angiography in {photometric}{shape}"
        return inverted, f"{photometric}{shape}"
    if str(header.get("BodyPartExamined", "")).upper() in ("CHEST", "THORAX", "LUNG"):
        dark = _spine_is_dark(pixels)
        return dark, f"colour picture of a chest with the spine {'dark' if dark else 'bright'}"
    return False, "colour picture, taken as it is displayed"


def _spine_is_dark(pixels: np.ndarray) -> bool:
    """Whether the middle of the upper two thirds is darker than both sides of it."""
    upper = pixels[: max(1, 2 * pixels.shape[0] // 3)]
    fifths = np.array_split(np.median(upper, axis=0), 5)
    return float(fifths[2].mean()) < min(float(fifths[1].mean()), float(fifths[3].mean()))
