"""Volume files to arrays with their grid, through SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .errors import VolumeError


def read_volume(path: str | Path, series: str | None = None):
    """(voxels (K, J, I), origin, spacing, direction 3x3), LPS mm, of a file or a DICOM folder.

    Raises VolumeError with the path and the cause.
    """
    import SimpleITK as sitk

    path = Path(path)
    if not path.exists():
        raise VolumeError(f"{path}: no such file or folder")
    try:
        image = _read_series(path, series) if path.is_dir() else sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise VolumeError(f"{path}: not a readable volume ({_cause(error)})") from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise VolumeError(
            f"{path}: has {image.GetNumberOfComponentsPerPixel()} values a voxel (colour or overlapping "
            "segments); export one layer as a label map"
        )
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        raise VolumeError(f"{path}: is {image.GetDimension()}-D; a 3-D volume is needed")
    direction = np.array(image.GetDirection()).reshape(3, 3)
    return sitk.GetArrayFromImage(image), image.GetOrigin(), image.GetSpacing(), direction


def _read_series(folder: Path, series: str | None):
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    found = reader.GetGDCMSeriesIDs(str(folder))
    if not found:
        raise VolumeError(f"{folder}: holds no DICOM series")
    if series is None and len(found) > 1:
        counts = ", ".join(
            f"{uid} ({len(reader.GetGDCMSeriesFileNames(str(folder), uid))} files)" for uid in found
        )
        raise VolumeError(f"{folder}: holds {len(found)} DICOM series; choose one of {counts}")
    chosen = series or found[0]
    files = reader.GetGDCMSeriesFileNames(str(folder), chosen)
    if not files:
        raise VolumeError(f"{folder}: has no DICOM series {chosen}")
    reader.SetFileNames(files)
    reader.MetaDataDictionaryArrayUpdateOn()
    image = reader.Execute()
    _check_slice_gaps(folder, reader, len(files))
    return image


def _check_slice_gaps(folder: Path, reader, count: int) -> None:
    """Refuse a series with missing slices: SimpleITK would close the gap without a word."""
    tag = "0020|0032"
    if count < 3 or not all(reader.HasMetaDataKey(index, tag) for index in range(count)):
        return
    positions = np.array(
        [[float(part) for part in reader.GetMetaData(index, tag).split("\\")] for index in range(count)]
    )
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    if np.ptp(steps) > 0.05 * np.median(steps):
        raise VolumeError(
            f"{folder}: slices are {steps.min():.3g} to {steps.max():.3g} mm apart; "
            "slices are missing or belong to several scans"
        )


def _cause(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "unknown cause"
