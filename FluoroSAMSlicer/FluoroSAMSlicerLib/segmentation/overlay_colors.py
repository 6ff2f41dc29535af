"""Which colours the structures of one picture have: their own where these can be told apart, else others."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

APART = 0.11
"""Least distance (:func:`seen`) between the own colours of two structures of a picture."""

SATURATED = 0.45
"""Colours below this saturation are lost on a grey image."""

SHADES = ((0.8, 1.0), (1.0, 0.72), (0.5, 1.0))
"""Saturation and value of the colours that others are replaced by, in `HUES` hues each."""

HUES = 36

DARKEST = 0.45
"""Lightness in Oklab below which a colour is lost in the dark of an image."""

LIGHTNESS = 0.6
"""How much a difference in lightness counts: a mask takes some of it from the image behind it."""

Color = tuple[int, int, int]


def distinct_colors(colors: Sequence[Color]) -> list[Color]:
    """The colours themselves where they are vivid and unlike those before, else others, as far off as there are.

    Of 20 any two are further apart than 0.09, where hues alone leave 0.02, and neighbours in the list than `APART`.
    """
    palette = _palette()
    chosen: list[Color] = []
    for color in map(tuple, colors):
        if not _vivid(color) or nearest([color], chosen)[0] < APART:
            color = palette[int(nearest(palette, chosen).argmax())]
        chosen.append(color)
    return chosen


def nearest(colors: Sequence[Color], others: Sequence[Color]) -> np.ndarray:
    """How far each of N colours is from the nearest of the others, (N,); endless where there are none."""
    if not others:
        return np.full(len(colors), np.inf)
    return np.linalg.norm(seen(colors)[:, None] - seen(others)[None], axis=-1).min(1)


def seen(colors: Sequence[Color]) -> np.ndarray:
    """8-bit sRGB colours as people see them, (N, 3): Oklab (B. Ottosson 2020), its lightness times `LIGHTNESS`."""
    channels = np.asarray(colors, np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(linear @ np.array(_TO_CONES).T)
    return cones @ np.array(_TO_LAB).T * [LIGHTNESS, 1, 1]


def _palette() -> list[Color]:
    colors = [
        tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(number / HUES, *shade))
        for shade in SHADES
        for number in range(HUES)
    ]
    return [color for color, bright in zip(colors, seen(colors)[:, 0] >= DARKEST * LIGHTNESS, strict=True) if bright]


def _vivid(color: Color) -> bool:
    _hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in color))
    return saturation >= SATURATED and value >= 0.5


_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
