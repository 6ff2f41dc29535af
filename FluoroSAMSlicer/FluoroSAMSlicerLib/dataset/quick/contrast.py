"""Contrast medium: what it makes brighter, by how it was given."""

from __future__ import annotations

import numpy as np

GUT = ("stomach", "duodenum", "small bowel", "colon", "rectum", "esophagus")
WAYS = {
    "vessels": (("aorta", "artery", "trunk", "heart", "atrial"), (120, 420)),
    "gut": (GUT, (150, 900)),
    "urine": (("renal pelvis", "ureter", "urinary bladder"), (200, 900)),
}
"""Parts of names, and the range of HU that is added."""


def with_contrast(
    shift: np.ndarray, structures: dict[str, tuple[int, ...]], rng: np.random.Generator
) -> np.ndarray:
    """``shift`` (HU by label value) with contrast medium given one random way."""
    words, span = WAYS[list(WAYS)[rng.integers(len(WAYS))]]
    shift, added = shift.copy(), rng.uniform(*span)
    for name, values in structures.items():
        if any(word in name for word in words):
            shift[list(values)] += added * rng.uniform(0.7, 1.1)
    return shift
