"""A picture of a radiograph with its masks: coloured, half transparent, outlined, with a legend.

The picture has the image's own resolution; images below `SMALLEST` pixels are enlarged, unequal pixel
spacings evened out. Text and lines grow with the picture, so that they stay readable on large detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from .errors import ImageError
from .overlay_colors import distinct_colors
from .overlay_numbers import draw_numbers
from .prompt import LOW_SCORE

SMALLEST = 900
"""Longer side (pixels) that every picture has at least."""

FILL = 0.32
"""Opacity of a mask's inside; its outline is opaque."""

CROWD = 10
"""From so many structures on each has a number, on the image and in the legend."""

CROWD_FILL = 0.16
"""Opacity of a mask's inside in a crowd, so that those over each other stay visible."""

INSIDE, OUTSIDE, BACKGROUND, INK, FAINT = (
    (60, 220, 90),
    (255, 70, 70),
    (18, 18, 20),
    (240, 240, 240),
    (165, 165, 170),
)


@dataclass(frozen=True, eq=False)
class Layer:
    """One structure to show.

    ``mask`` is bool (H, W), ``color`` 8-bit RGB, ``score`` what the legend shows behind the name. Clicks
    ``points`` (x, y) with ``labels`` 1 inside and 0 outside, and ``box`` (x1, y1, x2, y2), are in image pixels.
    """

    name: str
    color: tuple[int, int, int]
    mask: np.ndarray
    score: float | None = None
    points: Sequence[tuple[float, float]] = ()
    labels: Sequence[int] = ()
    box: tuple[float, float, float, float] | None = None


def overlay(
    pixels: np.ndarray, layers: Sequence[Layer], title: str = "", spacing: tuple[float, float] | None = None
) -> Image.Image:
    """The RGB picture, its legend to the right of the image, ``title`` above the legend.

    ``pixels`` is (H, W) in [0, 1], shown as it is; ``spacing`` (x, y) in mm only matters where x and y
    differ. Colours too pale, or too near to an earlier layer's, are replaced for the picture. `CROWD` and more
    layers have thin outlines and numbers. Raises ImageError for arrays whose shapes do not agree.
    """
    pixels = np.asarray(pixels, dtype=np.float32)
    if pixels.ndim != 2 or pixels.size == 0:
        raise ImageError(f"an image of shape {pixels.shape} cannot be shown: it must be height x width")
    for layer in layers:
        if np.shape(layer.mask) != pixels.shape:
            raise ImageError(
                f"the mask of {layer.name} has shape {np.shape(layer.mask)}, its image {pixels.shape}"
            )
    grey = np.nan_to_num(pixels, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
    scale = _scale(pixels.shape, spacing)
    size = tuple(max(1, round(side * factor)) for side, factor in zip(pixels.shape[::-1], scale, strict=True))
    picture = Image.fromarray((grey * 255 + 0.5).astype(np.uint8))
    picture = picture.resize(size, Image.Resampling.LANCZOS).convert("RGB")
    unit = max(1.0, max(size) / SMALLEST)
    colors = distinct_colors([layer.color for layer in layers])
    order = sorted(range(len(layers)), key=lambda one: -np.count_nonzero(layers[one].mask))
    crowd = len(layers) >= CROWD
    line, fill = (round(unit), CROWD_FILL) if crowd else (round(2 * unit), FILL)
    for one in order:
        _paint(picture, layers[one].mask, colors[one], line, fill)
    for one in order:
        _mark(picture, layers[one], colors[one], scale, unit)
    if crowd:
        draw_numbers(picture, [layer.mask for layer in layers], colors, 15 * unit)
    return _with_legend(picture, layers, colors, title, unit)


def _scale(shape: tuple[int, int], spacing: tuple[float, float] | None) -> tuple[float, float]:
    """Picture pixels per image pixel in x and y."""
    x = y = 1.0
    if spacing is not None and min(spacing) > 0 and max(spacing) / min(spacing) < 20:
        x, y = spacing[0] / min(spacing), spacing[1] / min(spacing)
    enlarged = max(1.0, SMALLEST / max(shape[1] * x, shape[0] * y))
    return x * enlarged, y * enlarged


def _paint(picture: Image.Image, mask: np.ndarray, color: tuple[int, int, int], line: int, opacity: float) -> None:
    """Blend one mask into the picture, working on its surroundings only."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return
    size = (picture.width, picture.height)
    scale = size[0] / mask.shape[1], size[1] / mask.shape[0]
    left, top = max(0, columns[0] - 2), max(0, rows[0] - 2)
    right, bottom = min(mask.shape[1], columns[-1] + 3), min(mask.shape[0], rows[-1] + 3)
    corner = round(left * scale[0]), round(top * scale[1])
    extent = max(1, round(right * scale[0]) - corner[0]), max(1, round(bottom * scale[1]) - corner[1])
    part = Image.fromarray(np.where(mask[top:bottom, left:right], 255, 0).astype(np.uint8))
    if part.size != extent:
        part = part.resize(extent, Image.Resampling.BICUBIC).point(lambda value: 255 if value > 127 else 0)
    inside = _eroded(np.asarray(part) > 0, max(1, line))
    edge = ImageChops.subtract(part, Image.fromarray(np.where(inside, 255, 0).astype(np.uint8)))
    soft = ImageFilter.GaussianBlur(0.6)
    fill = part.filter(soft).point(lambda value: round(value * opacity))
    picture.paste(color, (*corner, corner[0] + extent[0], corner[1] + extent[1]), fill)
    picture.paste(color, (*corner, corner[0] + extent[0], corner[1] + extent[1]), edge.filter(soft))


def _eroded(mask: np.ndarray, steps: int) -> np.ndarray:
    """The mask without its outermost ``steps`` pixels; beyond the array counts as outside."""
    mask = np.pad(mask, 1)
    for _ in range(steps):
        inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        mask = np.zeros_like(mask)
        mask[1:-1, 1:-1] = inner
    return mask[1:-1, 1:-1]


def _mark(picture: Image.Image, layer: Layer, color: tuple, scale: tuple[float, float], unit: float) -> None:
    """Draw the clicks and the box of a layer."""
    draw = ImageDraw.Draw(picture)

    def place(x: float, y: float) -> tuple[float, float]:
        return (x + 0.5) * scale[0] - 0.5, (y + 0.5) * scale[1] - 0.5

    if layer.box is not None:
        corners = place(*layer.box[:2]) + place(*layer.box[2:])
        draw.rectangle(corners, outline=color, width=max(1, round(1.5 * unit)))
    radius = 6 * unit
    for point, label in zip(layer.points, layer.labels, strict=True):
        x, y = place(*point)
        circle = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(circle, fill=INSIDE if label else OUTSIDE, outline=(0, 0, 0), width=max(1, round(unit)))
        arm, width = 0.55 * radius, max(1, round(1.8 * unit))
        draw.line((x - arm, y, x + arm, y), fill=(0, 0, 0), width=width)
        if label:
            draw.line((x, y - arm, x, y + arm), fill=(0, 0, 0), width=width)


def _score(score: float) -> str:
    return f"{score:.2f}" if score >= LOW_SCORE else f"{score:.2f} unsure"


def _with_legend(picture: Image.Image, layers, colors, title: str, unit: float) -> Image.Image:
    """The picture with a dark strip at its right that says what is what."""
    height = min(18 * unit, 0.9 * picture.height / (1.7 * (len(layers) + 2)))
    font, gap = ImageFont.load_default(max(6, round(height))), height * 0.7
    notes = ["" if layer.score is None else _score(layer.score) for layer in layers]
    notes = [note if layer.mask.any() else "nothing found" for note, layer in zip(notes, layers, strict=True)]
    texts = [layer.name for layer in layers]
    if len(layers) >= CROWD:
        texts = [f"{number}  {text}" for number, text in enumerate(texts, 1)]
    names = max([font.getlength(text) for text in texts], default=0)
    numbers = max([font.getlength(note) for note in notes], default=0)
    lines = _wrapped(title, font, max(names + numbers + 2.4 * height, 12 * height))
    width = max(
        [3 * gap + height + names + gap + numbers, *(2 * gap + font.getlength(line) for line in lines)]
    )
    whole = Image.new("RGB", (picture.width + round(width), picture.height), BACKGROUND)
    whole.paste(picture, (0, 0))
    draw = ImageDraw.Draw(whole)
    left, y = picture.width + gap, gap
    for line in lines:
        draw.text((left, y), line, font=font, fill=FAINT)
        y += 1.4 * height
    y += 0.5 * height if lines else 0
    for text, color, note in zip(texts, colors, notes, strict=True):
        draw.rectangle((left, y + 0.1 * height, left + height, y + 1.1 * height), fill=color)
        draw.text((left + height + gap, y), text, font=font, fill=INK)
        draw.text((whole.width - gap - font.getlength(note), y), note, font=font, fill=FAINT)
        y += 1.7 * height
    return whole


def _wrapped(text: str, font, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
