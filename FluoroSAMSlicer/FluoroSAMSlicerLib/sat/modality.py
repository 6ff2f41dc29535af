"""The kinds of images that SAT tells apart."""

from __future__ import annotations

from .errors import ScanError

MODALITIES = {"ct": 0, "mri": 1, "us": 2, "pet": 3}
"""Rows of the text encoder's table."""


def modality_of(text: str) -> str:
    """``ct``, ``mri``, ``pet`` or ``us`` for what a user or a DICOM header calls it ("CT angiography", "MR").

    The first that occurs, in the order that the published code has; "PET/CT" is thus CT. Raises
    :class:`ScanError` for anything else.
    """
    typed = text.strip().lower()
    for words, modality in ((("t1", "t2", "mr", "flair", "dwi"), "mri"), (("ct",), "ct"), (("pet",), "pet")):
        if any(word in typed for word in words):
            return modality
    if typed == "pt":
        return "pet"
    if typed in MODALITIES:
        return typed
    raise ScanError(f"{text!r} is no kind of image that SAT knows: say CT, MR or PET")
