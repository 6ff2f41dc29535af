"""What a radiograph is, whatever file it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


class RadiographError(Exception):
    """A file that cannot be used as a radiograph; the message names the file and the cause."""


LARGEST_IMAGE = 120_000_000
"""Pixels above which a declared size is taken for damage: a 35 x 43 cm film scanned at 600 dpi has 84 million,
the largest detectors about 20."""


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One X-ray image.

    ``pixels`` float32 (H, W) in [0, 1], bone bright, row 0 at the top as displayed. ``spacing`` is (x, y) in mm
    per pixel, None where the file has none; ``spacing_source`` says where it came from: a DICOM attribute's
    keyword, "file header" or "unknown". ImagerPixelSpacing is measured at the detector, so lengths in the
    patient are magnified by the projection. ``stored_range`` are the least and greatest stored values of the
    frame, ``notes`` say in words what was decided on the way (window, polarity).
    """

    pixels: np.ndarray
    spacing: tuple[float, float] | None = None
    spacing_source: str = "unknown"
    path: Path | None = None
    frame: int = 0
    frame_count: int = 1
    modality: str | None = None
    photometric: str | None = None
    stored_range: tuple[float, float] = (0.0, 1.0)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape


def refuse_size(path: Path, width: int, height: int) -> None:
    """Raise :class:`RadiographError` for a declared size that no detector has."""
    if width < 1 or height < 1:
        raise RadiographError(f"{path}: the image is empty ({width} x {height} pixels)")
    if width * height > LARGEST_IMAGE:
        raise RadiographError(
            f"{path}: declares {width} x {height} pixels, more than any X-ray detector has; the file is damaged"
        )


def refuse_frame(path: Path, frame: int, count: int) -> None:
    """Raise :class:`RadiographError` unless 0 <= frame < count; what it says counts from 1, as viewers do."""
    if not 0 <= frame < count:
        known = "one frame only" if count == 1 else f"{count} frames, numbered 1 to {count}"
        raise RadiographError(f"{path}: has no frame {frame + 1}; it holds {known}")


def cause(error: BaseException) -> str:
    """What an error says, in one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def own_range(values: np.ndarray) -> tuple[float, float]:
    """Least and greatest value, but for outliers (dead pixels, markers of 65535).

    Values further from the central 99.8 % than a quarter of its width are left out; an image of one value
    with outliers keeps them.
    """
    low, high = float(values.min()), float(values.max())
    sample = values.ravel()[:: values.size // 1_000_000 + 1]
    inner, outer = (float(edge) for edge in np.percentile(sample, (0.1, 99.9)))
    margin = (outer - inner) / 4
    return (max(low, inner - margin), min(high, outer + margin)) if margin > 0 else (low, high)


def normalised(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values as float32 with ``low`` at 0 and ``high`` at 1, clipped; all zero where they are equal."""
    if not high > low:
        return np.zeros(values.shape, np.float32)
    scaled = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(scaled, 0, 1, out=scaled)


def luminance(colour: np.ndarray) -> np.ndarray:
    """Grey float32 (H, W) of an (H, W, 3 or more) image by ITU-R BT.709; equal channels pass unchanged."""
    colour = colour[..., :3].astype(np.float32)
    return colour @ np.array([0.2126, 0.7152, 0.0722], np.float32)
