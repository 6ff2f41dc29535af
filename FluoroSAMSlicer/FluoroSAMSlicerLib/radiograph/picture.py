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
from .rewritten import grey_alpha_as_rgba, tiff_as_stored
from .tiff import ORIENTATION, TiffPage, read_wide_page

TURNS = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""From stored pixels (H, W) to the picture as displayed, by orientation (TIFF 6.0, EXIF 2.3 4.6.4 A)."""
SCREEN_GAMMA = 2.2
GREY_ALPHA, COLOUR, COLOUR_ALPHA = 4, 2, 6


def read_picture(path: Path, frame: int, invert: bool | None) -> Radiograph:
    """A picture as displayed, taken to show bone bright; alpha is dropped, colour becomes luminance.

    Eight bits keep the range 0 to 255; more are shown over the image's own range, for 10, 12 and 14 bits stand
    in 16. Resolution in dots per inch is that of a scanner or screen and no spacing. A turn that EXIF or TIFF
    asks for is made: rows and columns are those of the picture as displayed. A PNG's gamma is applied unless it
    is that of ordinary screens. The notes say so.
    """
    notes = ["inverted as asked"] if invert else []
    gamma = None
    try:
        wide = _tiff(path, frame)
        if wide:
            values, mode, count, asked = wide.values, wide.kind, wide.count, wide.orientation
        else:
            with Image.open(path) as picture:
                refuse_size(path, *picture.size)
                count = getattr(picture, "n_frames", 1)
                refuse_frame(path, frame, count)
                picture.seek(frame)
                asked = int(picture.getexif().get(ORIENTATION, 1) or 1)
                gamma = _gamma(picture)
                values, mode = _sixteen_bit_png(path, picture) or _grey(
                    _as_stored(path, picture, frame, asked)
                )
        if asked in TURNS:
            values = np.ascontiguousarray(TURNS[asked](values))
            notes.append(f"turned as the file asks (orientation {asked}); pixels count in the turned picture")
    except Image.DecompressionBombError as error:
        raise RadiographError(
            f"{path}: declares more pixels than any X-ray detector has ({cause(error)})"
        ) from error
    except UnidentifiedImageError as error:
        raise RadiographError(f"{path}: is damaged or no picture of a known kind") from error
    except RadiographError:
        raise
    except Exception as error:
        raise RadiographError(f"{path}: is truncated or damaged ({cause(error)})") from error
    if not np.isfinite(values).all():
        raise RadiographError(f"{path}: holds values that are no numbers (NaN or infinity)")
    eight = values.dtype == np.uint8 or mode in ("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr")
    if gamma:
        top = 255 if eight else 65535
        values = np.float32(top) * (
            np.clip(values, 0, top).astype(np.float32) / np.float32(top)
        ) ** np.float32(gamma)
        notes.append(f"gamma applied (exponent {gamma:.3g})")
    pixels = normalised(values, *((0, 255) if eight else own_range(values)))
    return Radiograph(
        1 - pixels if invert else pixels,
        frame=frame,
        frame_count=count,
        photometric=mode,
        stored_range=(float(values.min()), float(values.max())),
        notes=tuple(notes),
    )


def _tiff(path: Path, frame: int) -> TiffPage | None:
    """The page of a TIFF that Pillow gets wrong or cannot read; None for all else."""
    with path.open("rb") as file:
        if file.read(2) not in (b"II", b"MM"):
            return None
    try:
        with Image.open(path):
            known = True
    except UnidentifiedImageError:
        known = False
    return read_wide_page(path, frame, any_width=not known)


def _as_stored(path: Path, picture: Image.Image, frame: int, asked: int) -> Image.Image:
    """The picture with its pixels in stored order; other formats than TIFF have them so."""
    if picture.format != "TIFF" or asked not in TURNS:
        return picture
    stored = Image.open(tiff_as_stored(path))
    stored.seek(frame)
    return stored


def _gamma(picture: Image.Image) -> float | None:
    """The exponent that brings a PNG's samples to an ordinary screen's, 1 / (2.2 gAMA); None where it is 1.

    ISO/IEC 15948 11.3.3.2 and 13.13; sRGB and ICC profiles overrule gAMA.
    """
    gamma = picture.info.get("gamma")
    if picture.format != "PNG" or not gamma or {"srgb", "icc_profile"} & picture.info.keys():
        return None
    exponent = 1 / (SCREEN_GAMMA * float(gamma))
    return exponent if 0.1 < exponent < 10 and abs(exponent - 1) > 0.03 else None


def _grey(picture: Image.Image) -> tuple[np.ndarray, str]:
    """Values (H, W) of Pillow's picture, uint8 or wider, and its mode."""
    mode = picture.mode
    if mode in ("1", "L"):
        return np.asarray(picture.convert("L")), mode
    if mode in ("LA", "La"):
        return np.asarray(picture)[..., 0], mode
    if mode.startswith(("I", "F")):
        return np.asarray(picture), mode
    return luminance(np.asarray(picture.convert("RGB"))), mode


def _sixteen_bit_png(path: Path, picture: Image.Image) -> tuple[np.ndarray, str] | None:
    """Values of a PNG of 16 bits with colour or alpha, of which Pillow keeps 8; None for all else."""
    if picture.format != "PNG":
        return None
    with path.open("rb") as file:
        bits, kind = file.read(26)[24:26]  # ISO/IEC 15948 11.2.2
    if bits != 16 or kind not in (GREY_ALPHA, COLOUR, COLOUR_ALPHA):
        return None
    if kind == GREY_ALPHA:
        with Image.open(grey_alpha_as_rgba(path)) as apart:
            pairs = np.asarray(apart).astype(np.uint16)
        return pairs[..., 0] << 8 | pairs[..., 1], "16-bit grey with alpha"
    from .slice import slice_values

    return slice_values(path)[0], "16-bit colour"
