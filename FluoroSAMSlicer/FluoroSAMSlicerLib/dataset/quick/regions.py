"""What radiographs are taken of, how often, and where in a body each is centred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..body import Body


@dataclass(frozen=True)
class Region:
    """A kind of radiograph.

    centre: names of structures; ``{side}`` stands for "right ", "left " or nothing. ``joint`` centres between two
        of them where they come closest, else the box around all is centred.
    field_mm: range of the square field's side at the centre. weight: how often it is taken.
    lateral, oblique: shares of such views; the others are frontal. oblique_deg: their primary angle.
    tilt_deg, tilt_sd_deg: secondary angle of a frontal view, mean and deviation. turned: share hung with the far
        end up.
    limb: only this half of the body, to about 11 cm beside the centre, is in the picture.
    finest_mm: bodies on a coarser grid than this are not used. whole_mm: how long the first structure is at
        least: the stump that another joint's scan shows is none.
    panoramic: a narrow beam sweeps along the jaws; such regions are drawn apart from the others.
    """

    name: str
    centre: tuple[str, ...]
    field_mm: tuple[float, float]
    weight: float
    joint: bool = False
    lateral: float = 0.35
    oblique: float = 0.1
    oblique_deg: float = 45.0
    tilt_deg: float = 0.0
    tilt_sd_deg: float = 7.0
    turned: float = 0.05
    limb: bool = False
    finest_mm: float = 3.0
    whole_mm: float = 0.0
    panoramic: bool = False


def _limb(name, centre, field_mm, weight, joint=False, finest_mm=2.5, **more) -> Region:
    return Region(name, centre, field_mm, weight, joint, limb=True, finest_mm=finest_mm, **more)


REGIONS = (
    Region("chest", ("left lung upper lobe", "right lung lower lobe"), (300, 440), 10, lateral=0.25, oblique=0.04),
    # The clavicles of a standing patient lie on the lungs; of scans with raised arms they do so from above only.
    Region("chest", ("left lung upper lobe", "right lung lower lobe"), (300, 440), 10, lateral=0.0, oblique=0.0,
           tilt_deg=-22, tilt_sd_deg=10),
    Region("ribs", ("{side}rib 4", "{side}rib 9"), (200, 340), 2, lateral=0.0, oblique=0.5),
    Region("abdomen", ("L2 vertebra",), (220, 440), 11, lateral=0.2, oblique=0.12),
    Region("thoracic spine", ("T7 vertebra",), (180, 380), 3, lateral=0.5),
    Region("thoracic spine", ("T11 vertebra",), (150, 260), 1, lateral=0.5),
    Region("lumbar spine", ("L3 vertebra",), (160, 340), 7, lateral=0.45),
    Region("cervical spine", ("C4 vertebra",), (120, 260), 4, lateral=0.5, oblique=0.15),
    Region("sacrum", ("sacrum",), (140, 300), 3, lateral=0.4),
    Region("pelvis", ("left hip bone", "right hip bone"), (260, 440), 10, lateral=0.08, oblique=0.15),
    Region("hip", ("{side}hip bone", "{side}femur"), (140, 280), 5, True, lateral=0.15, oblique=0.15),
    Region("shoulder", ("{side}scapula", "{side}humerus"), (120, 260), 6, True, lateral=0.1, oblique=0.3),
    Region("clavicle", ("{side}clavicle",), (140, 240), 1.5, lateral=0.0, tilt_deg=-3, tilt_sd_deg=15),
    Region("skull", ("sphenoid bone",), (200, 320), 6, lateral=0.5, finest_mm=1.6),
    Region("face", ("mandible",), (120, 240), 2, lateral=0.45, finest_mm=1.6),
    Region("thighs", ("left femur", "right femur"), (300, 480), 2, lateral=0.0, oblique=0.1, whole_mm=250),
    Region("lower legs", ("left tibia", "right tibia"), (300, 480), 1, lateral=0.0, oblique=0.1, whole_mm=250),
    _limb("femur", ("{side}femur",), (280, 480), 2, lateral=0.4, whole_mm=250),
    _limb("femur", ("{side}femur", "{side}tibia"), (200, 340), 1, True, lateral=0.4),
    _limb("knee", ("{side}femur", "{side}tibia"), (110, 270), 9, True, lateral=0.48, oblique=0.07),
    _limb("patella", ("{side}patella",), (90, 190), 2, lateral=0.5),
    _limb("lower leg", ("{side}tibia",), (280, 460), 2, lateral=0.45, whole_mm=250),
    _limb("ankle", ("{side}tibia", "{side}talus"), (90, 230), 8, True, 2.1, lateral=0.45, oblique=0.3,
          oblique_deg=18),
    _limb("foot", ("{side}talus", "{side}first metatarsal", "{side}fifth metatarsal"), (170, 310), 9, False, 2.1,
          lateral=0.4, oblique=0.25, oblique_deg=40, tilt_deg=-70, turned=0.4),
    _limb("toes", ("{side}first metatarsal", "distal phalanx of {side}third toe"), (80, 160), 1.5, False, 1.6,
          lateral=0.15, oblique=0.3, oblique_deg=35, tilt_deg=-75, turned=0.4),
    _limb("calcaneus", ("{side}calcaneus",), (90, 170), 2, False, 1.6, lateral=0.65, tilt_deg=-45),
    _limb("elbow", ("{side}humerus", "{side}ulna"), (90, 210), 4, True, 1.6, lateral=0.5, turned=0.3),
    _limb("forearm", ("{side}radius",), (200, 340), 2, False, 1.6, lateral=0.45, turned=0.4, whole_mm=150),
    _limb("wrist", ("{side}radius", "{side}lunate"), (80, 190), 6, True, 1.6, lateral=0.42, turned=0.6),
    _limb("scaphoid", ("{side}scaphoid",), (60, 120), 1, False, 1.3, lateral=0.2, oblique=0.4, turned=0.7),
    _limb("hand", ("{side}third metacarpal", "{side}lunate", "distal phalanx of {side}middle finger"), (140, 250), 6,
          False, 1.3, lateral=0.2, oblique=0.3, turned=0.85),
    _limb("fingers", ("proximal phalanx of {side}middle finger", "distal phalanx of {side}middle finger"),
          (70, 150), 2.5, False, 1.3, lateral=0.4, oblique=0.2, turned=0.85),
    Region("jaws", ("mandible",), (130, 170), 4, finest_mm=1.6, panoramic=True),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Place:
    """A region of one body: ``number`` in ``REGIONS``, and its centre (x, y, z), LPS mm."""

    number: int
    centre: np.ndarray

    @property
    def region(self) -> Region:
        return REGIONS[self.number]


def places_of(body: Body) -> list[Place]:
    """Every region that the body shows, of both sides."""
    found = []
    for number, region in enumerate(REGIONS):
        sides = ("right ", "left ", "") if any("{side}" in name for name in region.centre) else ("",)
        for side in sides:
            names = [name.format(side=side) for name in region.centre]
            if not all(name in body.structures for name in names):
                continue
            if region.whole_mm and np.ptp(body.bounds(names[0]), axis=0).max() < region.whole_mm:
                continue
            if region.joint:
                centre = body.junction(*names)
            else:
                corners = [body.bounds(name) for name in names]
                centre = (np.min([c[0] for c in corners], 0) + np.max([c[1] for c in corners], 0)) / 2
            found.append(Place(number, centre))
    return found
