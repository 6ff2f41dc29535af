"""Icons: those of the tools, and squares in the colour of a structure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import qt


def tool_icon(folder: Path, name: str):
    """The icon of a tool; it turns into its second picture, if it has one, while the tool is on."""
    icon = qt.QIcon(str(folder / f"FluoroSAM{name}.png"))
    on = folder / f"FluoroSAM{name}On.png"
    if on.is_file():
        icon.addPixmap(qt.QPixmap(str(on)), qt.QIcon.Normal, qt.QIcon.On)
    return icon


def swatch(color: Sequence[float], side: int):
    """A square of ``side`` pixels; ``color`` is RGB in 0 to 1."""
    pixmap = qt.QPixmap(side, side)
    pixmap.fill(qt.QColor(*(round(255 * channel) for channel in color)))
    icon = qt.QIcon(pixmap)
    # Qt would tint the icon of a selected row, which then matches no mask.
    for mode in (qt.QIcon.Selected, qt.QIcon.Active):
        icon.addPixmap(pixmap, mode)
    return icon
