"""CTs from DICOM: a folder with series of slices, or a file of many frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .dicom_series import Series, header_of, numbers_of, series_in
from .errors import VolumeError
from .slices import Stack, stacked

AIR_HU = -1000
METAL_HU = 3071


def read_dicom_volume(path: Path, series: str | None, any_modality: bool):
    """(voxels, origin, spacing, direction) of the CT in a folder or a file; see :func:`read_volume`."""
    chosen = _chosen(path, series) if path.is_dir() else _single(path)
    if chosen.modality != "CT" and not any_modality:
        kind = f"of modality {chosen.modality}" if chosen.modality else "without a modality"
        raise VolumeError(
            f"{path}: is {kind}, not CT; give --any-modality where its values are Hounsfield units"
        )
    try:
        if len(chosen.headers) == 1 and int(chosen.headers[0].get("NumberOfFrames") or 1) > 1:
            voxels, stack = _frames(chosen.files[0])
        else:
            voxels, stack = _slices(chosen)
    except VolumeError as error:
        raise VolumeError(f"{path}: {error}") from error
    return voxels, stack.origin, stack.spacing, stack.direction


def _chosen(folder: Path, uid: str | None) -> Series:
    """The only volume of a folder, or the series that was asked for."""
    found = series_in(folder)
    if not found:
        raise VolumeError(f"{folder}: holds no DICOM series")
    listing = "; ".join(map(str, found))
    if uid is not None:
        chosen = [one for one in found if one.uid == uid or (uid and one.uid.endswith(f".{uid}"))]
        if len(chosen) != 1:
            raise VolumeError(f"{folder}: has no DICOM series {uid}; there are {listing}")
        return chosen[0]
    volumes = [one for one in found if one.slices > 1]
    cts = [one for one in volumes if one.modality == "CT"] or volumes
    if len(cts) > 1:
        raise VolumeError(
            f"{folder}: holds {len(cts)} volumes; choose one with --series UID (its end is enough): {listing}"
        )
    if not cts and len(found) > 1:
        raise VolumeError(f"{folder}: holds no volume, only single images: {listing}")
    return (cts or found)[0]


def _single(path: Path) -> Series:
    from ..radiograph.dicom import is_localizer, modality_of

    header = header_of(path)
    if header is None or "Rows" not in header:
        raise VolumeError(f"{path}: is DICOM without an image, truncated or damaged")
    series = Series(str(header.get("SeriesInstanceUID") or ""), modality=modality_of(header) or "")
    if is_localizer(header):
        raise VolumeError(
            f"{path}: is a localizer (a projection), not a volume; give the folder of the CT's slices"
        )
    if int(header.get("NumberOfFrames") or 1) < 2:
        raise VolumeError(f"{path}: is one single slice; give the folder that holds all slices of the CT")
    series.headers, series.files = [header], [path]
    return series


def _slices(series: Series) -> tuple[np.ndarray, Stack]:
    headers, files = series.headers, series.files
    if not files:
        raise VolumeError("holds nothing but localizers; give the series of the slices")
    if any(int(header.get("NumberOfFrames") or 1) > 1 for header in headers):
        raise VolumeError("mixes single slices and files of many frames; keep one kind in the folder")
    _same_size(headers)
    keywords = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    for keyword, numbers in zip(keywords, (3, 6, 2), strict=True):
        bad = sum(numbers_of(header.get(keyword), numbers) is None for header in headers)
        if bad:
            raise VolumeError(
                f"{bad} of {len(headers)} slices have no {keyword}, so that their place is not known"
            )
    stack = stacked(
        *(
            [numbers_of(header.get(keyword), numbers) for header in headers]
            for keyword, numbers in zip(keywords, (3, 6, 2), strict=True)
        )
    )
    voxels = None
    for place, index in enumerate(stack.order):
        plane = _plane(_dataset(files[index]), files[index], 0)
        if voxels is None:
            voxels = np.empty((len(files), *plane.shape), np.int16)
        if plane.shape != voxels.shape[1:]:
            raise VolumeError("its slices differ in size")
        voxels[place] = plane
    return voxels, stack


def _frames(path: Path) -> tuple[np.ndarray, Stack]:
    """An enhanced CT (PS3.3 A.38): place and rescale of each frame from its functional groups."""
    dataset = _dataset(path)
    count = int(dataset.NumberOfFrames)
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if len(own) != count:
        raise VolumeError(
            f"says that it has {count} frames and describes {len(own)} (functional groups are missing);"
            " export it anew, or as single slices"
        )

    def group(frame: int, name: str):
        found = own[frame].get(name) or (shared.get(name) if shared is not None else None)
        return found[0] if found else None

    wanted = (
        ("PlanePositionSequence", "ImagePositionPatient", 3),
        ("PlaneOrientationSequence", "ImageOrientationPatient", 6),
        ("PixelMeasuresSequence", "PixelSpacing", 2),
    )
    columns = []
    for name, keyword, numbers in wanted:
        groups = [group(frame, name) for frame in range(count)]
        values = [None if one is None else numbers_of(one.get(keyword), numbers) for one in groups]
        missing = sum(value is None for value in values)
        if missing:
            raise VolumeError(
                f"{missing} of {count} frames have no {keyword} in their functional groups;"
                " export it anew, or as single slices"
            )
        columns.append(values)
    stack = stacked(*columns, what="frames")
    planes = []
    for frame in stack.order:
        transform = group(frame, "PixelValueTransformationSequence")
        planes.append(_plane(dataset, path, frame, transform))
    return np.stack(planes), stack


def _plane(dataset, path: Path, frame: int, transform=None) -> np.ndarray:
    """HU (H, W) int16 of one slice: Rescale Slope and Intercept of the slice's own, or of ``transform``.

    Padding that would count as matter, in the corners or denser than bone, becomes air.
    """
    from ..radiograph import RadiographError
    from ..radiograph.decoding import stored_values

    try:
        stored, padding = stored_values(path, dataset, frame)
    except RadiographError as error:
        raise VolumeError(str(error).replace(str(path), path.name, 1)) from error
    if stored.ndim != 2:
        raise VolumeError(f"{path.name} is a colour picture, no slice of a CT")
    source = dataset if transform is None else transform
    slope, intercept = (
        1.0 if source.get("RescaleSlope") is None else float(source.RescaleSlope),
        0.0 if source.get("RescaleIntercept") is None else float(source.RescaleIntercept),
    )
    if not np.isfinite([slope, intercept]).all() or slope == 0:
        raise VolumeError(f"{path.name} has a rescale slope of {slope:g}; its values are no HU")
    hu = stored * slope + intercept
    if not np.isfinite(hu).all():
        raise VolumeError(f"{path.name} holds values that are not finite (NaN or infinite)")
    if padding is not None:
        at_corners = padding[[0, 0, -1, -1], [0, -1, 0, -1]].any()
        hu[padding & (hu > AIR_HU) & (at_corners | (hu > METAL_HU))] = AIR_HU
    limits = np.iinfo(np.int16)
    return np.clip(np.rint(hu), limits.min, limits.max).astype(np.int16)


def _same_size(headers: Sequence) -> None:
    sizes = {(int(header.Columns), int(header.Rows)) for header in headers}
    if len(sizes) > 1:
        listed = ", ".join(f"{width} x {height}" for width, height in sorted(sizes))
        raise VolumeError(f"its slices differ in size ({listed} pixels); they belong to several scans")


def _dataset(path: Path):
    import pydicom

    try:
        dataset = pydicom.dcmread(path, force=True)
    except Exception as error:
        raise VolumeError(f"{path.name} is truncated or damaged ({error})") from error
    if "PixelData" not in dataset or not all(
        name in dataset for name in ("Rows", "Columns", "BitsAllocated")
    ):
        raise VolumeError(f"{path.name} is truncated, its pixel data are missing")
    return dataset
