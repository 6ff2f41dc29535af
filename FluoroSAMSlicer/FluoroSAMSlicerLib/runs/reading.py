"""Runs from files: a multi-frame DICOM image, a TIFF or GIF of several pages, a folder of frames."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..radiograph import Radiograph, RadiographError, read_radiograph
from ..radiograph.dicom import DicomFrames, looks_like_dicom
from ..radiograph.dicom_prefix import is_dicom
from .cine import frame_times, shutter, subtractions
from .errors import RunError
from .run import Run

FRAME_ENDINGS = (".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
"""Files of a folder that are frames; those without an ending are, if they are DICOM."""


def open_run(path: str | Path, invert: bool | None = None) -> Run:
    """The run in a file or folder; its frames are read when asked for, as `read_radiograph` reads them.

    A folder's frames are in the order of their DICOM instance numbers, or else of their names, numbers in them
    counted as numbers. Raises RadiographError, and `RunError` for what is one frame only.
    """
    place = Path(path)
    if place.is_dir():
        return _folder(place, invert)
    if _is_dicom(place):
        return _dicom(place, invert)
    first = read_radiograph(place, 0, invert)
    _refuse_single(place, first.frame_count)
    return Run(place.name, first.frame_count, lambda frame: read_radiograph(place, frame, invert))


def _dicom(path: Path, invert: bool | None) -> Run:
    frames = DicomFrames(path)
    _refuse_single(path, frames.count)
    header, count = frames.header, frames.count
    times = frame_times(header, count)
    shown = shutter(header, int(header.Rows), int(header.Columns))
    asked = subtractions(header, count)
    notes = [] if times else ["the file does not say when its frames were taken"]
    if shown is not None:
        notes.append(f"the shutter hides {1 - shown.mean():.0%} of every frame")
    for one in asked:
        listed = ", ".join(str(frame + 1) for frame in one.masks) or "those before"
        notes.append(f"made for subtraction ({one.operation}, mask: {listed}); frames are taken unsubtracted")
    return Run(path.name, count, _reader(path, frames, invert), times, shown, asked, tuple(notes))


def _reader(path: Path, frames: DicomFrames, invert: bool | None) -> Callable[[int], Radiograph]:
    import warnings
    from dataclasses import replace

    from ..radiograph.image import cause
    from ..radiograph.quiet import libraries_silent

    def read(frame: int) -> Radiograph:
        try:
            with warnings.catch_warnings(), libraries_silent():
                warnings.simplefilter("ignore")
                return replace(frames.radiograph(frame, invert), path=path)
        except (RadiographError, MemoryError):
            raise
        except Exception as error:  # damaged frames fail in as many ways as there are codecs
            raise RadiographError(f"{path}: frame {frame + 1} cannot be read ({cause(error)})") from error

    return read


def _folder(folder: Path, invert: bool | None) -> Run:
    files = sorted((one for one in folder.iterdir() if _is_frame(one)), key=_natural)
    if not files:
        raise RunError(f"{folder}: holds no frames; a run is DICOM, PNG, JPEG or TIFF files, one a frame.")
    if len(files) == 1:
        raise RunError(f"{folder}: holds one image only ({files[0].name}); segment it as an image.")
    times: tuple[float, ...] = ()
    if all(_is_dicom(one) for one in files):
        numbers = [_instance_number(one) for one in files]
        if None not in numbers and len(set(numbers)) == len(numbers):
            files = [one for _, one in sorted(zip(numbers, files, strict=True))]
        times = frame_times(DicomFrames(files[0]).header, len(files))

    def read(frame: int) -> Radiograph:
        from dataclasses import replace

        one = read_radiograph(files[frame], 0, invert)
        return replace(one, frame=frame, frame_count=len(files))

    return Run(folder.name, len(files), read, times)


def _refuse_single(path: Path, count: int) -> None:
    if count < 2:
        raise RunError(f"{path}: holds one frame only; segment it as an image.")


def _is_frame(path: Path) -> bool:
    if not path.is_file() or path.name.startswith("."):
        return False
    return path.suffix.lower() in FRAME_ENDINGS or is_dicom(path)


def _is_dicom(path: Path) -> bool:
    return is_dicom(path) or (path.suffix.lower() in (".dcm", ".dicom", ".ima") and looks_like_dicom(path))


def _instance_number(path: Path) -> int | None:
    import pydicom

    try:
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=["InstanceNumber"])
        return int(header.InstanceNumber)
    except Exception:
        return None


def _natural(path: Path) -> list:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
