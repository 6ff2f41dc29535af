"""Metal in a staged body: nails, plates, screws, wires and prostheses, where bones carry them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

METAL_HU = 3000
FLESH_HU = 45

SHARE = 0.12
"""Share of stagings with metal."""

NAMES = (
    "knee prosthesis", "left knee prosthesis", "right knee prosthesis",
    "hip prosthesis", "left hip prosthesis", "right hip prosthesis",
)  # fmt: skip
"""What is only ever seen in bodies, not drawn into pictures."""

_NAILED = ("femur", "tibia", "humerus")
_PLATED = (*_NAILED, "radius", "ulna", "fibula", "clavicle", "metacarpal", "metatarsal")
_LARGE_MM = 120.0

FINE_MM = 1.9
"""Wires are thinner than the voxels of coarser grids."""


@dataclass
class Implanted:
    """A staged grid with metal going into it: ``tissue`` int16 and ``labels`` uint16 (K, J, I) are changed in place.
    ``origin`` (x, y, z) LPS mm, ``spacing`` mm; ``names``: label values of what was put in."""

    tissue: np.ndarray
    labels: np.ndarray
    origin: np.ndarray
    spacing: float
    next_value: int
    names: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def value(self, *names: str) -> int:
        """A label value for what is called ``names``; the one that it has already, if it has."""
        if names[0] not in self.names:
            for name in names:
                self.names[name] = (self.next_value,)
            self.next_value += 1
        return self.names[names[0]][0]

    def cloud(self, values, most: int = 6000) -> np.ndarray:
        """Points (N, 3), LPS mm, of labels."""
        step = 1 if self.labels.size < 400_000 else 2
        where = np.argwhere(np.isin(self.labels[::step, ::step, ::step], values))
        where = where[:: max(1, len(where) // most)]
        return self.origin + step * self.spacing * where[:, ::-1]

    def box(self, lower: np.ndarray, upper: np.ndarray) -> tuple[tuple[slice, slice, slice], np.ndarray]:
        """The voxels of a box, as slices (k, j, i), and their places (k, j, i, 3), LPS mm."""
        first = np.floor((lower - self.origin) / self.spacing).astype(int)
        last = np.ceil((upper - self.origin) / self.spacing).astype(int) + 1
        size = np.array(self.labels.shape[::-1])
        first, last = np.clip(first, 0, size), np.clip(last, 0, size)
        part = tuple(slice(a, max(a, b)) for a, b in zip(first[::-1], last[::-1], strict=True))
        index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in part), indexing="ij")[::-1], -1)
        return part, self.origin + self.spacing * index

    def bar(self, start: np.ndarray, end: np.ndarray, radius: float, value: int) -> None:
        """A round bar of metal, thick enough to be in one piece."""
        radius = max(radius, 0.8 * self.spacing)
        part, places = self.box(np.minimum(start, end) - radius, np.maximum(start, end) + radius)
        way = end - start
        along = np.clip(((places - start) @ way) / max(float(way @ way), 1e-9), 0, 1)
        near = ((places - start - along[..., None] * way) ** 2).sum(-1) <= radius**2
        self.fill(part, near, value)

    def fill(self, part, inside: np.ndarray, value: int) -> None:
        self.tissue[part][inside] = METAL_HU
        self.labels[part][inside] = value


def implant(body: Implanted, structures: dict[str, tuple[int, ...]], region: str, centre, rng) -> None:
    """Put one kind of metal into bones near ``centre`` that radiographs of ``region`` show it in.

    ``structures``: label values by name. ``centre``: (x, y, z), LPS mm, what the views look at.
    """
    drawn = rng.random()
    side = _side(structures, body, centre)
    if region in ("knee", "patella") and drawn < 0.5 and _knee(body, structures, side, np.asarray(centre)):
        return
    if region in ("hip", "pelvis") and drawn < 0.6:
        sides = ("left ", "right ") if region == "pelvis" else (side,)
        if any([_hip(body, structures, one) for one in sides if region == "hip" or rng.random() < 0.7]):
            return
    bones = _near(body, structures, centre)
    if not bones:
        return
    kind = rng.choice(["nail", "plate", "screws", "wires"], p=[0.2, 0.35, 0.25, 0.2])
    fitting = {"nail": _NAILED, "plate": _PLATED}.get(kind, ("",))
    able = [name for name in bones if any(word in name for word in fitting)] or list(bones)
    cloud = bones[able[rng.integers(len(able))]]
    if kind in ("nail", "plate") and not (any(word in able[0] for word in fitting) and _long(cloud)):
        kind = "screws"
    if kind == "wires" and body.spacing > FINE_MM:
        kind = "screws"
    {"nail": _nail, "plate": _plate, "screws": _screws, "wires": _wires}[kind](body, cloud, rng)


def _side(structures, body: Implanted, centre) -> str:
    """ "left " or "right ": that of the femur, or whatever else has sides, nearest to the centre; else ""."""
    nearest, found = np.inf, ""
    for side in ("left ", "right "):
        if f"{side}femur" in structures:
            cloud = body.cloud(structures[f"{side}femur"], 500)
            far = np.linalg.norm(cloud - centre, axis=1).min() if len(cloud) else np.inf
            if far < nearest:
                nearest, found = far, side
    return found


def _near(body: Implanted, structures, centre) -> dict[str, np.ndarray]:
    """Points of every bone that has some of itself within 12 cm of the centre."""
    from ...anatomy import vocabulary

    anatomy, found = vocabulary(), {}
    for name, values in structures.items():
        if name in anatomy and anatomy[name].category == "bone" and "phalanx" not in name:
            cloud = body.cloud(values, 3000)
            close = cloud[np.linalg.norm(cloud - centre, axis=1) < _LARGE_MM] if len(cloud) else cloud
            if len(close) > 30:
                found[name] = cloud
    return found


def _frame(cloud: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle, long axis (3,), and places of the points along it (N,)."""
    middle = cloud.mean(0)
    axis = np.linalg.svd(cloud[:: max(1, len(cloud) // 1500)] - middle, full_matrices=False)[2][0]
    return middle, axis, (cloud - middle) @ axis


def _long(cloud: np.ndarray) -> bool:
    size = np.linalg.svd(cloud[:: max(1, len(cloud) // 1500)] - cloud.mean(0), compute_uv=False)
    return size[0] > 2.5 * size[1]


def _across(axis: np.ndarray, rng) -> np.ndarray:
    normal = np.cross(axis, rng.normal(size=3))
    return normal / np.linalg.norm(normal)


def _nail(body: Implanted, cloud: np.ndarray, rng) -> None:
    _, _, along = _frame(cloud)
    shaft = cloud[np.abs(along - np.median(along)) < 0.3 * np.ptp(along)]
    middle, axis, inside = _frame(shaft)
    half = np.ptp(along) * rng.uniform(0.32, 0.44)
    middle = middle + axis * ((along.max() + along.min()) / 2 * np.sign(axis @ _frame(cloud)[1]))
    ends = middle - half * axis, middle + half * axis
    radius = rng.uniform(4.0, 6.0)
    body.bar(*ends, radius, body.value("intramedullary nail"))
    for end, way in ((ends[0], 1), (ends[1], -1)):
        for step in range(rng.integers(1, 3)):
            at, normal = end + way * axis * (12 + 16 * step), _across(axis, rng)
            width = _width(cloud, at, axis, normal)
            body.bar(at - normal * width, at + normal * width, rng.uniform(1.9, 2.6), body.value("screw"))


def _width(cloud: np.ndarray, at: np.ndarray, axis: np.ndarray, normal: np.ndarray) -> float:
    """Half the bone's width at a place, mm."""
    slab = cloud[np.abs((cloud - at) @ axis) < 6]
    return float(np.percentile(np.abs((slab - at) @ normal), 95)) + 1 if len(slab) > 3 else 14.0


def _plate(body: Implanted, cloud: np.ndarray, rng) -> None:
    middle, axis, along = _frame(cloud)
    large = np.ptp(along) > 180
    spacing = rng.uniform(12, 18) if large else rng.uniform(7, 11)
    holes = int(min(rng.integers(4, 9), np.ptp(along) * 0.8 / spacing))
    if holes < 2:
        return _screws(body, cloud, rng)
    normal = _across(axis, rng)
    sideways = np.cross(axis, normal)
    thick, wide = (rng.uniform(3, 4.5), rng.uniform(10, 15)) if large else (rng.uniform(1.5, 2.5), rng.uniform(5, 9))
    thick = max(thick, 1.1 * body.spacing)
    free = max(np.ptp(along) - holes * spacing, 1.0)
    first = along.min() + rng.uniform(0, free) + spacing / 2
    stations = first + spacing * np.arange(holes)
    tops = []
    for station in stations:
        slab = cloud[np.abs(along - station) < 6]
        if not len(slab):
            return None
        at = slab.mean(0)
        tops.append(at + normal * (np.percentile((slab - at) @ normal, 97) + thick / 2))
    plate, screws = body.value("plate"), body.value("screw")
    for one, other in zip(tops[:-1], tops[1:], strict=True):
        for off in np.linspace(-(wide - thick) / 2, (wide - thick) / 2, max(2, int(wide / body.spacing) + 1)):
            body.bar(one + off * sideways, other + off * sideways, thick / 2, plate)
    for top in tops:
        if rng.random() < 0.85:
            depth = 2 * _width(cloud, top - normal * 10, axis, normal)
            body.bar(top, top - normal * min(depth, 60), rng.uniform(1.6, 2.4) if large else 1.2, screws)
    return None


def _screws(body: Implanted, cloud: np.ndarray, rng) -> None:
    size = float(np.ptp(cloud, axis=0).max())
    value = body.value("screw")
    for _ in range(rng.integers(1, 4)):
        at, way = cloud[rng.integers(len(cloud))], rng.normal(size=3)
        way /= np.linalg.norm(way)
        length = rng.uniform(0.4, 0.9) * min(size, 70)
        radius = rng.uniform(1.6, 3.4) if size > 60 else rng.uniform(1.0, 1.6)
        body.bar(at - way * length / 2, at + way * length / 2, radius, value)
        body.bar(at + way * length / 2, at + way * (length / 2 + 2), 1.8 * radius, value)


def _wires(body: Implanted, cloud: np.ndarray, rng) -> None:
    value = body.value("K-wire")
    common = rng.normal(size=3)
    for _ in range(rng.integers(1, 4)):
        at, way = cloud[rng.integers(len(cloud))], common + rng.normal(0, 0.5, 3)
        way = way / np.linalg.norm(way) * rng.uniform(30, 90) / 2
        body.bar(at - way, at + way, 0.8, value)


def _knee(body: Implanted, structures, side: str, centre: np.ndarray) -> bool:
    """A metal cap on the condyles, a tray with its keel on the tibia."""
    from scipy.ndimage import distance_transform_edt

    femur, tibia = structures.get(f"{side}femur"), structures.get(f"{side}tibia")
    if femur is None or tibia is None:
        return False
    part, places = body.box(centre - 75, centre + 75)
    labels = body.labels[part].copy()
    thigh, shin = np.isin(labels, femur), np.isin(labels, tibia)
    if thigh.sum() * body.spacing**3 < 2e4 or shin.sum() * body.spacing**3 < 2e4:
        return False
    value = body.value("knee prosthesis", *([f"{side}knee prosthesis"] if side else []))
    for bone, cap in ((thigh, 24.0), (shin, 8.0)):
        cloud = places[bone]
        out = centre - cloud[np.linalg.norm(cloud - centre, axis=1) > 35].mean(0)
        out /= np.linalg.norm(out)
        height = (places - centre) @ out
        end = np.percentile(height[bone], 99)
        inside = bone & (height > end - cap)
        if bone is thigh:
            inside &= distance_transform_edt(bone) * body.spacing < 7.5
        body.fill(part, inside, value)
        if bone is shin:
            start = places[inside].mean(0)
            body.bar(start, start - 42 * out, 6.5, value)
    return True


def _hip(body: Implanted, structures, side: str) -> bool:
    """A head on its stem in the femur, a cup in the pelvis; the bone's own head is gone."""
    femur, pelvis = structures.get(f"{side}femur"), structures.get(f"{side}hip bone")
    if not side or femur is None or pelvis is None:
        return False
    from scipy.spatial import cKDTree

    bone, socket = body.cloud(femur), body.cloud(pelvis)
    if len(bone) < 200 or len(socket) < 200:
        return False
    near = bone[cKDTree(socket).query(bone)[0] < 8]
    top = bone[bone[:, 2] > bone[:, 2].max() - 55]
    if len(near) < 10 or np.ptp(bone[:, 2]) < 90:
        return False
    head = near.mean(0)
    shaft = bone[(bone[:, 2] < top[:, 2].min() - 20) & (bone[:, 2] > top[:, 2].min() - 140)]
    if len(shaft) < 40:
        return False
    middle, axis, _ = _frame(shaft)
    axis = axis * np.sign(axis[2])
    shoulder = middle + axis * ((head[2] - 32 - middle[2]) / axis[2])
    low = middle + axis * ((max(shaft[:, 2].min() + 5, head[2] - 165) - middle[2]) / axis[2])
    part, places = body.box(head - 32, head + 32)
    far = np.linalg.norm(places - head, axis=-1)
    gone = (far < 30) & np.isin(body.labels[part], femur)
    body.tissue[part][gone], body.labels[part][gone] = FLESH_HU, 0
    value = body.value("hip prosthesis", f"{side}hip prosthesis")
    medial = np.sign(head[0] - middle[0])
    opening = np.array([-medial * 0.65, -0.2, -0.73])
    cup = (far < 27) & (far > 22.5) & ((places - head) @ opening < 2)
    body.fill(part, cup | (far < 15.5), value)
    body.bar(head, shoulder, 6.5, value)
    for share, radius in ((0.35, 8.5), (0.7, 7.0), (1.0, 5.5)):
        body.bar(shoulder, shoulder + share * (low - shoulder), radius, value)
    return True
