"""A DICOM Segmentation of a whole run: one object, a frame for each structure in each frame of the source image.

Standard: DICOM PS3.3 A.51; every frame refers to the frame of the run that it was drawn on, and the frames are
indexed by segment and by Frame Acquisition Number (C.7.6.16.2.2), which here is the number of that frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ...anatomy import Structure
from ..nodes.masks import TakenMask
from .dicom_seg import segmentation_of
from .drafts import ExportError, draft
from .exported import ExportedSegment

NOTHING = TakenMask((0, 0), 0, 0, np.zeros((0, 0), bool))
"""A segment's mask where the masks of its frames are given apart."""

ACQUISITION_NUMBER, CONTENT_GROUP = 0x00209156, 0x00209111


class Masked(Protocol):
    """One structure in one frame."""

    area: int
    score: float

    @property
    def mask(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class FrameOfRun:
    """``number`` counts from 0; ``masks`` are in the order of the structures."""

    number: int
    masks: Sequence[Masked]


def write_dicom_seg_run(
    path: Path, source: Path, structures: Sequence[Structure], frames: Sequence[FrameOfRun]
) -> Path:
    """Write the masks of ``frames``, those that are not empty, referring to the DICOM file ``source``.

    Raises ExportError for a source that is no DICOM image of these frames, where there is nothing to store, and
    where highdicom is not installed.
    """
    image = _header(source, max((one.number for one in frames), default=0))
    kept = [n for n in range(len(structures)) if any(one.masks[n].area for one in frames)]
    if not kept:
        raise ExportError("All segments are empty, and DICOM SEG stores no empty ones.")
    segments = [
        ExportedSegment(one.name, one.name, one, one.color, 1.0, False, NOTHING)
        for one in (structures[n] for n in kept)
    ]
    size = int(image.Rows), int(image.Columns), len(kept)
    try:
        # One frame by highdicom is the pattern; it takes several only with a place in the patient.
        whole = segmentation_of(image, source, np.ones(size, bool), segments)
        _fill(whole, kept, frames)
        with draft(path) as file:
            whole.save_as(file)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ExportError(f"No DICOM SEG can be made for {source.name}: {error}.") from error
    return Path(path)


def _header(source: Path, last: int):
    import pydicom

    try:
        image = pydicom.dcmread(source, stop_before_pixels=True)
    except (pydicom.errors.InvalidDicomError, OSError) as error:
        raise ExportError(f"{source}: is no DICOM file, which DICOM SEG refers to.") from error
    count = int(image.get("NumberOfFrames") or 1)
    if last >= count:
        raise ExportError(f"{source}: has {count} frames, not {last + 1}.")
    return image


def _fill(whole, kept: Sequence[int], frames: Sequence[FrameOfRun]) -> None:
    """Put the frames' masks in place of those of the pattern ``whole``."""
    from pydicom.dataset import Dataset

    patterns = list(whole.PerFrameFunctionalGroupsSequence)
    items, bits = [], []
    for place, number in enumerate(kept):
        for one in frames:
            if not one.masks[number].area:
                continue
            groups = deepcopy(patterns[place])
            content = groups.FrameContentSequence[0]
            content.FrameAcquisitionNumber = one.number + 1
            content.DimensionIndexValues = [place + 1, one.number + 1]
            groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = one.number + 1
            items.append(groups)
            # Frames follow each other without padding, the first pixel in the lowest bit (PS3.5 8.2).
            bits.append(one.masks[number].mask.ravel())
    index = Dataset()
    index.DimensionOrganizationUID = whole.DimensionIndexSequence[0].DimensionOrganizationUID
    index.DimensionIndexPointer, index.FunctionalGroupPointer = ACQUISITION_NUMBER, CONTENT_GROUP
    index.DimensionDescriptionLabel = "Frame"
    whole.DimensionIndexSequence.append(index)
    whole.PerFrameFunctionalGroupsSequence = items
    whole.NumberOfFrames = len(items)
    whole.PixelData = _packed(bits)


def _packed(frames: Sequence[np.ndarray]) -> bytes:
    """Bools one after the other as bits; a frame may end inside a byte."""
    if all(one.size % 8 == 0 for one in frames):
        data = b"".join(np.packbits(one, bitorder="little").tobytes() for one in frames)
    else:
        data = np.packbits(np.concatenate(frames), bitorder="little").tobytes()
    return data + b"\0" * (len(data) % 2)
