"""Instruments and implants made by code, and plausible places for them in a patient.

Every tool lies along +z with its tip at the origin, millimetres. Default sizes are those of common products.
"""

from __future__ import annotations

import numpy as np

from .errors import MeshError, VolumeError
from .mesh import Mesh, joined
from .placement import Tool
from .volume import CTVolume

SIDES = 32


def screw(length_mm=40.0, diameter_mm=4.5, pitch_mm=1.75, head_mm=8.0, material="steel") -> Tool:
    """A bone screw with a helical thread and a round head."""
    z = np.linspace(0, length_mm, max(16, int(length_mm / pitch_mm * 10)))
    turn = 2 * np.pi * np.arange(SIDES) / SIDES
    ridge = np.abs((z[:, None] / pitch_mm - turn / (2 * np.pi)) % 1 * 2 - 1)
    radius = diameter_mm / 2 * (0.7 + 0.3 * ridge) * np.clip(z[:, None] / (1.5 * pitch_mm), 0.05, 1)
    shaft = _revolved(radius, z)
    bow = np.linspace(0, np.pi, 13)
    head = _revolved(
        np.repeat(head_mm / 2 * np.sin(bow).clip(0.02)[:, None], SIDES, 1),
        length_mm + head_mm * 0.2 * (1 - np.cos(bow)),
    )
    return Tool("screw", joined([shaft, head]), material)


def k_wire(length_mm=150.0, diameter_mm=1.6, material="steel") -> Tool:
    """A Kirschner wire with a pointed tip."""
    z = np.array([0, 2.5 * diameter_mm, length_mm])
    return Tool("K-wire", _round([0.02, diameter_mm / 2, diameter_mm / 2], z), material)


def rod(length_mm=100.0, diameter_mm=5.5, bend_mm=8.0, material="metal") -> Tool:
    """A spinal rod, bent to an arc of height bend_mm, with round ends."""
    cap = diameter_mm / 2 / length_mm * (1 - np.cos(np.linspace(0, np.pi / 2, 9)))
    s = np.concatenate([cap, np.linspace(cap[-1], 1 - cap[-1], 41)[1:-1], 1 - cap[::-1]])
    centre = np.stack([bend_mm * 4 * s * (1 - s), 0 * s, length_mm * s], axis=1)
    ends = np.minimum(s, 1 - s) * length_mm / (diameter_mm / 2)
    radius = diameter_mm / 2 * np.sqrt(1 - (1 - ends.clip(0, 1)) ** 2).clip(0.02)
    return Tool("rod", _swept(centre, radius), material)


def nail(length_mm=340.0, diameter_mm=11.0, bore_mm=5.0, bow_radius_mm=1500.0, material="metal") -> Tool:
    """A cannulated intramedullary nail with the bow of the femur."""
    s = np.linspace(0, 1, 41)
    bow = length_mm**2 / (8 * bow_radius_mm)
    centre = np.stack([bow * 4 * s * (1 - s), 0 * s, length_mm * s], axis=1)
    return Tool("nail", _tube(centre, diameter_mm / 2, bore_mm / 2), material)


def needle(length_mm=90.0, diameter_mm=1.27, bore_mm=0.9, material="steel") -> Tool:
    """A hollow needle (18 gauge), without its hub."""
    centre = np.stack([np.zeros(3), np.zeros(3), np.linspace(0, length_mm, 3)], axis=1)
    return Tool("needle", _tube(centre, diameter_mm / 2, bore_mm / 2), material)


def catheter(length_mm=300.0, diameter_mm=2.3, bore_mm=1.2, bend_mm=60.0, material="aluminium") -> Tool:
    """A soft catheter (7 French) in a gentle S; radiopaque filling shows about as aluminium of its size."""
    s = np.linspace(0, 1, 81)
    centre = np.stack(
        [bend_mm / 2 * np.sin(2 * np.pi * s), bend_mm / 4 * np.sin(np.pi * s), length_mm * s], axis=1
    )
    return Tool("catheter", _tube(centre, diameter_mm / 2, bore_mm / 2), material)


def guide_wire(length_mm=300.0, diameter_mm=0.89, bend_mm=50.0, hook_mm=6.0, material="steel") -> Tool:
    """A guide wire (0.035 inch) with a J tip."""
    turn = np.linspace(np.pi, 0, 25)
    hook = np.stack(
        [hook_mm / 2 * (1 + np.cos(turn)) - hook_mm, 0 * turn, hook_mm / 2 * (1 - np.sin(turn))], axis=1
    )
    s = np.linspace(0, 1, 81)[1:]
    shaft = np.stack(
        [bend_mm * s**2 * np.sin(3 * s), bend_mm / 3 * s**2, hook_mm / 2 + length_mm * s], axis=1
    )
    return Tool("guide wire", _swept(np.concatenate([hook, shaft]), diameter_mm / 2), material)


def drill_bit(length_mm=120.0, diameter_mm=4.5, twist_mm=25.0, material="steel") -> Tool:
    """A twist drill: two flutes over the lower half, a plain shank above."""
    z = np.linspace(0, length_mm, 121)
    turn = 2 * np.pi * np.arange(SIDES) / SIDES
    flute = np.abs(np.cos(turn - 2 * np.pi * z[:, None] / twist_mm)) ** 3
    depth = np.where(z < length_mm / 2, 0.45, 0.0)[:, None]
    return Tool(
        "drill bit",
        _revolved(diameter_mm / 2 * (1 - depth * flute) * np.clip(z / diameter_mm, 0.03, 1)[:, None], z),
        material,
    )


def ball_marker(diameter_mm=5.0, material="steel") -> Tool:
    """A marker ball around the origin."""
    bow = np.linspace(0, np.pi, 33)
    return Tool(
        "ball marker",
        _round(diameter_mm / 2 * np.sin(bow).clip(1e-3), -diameter_mm / 2 * np.cos(bow)),
        material,
    )


def plate(holes=6, spacing_mm=16.0, width_mm=12.0, thickness_mm=3.5, hole_mm=4.5, material="metal") -> Tool:
    """A straight bone plate with round holes, its bone side at y = 0 and its body on the +y side."""
    half, points, triangles = width_mm / 2, [], []
    turn = 2 * np.pi * (np.arange(SIDES) + 0.5) / SIDES
    square = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    square = square / np.abs(square).max(axis=1, keepdims=True)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) * hole_mm / 2
    for hole in range(int(holes)):
        middle = np.array([0.0, spacing_mm * (hole + 0.5)])
        corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        ring = np.concatenate([square, corners])
        order = np.argsort(np.arctan2(ring[:, 1], ring[:, 0]))
        ring = ring[order] * (half, spacing_mm / 2)
        inner = np.concatenate([circle, circle[[3, 11, 19, 27]]])[order]
        across = np.round(np.concatenate([ring, inner]) + middle, 9)
        n = len(ring)
        start = sum(map(len, points))
        for level in (0.0, thickness_mm):
            points.append(np.stack([across[:, 0], np.full(2 * n, level), across[:, 1]], axis=1))
        at, after = np.arange(n), (np.arange(n) + 1) % n
        low, high = start, start + 2 * n
        for base, forward in ((low, True), (high, False)):
            a, b, c, d = base + at, base + after, base + n + at, base + n + after
            faces = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
            triangles.append(faces if forward else faces[:, ::-1])
        triangles.append(_wall(low + n + at, low + n + after, high + n + at, high + n + after, False))
        middles = (ring + ring[after]) / 2
        outer = (np.abs(np.abs(middles[:, 0]) - half) < 1e-6) | (
            (hole == 0) & (np.abs(middles[:, 1] + spacing_mm / 2) < 1e-6)
        )
        outer |= (hole == int(holes) - 1) & (np.abs(middles[:, 1] - spacing_mm / 2) < 1e-6)
        triangles.append(_wall(low + at, low + after, high + at, high + after, True)[np.tile(outer, 2)])
    return Tool("plate", Mesh(np.concatenate(points), np.concatenate(triangles)), material)


LIBRARY = {
    "screw": screw, "K-wire": k_wire, "rod": rod, "plate": plate, "nail": nail, "needle": needle,
    "catheter": catheter, "guide wire": guide_wire, "drill bit": drill_bit, "ball marker": ball_marker,
}  # fmt: skip
_IN_BONE = ("screw", "K-wire", "drill bit", "nail", "plate", "rod")


def make(kind: str, **sizes) -> Tool:
    """A tool of the library by its name; sizes as its function takes them. Raises MeshError."""
    if kind not in LIBRARY:
        raise MeshError(f"no tool {kind!r}; choose one of {', '.join(LIBRARY)}")
    for name, value in sizes.items():
        if name != "material" and (not np.isfinite(value) or value <= 0):
            raise MeshError(f"{name} of the {kind} must be greater than zero, not {value!r}")
    try:
        return LIBRARY[kind](**sizes)
    except TypeError as error:
        raise MeshError(f"the {kind} has no such size: {error}") from error


def random_tools(ct: CTVolume, rng: np.random.Generator, count: int = 1, kinds=None) -> list[Tool]:
    """Tools of random kind and size where such tools are found in this patient.

    Screws, wires and drills start in bone and run any way; nails and rods lie along the bone around them, plates
    on its surface; needles point from the skin inwards; catheters and guide wires lie in soft tissue; balls on
    the skin. Names are unique ("screw", "screw 2"). The same generator state gives the same tools.

    Raises VolumeError for a CT without soft tissue or bone, MeshError for unknown kinds.
    """
    kinds = list(LIBRARY) if kinds is None else list(kinds)
    coarse = ct.hu[::3, ::3, ::3]
    bone, flesh = np.argwhere(coarse > 300)[:, ::-1] * 3, np.argwhere(coarse > -200)[:, ::-1] * 3
    if len(flesh) == 0:
        raise VolumeError("the CT shows no tissue to place tools in")
    if len(bone) == 0:
        bone = flesh
    world = ct.grid.index_to_world
    bone, flesh = bone @ world.T + ct.grid.origin, flesh @ world.T + ct.grid.origin
    tools, seen = [], {}
    for _ in range(count):
        kind = kinds[int(rng.integers(len(kinds)))]
        tool = make(kind, **_sizes(kind, rng))
        seen[kind] = seen.get(kind, 0) + 1
        name = kind if seen[kind] == 1 else f"{kind} {seen[kind]}"
        pose = _in_bone(kind, tool, bone, rng) if kind in _IN_BONE else _in_flesh(kind, tool, flesh, rng)
        tools.append(Tool(name, tool.mesh, tool.material, pose, tool.density))
    return tools


def _sizes(kind: str, rng) -> dict:
    ranges = {
        "screw": {"length_mm": (14, 60), "diameter_mm": (2.4, 6.5)},
        "K-wire": {"length_mm": (70, 250), "diameter_mm": (1.0, 2.5)},
        "rod": {"length_mm": (50, 200), "diameter_mm": (4.5, 6.4), "bend_mm": (1, 15)},
        "plate": {"spacing_mm": (10, 18), "width_mm": (8, 16), "thickness_mm": (1.5, 4.5)},
        "nail": {"length_mm": (180, 400), "diameter_mm": (9, 13)},
        "needle": {"length_mm": (40, 150), "diameter_mm": (1.0, 1.7)},
        "catheter": {"length_mm": (150, 400), "bend_mm": (10, 90)},
        "guide wire": {"length_mm": (150, 400), "bend_mm": (10, 90)},
        "drill bit": {"length_mm": (80, 180), "diameter_mm": (2.0, 5.0)},
        "ball marker": {"diameter_mm": (2, 10)},
    }[kind]
    sizes = {name: float(rng.uniform(*span)) for name, span in ranges.items()}
    if kind == "plate":
        sizes["holes"] = int(rng.integers(3, 11))
    if kind in ("screw", "K-wire", "drill bit", "ball marker", "plate"):
        sizes["material"] = str(rng.choice(["steel", "metal"]))
    return sizes


def _in_bone(kind, tool, bone, rng) -> np.ndarray:
    centre = bone[rng.integers(len(bone))]
    near = bone[np.linalg.norm(bone - centre, axis=1) < 60]
    spread = near - near.mean(axis=0)
    along = np.linalg.svd(spread[:2000], full_matrices=False)[2][0] if len(near) > 3 else _direction(rng)
    if kind in ("nail", "rod", "plate"):
        length = np.ptp(tool.mesh.points[:, 2])
        normal = centre - near.mean(axis=0) if kind == "plate" else _direction(rng)
        if kind == "plate":
            local = near[np.linalg.norm(near - centre, axis=1) < 25]
            outwards = (local - local.mean(axis=0)) @ normal
            centre = local[int(np.argmax(outwards))]
        start = (near.mean(axis=0) if kind == "nail" else centre) - along * length / 2
        return _pose(start, along + rng.normal(0, 0.05, 3), normal)
    return _pose(centre, _direction(rng), _direction(rng))


def _in_flesh(kind, tool, flesh, rng) -> np.ndarray:
    centre = flesh[rng.integers(len(flesh))]
    outwards = centre - flesh.mean(axis=0)
    outwards = outwards / max(np.linalg.norm(outwards), 1e-6) + rng.normal(0, 0.4, 3)
    if kind == "ball marker":
        side = outwards / np.linalg.norm(outwards)
        return _pose(flesh[int(np.argmax((flesh - flesh.mean(axis=0)) @ side))], side, _direction(rng))
    if kind == "needle":
        return _pose(centre, outwards, _direction(rng))
    start = centre - np.array([0, 0, np.ptp(tool.mesh.points[:, 2]) / 2])
    return _pose(start, np.array([0, 0, 1.0]) + rng.normal(0, 0.25, 3), _direction(rng))


def _direction(rng) -> np.ndarray:
    way = rng.normal(size=3)
    return way / np.linalg.norm(way)


def _pose(position, along, normal) -> np.ndarray:
    """+z along ``along``, +y towards ``normal`` as far as that allows, the origin at position."""
    z = along / np.linalg.norm(along)
    y = normal - (normal @ z) * z
    if np.linalg.norm(y) < 1e-6:
        y = np.cross(z, [1.0, 0.3, -0.2])
    y = y / np.linalg.norm(y)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([np.cross(y, z), y, z], axis=1)
    pose[:3, 3] = position
    return pose


def _wall(a, b, c, d, outside: bool) -> np.ndarray:
    """Two triangles each between the edge a-b below and c-d above."""
    faces = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    return faces if outside else faces[:, ::-1]


def _round(radii, z) -> Mesh:
    return _revolved(np.repeat(np.asarray(radii, float)[:, None], SIDES, 1), np.asarray(z, float))


def _revolved(radii: np.ndarray, z: np.ndarray) -> Mesh:
    """The closed surface of radius (Z, SIDES) about the z axis, with flat ends."""
    turn = 2 * np.pi * np.arange(SIDES) / SIDES
    rings = np.stack(
        [radii * np.cos(turn), radii * np.sin(turn), np.broadcast_to(z[:, None], radii.shape)], -1
    )
    return _skin(rings, np.array([[0, 0, z[0]], [0, 0, z[-1]]]))


def _swept(centre: np.ndarray, radius) -> Mesh:
    """A round rod of one or of changing radius along a curve (N, 3)."""
    rings = _rings(centre, np.broadcast_to(radius, len(centre)))
    return _skin(rings, centre[[0, -1]])


def _tube(centre: np.ndarray, outer: float, inner: float) -> Mesh:
    """A pipe along a curve (N, 3), open at both ends."""
    if inner >= outer:
        raise MeshError(f"a bore of {2 * inner:g} mm does not fit into {2 * outer:g} mm")
    outside, inside = (_rings(centre, np.full(len(centre), radius)) for radius in (outer, inner))
    n = len(centre) * SIDES
    walls = _sides(len(centre))
    at, after = np.arange(SIDES), (np.arange(SIDES) + 1) % SIDES
    last = n - SIDES
    ends = [
        _wall(at, after, n + at, n + after, True),
        _wall(last + at, last + after, n + last + at, n + last + after, False),
    ]
    points = np.concatenate([outside.reshape(-1, 3), inside.reshape(-1, 3)])
    return Mesh(points, np.concatenate([walls, (walls + n)[:, ::-1], *ends]))


def _rings(centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Circles (N, SIDES, 3) across a curve, turned as little as possible from one to the next."""
    tangent = np.gradient(centre, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent[0], [0.0, 1.0, 0.0])
    turn = 2 * np.pi * np.arange(SIDES) / SIDES
    rings = []
    for point, way, size in zip(centre, tangent, radius, strict=True):
        side = side - (side @ way) * way
        side /= np.linalg.norm(side)
        other = np.cross(way, side)
        rings.append(point + size * (np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * other))
    return np.array(rings)


def _sides(count: int) -> np.ndarray:
    """Triangles (M, 3) between neighbouring rings, facing outwards."""
    at, after = np.arange(SIDES), (np.arange(SIDES) + 1) % SIDES
    return np.concatenate(
        [
            np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
            for n in range(count - 1)
            for a, b, c, d in [
                (n * SIDES + at, n * SIDES + after, (n + 1) * SIDES + at, (n + 1) * SIDES + after)
            ]
        ]
    )


def _skin(rings: np.ndarray, ends: np.ndarray) -> Mesh:
    """Rings (N, SIDES, 3) joined and closed by a fan to a point at each end."""
    n = rings.shape[0] * SIDES
    at, after = np.arange(SIDES), (np.arange(SIDES) + 1) % SIDES
    first = np.stack([np.full(SIDES, n), after, at], 1)
    last = np.stack([np.full(SIDES, n + 1), n - SIDES + at, n - SIDES + after], 1)
    return Mesh(
        np.concatenate([rings.reshape(-1, 3), ends]), np.concatenate([_sides(len(rings)), first, last])
    )
