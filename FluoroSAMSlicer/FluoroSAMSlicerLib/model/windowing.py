"""Three-channel intensity windowing: the whole range, the darker and the brighter of two clusters."""

from __future__ import annotations

from math import gcd

import numpy as np

from .errors import ModelError

SAMPLES = 1000
"""Pixels that the clustering looks at, about."""
FEWEST_COLUMNS = 16
"""A constant stride through the rows that visits fewer columns than this does not see the whole image."""


def window(image: np.ndarray, centres: tuple[float, float] | None = None) -> np.ndarray:
    """An image (H, W) as the three channels (3, H, W) float32 that the network reads.

    Channel 0 is the full range mapped to 0..1. Channels 1 and 2 stretch the darker and the brighter cluster
    of the intensities over 0.1..0.9 and press the rest into the remaining tenths. ``centres`` are the two
    cluster centres in ascending order, computed by :func:`two_means` when not given. The result does not
    depend on the image's scale and offset. A constant image gives zero and twice its own values.

    Raises :class:`ModelError` for an image that is not two-dimensional, is empty or is not finite.
    """
    image = np.asarray(image, dtype=np.float32)
    if image.ndim != 2 or image.size == 0:
        raise ModelError(f"an image of shape {image.shape} cannot be used: a (height, width) image is needed")
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ModelError("the image holds values that are not finite (NaN or infinity)")
    if np.isclose(low, high):
        return np.stack([np.zeros_like(image), image, image])
    darker_centre, brighter_centre = two_means(image) if centres is None else centres
    darker = image <= (darker_centre + brighter_centre) / 2
    return np.stack(
        [
            _ramp(image, low, high),
            _stretch(image, low, high, *_limits(image[darker], darker_centre)),
            _stretch(image, low, high, *_limits(image[~darker], brighter_centre)),
        ]
    )


def two_means(image: np.ndarray) -> tuple[float, float]:
    """Centres (lower, higher) of the best division of the intensities (H, W) into two clusters.

    The division of a sample of about 1000 pixels with the least sum of squared distances, found by trying
    every threshold: the same for the same image, always. An image of one value gives that value twice.
    """
    values = np.asarray(image, dtype=np.float32)
    ordered = np.sort(_sample(values)).astype(np.float64)
    if ordered[0] == ordered[-1]:
        ordered = np.sort(values, axis=None).astype(np.float64)
    if ordered[0] == ordered[-1]:
        return float(ordered[0]), float(ordered[0])
    below = np.arange(1, ordered.size, dtype=np.float64)
    above = ordered.size - below
    running = np.cumsum(ordered)
    lower, higher = running[:-1] / below, (running[-1] - running[:-1]) / above
    # The least scatter within the clusters is the greatest between them.
    best = int(np.argmax(below * above * (higher - lower) ** 2))
    return float(lower[best]), float(higher[best])


def _sample(values: np.ndarray) -> np.ndarray:
    """Every s-th pixel in row order, as the published model takes them, unless that sees too few columns.

    When s and the width share a large divisor the walk keeps to a few columns, in the worst case to the
    border alone; a two-dimensional grid takes its place then.
    """
    height, width = values.shape
    stride = max(1, values.size // SAMPLES)
    if width // gcd(stride, width) >= min(FEWEST_COLUMNS, width):
        return values.ravel()[::stride]
    across = max(1, min(int(stride**0.5), width // FEWEST_COLUMNS))
    down = max(1, stride // across)
    return values[min(down // 2, height - 1) :: down, min(across // 2, width - 1) :: across].ravel()


def _limits(members: np.ndarray, centre: float) -> tuple[float, float]:
    """Three standard deviations around the centre, no further than the cluster reaches."""
    if members.size == 0:
        return centre, centre
    spread = 3.0 * float(np.std(members, dtype=np.float64))
    lower = max(centre - spread, float(members.min()))
    return lower, max(lower, min(centre + spread, float(members.max())))


def _stretch(image: np.ndarray, low: float, high: float, lower: float, upper: float) -> np.ndarray:
    """Piecewise linear: [low, lower] to [0, 0.1], (lower, upper] to [0.1, 0.9], (upper, high] to [0.9, 1]."""
    below = _ramp(image, low, lower) if lower > low else np.float32(1.0)
    # A cluster of one single value is a step, and the value itself still belongs to the segment below.
    inside = _ramp(image, lower, upper) if upper > lower else (image > np.float32(lower)).astype(np.float32)
    mapped = np.float32(0.8) * inside + np.float32(0.1) * below
    return mapped + np.float32(0.1) * _ramp(image, upper, high) if high > upper else mapped


def _ramp(image: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 up to ``start``, 1 from ``end``, linear between."""
    ramp = (image - np.float32(start)) * np.float32(1.0 / (end - start))
    return np.clip(ramp, 0.0, 1.0, out=ramp)
