"""PNG, JPEG, TIFF and other plain pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from .image import (
    Radiograph,
    RadiographError,
    cause,
    luminance,
    normalised,
    own_range,
    refuse_frame,
    refuse_size,
)

WHITE_IS_ZERO = 0
BITS_PER_SAMPLE, PHOTOMETRIC, ORIENTATION = 258, 262, 274
"""Tags of TIFF 6.0; the orientation also stands in the EXIF data of photographs."""


def read_picture(path: Path, frame: int, invert: bool | None) -> Radiograph:
    """A picture as displayed, taken to show bone bright; alpha is dropped, colour becomes luminance.

    Eight bits keep the range 0 to 255; more are shown over the image's own range, for 10, 12 and 14 bits stand
    in 16. Resolution in dots per inch is that of a scanner or screen and no spacing. Pixels stay in stored
    order; a camera's turn is not applied.
    """
    notes = ["inverted as asked"] if invert else []
    try:
        with Image.open(path) as picture:
            refuse_size(path, *picture.size)
            count = getattr(picture, "n_frames", 1)
            refuse_frame(path, frame, count)
            picture.seek(frame)
            if picture.getexif().get(ORIENTATION, 1) != 1:
                notes.append("the file asks viewers to turn it; the pixels are as stored")
            values, mode = _sixteen_bit_colour(path, picture) or _grey(picture)
    except Image.DecompressionBombError as error:
        raise RadiographError(
            f"{path}: declares more pixels than any X-ray detector has ({cause(error)})"
        ) from error
    except UnidentifiedImageError as error:
        if path.read_bytes()[:2] not in (b"II", b"MM"):
            raise RadiographError(f"{path}: is damaged or no picture of a known kind") from error
        values, mode, count = _by_itk(path), "16-bit colour", 1
        refuse_frame(path, frame, count)
    except RadiographError:
        raise
    except Exception as error:
        raise RadiographError(f"{path}: is truncated or damaged ({cause(error)})") from error
    if not np.isfinite(values).all():
        raise RadiographError(f"{path}: holds values that are no numbers (NaN or infinity)")
    eight = values.dtype == np.uint8 or mode in ("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr")
    pixels = normalised(values, *((0, 255) if eight else own_range(values)))
    return Radiograph(
        1 - pixels if invert else pixels,
        frame=frame,
        frame_count=count,
        photometric=mode,
        stored_range=(float(values.min()), float(values.max())),
        notes=tuple(notes),
    )


def _grey(picture: Image.Image) -> tuple[np.ndarray, str]:
    """Values (H, W) of Pillow's picture, uint8 or wider, and its mode."""
    mode = picture.mode
    if mode in ("1", "L"):
        return np.asarray(picture.convert("L")), mode
    if mode in ("LA", "La"):
        return np.asarray(picture)[..., 0], mode
    if mode.startswith(("I", "F")):
        values = np.asarray(picture)
        tags = getattr(picture, "tag_v2", {})
        if mode.startswith("I;16") and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
            values = np.iinfo(np.uint16).max - values  # Pillow turns 8 bits itself, 16 it does not
        return values, mode
    return luminance(np.asarray(picture.convert("RGB"))), mode


def _sixteen_bit_colour(path: Path, picture: Image.Image) -> tuple[np.ndarray, str] | None:
    """Values of a PNG or one-page TIFF of 16 bits with colour or alpha, of which Pillow keeps 8; else None."""
    if picture.mode not in ("RGB", "RGBA", "LA") or getattr(picture, "n_frames", 1) > 1:
        return None
    if picture.format == "PNG":
        with path.open("rb") as file:
            bits = file.read(25)[24]  # ISO/IEC 15948 11.2.2
    else:
        bits = max(getattr(picture, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,)))
    return (_by_itk(path), "16-bit colour") if bits == 16 else None


def _by_itk(path: Path) -> np.ndarray:
    from .slice import slice_values

    return slice_values(path)[0]
