"""Which exposures a radiographer would make of a body, and the random ones a C-arm adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..drr import ProjectionGeometry
from .body import Body
from .warp import Warp


@dataclass(frozen=True)
class Region:
    """A standard exposure: where it is centred and how much it shows.

    ``centre`` names one structure (its bounding box is centred) or two (their junction: a joint).
    ``field_mm`` is the range of the square field's side at the centre, ``lateral`` the share of lateral views,
    ``turned`` the share hung with the far end up (hands and feet), ``tilt_deg`` what the secondary angle of
    its frontal view is (a foot is seen from above).
    """

    name: str
    centre: tuple[str, ...]
    field_mm: tuple[float, float]
    weight: float = 1.0
    lateral: float = 0.35
    turned: float = 0.05
    tilt_deg: float = 0.0


REGIONS = (
    Region("chest", ("left lung upper lobe", "right lung lower lobe"), (300, 460), 9.0, 0.1),
    Region("abdomen", ("L2 vertebra",), (260, 460), 1.0, 0.2),
    Region("thoracic spine", ("T7 vertebra",), (180, 380)),
    Region("lumbar spine", ("L3 vertebra",), (160, 340)),
    Region("pelvis", ("left hip bone", "right hip bone"), (300, 440), 2.0, 0.1),
    Region("hip", ("right hip bone",), (150, 300), 1.0, 0.15),
    Region("shoulder", ("right scapula", "right clavicle"), (130, 280), 1.0, 0.1),
    Region("skull", ("sphenoid bone",), (210, 320), 2.0, 0.5),
    Region("cervical spine", ("C4 vertebra",), (120, 260), 1.5, 0.5),
    Region("femur", ("right femur",), (300, 520), 0.8, 0.4),
    Region("knee", ("right femur", "right tibia"), (130, 280), 1.5, 0.5),
    Region("knee", ("femur", "tibia"), (110, 240), 1.5, 0.5),
    Region("lower leg", ("right tibia",), (280, 480), 0.8, 0.4),
    Region("ankle", ("right tibia", "right talus"), (110, 240), 1.2, 0.5),
    Region("foot", ("right talus", "right first metatarsal"), (170, 320), 1.5, 0.4, 0.3, -65.0),
    Region("elbow", ("right humerus", "right ulna"), (90, 220), 1.0, 0.5, 0.4),
    Region("forearm", ("right radius",), (240, 360), 1.0, 0.4, 0.5),
    Region("wrist", ("right radius", "right lunate"), (80, 190), 1.2, 0.4, 0.6),
    Region("hand", ("right third metacarpal",), (130, 260), 1.5, 0.3, 0.75),
)


@dataclass(frozen=True)
class View:
    """One pose of source and detector around a body."""

    name: str
    geometry: ProjectionGeometry


def regions_of(body: Body) -> list[tuple[Region, np.ndarray]]:
    """The regions that this body shows, each with its centre (x, y, z), LPS mm."""
    found = []
    for region in REGIONS:
        if not all(name in body.structures for name in region.centre):
            continue
        if len(region.centre) == 2 and region.name not in ("chest", "pelvis"):
            found.append((region, body.junction(*region.centre)))
        else:
            corners = [body.bounds(name) for name in region.centre]
            lower = np.min([c[0] for c in corners], axis=0)
            upper = np.max([c[1] for c in corners], axis=0)
            found.append((region, (lower + upper) / 2))
    return found


def random_view(
    body: Body, regions: list[tuple[Region, np.ndarray]], warp: Warp, rng: np.random.Generator, pixels: int
) -> View:
    """A random exposure of a warped body, hung as a radiograph is hung.

    Four in five are near-standard frontal or lateral views of a region; the others are C-arm poses anywhere.
    In a frontal view the patient's right is on the left of the picture and the head is up.
    """
    weights = np.array([region.weight for region, _ in regions])
    region, centre = regions[rng.choice(len(regions), p=weights / weights.sum())]
    centre = warp.target_of(centre[None])[0]
    field = rng.uniform(*region.field_mm) * rng.choice([1.0, 0.75], p=[0.85, 0.15])
    free = rng.random() < 0.18
    if free:
        primary, secondary, roll = rng.uniform(-90, 90), rng.uniform(-30, 30), rng.normal(0, 12)
        kind = "c-arm"
    elif rng.random() < region.lateral:
        primary, secondary, roll = (
            rng.choice([-90, 90]) + rng.normal(0, 6),
            rng.normal(0, 5),
            rng.normal(0, 5),
        )
        kind = "lateral"
    else:
        primary, secondary, roll = rng.normal(0, 9), region.tilt_deg + rng.normal(0, 8), rng.normal(0, 5)
        kind = "frontal"
    if rng.random() < region.turned:
        roll += 180
    centre = centre + rng.normal(0, 0.07, 3) * field
    geometry = random_geometry(centre, field, (primary, secondary, roll), pixels, rng)
    return View(f"{region.name} {kind}", geometry)


def random_geometry(
    centre: np.ndarray, field_mm: float, angles_deg: tuple[float, float, float], pixels: int, rng: np.random.Generator
) -> ProjectionGeometry:
    """Source and detector at random distances about ``centre`` (x, y, z), LPS mm, from before or behind the patient.

    The square picture of ``pixels`` shows ``field_mm`` at the centre; angles as for :func:`beam_axes`.
    """
    source_behind = rng.random() < 0.5
    sdd = rng.uniform(900, 1900)
    to_detector = rng.uniform(0.08, 0.35) * sdd
    forward, column, row = beam_axes(*angles_deg, source_behind)
    magnification = sdd / (sdd - to_detector)
    return ProjectionGeometry(
        source=tuple(centre - forward * (sdd - to_detector)),
        detector_centre=tuple(centre + forward * to_detector),
        column_axis=tuple(column),
        row_axis=tuple(row),
        pixel_mm=(field_mm * magnification / pixels,) * 2,
        size=(pixels, pixels),
    )


def beam_axes(
    primary_deg: float, secondary_deg: float, roll_deg: float, source_behind: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Beam direction and the picture's column and row axes (unit vectors, LPS) of an exposure.

    At 0/0 the beam runs along the antero-posterior axis; the picture is hung the same way for a beam from
    behind (PA) or from the front (AP): columns grow to the patient's left, rows to the feet.
    """
    a, b, c = np.deg2rad([primary_deg, secondary_deg, roll_deg])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    rotation = about_z @ about_x
    forward = rotation @ np.array([0.0, -1.0, 0.0])
    column, row = rotation @ np.array([1.0, 0.0, 0.0]), rotation @ np.array([0.0, 0.0, -1.0])
    column, row = np.cos(c) * column + np.sin(c) * row, np.cos(c) * row - np.sin(c) * column
    return (forward if source_behind else -forward), column, row
