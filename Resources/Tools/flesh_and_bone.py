"""Flesh around bones and the Hounsfield values of both, invented: part of ``body_of_meshes.py``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SIDES = ("right", "left", "front", "back", "below", "above")
"""The lower and the upper side of x, y and z, LPS."""
LEAST_FLESH_MM = 3.0
CELL_MM = 3.0
"""Grid on which the outline is drawn."""
EVEN_MM, ROUND_MM = (14.0, 8.0, 8.0), 5.0
"""How much the thickness of the flesh (z, y, x) and its outline are smoothed."""
LONG = 2.2
"""A bone so many times as long as it is thick has a shaft."""
CORTEX_MM, CORTEX_SHARE = (0.8, 5.0), 0.36
"""Cortical thickness at the ends, at most in a shaft; and in a shaft as a share of its radius."""
SKIN_MM, FAT_MM = 1.5, (1.5, 10.0)
AIR, SKIN, FAT, MUSCLE, MARROW, SPONGY, CORTEX = -1000.0, 20.0, -90.0, 50.0, 0.0, 230.0, 1300.0


def fleshed(
    bones: Sequence[tuple[np.ndarray, dict[str, list[float]]]], labels: np.ndarray, origin: np.ndarray, spacing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Depth below the skin, mm, negative in air, and distance to the nearest bone, mm; float32 (K, J, I).

    ``bones``: points (N, 3), LPS mm, and mm of flesh by side, from the lower to the upper end, in the order of the
    labels 1, 2, ... (K, J, I). ``origin`` (x, y, z) LPS mm, ``spacing`` mm.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

    step = max(round(CELL_MM / spacing), 1)
    pad = tuple((0, (-n) % step) for n in labels.shape)
    blocks = np.pad(labels, pad).reshape([m for n in labels.shape for m in (-(-n // step), step)])
    small = blocks.max(axis=(1, 3, 5))
    cell = step * spacing
    far, nearest = distance_transform_edt(small == 0, sampling=cell, return_indices=True)
    own = small[tuple(nearest)]
    height = origin[2] + cell * (nearest[0] + 0.5)
    way = (np.indices(small.shape) - nearest) * cell / np.maximum(far, 1e-6)
    thick = np.full(small.shape, LEAST_FLESH_MM)
    for value, (points, flesh) in enumerate(bones, 1):
        here = own == value
        low, high = points[:, 2].min(), points[:, 2].max()
        along = (height[here] - low) / max(high - low, 1e-6)
        total = np.zeros(len(along))
        for number, side in enumerate(SIDES):
            part = np.maximum(way[2 - number // 2][here] * (1 if number % 2 else -1), 0) ** 2
            total += part * np.interp(along, np.linspace(0, 1, len(flesh[side])), flesh[side])
        thick[here] = np.maximum(total, LEAST_FLESH_MM)
    thick = gaussian_filter(thick, [mm / cell for mm in EVEN_MM], mode="nearest")
    inside = gaussian_filter(np.clip(thick - far, -20, 20), ROUND_MM / cell, mode="nearest") > 0
    inside |= far < LEAST_FLESH_MM
    # Beyond a cut the flesh goes on: the border of the grid is no skin.
    inside = np.pad(inside, 1, mode="edge")
    depth = (distance_transform_edt(inside) - distance_transform_edt(~inside))[1:-1, 1:-1, 1:-1] * cell
    depth -= np.sign(depth) * cell / 2
    depth = gaussian_filter(depth.astype(np.float32), 1.0, mode="nearest")
    box = tuple(slice(n) for n in labels.shape)
    fine = [
        zoom(one.astype(np.float32), step, order=1, mode="nearest", grid_mode=True)[box] if step > 1 else one
        for one in (depth, far)
    ]
    return np.where((labels > 0) & (fine[0] < 0), np.float32(0.1), fine[0]), fine[1]


def painted(labels: np.ndarray, depth: np.ndarray, far: np.ndarray, spacing: float, seed: int = 0) -> np.ndarray:
    """Hounsfield values int16 (K, J, I) of the labelled bones and the flesh around them."""
    from scipy.ndimage import find_objects

    rng = np.random.default_rng(seed)
    fibres = _noise(labels.shape, (14, 2.2, 2.2), spacing, rng)
    broad = _noise(labels.shape, (25, 25, 25), spacing, rng)
    grain = _noise(labels.shape, (2.5, 2.5, 2.5), spacing, rng)
    rim = np.clip(0.3 * (depth + far), *FAT_MM) * np.clip(1 + 0.35 * broad, 0.4, 1.8)
    lean = np.clip(1.5 - fibres - 0.3 * broad, 0, 1) * np.clip((depth - rim) / spacing + 0.5, 0, 1)
    hu = FAT + (MUSCLE - FAT) * lean + 12 * grain
    cover = np.clip((SKIN_MM - depth) / spacing + 0.5, 0, 1)
    hu += (SKIN - hu) * cover
    hu = AIR + (hu - AIR) * np.clip(depth / spacing + 0.5, 0, 1)
    for value, box in enumerate(find_objects(labels), 1):
        if box is not None:
            own = labels[box] == value
            hu[box][own] = _bone(own, grain[box], broad[box], spacing)[own]
    return np.clip(np.rint(hu), -1000, 3000).astype(np.int16)


def _noise(shape, sigma_mm, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise (K, J, I) of mean 0 and deviation 1, drawn as coarse as it may be."""
    from scipy.ndimage import gaussian_filter, zoom

    step = [max(mm / spacing / 2, 1.0) for mm in sigma_mm]
    small = [int(np.ceil(n / one)) + 2 for n, one in zip(shape, step, strict=True)]
    sigma = [mm / spacing / one for mm, one in zip(sigma_mm, step, strict=True)]
    field = gaussian_filter(rng.standard_normal(small, np.float32), sigma, mode="wrap")
    field = zoom(field, [n / m for n, m in zip(shape, small, strict=True)], order=1)
    return (field - field.mean()) / field.std()


def _bone(own: np.ndarray, grain: np.ndarray, broad: np.ndarray, spacing: float) -> np.ndarray:
    """Hounsfield values of one bone in its box; ``own`` is where it is."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter1d

    depth = (distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1, 1:-1] - 0.5) * spacing
    where = np.argwhere(own)
    middle = where - where.mean(axis=0)
    axes = np.linalg.svd(middle[:: max(1, len(middle) // 5000)], full_matrices=False)[2]
    spread = np.ptp(middle @ axes.T, axis=0) * spacing
    place = middle @ axes[0] * spacing
    place -= place.min()
    share = place / max(spread[0], 1e-6)
    bins = (place / 4.0).astype(int)
    radius = np.zeros(bins.max() + 1)
    np.maximum.at(radius, bins, depth[own])
    radius = gaussian_filter1d(radius, 1.5)[bins]
    shaft = np.zeros(len(where))
    if spread[0] > LONG * spread[1:].max():
        shaft = np.clip((np.minimum(share, 1 - share) - 0.1) / 0.16, 0, 1)
        shaft = shaft * shaft * (3 - 2 * shaft)
    cortex = CORTEX_MM[0] + shaft * (np.clip(CORTEX_SHARE * radius, *CORTEX_MM) - CORTEX_MM[0])
    below = depth[own] - cortex
    dense = np.clip(0.5 - below / spacing, 0, 1)
    spongy = SPONGY + 45 * grain[own] + 25 * broad[own] + 110 * np.exp(-np.maximum(below, 0) / 4)
    spongy += (MARROW + 20 * grain[own] - spongy) * shaft * np.clip(below / 2.5, 0, 1)
    values = np.zeros(own.shape, np.float32)
    values[own] = spongy + (CORTEX + 60 * broad[own] - spongy) * dense
    return values
