"""Teeth in the jaws of bodies that were labelled without them, where panoramic radiographs show them."""

from __future__ import annotations

import numpy as np

from .metal import Implanted

NONE = 0.1
"""Share of jaws without teeth."""

LOWER_MM = ((5.3, 6.0), (5.7, 6.3), (6.8, 7.7), (7.0, 7.5), (7.1, 8.0), (11.0, 10.0), (10.5, 10.0), (10.0, 9.5))
UPPER_MM = ((8.5, 7.0), (6.5, 6.0), (7.5, 8.0), (7.0, 9.0), (6.8, 9.0), (10.0, 11.0), (9.5, 11.0), (8.5, 10.0))
"""Widths along and across the arch from the midline outwards, mm (means of crowns in textbooks of dental anatomy)."""

ROOT_MM = (12.5, 13.0, 16.0, 14.0, 14.5, 13.5, 12.5, 11.0)
MOLAR = 5
"""The first tooth, counted from the midline and 0, with two roots."""

ENAMEL_HU, DENTINE_HU = (1900, 2450), (1400, 1800)
WIDEST_DEG = 80.0

CROWN = "dental crown"
CROWNED = (0.0, 0.06, 0.25)
"""Shares of teeth with a crown or large filling of metal, of one jaw or another."""


def give_teeth(body: Implanted, structures: dict[str, tuple[int, ...]], rng: np.random.Generator) -> int:
    """Put teeth into the mandible and the maxillae; their crowns are no part of a bone, their roots are.

    Returns how many; 0 for what has no gap between both jaws that crowns fit into.
    """
    if rng.random() < NONE:
        return 0
    lower = body.cloud(structures.get("mandible", ()), 60_000)
    upper = body.cloud([v for name, own in structures.items() if "maxilla" in name for v in own], 60_000)
    if len(lower) < 400 or len(upper) < 400:
        return 0
    low, high = np.percentile(lower, [0.5, 99.5], axis=0)
    centre = np.array([(low[0] + high[0]) / 2, low[1] + 0.6 * (high[1] - low[1])])
    below, above = _ridge(lower, centre, 1), _ridge(upper, centre, -1)
    if below is None or above is None:
        return 0
    front = np.abs(below[:, 0]) < 40
    gap = float(np.median(np.interp(below[front, 0], above[:, 0], above[:, 3]) - below[front, 3]))
    if not 5 < gap < 30:
        return 0
    lost, wisdom, apart = rng.choice([0.03, 0.12, 0.4], p=[0.6, 0.3, 0.1]), rng.random() < 0.4, rng.uniform(0.5, 4)
    crowned = rng.choice(CROWNED)
    share = rng.uniform(0.45, 0.55)
    count = 0
    for ridge, sizes, way, room in ((below, LOWER_MM, 1, share), (above, UPPER_MM, -1, 1 - share)):
        crown = max(room * (gap - apart), 3.0)
        for side in (-1, 1):
            at = 0.0
            for number, (wide, deep) in enumerate(sizes if wisdom else sizes[:-1]):
                at += wide
                place = _station(ridge, side * (at - wide / 2))
                if place is not None and rng.random() >= lost:
                    metal = number > 2 and rng.random() < crowned
                    _tooth(body, place, (wide, deep, crown, ROOT_MM[number]), number, way, metal, rng)
                    count += 1
    return count


def _ridge(points: np.ndarray, centre: np.ndarray, way: int) -> np.ndarray | None:
    """The edge that bears teeth, (N, 4): angle from the front in degrees, x, y, z; the upper edge for ``way`` 1,
    the lower for -1. None where it cannot be followed to both sides."""
    flat = points[:, :2] - centre
    angle, radius = np.degrees(np.arctan2(flat[:, 0], -flat[:, 1])), np.linalg.norm(flat, axis=1)
    found = []
    for start in np.arange(-WIDEST_DEG, WIDEST_DEG, 5.0):
        own = (angle >= start) & (angle < start + 5) & (radius > 15)
        if np.count_nonzero(own) < 12:
            continue
        edge = np.percentile(way * points[own, 2], 95)
        near = own.copy()
        near[own] = way * points[own, 2] > edge - 5
        found.append((start + 2.5, np.median(radius[near]), way * edge))
    if not found:
        return None
    found = np.array(found)
    middle = np.abs(found[:, 0]) < 30
    if not middle.any():
        return None
    level = np.median(found[middle, 2])
    # The ramus rises, and so does what of the maxilla is no longer its teeth's.
    found = found[way * (found[:, 2] - level) < 9] if way > 0 else found[np.abs(found[:, 2] - level) < 9]
    if len(found) < 10 or found[0, 0] > -35 or found[-1, 0] < 35:
        return None
    turns = np.arange(found[0, 0], found[-1, 0] + 0.5, 0.5)
    radii, heights = (np.polynomial.Polynomial.fit(found[:, 0], found[:, n], 4)(turns) for n in (1, 2))
    theta = np.radians(turns)
    return np.stack([turns, centre[0] + radii * np.sin(theta), centre[1] - radii * np.cos(theta), heights], axis=1)


def _station(ridge: np.ndarray, along_mm: float) -> tuple[np.ndarray, np.ndarray] | None:
    """The place (3,) on a ridge so far to the left of the front, and the unit tangent (2,) there."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(ridge[:, 1:3], axis=0), axis=1))])
    at = np.interp(0.0, ridge[:, 0], length) + along_mm
    if not 1 < at < length[-1] - 1:
        return None
    place, ahead, behind = (
        np.array([np.interp(at + d, length, ridge[:, axis]) for axis in (1, 2, 3)]) for d in (0, 2, -2)
    )
    tangent = (ahead - behind)[:2]
    return place, tangent / np.linalg.norm(tangent)


def _tooth(body: Implanted, station, size, number: int, way: int, metal: bool, rng) -> None:
    """One tooth: ``size`` is its width along and across the arch, its crown's height and its root's length, mm."""
    place, tangent = station
    wide, deep, crown, root = np.array(size) * rng.normal(1, 0.05, 4)
    lean = np.tan(np.radians(rng.normal(0, 5)))
    reach = max(crown, root) + 3
    part, places = body.box(place - [8, 8, reach], place + [8, 8, reach])
    height = way * (places[..., 2] - place[2])
    flat = places[..., :2] - place[:2]
    along = flat @ tangent - lean * height
    across = flat @ np.array([-tangent[1], tangent[0]])
    # Bone covers the neck a little; a tooth is slimmer there than where it meets its neighbour.
    swell = 0.8 + 0.2 * np.clip(height / max(0.5 * crown, 1), 0, 1)
    inside = (np.abs(along) < 0.49 * wide * swell) & (np.abs(across) < 0.47 * deep * swell)
    is_crown = inside & (height >= 0) & (height < crown)
    depth = np.clip(-height / root, 0, 1)
    if number >= MOLAR:
        along, wide = np.abs(along) - 0.24 * wide, 0.46 * wide
    slim = 0.42 * (1 - 0.65 * depth)
    is_root = (height < 0) & (height > -root) & ((along / wide) ** 2 + (across / deep) ** 2 < slim**2)
    tissue, labels = body.tissue[part], body.labels[part]
    tissue[is_root] = np.maximum(tissue[is_root], rng.integers(*DENTINE_HU))
    tissue[is_crown] = np.maximum(tissue[is_crown], rng.integers(*ENAMEL_HU))
    labels[is_crown] = 0
    if metal:
        body.fill(part, is_crown & (height > rng.uniform(0.1, 0.6) * crown), body.value(CROWN))
