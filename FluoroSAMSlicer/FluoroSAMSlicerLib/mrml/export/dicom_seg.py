"""DICOM Segmentation objects of X-ray images that came from DICOM, through highdicom.

The masks are stored in the pixels of the source image and refer to it; overlapping segments stay apart.
Standard: DICOM PS3.3 A.51, Segmentation IOD.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ... import __version__
from ...anatomy import Code, Structure
from ..nodes.image_state import SOURCE_FILE, SOURCE_FRAME, frame_of
from ..nodes.naming import TISSUE
from ..nodes.placement import image_size
from .dicom_source import EMPTY, prepare
from .drafts import ExportError, draft
from .exported import ExportedSegment, exported_segments
from .steps import Export

FindFile = Callable[[str], str]
SERIES_NUMBER = 100
LABEL_LENGTH = 64


def dicomSource(volumeNode, fileForInstance: FindFile | None = None) -> Path | None:
    """The DICOM file that an image was read from, None if it is not known to come from one.

    ``fileForInstance`` gives the file of a SOP instance UID, as ``slicer.dicomDatabase.fileForInstance``.
    """
    for path in _places(volumeNode, fileForInstance):
        if path and Path(path).is_file() and _is_image(Path(path)):
            return Path(path)
    return None


@Export
def exportDicomSeg(
    segmentationNode,
    volumeNode,
    path: str | os.PathLike,
    segmentIds: Sequence[str] | None = None,
    source: str | os.PathLike | None = None,
    fileForInstance: FindFile | None = None,
) -> Callable[[], Path]:
    """A DICOM SEG file of the segments that are not empty, referring to the image's own DICOM file.

    ``source`` names that file where the image does not know it. Raises SceneError, also where highdicom is
    not installed.
    """
    found = Path(source) if source else dicomSource(volumeNode, fileForInstance)
    if found is None:
        raise ExportError(
            f"{volumeNode.GetName()} is not known to come from a DICOM file, which DICOM SEG refers to. "
            "Choose another format, such as .seg.nrrd."
        )
    segments = exported_segments(segmentationNode, volumeNode, segmentIds)
    of = _Shown(volumeNode.GetName(), image_size(volumeNode), _shown_frame(volumeNode))
    return lambda: _write(found, of, segments, path)


@dataclass(frozen=True)
class _Shown:
    """The image in the scene: its name, (columns, rows), and frame of the file."""

    name: str
    size: tuple[int, int]
    frame: int


def _write(found: Path, of: _Shown, segments: Sequence[ExportedSegment], path: str | os.PathLike) -> Path:
    _highdicom()
    image = _source_image(found, of)
    masks = [segment.mask() for segment in segments]
    segments = [one for one, mask in zip(segments, masks, strict=True) if mask.any()]
    masks = [mask for mask in masks if mask.any()]
    if not segments:
        raise ExportError("All segments are empty, and DICOM SEG stores no empty ones.")
    frames = int(image.get("NumberOfFrames") or 1)
    shown = of.frame
    if not 0 <= shown < frames:
        raise ExportError(f"{found} has {frames} frames, but the image shows number {shown + 1}.")
    try:
        dataset = segmentation_of(image, found, np.stack(masks, axis=-1), segments)
        if frames > 1:
            _name_frame(dataset, shown + 1)
        with draft(path) as file:
            dataset.save_as(file)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ExportError(f"No DICOM SEG can be made for {found.name}: {error}.") from error
    return Path(path)


def segmentation_of(image, source: Path, masks: np.ndarray, segments: Sequence[ExportedSegment]):
    """The object for masks bool (H, W, S) of the S segments on one frame of ``image``, the header of ``source``,
    which is changed on the way. Raises ExportError, and what highdicom raises for an image it cannot use."""
    highdicom = _highdicom()
    prepare(image, source)
    _make_one_frame(image)
    dataset = highdicom.seg.Segmentation(
        source_images=[image],
        pixel_array=masks[np.newaxis].astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(number, one) for number, one in enumerate(segments, 1)],
        series_instance_uid=highdicom.UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="FluoroSAMSlicer",
        manufacturer_model_name="FluoroSAMSlicer",
        software_versions=__version__,
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description="Structures on an X-ray image",
    )
    for item, segment in zip(dataset.SegmentSequence, segments, strict=True):
        _add_side(item, segment.structure)
    _drop_incomplete_measures(dataset)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword in EMPTY[:-2]:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    return dataset


def _highdicom():
    try:
        import highdicom
        import highdicom.seg
    except ImportError as error:
        raise ExportError(
            "DICOM SEG needs the Python package highdicom. Install it with pip install highdicom "
            "(in Slicer's Python console: slicer.util.pip_install('highdicom'))."
        ) from error
    return highdicom


def _places(volume, find_file: FindFile | None) -> Iterator[str]:
    yield volume.GetAttribute(SOURCE_FILE) or ""
    uids = (volume.GetAttribute("DICOM.instanceUIDs") or "").split()
    if find_file is not None and len(uids) == 1:
        yield find_file(uids[0]) or ""
    storage = volume.GetStorageNode()
    if storage is not None:
        yield storage.GetFullNameFromFileName() or ""


def _is_image(path: Path) -> bool:
    import pydicom

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID", "Rows"])
    except (pydicom.errors.InvalidDicomError, OSError, ValueError, EOFError):
        return False
    return "Rows" in header


def _shown_frame(volume) -> int:
    frame = frame_of(volume)
    return int(volume.GetAttribute(SOURCE_FRAME) or 0) if frame is None else frame


def _source_image(path: Path, of: _Shown):
    """The file's data set without pixels, checked to be the image in the volume."""
    import pydicom

    try:
        image = pydicom.dcmread(path, stop_before_pixels=True)
    except (pydicom.errors.InvalidDicomError, OSError) as error:
        raise ExportError(f"{path}: is no DICOM file, or cannot be read.") from error
    size = (image.get("Columns"), image.get("Rows"))
    if size != of.size:
        raise ExportError(
            f"{path.name} has {size[0]} x {size[1]} pixels and {of.name} "
            f"{of.size[0]} x {of.size[1]}, so they are not the same image."
        )
    return image


def _description(number: int, segment: ExportedSegment):
    import highdicom
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription

    structure = segment.structure
    by_model = segment.score is not None
    family = highdicom.sr.CodedConcept("123109", "DCM", "Artificial Intelligence")
    algorithm = highdicom.AlgorithmIdentificationSequence("FluoroSAM", family, __version__)
    kind = SegmentAlgorithmTypeValues
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.name.replace("\\", "/")[:LABEL_LENGTH],  # "\\" parts values (PS3.5 6.2)
        segmented_property_category=_concept(structure.category_code or TISSUE),
        segmented_property_type=_concept(structure.code or TISSUE),
        algorithm_type=kind.SEMIAUTOMATIC if by_model else kind.MANUAL,
        algorithm_identification=algorithm if by_model else None,
        anatomic_regions=[_concept(structure.region)] if structure.region else None,
        display_color=highdicom.color.CIELabColor.from_rgb(*segment.color),
    )


def _concept(code: Code):
    import highdicom

    return highdicom.sr.CodedConcept(
        code.value, code.scheme, re.sub(r"\s+", " ", code.meaning)[:LABEL_LENGTH]
    )


def _make_one_frame(image) -> None:
    """Bring a data set into the form that highdicom takes.

    It takes several frames only with a place in the patient, which X-ray runs do not have, and expects the
    functional groups of the enhanced classes of every class that may have frames, XA and RF too. The frame
    is named in the references afterwards, and the made-up pixel measures are dropped again.
    """
    import highdicom
    from pydicom.dataset import Dataset

    image.NumberOfFrames = 1
    if "SharedFunctionalGroupsSequence" not in image:
        image.SharedFunctionalGroupsSequence = [Dataset()]
    shared = image.SharedFunctionalGroupsSequence[0]
    if "PixelMeasuresSequence" not in shared:
        shared.PixelMeasuresSequence = highdicom.PixelMeasuresSequence([1.0, 1.0], None)


def _drop_incomplete_measures(dataset) -> None:
    """A projection has no slice thickness, without which highdicom does not read the pixel measures that it
    copied from the image; they stay in the image itself."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    measures = shared.get("PixelMeasuresSequence")
    if measures and "SliceThickness" not in measures[0]:
        del shared.PixelMeasuresSequence


def _name_frame(dataset, number: int) -> None:
    """Let every frame of the object refer to frame ``number`` (from 1) of its source image."""
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in groups.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                source.ReferencedFrameNumber = number


def _add_side(item, structure: Structure) -> None:
    """Left or right, as modifiers of the property type and of the region (PS3.3 table C.8.20-4)."""
    from pydicom.sequence import Sequence as Items

    if structure.modifier is not None:
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = Items([_concept(structure.modifier)])
    if structure.region_modifier is not None and "AnatomicRegionSequence" in item:
        region = item.AnatomicRegionSequence[0]
        region.AnatomicRegionModifierSequence = Items([_concept(structure.region_modifier)])
