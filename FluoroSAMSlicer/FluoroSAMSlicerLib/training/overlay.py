"""What lies over a developed picture: collimation, borders, and what is burnt in."""

from __future__ import annotations

import numpy as np

LEAD = 0.25
"""Share of markers that are a piece of lead, with the side's letter left out; they are no implants."""

LETTERS = ("R", "L", "PA", "AP", "STANDING", "SUPINE", "12:45", "A. B. 1960", "P", "MOBILE")


def draw_overlay(shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (2, h, w), in 255 parts: what is left of the picture, and what is added; bool (h, w): what is still seen.

    Letters and markers hide nothing.
    """
    visible = shutter(shape, rng)
    outside = rng.choice([0, 255, rng.integers(256)], p=[0.6, 0.2, 0.2])
    overlay = np.stack([visible * np.uint8(255), ~visible * np.uint8(outside)])
    return (burn_in(overlay, rng) if rng.random() < 0.35 else overlay), visible


def shutter(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Rectangular or circular collimation, or a plain border: bool (h, w), where the picture is seen."""
    height, width = shape
    visible = np.ones(shape, bool)
    draw = rng.random()
    if draw < 0.22:
        top, left = rng.uniform(0, 0.15, 2) * [height, width]
        bottom, right = rng.uniform(0.85, 1, 2) * [height, width]
        visible[:] = False
        visible[int(top) : int(bottom), int(left) : int(right)] = True
    elif draw < 0.32:
        y, x = np.mgrid[0:height, 0:width]
        radius = max(height, width) * rng.uniform(0.46, 0.62)
        visible = np.hypot(x - width / 2, y - height / 2) < radius
    return visible


def burn_in(overlay: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An overlay with markers of lead, letters and labels as radiographs have them."""
    from PIL import Image, ImageDraw, ImageFont

    overlay = overlay.astype(np.float32)
    height, width = overlay.shape[1:]
    for _ in range(rng.integers(1, 4)):
        x, y = int(rng.uniform(0, 0.9) * width), int(rng.uniform(0, 0.95) * height)
        picture = Image.new("L", (width, height))
        pen, size = ImageDraw.Draw(picture), int(rng.integers(8, 22))
        font = ImageFont.load_default(size)
        if rng.random() < LEAD:
            piece = pen.ellipse if rng.random() < 0.6 else pen.rectangle
            piece((x - 0.8 * size, y - 0.8 * size, x + 0.8 * size, y + 0.8 * size), fill=255)
            pen.text((x, y), str(rng.choice(LETTERS[:2])), fill=0, font=font, anchor="mm")
            shade = int(rng.integers(200, 256))
        else:
            pen.text((x, y), str(rng.choice(LETTERS)), fill=255, font=font)
            shade = int(rng.choice([255, 230, 0]))
        ink = np.asarray(picture, np.float32) / 255
        overlay *= 1 - ink
        overlay[1] += ink * shade
    return np.round(overlay).astype(np.uint8)
