"""Draw the icons of the Segment tab's tools.

    python Resources/Tools/draw_tool_icons.py

writes FluoroSAM<Tool>.png, 64 x 64 (for 32 or fewer points), into the module's icons. A tool that can be on has a
second picture, FluoroSAM<Tool>On.png: the first one's colours turned inside out, so that nobody has to look twice.
"""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

ICONS = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer" / "Resources" / "Icons"
SIZE, SCALE = 64, 8
GREEN, RED, BLUE, GREY = (46, 158, 79), (214, 69, 65), (47, 127, 209), (127, 138, 150)
WHITE = (255, 255, 255)


class Sheet:
    """A transparent square; lengths are of the finished icon's pixels."""

    def __init__(self) -> None:
        self._image = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def tile(self, color: tuple) -> None:
        self._draw.rounded_rectangle(_scaled(1, 1, 63, 63), radius=14 * SCALE, fill=color)

    def ring(self, color: tuple) -> None:
        self._draw.ellipse(_scaled(6, 6, 58, 58), outline=color, width=6 * SCALE)

    def bar(self, box: tuple, color: tuple) -> None:
        self._draw.rounded_rectangle(_scaled(*box), radius=3 * SCALE, fill=color)

    def arc(self, start: float, end: float, color: tuple) -> None:
        self._draw.arc(_scaled(14, 17, 52, 55), start, end, fill=color, width=7 * SCALE)

    def triangle(self, points: list, color: tuple) -> None:
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=color)

    def mirrored(self) -> Sheet:
        self._image = self._image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return self

    def save(self, name: str) -> None:
        small = self._image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        small.save(ICONS / f"FluoroSAM{name}.png", optimize=True)


def main() -> None:
    for name, color, strokes in (
        ("Inside", GREEN, [(17, 28, 47, 36), (28, 17, 36, 47)]),
        ("Outside", RED, [(17, 28, 47, 36)]),
    ):
        for on in (False, True):
            sheet = Sheet()
            if on:
                sheet.tile(color)
            else:
                sheet.ring(color)
            for stroke in strokes:
                sheet.bar(stroke, WHITE if on else color)
            sheet.save(name + "On" * on)
    for on in (False, True):
        sheet = Sheet()
        if on:
            sheet.tile(BLUE)
        dashes(sheet, WHITE if on else BLUE)
        sheet.save("Box" + "On" * on)
    turned_arrow().save("Undo")
    turned_arrow().mirrored().save("Redo")


def dashes(sheet: Sheet, color: tuple) -> None:
    """A dashed rectangle, its corners closed."""
    low, high, half = 12, 52, 3
    for first, last in ((low - half, 22), (28, 36), (42, high + half)):
        for line in (low, high):
            sheet.bar((first, line - half, last, line + half), color)
            sheet.bar((line - half, first, line + half, last), color)


def turned_arrow() -> Sheet:
    sheet = Sheet()
    sheet.arc(190, 80 + 360, GREY)
    angle = math.radians(190)
    x, y = 33 + 15.5 * math.cos(angle), 36 + 15.5 * math.sin(angle)
    sheet.triangle([(x - 13, y - 2), (x + 13, y - 2), (x, y + 14)], GREY)
    return sheet


def _scaled(*lengths: float) -> list[float]:
    return [length * SCALE for length in lengths]


if __name__ == "__main__":
    main()
