"""What lies over a developed picture: collimation, borders, and what is burnt in."""

from __future__ import annotations

import numpy as np

LETTERS = ("R", "L", "PA", "AP", "STANDING", "SUPINE", "12:45", "A. B. 1960", "P", "MOBILE")


def draw_overlay(shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (2, h, w), in 255 parts: what is left of the picture, and what is added; bool (h, w): what is still seen.

    Letters hide nothing.
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
    """An overlay with side markers, letters and labels as they are burnt into radiographs."""
    from PIL import Image, ImageDraw, ImageFont

    overlay = overlay.astype(np.float32)
    height, width = overlay.shape[1:]
    for _ in range(rng.integers(1, 4)):
        place = int(rng.uniform(0, 0.9) * width), int(rng.uniform(0, 0.95) * height)
        picture = Image.new("L", (width, height))
        font = ImageFont.load_default(int(rng.integers(8, 22)))
        ImageDraw.Draw(picture).text(place, str(rng.choice(LETTERS)), fill=255, font=font)
        ink = np.asarray(picture, np.float32) / 255
        overlay *= 1 - ink
        overlay[1] += ink * int(rng.choice([255, 230, 0]))
    return np.round(overlay).astype(np.uint8)
