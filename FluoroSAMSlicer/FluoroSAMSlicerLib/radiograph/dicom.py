"""DICOM X-ray images: which frame, which attributes, and what is no radiograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian

from .decoding import stored_values, transfer_syntax
from .display import displayed
from .image import Radiograph, RadiographError, cause, luminance, normalised, refuse_frame, refuse_size
from .polarity import shows_bone_dark

SECTIONAL = {"CT", "MR", "PT", "NM", "IVOCT", "OCT", "OPT"}
NOT_XRAY = {
    *{"US", "IVUS", "ES", "GM", "SM", "OP", "XC", "DMS", "TG"},
    *{"SEG", "SR", "PR", "KO", "DOC", "ECG", "REG", "RTDOSE", "RTPLAN", "RTSTRUCT"},
}
"""Modalities (PS3.3 C.7.3.1.1.1) that are refused; unknown ones pass, for "DR" and "XR" stand in real files."""
CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.20": "NM",
    "1.2.840.10008.5.1.4.1.1.6": "US",
    "1.2.840.10008.5.1.4.1.1.3": "US",
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.7": "SEG",
}
"""Beginnings of SOP Class UIDs (PS3.4 B.5), for files whose Modality is absent or contradicts the class."""
RECONSTRUCTIONS = {
    "1.2.840.10008.5.1.4.1.1.13.1.1": "X-ray 3D angiography",
    "1.2.840.10008.5.1.4.1.1.13.1.2": "X-ray 3D craniofacial",
}
LOCALIZERS = ("LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVIEW")
"""What makers write in Image Type, or in the description of a series of their own."""
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
FRAME_GROUPS = (
    "PixelMeasuresSequence",
    "FrameVOILUTSequence",
    "PixelValueTransformationSequence",
    "FramePixelDataPropertiesSequence",
)
"""Functional groups of enhanced images (PS3.3 C.7.6.16.2, C.8.19.6) that say what older images say at the top."""


def looks_like_dicom(path: Path) -> bool:
    """Whether a file without the DICM prefix starts with DICOM elements of an image."""
    try:
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        return "Rows" in dataset and ("SOPClassUID" in dataset or "Modality" in dataset)
    except Exception:
        return False


def read_dicom(path: Path, frame: int, invert: bool | None) -> Radiograph:
    """One frame of a projection X-ray image; see :func:`read_radiograph`.

    Stored values go through the modality LUT or rescale, then through the VOI LUT or window that is fit for it
    (:func:`displayed`), and are turned over where they have bone dark (:func:`shows_bone_dark`). Pixels with
    the padding value (PS3.3 C.7.5.1.1.2) become 0.
    """
    return DicomFrames(path).radiograph(frame, invert)


class DicomFrames:
    """A DICOM X-ray image opened once: ``header`` is its data set, whose pixels stay in the file until a frame of
    ``count`` is asked for.

    Raises :class:`RadiographError` for what is no projection X-ray image.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.header = path, _parsed(path)
        self.count = _refuse(path, self.header)

    def radiograph(self, frame: int, invert: bool | None = None) -> Radiograph:
        """One frame, counted from 0, as `read_dicom` gives it."""
        refuse_frame(self.path, frame, self.count)
        return _radiograph(self.path, self.header, frame, self.count, invert)


def _radiograph(path: Path, dataset: Dataset, frame: int, count: int, invert: bool | None) -> Radiograph:
    header = _frame_header(dataset, frame)
    stored, padding = stored_values(path, dataset, frame)
    notes: list[str] = []
    if stored.ndim == 3:
        top = float(np.iinfo(stored.dtype).max)
        if dataset.PhotometricInterpretation != "PALETTE COLOR":
            top = float(2 ** int(dataset.get("BitsStored", 8)) - 1)
        pixels, rising = normalised(luminance(stored), 0.0, top), True
        notes.append("colour turned to luminance")
    else:
        values = np.asarray(apply_modality_lut(stored, header), np.float32)
        if not np.isfinite(values).all():
            raise RadiographError(f"{path}: holds values that are no numbers (NaN or infinity)")
        if np.ptp(values) == 0:  # a rescale slope of 0 stands in real files
            values = stored.astype(np.float32)
        image = ~padding if padding is not None else np.ones(stored.shape, bool)
        pixels = displayed(header, values, image, notes)
        rising = pixels[image][stored[image].argmin()] <= pixels[image][stored[image].argmax()]
    dark, reason = shows_bone_dark(header, pixels, rising, invert)
    if dark:
        np.subtract(1, pixels, out=pixels)
    notes.append(f"{'inverted' if dark else 'kept'}: {reason}")
    if padding is not None:
        pixels[padding] = 0
        notes.insert(0, f"{padding.mean():.0%} of the image is padding, set to 0")
    spacing, source = _spacing(header)
    return Radiograph(
        pixels=pixels,
        spacing=spacing,
        spacing_source=source,
        frame=frame,
        frame_count=count,
        modality=modality_of(dataset),
        photometric=dataset.get("PhotometricInterpretation"),
        stored_range=(float(stored.min()), float(stored.max())),
        notes=tuple(notes),
    )


def modality_of(dataset: Dataset) -> str | None:
    """What made an image: the modality that its SOP class fixes, else what Modality says, in capitals."""
    uid = str(dataset.get("SOPClassUID") or "")
    known = (name for start, name in CLASSES.items() if uid == start or uid.startswith(f"{start}."))
    return next(known, None) or str(dataset.get("Modality") or "").strip().upper() or None


def is_localizer(header: Dataset) -> bool:
    """Whether a CT image is a projection for planning: by its Image Type, or by what its series is called where it
    is no axial slice."""
    kind, named = (
        any(word in str(header.get(keyword)).upper() for word in LOCALIZERS)
        for keyword in ("ImageType", "SeriesDescription")
    )
    if kind:
        return True
    try:
        turn = [float(cosine) for cosine in header.ImageOrientationPatient]
        return named and abs(float(np.cross(turn[:3], turn[3:])[2])) < 0.5
    except (AttributeError, TypeError, ValueError, IndexError):
        return False


def _parsed(path: Path) -> Dataset:
    try:
        dataset = pydicom.dcmread(path, force=True, defer_size="1 MB")
        if "Rows" not in dataset and "Rows" in pydicom.dcmread(path, force=True, stop_before_pixels=True):
            raise RadiographError(f"{path}: is truncated, its pixel data end before their time")
    except RadiographError:
        raise
    except Exception as error:
        raise RadiographError(f"{path}: is truncated or damaged DICOM ({cause(error)})") from error
    return dataset


def _refuse(path: Path, dataset: Dataset) -> int:
    """Refuse what is no projection image or cannot be as large as it says; returns the number of frames."""
    modality = modality_of(dataset)
    if modality in NOT_XRAY:
        raise RadiographError(f"{path}: is DICOM of modality {modality}, not an X-ray image")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise RadiographError(f"{path}: is DICOM without an image (no Rows and Columns)")
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise RadiographError(f"{path}: is truncated, its pixel data are missing")
    width, height = int(dataset.Columns), int(dataset.Rows)
    refuse_size(path, width, height)
    count = int(dataset.get("NumberOfFrames") or 1)
    localizer = modality == "CT" and count == 1 and is_localizer(dataset)
    reconstruction = RECONSTRUCTIONS.get(str(dataset.get("SOPClassUID")))
    if reconstruction or (modality in SECTIONAL and not localizer):
        what = f"a volume of {count} slices" if count > 1 else f"a slice of a {modality} study"
        raise RadiographError(
            f"{path}: is {what} ({reconstruction or modality}), not a projection X-ray image;"
            " render X-ray images of a CT with the DRR tools"
        )
    syntax = transfer_syntax(dataset)
    if not syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        _refuse_short(path, dataset, width * height * count, f"{width} x {height} x {count} pixels")
    return count


def _refuse_short(path: Path, dataset: Dataset, pixels: int, declared: str) -> None:
    """Refuse uncompressed pixel data that the file is too small to hold."""
    samples = int(dataset.get("SamplesPerPixel", 1))
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2
    needed = pixels * samples * int(dataset.get("BitsAllocated", 16)) // 8
    size = path.stat().st_size
    if size < needed:
        raise RadiographError(
            f"{path}: declares {declared} ({needed:,} bytes), but the file has only {size:,};"
            " it is truncated or damaged"
        )


def _frame_header(dataset: Dataset, frame: int) -> Dataset:
    """The attributes that hold for a frame, with those of its functional groups lifted to the top."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    groups = [*shared[:1], *own[frame : frame + 1]]
    if not groups:
        return dataset
    header = Dataset()
    pixels = {tag_for_keyword(name) for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")}
    for tag in dataset.keys() - pixels:
        header.add(dataset[tag])
    for group in groups:
        for keyword in FRAME_GROUPS:
            for item in (group.get(keyword) or [])[:1]:
                header.update(item)
    return header


def _spacing(header: Dataset) -> tuple[tuple[float, float] | None, str]:
    """(x, y) mm a pixel and the attribute that states it; DICOM lists the row spacing (y) first."""
    for keyword in SPACINGS:
        try:
            y, x = (float(value) for value in header[keyword].value)
        except (KeyError, TypeError, ValueError):
            continue
        if np.isfinite([x, y]).all() and x > 0 and y > 0:
            return (x, y), keyword
    return None, "unknown"
