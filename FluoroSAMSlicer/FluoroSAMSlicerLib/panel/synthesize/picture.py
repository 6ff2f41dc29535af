"""Arrays as pictures in the panel."""

from __future__ import annotations

import numpy as np
import qt


def show_picture(label, pixels: np.ndarray | None, side: int) -> None:
    """Show grey (H, W) or colour (H, W, 3) uint8 pixels in a QLabel, fitted to a square of ``side``; None: none."""
    label.setVisible(pixels is not None)
    if pixels is None:
        label.setPixmap(qt.QPixmap())
        return
    height, width = pixels.shape[:2]
    form = "P6" if pixels.ndim == 3 else "P5"
    # The plain formats of netpbm, which Qt reads without a plug-in and without decoding.
    content = f"{form}\n{width} {height}\n255\n".encode() + np.ascontiguousarray(pixels).tobytes()
    picture = qt.QPixmap()
    picture.loadFromData(content)
    label.setPixmap(picture.scaled(side, side, qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation))


def mosaic(pictures, columns: int, gap: int = 4) -> np.ndarray:
    """Pictures (H, W, 3) of one size in rows of ``columns``, on black."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    whole = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        whole[top : top + height, left : left + width] = picture
    return whole
