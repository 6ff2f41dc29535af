"""Draw the extension's icon: a femur on a radiograph, with the lower half segmented.

    python Resources/Tools/draw_icon.py

writes Resources/FluoroSAMSlicer.png (catalogue) and the module's icon, both 128 x 128.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parents[2]
SIZE, SCALE = 128, 16
SIDE = SIZE * SCALE

NIGHT, DUSK = (16, 24, 38), (44, 60, 84)
BONE_EDGE, BONE_CORE = (236, 240, 244), (168, 182, 198)
MASK, CONTOUR = (20, 184, 166), (153, 246, 228)


def main() -> None:
    bone = femur()
    icon = background()
    icon = Image.composite(shaded(bone, BONE_EDGE, BONE_CORE), icon, bone)

    lower = Image.new("L", (SIDE, SIDE), 0)
    ImageDraw.Draw(lower).polygon(points([(0, 70), (128, 58), (128, 128), (0, 128)]), fill=255)
    mask = ImageChops.multiply(bone, lower)
    tint = Image.blend(icon, Image.new("RGB", icon.size, MASK), 0.72)
    icon = Image.composite(tint, icon, mask)
    grown = mask.filter(ImageFilter.GaussianBlur(1.6 * SCALE)).point(lambda v: 255 if v > 36 else 0)
    icon = Image.composite(Image.new("RGB", icon.size, CONTOUR), icon, ImageChops.subtract(grown, mask))
    draw_click(icon)

    small = icon.resize((SIZE, SIZE), Image.Resampling.LANCZOS).convert("RGBA")
    small.putalpha(rounded().resize((SIZE, SIZE), Image.Resampling.LANCZOS))
    for path in (
        ROOT / "Resources" / "FluoroSAMSlicer.png",
        ROOT / "FluoroSAMSlicer" / "Resources" / "Icons" / "FluoroSAMSlicer.png",
    ):
        small.save(path, optimize=True)


def points(units: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x * SCALE, y * SCALE) for x, y in units]


def background() -> Image.Image:
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    glow = np.exp(-(((x - 0.5) / 0.42) ** 2) - ((y - 0.5) / 0.6) ** 2)[..., None]
    return Image.fromarray((np.array(NIGHT) * (1 - glow) + np.array(DUSK) * glow).astype(np.uint8))


def femur() -> Image.Image:
    """Filled outline of a femur seen from the front; joins are rounded by blur and threshold."""
    image = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(image)

    def disc(x: float, y: float, radius: float) -> None:
        draw.ellipse(points([(x - radius, y - radius), (x + radius, y + radius)]), fill=255)

    disc(82, 24, 13)
    draw.polygon(points([(75, 16), (46, 33), (54, 49), (84, 34)]), fill=255)
    draw.polygon(points([(39, 22), (49, 20), (57, 30), (60, 46), (44, 48), (38, 34)]), fill=255)
    disc(44, 26, 7)
    draw.polygon(points([(42, 40), (60, 40), (63, 70), (66, 94), (47, 94), (48, 70)]), fill=255)
    draw.polygon(points([(48, 82), (65, 80), (81, 100), (79, 112), (39, 112), (37, 102)]), fill=255)
    disc(47, 106, 11)
    disc(71, 105, 12)
    draw.ellipse(points([(55, 112), (63, 124)]), fill=0)
    smooth = image.filter(ImageFilter.GaussianBlur(2.4 * SCALE))
    return smooth.point(lambda v: 255 if v > 127 else 0)


def shaded(shape: Image.Image, edge: tuple, core: tuple) -> Image.Image:
    """Bone as X-rays show it: dense, bright cortex and a duller core."""
    inner = np.asarray(shape.filter(ImageFilter.GaussianBlur(3.2 * SCALE)), dtype=np.float32) / 255
    weight = np.clip((inner - 0.5) * 2, 0, 1)[..., None] ** 1.5
    return Image.fromarray((np.array(edge) * (1 - weight) + np.array(core) * weight).astype(np.uint8))


def draw_click(icon: Image.Image) -> None:
    draw = ImageDraw.Draw(icon)
    x, y, radius = 59, 99, 6.5
    draw.ellipse(points([(x - radius, y - radius), (x + radius, y + radius)]), fill=(255, 255, 255))
    for half_width, half_height in ((3.8, 1.1), (1.1, 3.8)):
        box = points([(x - half_width, y - half_height), (x + half_width, y + half_height)])
        draw.rectangle(box, fill=(13, 110, 100))


def rounded() -> Image.Image:
    alpha = Image.new("L", (SIDE, SIDE), 0)
    ImageDraw.Draw(alpha).rounded_rectangle((0, 0, SIDE - 1, SIDE - 1), radius=24 * SCALE, fill=255)
    return alpha


if __name__ == "__main__":
    main()
