"""Poses: joints bent as radiographs show them. Bones stay rigid; what is between them gives way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .skeleton import DIGITS, Skeleton

SOFT, FIXED = -1, 0
"""Groups of labels that are no bone, and of bones that stay where they are."""

CELLS = 22
"""Cells along the longest side of the grid on which soft tissue's way is kept."""

ROOTS = {
    "hip": "trunk", "pelvis": "trunk", "knee": "thigh", "patella": "thigh", "lower leg": "shank", "ankle": "shank",
    "foot": "foot", "toes": "foot", "calcaneus": "foot", "elbow": "upper arm", "forearm": "forearm",
    "wrist": "hand", "scaphoid": "hand", "hand": "hand", "fingers": "hand",
}  # fmt: skip
"""What keeps its place, by what is X-rayed."""

_LEG, _FOOT = ("knee", "patella"), ("ankle",)
_FINGERS = ("thumb", *(f"{part} {digit}" for digit in DIGITS for part in ("proximal", "middle", "distal")))
JOINTS = {
    "hip": ("hip",), "pelvis": (), "knee": _LEG, "patella": _LEG, "lower leg": (*_LEG, *_FOOT), "ankle": _FOOT,
    "foot": _FOOT, "toes": _FOOT, "calcaneus": _FOOT, "elbow": ("elbow",), "forearm": ("elbow", "wrist"),
    "wrist": ("wrist", *_FINGERS), "scaphoid": ("wrist", *_FINGERS), "hand": ("wrist", *_FINGERS),
    "fingers": ("wrist", *_FINGERS),
}  # fmt: skip
"""What is bent, by what is X-rayed."""


@dataclass(frozen=True, eq=False)
class Pose:
    """A bent body, as the resampler reads it; positions are LPS mm of the body's own space.

    group: int8 (labels,), 0 for bones that stay, n for those that move by ``back[n - 1]`` (3, 4), which takes a
    bent place to the one at rest; -1 for what is no bone.
    bits: uint32 (c, b, a), bit n set where a bone of group n may be; empty where nothing is bent.
    shift: float32 (c, b, a, 3), mm from a bent place of soft tissue to the one at rest.
    origin, cell: the grid of both, mm. lower, upper: the box of all bones of it, bent.
    """

    group: np.ndarray
    back: np.ndarray
    bits: np.ndarray
    shift: np.ndarray
    origin: np.ndarray
    cell: float
    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def none(cls) -> Pose:
        """Nothing is bent."""
        zero = np.zeros(3)
        return cls(
            np.zeros(1, np.int8), np.zeros((0, 3, 4)), np.zeros((0, 0, 0), np.uint32),
            np.zeros((0, 0, 0, 3), np.float32), zero, 1.0, zero, zero,
        )  # fmt: skip

    @property
    def moves(self) -> bool:
        return self.bits.size > 0


def random_angles(region: str, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Degrees of bending and of sideways turn, by joint, as a radiograph of the region is taken."""
    joints, angles = JOINTS.get(region, ()), {}
    curl = rng.uniform(0, 22) if rng.random() < 0.75 else rng.uniform(20, 45)
    own = dict(zip(DIGITS, rng.normal(0, 7, 5), strict=True))
    knee = rng.uniform(18, 52) if rng.random() < 0.55 else abs(rng.normal(0, 6))
    if rng.random() < 0.07:
        knee = rng.uniform(50, 95)
    for joint in joints:
        draw, side = rng.random(), rng.normal(0, 1)
        match joint:
            case "hip":
                angles[joint] = (rng.uniform(-5, 25), 8 * side)
            case "knee":
                angles[joint] = (knee, side)
            case "patella":
                angles[joint] = (0.6 * knee, side)
            case "ankle":
                stands = region in ("foot", "toes")  # the shin leans back, out of the beam
                bent = rng.uniform(-42, 0) if stands else rng.uniform(-30, 12)
                if draw < 0.35:  # a lying patient's foot points away
                    bent = rng.uniform(-60, -25)
                angles[joint] = (bent, 3 * side)
            case "elbow":
                angles[joint] = (rng.uniform(40, 100) if draw < 0.55 else abs(rng.normal(0, 10)), 2 * side)
            case "wrist":
                angles[joint] = (rng.normal(0, 10), 8 * side)
            case "thumb":
                angles[joint] = (rng.normal(0, 8), 8 * side)
            case _:
                digit = joint.split(" ", 1)[1]
                share = 0.4 if digit == "thumb" else 1.0
                spread = 4 * side if joint.startswith("proximal") else 0.0
                angles[joint] = (float(np.clip(share * curl + own[digit], -8, 80)), spread)
    return angles


def pose(
    bones: Skeleton, region: str, angles: dict[str, tuple[float, float]], labels: int, centre: np.ndarray,
    reach: float,
) -> Pose:  # fmt: skip
    """The pose of these angles, within ``reach`` mm of ``centre``; ``labels`` is one more than the largest value."""
    forward = _transforms(bones, ROOTS.get(region, ""), angles)
    moved = [name for name, matrix in forward.items() if np.abs(matrix - np.eye(4)).max() > 1e-9]
    if not moved:
        return Pose.none()
    group = np.full(labels, SOFT, np.int8)
    for name, own in bones.values.items():
        group[list(own)] = moved.index(name) + 1 if name in moved else FIXED
    clouds = [_placed(bones.clouds[name], forward[name]) for name in moved]
    still = [cloud for name, cloud in bones.clouds.items() if name not in moved]
    clouds.insert(0, np.concatenate(still) if still else np.zeros((0, 3)))
    clouds = [cloud[(np.abs(cloud - centre) < reach).all(1)] for cloud in clouds]
    seen = np.concatenate(clouds)
    if not len(seen):
        return Pose.none()
    lower, upper = seen.min(0), seen.max(0)
    cell = max(4.0, float((upper - lower).max() + 160) / CELLS)
    origin = lower - 80
    shape = np.ceil((upper + 80 - origin) / cell).astype(int)[::-1] + 1
    back = np.stack([np.linalg.inv(forward[name])[:3] for name in moved])
    bits, shift = _field(clouds, back, origin, cell, tuple(shape.tolist()))
    return Pose(group, back, bits, shift, origin, cell, lower, upper)


def _field(clouds, back, origin, cell, shape) -> tuple[np.ndarray, np.ndarray]:
    """Where bones of each group may be, and the way of soft tissue: that of the bones around, near ones first."""
    from scipy.ndimage import distance_transform_edt

    bits = np.zeros(shape, np.uint32)
    weights = []
    for number, cloud in enumerate(clouds):
        if not len(cloud):
            weights.append(None)
            continue
        free = np.ones(shape, bool)
        free[tuple(np.rint((cloud - origin) / cell).astype(int).T[::-1])] = False
        far = distance_transform_edt(free)
        bits[far < 1.8] |= np.uint32(1 << number)
        weights.append((1.0 / (far * cell + 3.0) ** 4).astype(np.float32))
    total = sum(weight for weight in weights if weight is not None)
    at = [origin[n] + cell * np.arange(shape[2 - n]) for n in range(3)]
    z, y, x = at[2][:, None, None], at[1][None, :, None], at[0][None, None, :]
    shift = np.zeros((*shape, 3), np.float32)
    for number, matrix in enumerate(back, 1):
        if weights[number] is None:
            continue
        share = weights[number] / total
        share[share < 0.004] = 0
        for axis in range(3):
            row = matrix[axis].copy()
            row[axis] -= 1
            shift[..., axis] += share * (row[0] * x + row[1] * y + row[2] * z + row[3])
    return bits, shift


def _transforms(bones: Skeleton, root: str, angles) -> dict[str, np.ndarray]:
    """By group, 4 x 4: from where it is at rest to where it is bent, while ``root`` stays."""
    edges: dict[str, list[tuple[str, np.ndarray]]] = {}
    for joint in bones.joints:
        bend, side = np.radians(angles.get(joint.name, (0.0, 0.0)))
        turn = _turn(joint.centre, joint.bend, bend) @ _turn(joint.centre, joint.across, side)
        edges.setdefault(joint.parent, []).append((joint.child, turn))
        edges.setdefault(joint.child, []).append((joint.parent, np.linalg.inv(turn)))
    found = {root: np.eye(4)} if root in bones.clouds else {}
    queue = list(found)
    while queue:
        here = queue.pop()
        for there, turn in edges.get(here, ()):
            if there not in found:
                found[there] = found[here] @ turn
                queue.append(there)
    return found


def _turn(centre: np.ndarray, axis: np.ndarray, angle: float) -> np.ndarray:
    """4 x 4 of a turn by ``angle`` (radians) about a line."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = np.eye(4)
    matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre
    return matrix


def _placed(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]
