"""The one door: a path in, a :class:`Radiograph` out."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

from .image import Radiograph, RadiographError, cause
from .quiet import libraries_silent

PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM", b"GIF8")
VOLUMES = (".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".nii.gz", ".hdr", ".img")


def read_radiograph(path: Path | str, frame: int = 0, invert: bool | None = None) -> Radiograph:
    """Read one X-ray image: DICOM (CR, DX, MG, RF, XA, SC, any frame), PNG, JPEG, TIFF, or a 2-D NRRD,
    MetaImage or NIfTI.

    ``frame`` counts from 0. The result has bone bright; where a file does not say which way round it is, a
    displayed picture is believed to show bone bright, and ``invert`` True or False overrules: with it the
    displayed picture is inverted or left as it is. ``Radiograph.notes`` says what was decided.

    Raises :class:`RadiographError`, one line with the file and the cause, for what is no single X-ray image.
    """
    path = Path(path)
    head = _opened(path)
    try:
        with warnings.catch_warnings(), libraries_silent():
            warnings.simplefilter("ignore")  # what matters of them is in the error or in the notes
            return dataclasses.replace(_read(path, head, frame, invert), path=path)
    except RadiographError:
        raise
    except MemoryError as error:
        raise RadiographError(f"{path}: there is not enough memory to read it") from error
    except ImportError as error:
        package = (error.name or "a Python package").split(".")[0]
        raise RadiographError(
            f"{path}: {package} is needed to read it and is not installed; install it and try again"
        ) from error
    except Exception as error:  # damaged headers fail in as many ways as they have fields
        raise RadiographError(f"{path}: is damaged and cannot be read ({cause(error)})") from error


def check_kind(path: Path | str) -> None:
    """Raise :class:`RadiographError` for what cannot be opened, or is no kind of file that is read here.

    Nothing is decoded: a file that passes may still be damaged.
    """
    path = Path(path)
    _kind(path, _opened(path))


def _opened(path: Path) -> bytes:
    """The first bytes of a file."""
    try:
        if path.is_dir():
            raise RadiographError(f"{path}: is a folder; give one image file")
        if path.exists() and not path.is_file():
            raise RadiographError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise RadiographError(f"{path}: cannot be opened ({error.strerror or error})") from error
    except ValueError as error:
        raise RadiographError(f"{path!r}: is no file name ({error})") from error
    if not head:
        raise RadiographError(f"{path}: the file is empty")
    return head


def _read(path: Path, head: bytes, frame: int, invert: bool | None) -> Radiograph:
    kind = _kind(path, head)
    if kind == "DICOM":
        from .dicom import read_dicom

        return read_dicom(path, frame, invert)
    if kind == "picture":
        from .picture import read_picture

        return read_picture(path, frame, invert)
    from .slice import read_slice

    return read_slice(path, frame, invert)


def _kind(path: Path, head: bytes) -> str:
    """ "DICOM", "picture" or "volume". Raises RadiographError for what is none of them."""
    if head[128:132] == b"DICM":
        return "DICOM"
    if head.startswith(PICTURES):
        return "picture"
    if path.name.lower().endswith(VOLUMES) or head.startswith((b"NRRD", b"ObjectType", b"NDims")):
        return "volume"
    from .dicom import looks_like_dicom

    if looks_like_dicom(path):
        return "DICOM"
    raise RadiographError(
        f"{path}: is no image that can be read here; DICOM, PNG, JPEG, TIFF, NRRD, MetaImage and NIfTI can"
    )
