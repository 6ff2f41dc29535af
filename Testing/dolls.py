"""Small made bodies that show everything radiographs are taken of: ellipsoids with the names of bones, in flesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np

ARM = {
    "right humerus": ((0, 0, 252), (16, 13, 40)),
    "right ulna": ((9, 4, 130), (7, 7, 80)),
    "right radius": ((-9, -4, 130), (7, 7, 80)),
    "right lunate": ((2, 0, 42), (6, 6, 6)),
    "right scaphoid": ((-13, 0, 40), (6, 6, 6)),
    "right third metacarpal": ((0, 0, 10), (6, 6, 24)),
    "proximal phalanx of right middle finger": ((0, 0, -34), (6, 6, 18)),
    "distal phalanx of right middle finger": ((0, 0, -70), (5, 5, 14)),
}
FOOT = {
    "right tibia": ((0, 25, 90), (13, 13, 60)),
    "right talus": ((0, 22, 14), (14, 18, 12)),
    "right calcaneus": ((0, 45, -12), (14, 24, 12)),
    "right first metatarsal": ((16, -40, -10), (8, 26, 8)),
    "right fifth metatarsal": ((-22, -38, -14), (6, 24, 6)),
    "distal phalanx of right third toe": ((0, -88, -14), (6, 9, 5)),
}
LEG = {
    "right femur": ((0, 0, 190), (24, 22, 180)),
    "right tibia": ((0, 0, -190), (22, 20, 180)),
    "right patella": ((0, -42, 40), (18, 9, 20)),
}
LEGS = {
    f"{side} {bone}": ((sign * 60, 0, z), (22, 20, 140))
    for side, sign in (("left", 1), ("right", -1))
    for bone, z in (("femur", 150), ("tibia", -150))
}
HEAD = {
    "sphenoid bone": ((0, 10, 70), (40, 30, 20)),
    "mandible": ((0, -40, 0), (35, 25, 15)),
}
TORSO = {
    "T7 vertebra": ((0, 60, 300), (22, 22, 13)),
    "T11 vertebra": ((0, 60, 200), (22, 22, 13)),
    "L2 vertebra": ((0, 60, 120), (25, 24, 15)),
    "L3 vertebra": ((0, 60, 80), (25, 24, 15)),
    "C4 vertebra": ((0, 40, 480), (14, 14, 9)),
    "sacrum": ((0, 70, -20), (40, 25, 40)),
} | {
    f"{side} {name}": ((sign * x, y, z), radii)
    for side, sign in (("left", 1), ("right", -1))
    for name, (x, y, z), radii in (
        ("hip bone", (95, 40, -40), (36, 40, 75)),
        ("femur", (120, 30, -165), (24, 24, 55)),
        ("scapula", (105, 80, 340), (40, 9, 60)),
        ("humerus", (165, 40, 330), (18, 18, 70)),
        ("clavicle", (85, -30, 420), (60, 8, 8)),
        ("rib 4", (100, 0, 350), (18, 60, 8)),
        ("rib 9", (110, 0, 240), (18, 60, 8)),
    )
}  # fmt: skip
LUNGS = {
    "left lung upper lobe": ((75, 0, 340), (55, 60, 70)),
    "right lung lower lobe": ((-75, 0, 270), (55, 60, 70)),
}
DOLLS = {
    "bp3d_doll": (HEAD, (75, 85), 1.5),
    "osim_forearm_doll": (ARM, (34, 30), 1.3),
    "lenz_doll": (FOOT, (40, 30), 1.5),
    "doll_leg": (LEG, (62, 62), 2.4),
    "doll_legs": (LEGS, (125, 60), 2.6),
    "doll_torso": (TORSO | LUNGS, (200, 115), 3.0),
}
"""Name by its grid: ellipsoids (centre, half axes: x, y, z in LPS mm), half axes of the flesh (x, y), spacing mm."""


def body(name: str):
    """One of ``DOLLS`` as a :class:`Body`."""
    from FluoroSAMSlicerLib.dataset.body import Body

    parts, flesh, mm = DOLLS[name]
    centres, radii = (np.array([part[n] for part in parts.values()], float) for n in (0, 1))
    margin = np.array([*flesh, 0]) * 0.35 + 4
    lower = np.minimum((centres - radii).min(0), [-flesh[0], -flesh[1], np.inf]) - margin
    upper = np.maximum((centres + radii).max(0), [flesh[0], flesh[1], -np.inf]) + margin
    shape = np.ceil((upper - lower) / mm).astype(int)
    x, y, z = (lower[n] + mm * np.arange(shape[n]) for n in range(3))
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    inside = ((x / flesh[0]) ** 2 + (y / flesh[1]) ** 2 < 1) & (z == z)
    hu, labels = np.full(inside.shape, -1000, np.int16), np.zeros(inside.shape, np.uint16)
    hu[inside] = 30
    for value, (part, (centre, half)) in enumerate(parts.items(), 1):
        far = sum(((at - c) / h) ** 2 for at, c, h in zip((x, y, z), centre, half, strict=True))
        if "lung" not in part:
            hu[(far < 1.7) & (hu < 0)] = 30
        hu[far < 1] = -750 if "lung" in part else 500 + 20 * value
        labels[far < 1] = value
    names = {part: (value,) for value, part in enumerate(parts, 1)}
    return Body(name, hu, labels, lower, np.full(3, mm), names)


def packed(folder: Path) -> Path:
    """All of them, packed."""
    from FluoroSAMSlicerLib.dataset.quick.packing import write

    for name in DOLLS:
        write(body(name), folder / f"{name}.npz")
    return folder
