"""One body, varied, with the views that will be taken of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...drr import ProjectionGeometry
from ...drr.material import AIR_HU
from ..generation import one_sided, random_tissue
from ..warp import Warp, mirrored
from . import metal
from .bodies import Bodies, PackedBody
from .contrast import with_contrast
from .panoramic import PanoramicGeometry, draw_panoramic
from .posing import JOINTS, Pose, pose, random_angles
from .regions import REGIONS, Place
from .resampling import boxes_of, resample
from .teeth import give_teeth
from .texture import give_texture
from .views import draw_view, field_of

LARGEST = 2_400_000
"""Voxels that a staged body has at most, about."""

REACH_MM = 60.0
"""How far along the body what a tilted beam sees lies outside of the field at the centre."""

LIMB_MM, TRUNK_MM = 110.0, 250.0
"""How far to the side of the centre a body is kept: a limb without its neighbours, a trunk without the arms."""

SHORT_MM, STIFF = 150.0, 0.35
"""A limb of which less than this is there beyond a joint is bent this much less: its cut end should not show."""

BENT = 0.8
"""Share of stagings of what has joints that are bent."""

STRENGTH, LOCAL_MM = (0.3, 1.4), 3.0
"""How strongly a body is bent as a whole, and how far its single bones are, beside their neighbours."""

CONTRAST = 0.06
"""Share of bodies with contrast medium."""

FLESH_MM = 45.0
"""Thickness of flesh that bent bones have around them, at most."""


@dataclass(frozen=True, eq=False)
class QuickView:
    """One exposure: ``region`` and ``kind`` ("frontal", "lateral", "oblique", "c-arm", "panoramic"), its geometry."""

    region: str
    kind: str
    geometry: ProjectionGeometry | PanoramicGeometry


@dataclass(frozen=True, eq=False)
class Staged:
    """A varied body, or the part of it that its views show; isotropic.

    tissue: int16 (K, J, I) HU, above 2500 metal. labels: uint16 (K, J, I), 0 for what has no name.
    spacing, origin: (x, y, z), LPS mm. structures: canonical name to label values. body: its name.
    views: the exposures, each for 256 pixels (``geometry.resized``). boxes: (values, 6) int32, see ``boxes_of``.
    """

    tissue: np.ndarray
    labels: np.ndarray
    spacing: np.ndarray
    origin: np.ndarray
    structures: dict[str, tuple[int, ...]]
    body: str
    views: tuple[QuickView, ...]
    boxes: np.ndarray


def stage(bodies: Bodies, seed: int, number: int, views: int = 12) -> Staged:
    """A random variation of a random body with ``views`` exposures, the same for the same (seed, number).

    What is X-rayed is drawn as often as radiographs are taken of it, then a body that shows it.
    """
    rng = np.random.default_rng([seed, number])
    which, place = drawn(bodies, rng, np.random.default_rng([seed, number, 5]))
    packed = bodies[which]
    body = packed.body
    mirror = rng.random() < 0.5
    warp = Warp.random(body, rng, mirror, rng.uniform(*STRENGTH), LOCAL_MM)
    gain, shift = random_tissue(body, rng)
    other = np.random.default_rng([seed, number, 3])
    if other.random() < CONTRAST:
        shift = with_contrast(shift, body.structures, other)
    region = place.region
    centre = warp.target_of(place.centre[None])[0]
    fields = [field_of(region, rng) for _ in range(views)]

    half = np.abs(np.linalg.inv(warp.matrix)) @ (warp.upper - warp.lower) * 0.5
    lower, upper = warp.centre - half, warp.centre + half
    reach = 0.62 * max(fields) + REACH_MM
    keep = (-np.inf, np.inf)
    lower[2], upper[2] = max(lower[2], centre[2] - reach), min(upper[2], centre[2] + reach)
    aside = (LIMB_MM if region.limb else TRUNK_MM) * 1.2
    lower[0], upper[0] = max(lower[0], centre[0] - aside), min(upper[0], centre[0] + aside)
    if region.limb:
        keep = kept(place, body)
    # Drawn apart, so that the other choices of a staging do not depend on it.
    bent = _posed(packed, place, reach, np.random.default_rng([seed, number, 1]))
    if bent.moves:
        corners = np.stack(np.meshgrid(*zip(bent.lower - FLESH_MM, bent.upper + FLESH_MM, strict=True)), -1)
        corners = warp.target_of(corners.reshape(-1, 3))
        for axis, side in enumerate((aside, reach - 30, reach)):
            lower[axis] = max(min(lower[axis], corners[:, axis].min()), centre[axis] - side)
            upper[axis] = min(max(upper[axis], corners[:, axis].max()), centre[axis] + side)
    extent = upper - lower
    spacing = max(float(body.spacing.min()), float(np.prod(extent) / LARGEST) ** (1 / 3))
    shape = tuple(np.maximum(np.ceil(extent / spacing).astype(int), 4)[::-1].tolist())
    tissue, labels = resample(body, warp, lower, spacing, shape, keep, gain, shift, bent)
    structures = mirrored(body.structures) if mirror else dict(body.structures)
    give_texture(tissue, labels, structures, spacing, np.random.default_rng([seed, number, 4]))

    staged_views, count = [], packed.count
    if region.panoramic:
        head = metal.Implanted(tissue, labels, lower, spacing, count)
        give_teeth(head, structures, np.random.default_rng([seed, number, 6]))
        structures |= head.names
        count = head.next_value
        jaw = head.cloud(structures["mandible"])
        staged_views += [QuickView(region.name, "panoramic", draw_panoramic(jaw, rng)) for _ in fields]
    else:
        shown = _uncut(packed, warp, keep, lower, upper)
        for field in fields:
            kind, geometry = draw_view(region, centre, field, shown, rng)
            staged_views.append(QuickView(region.name, kind, geometry))
    rng = np.random.default_rng([seed, number, 2])
    if rng.random() < metal.SHARE:
        implanted = metal.Implanted(tissue, labels, lower, spacing, count)
        metal.implant(implanted, structures, region.name, centre, rng)
        structures |= implanted.names
        count = implanted.next_value
    tissue, labels, lower = _without_air(tissue, labels, lower, spacing)
    return Staged(
        tissue, labels, np.full(3, spacing), lower, structures, body.name, tuple(staged_views),
        boxes_of(labels, count),
    )  # fmt: skip


def _without_air(
    tissue: np.ndarray, labels: np.ndarray, lower: np.ndarray, spacing_mm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The part of the volume that attenuates, and its lower corner."""
    lines, across = (tissue > AIR_HU).any(axis=2), (tissue > AIR_HU).any(axis=(0, 1))
    box = []
    for solid in (lines.any(axis=1), lines.any(axis=0), across):
        inside = np.flatnonzero(solid)
        box.append(slice(inside[0], inside[-1] + 1) if len(inside) else slice(None))
    start = [part.start or 0 for part in box[::-1]]
    tissue, labels = (np.ascontiguousarray(array[tuple(box)]) for array in (tissue, labels))
    return tissue, labels, lower + spacing_mm * np.array(start)


def _posed(packed: PackedBody, place: Place, reach: float, rng: np.random.Generator) -> Pose:
    if rng.random() > BENT or not JOINTS.get(place.region.name):
        return Pose.none()
    bones = packed.skeleton_at(place.centre)
    if bones is None:
        return Pose.none()
    angles = random_angles(place.region.name, rng)
    near = [abs(cut[:, 2] - place.centre[2]).min() for cut in packed.cuts if len(cut)]
    if min(near, default=np.inf) < SHORT_MM:
        angles = {joint: (STIFF * bend, STIFF * side) for joint, (bend, side) in angles.items()}
    return pose(bones, place.region.name, angles, packed.count, place.centre, reach)


def _uncut(
    packed: PackedBody, warp: Warp, keep: tuple[float, float], lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The box of what there is of the body without its cut ends, which a warp leaves slanting."""
    low, high = lower.copy(), upper.copy()
    below, above = (cut[(cut[:, 0] > keep[0]) & (cut[:, 0] < keep[1])] for cut in packed.cuts)
    if len(below):
        low[2] = max(low[2], warp.target_of(below)[:, 2].max())
    if len(above):
        high[2] = min(high[2], warp.target_of(above)[:, 2].min())
    return (low, high) if high[2] - low[2] > 0.5 * (upper[2] - lower[2]) else (lower, upper)


def drawn(bodies: Bodies, rng: np.random.Generator, apart: np.random.Generator) -> tuple[int, Place]:
    """The number of a body and one of its places. Bodies of one series count as one body and a half.

    ``apart`` decides upon panoramic radiographs, so that the other draws are the same as without them.
    """
    able: dict[int, list[tuple[int, Place]]] = {}
    for which, places in enumerate(bodies.places):
        for place in places:
            if bodies.spacing_mm[which] <= place.region.finest_mm:
                able.setdefault(place.number, []).append((which, place))
    swept = [number for number in able if REGIONS[number].panoramic]
    numbers = sorted(set(able) - set(swept))
    share = sum(REGIONS[number].weight for number in swept) / sum(REGIONS[number].weight for number in able)
    if apart.random() < share:
        numbers, rng = sorted(swept), apart
    weights = np.array([able[number][0][1].region.weight for number in numbers])
    choices = able[numbers[rng.choice(len(numbers), p=weights / weights.sum())]]
    series = [_series(bodies.names[which]) for which, _ in choices]
    own = {which for which, _ in choices}
    share = []
    for (which, _), name in zip(choices, series, strict=True):
        places = sum(1 for other, _ in choices if other == which)
        relatives = sum(1 for other in own if _series(bodies.names[other]) == name)
        share.append((1.5 / relatives if relatives > 2 else 1.0) / places)
    share = np.array(share)
    return choices[rng.choice(len(choices), p=share / share.sum())]


def _series(name: str) -> str:
    """What bodies of one source and part share: "lenz_ankle" of "lenz_ankle_left_06"."""
    return "_".join(name.split("_")[:2])


def kept(place: Place, body) -> tuple[float, float]:
    """The range of x, LPS mm, in which a limb lies: near its centre, and on its side of a body with two."""
    x = float(place.centre[0])
    low, high = x - LIMB_MM, x + LIMB_MM
    if not one_sided(body):
        middle = float(body.origin[0] + body.spacing[0] * (body.labels.shape[2] - 1) / 2)
        low, high = (max(low, middle), high) if x > middle else (low, min(high, middle))
    return low, high
