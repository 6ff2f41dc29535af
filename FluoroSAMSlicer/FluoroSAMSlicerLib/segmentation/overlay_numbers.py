"""Where the number of a structure stands on a picture of many: within its own mask, away from the others' numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GRID = 400
"""Longer side (pixels) of the coarse masks that places are sought on."""

DARK = (0, 0, 0)


def draw_numbers(
    picture: Image.Image, masks: Sequence[np.ndarray], colors: Sequence[tuple[int, int, int]], height: float
) -> None:
    """Write 1, 2, ... onto ``picture``, each in its mask's colour; a mask without pixels has none.

    ``masks`` are bool (H, W), all of one shape, which the picture shows at any scale; ``height`` is that of the
    digits in pixels of the picture.
    """
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(max(8, round(height)))
    stroke = max(1, round(height / 7))
    for number, (place, color) in enumerate(zip(number_places(masks, picture.size, height), colors, strict=True), 1):
        if place is not None:
            draw.text(
                place, str(number), font=font, fill=_bright(color), anchor="mm", stroke_width=stroke, stroke_fill=DARK
            )


def number_places(
    masks: Sequence[np.ndarray], size: tuple[int, int], height: float
) -> list[tuple[float, float] | None]:
    """The (x, y) on a picture of ``size`` (width, height) at which each mask's number stands.

    It is the point deepest within what the mask has alone, or within the mask where it has nothing alone. Small
    masks choose first; numbers keep ``height`` apart where a mask leaves room for that.
    """
    step = max(1, round(max(size) / GRID))
    coarse = (max(1, size[0] // step), max(1, size[1] // step))
    small = [np.asarray(Image.fromarray(mask).resize(coarse, Image.Resampling.NEAREST)) for mask in masks]
    covered = np.sum(small, axis=0)
    y, x = np.mgrid[: coarse[1], : coarse[0]]
    reach = 1.3 * height * coarse[0] / size[0]
    free = np.ones(coarse[::-1], bool)
    places: list[tuple[float, float] | None] = [None] * len(masks)
    for one in sorted(range(len(masks)), key=lambda one: np.count_nonzero(masks[one])):
        alone = small[one] & (covered == 1)
        room = next((part for part in (alone & free, small[one] & free, small[one]) if part.any()), None)
        if room is None:
            places[one] = _middle(masks[one], size)
            continue
        row, column = _deepest(room)
        free &= (x - column) ** 2 + (y - row) ** 2 > reach**2
        places[one] = (column + 0.5) * size[0] / coarse[0], (row + 0.5) * size[1] / coarse[1]
    return places


def _middle(mask: np.ndarray, size: tuple[int, int]) -> tuple[float, float] | None:
    """Of a mask too small for the coarse grid; None if it has no pixel."""
    rows, columns = mask.nonzero()
    if not rows.size:
        return None
    at = rows.size // 2
    return (columns[at] + 0.5) * size[0] / mask.shape[1], (rows[at] + 0.5) * size[1] / mask.shape[0]


def _deepest(mask: np.ndarray) -> tuple[int, int]:
    """Row and column of the pixel of ``mask`` that the most erosions leave."""
    left = np.pad(mask, 1)
    while True:
        inner = left.copy()
        inner[1:-1, 1:-1] &= left[:-2, 1:-1] & left[2:, 1:-1] & left[1:-1, :-2] & left[1:-1, 2:]
        if not inner.any():
            break
        left = inner
    rows, columns = left.nonzero()
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return int(rows[nearest]) - 1, int(columns[nearest]) - 1


def _bright(color: tuple[int, int, int]) -> tuple[int, ...]:
    """The colour half way to white: digits stay readable on their own outline."""
    return tuple((channel + 255) // 2 for channel in color)
