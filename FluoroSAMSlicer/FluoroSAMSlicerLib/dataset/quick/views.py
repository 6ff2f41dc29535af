"""Where source and detector stand for an exposure of a region."""

from __future__ import annotations

import numpy as np

from ...drr import ProjectionGeometry
from ..views import random_geometry
from .regions import Region

PIXELS = 256
FREE = 0.22
"""Share of views from anywhere, as a C-arm takes them."""

ASKEW = 0.12
"""Share of limbs that lie across the picture in any direction."""

ASIDE = 0.35
"""How far from the middle of the picture what is X-rayed may be, as a share of the field."""


def field_of(region: Region, rng: np.random.Generator) -> float:
    """A side of the square field at the centre, mm; now and then a close one."""
    return float(rng.uniform(*region.field_mm) * rng.choice([1.0, 0.75], p=[0.88, 0.12]))


def draw_view(
    region: Region, centre: np.ndarray, field: float, box: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> tuple[str, ProjectionGeometry]:
    """The kind of a random exposure and its geometry for 256 pixels; ``box`` is what there is of the body.

    Frontal views show the patient's right on the left and the head up; turned ones are upside down.
    """
    drawn = rng.random()
    if rng.random() < FREE:
        kind = "c-arm"
        primary, secondary, roll = rng.uniform(-90, 90), rng.uniform(-30, 30), rng.normal(0, 12)
    elif drawn < region.lateral:
        kind = "lateral"
        primary, secondary, roll = rng.choice([-90, 90]) + rng.normal(0, 6), rng.normal(0, 5), rng.normal(0, 6)
    elif drawn < region.lateral + region.oblique:
        kind = "oblique"
        primary = rng.choice([-1, 1]) * region.oblique_deg + rng.normal(0, 7)
        secondary, roll = region.tilt_deg + rng.normal(0, 6), rng.normal(0, 6)
    else:
        kind = "frontal"
        primary, secondary, roll = rng.normal(0, 8), rng.normal(region.tilt_deg, region.tilt_sd_deg), rng.normal(0, 6)
    if rng.random() < region.turned:
        roll += 180
    elif region.limb and rng.random() < ASKEW:
        roll += rng.uniform(-90, 90)
    field, centre = fitted(centre + rng.normal(0, 0.06, 3) * field, field, box, abs(secondary))
    geometry = random_geometry(centre, field, (primary, secondary, roll), PIXELS, rng)
    return kind, geometry


def fitted(
    centre: np.ndarray, field: float, box: tuple[np.ndarray, np.ndarray], tilt_deg: float
) -> tuple[float, np.ndarray]:
    """Field and centre so that cut ends of a body stay out of the picture, as far as what it is of stays in."""
    if tilt_deg > 35:
        return field, centre
    low, high = box[0][2], box[1][2]
    field = min(field, 0.98 * (high - low))
    half = field / 2
    z = min(max(centre[2], low + half), high - half)
    z = min(max(z, centre[2] - ASIDE * field), centre[2] + ASIDE * field)
    return field, np.array([centre[0], centre[1], z])
