"""A panoramic picture from its slits: what is near the arch is sharp, the rest of each beam a broad ghost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .panoramic import PanoramicGeometry
from .staging import Staged

COARSE = 4
"""The ghost is made of this many times fewer columns and rows."""


def expose_slits(staged: Staged, geometry: PanoramicGeometry, traced: Callable, planes: int) -> tuple:
    """What the slits of ``geometry`` meet near the arch: densities (3, H, S) in g/cm2 and path lengths (L, H, S) in
    mm; and the densities (3, h, s) of all of each beam, coarser. Arrays or tensors, as ``traced`` returns them.

    ``traced(beams, rows, planes)`` traces beams (S, 12) with a detector of one column each: densities
    (S, 3, rows, 1) and path lengths (S, planes, rows, 1), where ``planes`` is L, or 0 if they are not needed.
    """
    density, path = traced(geometry.beams(staged.origin, staged.spacing), geometry.height, planes)
    whole = geometry.whole().resized(max(8, geometry.pixels // COARSE))
    through, _ = traced(whole.beams(staged.origin, staged.spacing), whole.height, 0)
    return _picture(density), _picture(path), _picture(through)


def _picture(slits):
    return slits[:, :, :, 0].swapaxes(0, 1).swapaxes(1, 2)


def ghost(through: np.ndarray, sharp: np.ndarray, geometry: PanoramicGeometry) -> np.ndarray:
    """What the sweep adds to densities ``sharp`` (3, H, S): the rest of ``through`` (3, h, s), blurred, (3, H, S)."""
    from scipy.ndimage import gaussian_filter, zoom

    size = through.shape[1:]
    blurred = []
    for whole, near in zip(through, sharp, strict=True):
        near = zoom(near, np.divide(size, near.shape), order=1, grid_mode=True, mode="nearest")
        rest = np.maximum(whole - near, 0)
        sigma = geometry.ghost.along * size[1], geometry.ghost.across * size[1]
        rest = gaussian_filter(rest, sigma, mode="nearest", truncate=3.0)
        blurred.append(
            zoom(rest, np.divide(sharp.shape[1:], size), order=1, grid_mode=True, mode="nearest")
        )
    return geometry.ghost.strength * np.stack(blurred).astype(np.float32)


def on_square(picture: np.ndarray, geometry: PanoramicGeometry) -> np.ndarray:
    """A picture (3, H, S) in the middle of a square (3, S, S); its edges go on above and below."""
    rows = geometry.rows
    return np.pad(picture, ((0, 0), (rows.start, geometry.pixels - rows.stop), (0, 0)), mode="edge")
