"""The series of slices among the DICOM files of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from ..radiograph.dicom_prefix import is_dicom
from .errors import VolumeError

HEADER = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription", "SeriesNumber", "Modality",
    "ImageType", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
    "NumberOfFrames", "InstanceNumber",
)  # fmt: skip
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MOST_FILES = 100_000
MOST_SCOUTS = 3


@dataclass(eq=False)
class Series:
    """The files of one Series Instance UID; ``scouts`` are its localizers, ``doubles`` what is there twice."""

    uid: str
    description: str = ""
    number: str = ""
    modality: str = ""
    headers: list = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    scouts: int = 0
    doubles: int = 0

    @property
    def slices(self) -> int:
        return sum(int(header.get("NumberOfFrames") or 1) for header in self.headers)

    def keep(self, wanted: Sequence[bool]) -> None:
        """Forget the files that are not ``wanted``."""
        self.headers = [one for one, kept in zip(self.headers, wanted, strict=True) if kept]
        self.files = [one for one, kept in zip(self.files, wanted, strict=True) if kept]

    def __str__(self) -> str:
        what = f"{self.slices} slices" if self.slices != 1 else "1 slice"
        if not self.slices and self.scouts:
            what = "1 localizer" if self.scouts == 1 else f"{self.scouts} localizers"
        title = f", {self.description!r}" if self.description else ""
        return f"{self.uid} ({self.modality or 'no modality'}, {what}{title})"


def series_in(folder: Path) -> list[Series]:
    """The image series among the files of a folder and those within it, those with most slices first.

    Localizers are told by their headers (:func:`is_localizer`), or by lying across the other slices of the series.
    """
    from ..radiograph.dicom import is_localizer, modality_of

    found: dict[str, Series] = {}
    instances: dict[str, set[str]] = {}
    files = sorted(islice((file for file in folder.rglob("*") if file.is_file()), MOST_FILES + 1))
    if len(files) > MOST_FILES:
        raise VolumeError(f"{folder}: holds more than {MOST_FILES:,} files; give the folder of one CT")
    for path in files:
        header = header_of(path)
        if header is None or "Rows" not in header or "SeriesInstanceUID" not in header:
            continue
        uid = str(header.SeriesInstanceUID)
        series = found.setdefault(uid, Series(uid))
        series.description = series.description or str(header.get("SeriesDescription") or "").strip()
        series.modality = series.modality or modality_of(header) or ""
        instance = str(header.get("SOPInstanceUID") or path)
        if instance in instances.setdefault(uid, set()):
            series.doubles += 1
        elif is_localizer(header):
            series.scouts += 1
        else:
            series.headers.append(header)
            series.files.append(path)
        instances[uid].add(instance)
    for series in found.values():
        _leave_out_scouts(series)
    return sorted(found.values(), key=lambda series: (-series.slices, series.uid))


def _leave_out_scouts(series: Series) -> None:
    """Count the few images that lie across the others as localizers, all where no two lie alike.

    Screens that were saved into the series (secondary captures without a place) are no slices either.
    """
    placed = ["ImagePositionPatient" in header for header in series.headers]
    captures = [str(header.get("SOPClassUID")).startswith(SECONDARY_CAPTURE) for header in series.headers]
    if any(placed):
        series.keep([place or not capture for place, capture in zip(placed, captures, strict=True)])
    turns = [numbers_of(header.get("ImageOrientationPatient"), 6) for header in series.headers]
    if len(turns) < 2 or None in turns:
        return
    cosines = np.array(turns)
    normals = np.cross(cosines[:, :3], cosines[:, 3:])
    alike = np.abs(normals @ normals.T) > np.cos(np.radians(45))
    most = alike[alike.sum(axis=1).argmax()]
    scouts = ~most if most.sum() > 1 else np.ones(len(most), bool)
    if 0 < scouts.sum() <= MOST_SCOUTS and (most.sum() > 2 * scouts.sum() or scouts.all()):
        series.scouts += int(scouts.sum())
        series.keep(~scouts)


def numbers_of(value, count: int) -> list[float] | None:
    try:
        numbers = [float(part) for part in value]
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None


def header_of(path: Path):
    import pydicom

    try:
        return pydicom.dcmread(
            path, stop_before_pixels=True, specific_tags=list(HEADER), force=not is_dicom(path)
        )
    except Exception:
        return None
