"""Stored pixel values of a DICOM frame, whatever its transfer syntax."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array
from pydicom.uid import UID, ImplicitVRLittleEndian

from .image import RadiographError, cause
from .quiet import libraries_silent
from .stored_bits import samples

DECODERS = {
    "1.2.840.10008.1.2.4.50": "Pillow or python-gdcm",
    "1.2.840.10008.1.2.4.51": "Pillow or python-gdcm",
    "1.2.840.10008.1.2.4.57": "python-gdcm",
    "1.2.840.10008.1.2.4.70": "python-gdcm",
    "1.2.840.10008.1.2.4.80": "pyjpegls or python-gdcm",
    "1.2.840.10008.1.2.4.81": "pyjpegls or python-gdcm",
    "1.2.840.10008.1.2.4.90": "pylibjpeg and pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg and pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg and pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg and pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg and pylibjpeg-openjpeg",
}
"""Package that decodes a transfer syntax (UIDs of PS3.6 table A-1); RLE and what is not compressed need none."""


def transfer_syntax(dataset: Dataset) -> UID:
    """The file's transfer syntax; implicit little endian, DICOM's default, where the file has no meta header."""
    meta = getattr(dataset, "file_meta", None)
    return UID(getattr(meta, "TransferSyntaxUID", None) or ImplicitVRLittleEndian)


def stored_values(path: Path, dataset: Dataset, frame: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Stored values of one frame, (H, W), or (H, W, 3) in RGB for colour, and where it is padding, bool (H, W).

    Which bits of a word are its value, and which values are padding, is told by :func:`samples`. Raises
    :class:`RadiographError` for data that do not decode and for a decoder that is not installed.
    """
    with libraries_silent():
        words = _decoded(path, dataset, frame)
    return samples(words, dataset)


def _decoded(path: Path, dataset: Dataset, frame: int) -> np.ndarray:
    syntax = transfer_syntax(dataset)
    if "TransferSyntaxUID" not in (getattr(dataset, "file_meta", None) or {}):
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
    try:
        values = _by_plugins(_source(path, dataset), syntax, frame)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            values = apply_color_lut(values, dataset)[..., :3]
        return values
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # the RLE decoder's Rust panics are no Exception
        reason = cause(error)
        missing = "missing" in reason and "dependencies" in reason
        if missing or "12-bit precision" in reason:
            decoded = _decoded_by_itk(path, dataset, frame)
            if decoded is not None:
                return decoded
        if missing:
            package = DECODERS.get(str(syntax), "a decoder for pydicom")
            raise RadiographError(
                f"{path}: no decoder for {syntax.name} is installed; install {package} with pip"
            ) from error
        raise RadiographError(
            f"{path}: its pixels cannot be decoded, it is truncated or damaged ({syntax.name}: {reason})"
        ) from error


def _source(path: Path, dataset: Dataset) -> Path | Dataset:
    """What a decoder reads from: the file itself where it holds several frames, of which only one is wanted."""
    several = int(dataset.get("NumberOfFrames") or 1) > 1
    if several and getattr(dataset, "preamble", None) and "PixelData" in dataset:
        return path
    return dataset


def _by_plugins(source: Path | Dataset, syntax: UID, frame: int) -> np.ndarray:
    """One frame by the first of pydicom's decoders that takes it.

    GDCM comes last, and only where there is no other: damaged code streams make it end the whole process.
    """
    options = {"index": frame, "correct_unused_bits": False}
    if not syntax.is_encapsulated:
        return pixel_array(source, **options)
    try:
        plugins = get_decoder(syntax).available_plugins
    except NotImplementedError:
        plugins = ()
    safe = sorted((name for name in plugins if name != "gdcm"), key=lambda name: name == "pillow")
    failure: BaseException | None = None
    for name in safe:
        try:
            return pixel_array(source, decoding_plugin=name, **options)
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return pixel_array(source, **options)


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
        slope = float(dataset.get("RescaleSlope") or 1)
        intercept = float(dataset.get("RescaleIntercept") or 0)
        values = np.rint((values - intercept) / slope).astype(np.int32)
        if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
            values = (1 << int(dataset.BitsStored)) - 1 - values
    return values
