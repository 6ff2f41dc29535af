"""PNG, JPEG, TIFF and other plain pictures."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from .image import Radiograph, RadiographError, luminance, normalised, refuse_frame, refuse_size


def read_picture(path: Path, frame: int, invert: bool | None) -> Radiograph:
    """A picture's grey values over the full range of its type; alpha is dropped, colour becomes luminance."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                refuse_size(path, *picture.size)
                count = getattr(picture, "n_frames", 1)
                refuse_frame(path, frame, count)
                picture.seek(frame)
                values, top, mode = _grey(picture)
    except Image.DecompressionBombError as error:
        raise RadiographError(
            f"{path}: declares more pixels than any X-ray detector has ({error})"
        ) from error
    except UnidentifiedImageError as error:
        raise RadiographError(f"{path}: is damaged or no picture of a known kind") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise RadiographError(f"{path}: is truncated or damaged ({error})") from error
    pixels = normalised(values, *((0, top) if top else _span(path, values)))
    return Radiograph(
        1 - pixels if invert else pixels,
        frame=frame,
        frame_count=count,
        photometric=mode,
        stored_range=(float(values.min()), float(values.max())),
        notes=("inverted as asked",) if invert else (),
    )


def _grey(picture: Image.Image) -> tuple[np.ndarray, float, str]:
    """Values (H, W), the greatest value of their type (0: take the image's own range), and Pillow's mode."""
    mode = picture.mode
    if mode in (
        "1",
        "L",
        "LA",
        "La",
        "P",
        "PA",
        "RGB",
        "RGBA",
        "RGBa",
        "RGBX",
        "CMYK",
        "YCbCr",
        "LAB",
        "HSV",
    ):
        if mode in ("1", "L"):
            return np.asarray(picture.convert("L")), 255.0, mode
        if mode in ("LA", "La"):
            return np.asarray(picture)[..., 0], 255.0, mode
        return luminance(np.asarray(picture.convert("RGB"))), 255.0, mode
    values = np.asarray(picture)
    sixteen = mode.startswith("I;16") or (mode == "I" and values.min() >= 0 and values.max() <= 65535)
    return values, 65535.0 if sixteen and values.max() > 4095 else 0.0, mode


def _span(path: Path, values: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(values).all():
        raise RadiographError(f"{path}: holds values that are no numbers (NaN or infinity)")
    return float(values.min()), float(values.max())
