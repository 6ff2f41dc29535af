"""DICOM X-ray images: values, window, polarity, spacing and frames by their attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

from .image import Radiograph, RadiographError, luminance, normalised, refuse_frame, refuse_size
from .polarity import shows_bone_dark

SECTIONAL = {"CT", "MR", "PT", "NM", "US", "OCT"}
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
CLIPPED = 0.1
"""Share of the image that a window may clip at one end before it is taken for a detail window and left out."""
DECODERS = {
    "1.2.840.10008.1.2.4.50": "Pillow or python-gdcm",
    "1.2.840.10008.1.2.4.51": "python-gdcm",
    "1.2.840.10008.1.2.4.57": "python-gdcm",
    "1.2.840.10008.1.2.4.70": "python-gdcm",
    "1.2.840.10008.1.2.4.80": "pyjpegls or python-gdcm",
    "1.2.840.10008.1.2.4.81": "pyjpegls or python-gdcm",
    "1.2.840.10008.1.2.4.90": "pylibjpeg and pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg and pylibjpeg-openjpeg",
}
"""Package that decodes a transfer syntax (UIDs of PS3.6 table A-1)."""


def looks_like_dicom(path: Path) -> bool:
    """Whether a file without the DICM prefix starts with DICOM elements of an image."""
    try:
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        return "Rows" in dataset and ("SOPClassUID" in dataset or "Modality" in dataset)
    except Exception:
        return False


def read_dicom(path: Path, frame: int, invert: bool | None) -> Radiograph:
    """One frame of a projection X-ray image; see :func:`read_radiograph`.

    Values go through the modality LUT or rescale, then the VOI LUT or the first window (PS3.3 C.11.1, C.11.2),
    unless that window clips more than a tenth of the image at one end: then the image's own range is kept, for
    the model sets its own windows and cannot bring back what was cut.
    """
    try:
        dataset = pydicom.dcmread(path, force=True, defer_size="1 MB")
    except (InvalidDicomError, OSError, ValueError, AttributeError, KeyError, EOFError) as error:
        raise RadiographError(f"{path}: is truncated or damaged DICOM ({error})") from error
    count = _refuse(path, dataset, frame)
    stored = _stored(path, dataset, frame)
    notes: list[str] = []
    if stored.ndim == 3:
        values, window = luminance(stored), (0.0, float(2 ** int(dataset.get("BitsStored", 8)) - 1))
        notes.append("colour turned to luminance")
    else:
        values = np.asarray(apply_modality_lut(stored, dataset), np.float32)
        values, window = _windowed(dataset, values, notes)
    if not np.isfinite(values).all():
        raise RadiographError(f"{path}: holds values that are no numbers (NaN or infinity)")
    pixels = normalised(values, *window)
    dark, reason = shows_bone_dark(dataset, pixels)
    if invert is not None:
        dark, reason = invert != (dataset.get("PhotometricInterpretation") == "MONOCHROME1"), "as asked"
    if dark:
        np.subtract(1, pixels, out=pixels)
    notes.append(f"{'inverted' if dark else 'kept'}: {reason}")
    spacing, source = _spacing(dataset)
    return Radiograph(
        pixels=pixels,
        spacing=spacing,
        spacing_source=source,
        frame=frame,
        frame_count=count,
        modality=dataset.get("Modality") or None,
        photometric=dataset.get("PhotometricInterpretation"),
        stored_range=(float(stored.min()), float(stored.max())),
        notes=tuple(notes),
    )


def _refuse(path: Path, dataset: Dataset, frame: int) -> int:
    """Refuse what is no projection image or cannot be as large as it says; returns the number of frames."""
    if "Rows" not in dataset or "Columns" not in dataset:
        raise RadiographError(f"{path}: is DICOM without an image (no Rows and Columns)")
    if not {"PixelData", "FloatPixelData", "DoubleFloatPixelData"} & {e.keyword for e in dataset}:
        raise RadiographError(f"{path}: is truncated, its pixel data are missing")
    width, height = int(dataset.Columns), int(dataset.Rows)
    refuse_size(path, width, height)
    count = int(dataset.get("NumberOfFrames") or 1)
    modality = dataset.get("Modality")
    if modality in SECTIONAL:
        what = f"a volume of {count} slices" if count > 1 else f"a slice of a {modality} study"
        raise RadiographError(
            f"{path}: is {what} ({modality}), not a projection X-ray image;"
            " render X-ray images of a CT with the DRR tools"
        )
    refuse_frame(path, frame, count)
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is None or not syntax.is_compressed:
        bits = int(dataset.get("BitsAllocated", 16))
        needed = width * height * int(dataset.get("SamplesPerPixel", 1)) * bits // 8 * count
        if path.stat().st_size < needed:
            raise RadiographError(
                f"{path}: declares {width} x {height} x {count} pixels ({needed:,} bytes), but the file has only"
                f" {path.stat().st_size:,}; it is truncated or damaged"
            )
    return count


def _stored(path: Path, dataset: Dataset, frame: int) -> np.ndarray:
    """Stored values of one frame, (H, W) or (H, W, 3) in RGB."""
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is None:
        dataset.file_meta = getattr(dataset, "file_meta", None) or pydicom.dataset.FileMetaDataset()
        syntax = dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    try:
        return pixel_array(dataset, index=frame)
    except Exception as error:
        if syntax.is_compressed:
            decoded = _decoded_by_itk(path, dataset, frame)
            if decoded is not None:
                return decoded
        message = " ".join(str(error).split())
        if "missing" in message and "dependencies" in message:
            package = DECODERS.get(str(syntax), "a pydicom decoder")
            raise RadiographError(
                f"{path}: no decoder for {syntax.name} is installed; install {package} with pip"
            ) from error
        raise RadiographError(
            f"{path}: its pixels cannot be decoded ({syntax.name}: {message[:200]})"
        ) from error


def _decoded_by_itk(path: Path, dataset: Dataset, frame: int) -> np.ndarray | None:
    """Stored values by SimpleITK's GDCM, which knows 12-bit JPEG; None where it cannot either.

    ITK's reader applies the rescale and turns MONOCHROME1 over its bits; both are undone here.
    """
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        image = reader.Execute()
    except RuntimeError:
        return None
    values = sitk.GetArrayFromImage(image)
    if image.GetDimension() == 3:
        values = values[frame]
    if values.shape[:2] != (int(dataset.Rows), int(dataset.Columns)):
        return None
    if values.ndim == 2:
        slope, intercept = (
            float(dataset.get("RescaleSlope") or 1),
            float(dataset.get("RescaleIntercept") or 0),
        )
        values = np.rint((values - intercept) / slope).astype(np.int32)
        if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
            values = (1 << int(dataset.BitsStored)) - 1 - values
    return values


def _windowed(
    dataset: Dataset, values: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Values and the range to show, after the VOI LUT or the window if they are fit for it."""
    low, high = float(values.min()), float(values.max())
    if dataset.get("VOILUTSequence"):
        notes.append("VOI LUT applied")
        shown = np.asarray(apply_voi_lut(values.astype(np.int32), dataset, prefer_lut=True), np.float32)
        return shown, (float(shown.min()), float(shown.max()))
    try:
        centre, width = (
            np.atleast_1d(np.asarray(dataset[k].value, float))[0] for k in ("WindowCenter", "WindowWidth")
        )
    except (KeyError, TypeError, ValueError, IndexError):
        notes.append("no window: full range")
        return values, (low, high)
    bottom, top = centre - width / 2, centre + width / 2
    clipped = max(np.mean(values < bottom), np.mean(values > top))
    if width < 1 or clipped > CLIPPED:
        notes.append(f"window {centre:g}/{width:g} clips {clipped:.0%} of the image: full range kept")
        return values, (low, high)
    notes.append(f"window {centre:g}/{width:g}")
    return values, (max(bottom, low), min(top, high))


def _spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, str]:
    """(x, y) mm a pixel and the attribute that states it; DICOM lists the row spacing (y) first."""
    for keyword in SPACINGS:
        try:
            y, x = (float(value) for value in dataset[keyword].value)
        except (KeyError, TypeError, ValueError):
            continue
        if np.isfinite([x, y]).all() and x > 0 and y > 0:
            return (x, y), keyword
    return None, "unknown"
