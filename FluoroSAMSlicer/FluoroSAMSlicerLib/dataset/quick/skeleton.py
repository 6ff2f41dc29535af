"""The joints of a body: which bones move together, where they turn, and which way they bend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...anatomy import vocabulary
from ..body import Body

TRUNK = "trunk"
DIGITS = ("thumb", "index finger", "middle finger", "ring finger", "little finger")
ORDINALS = ("first", "second", "third", "fourth", "fifth")

_FOOT = (
    "talus", "calcaneus", "navicular", "cuboid", "medial cuneiform", "intermediate cuneiform", "lateral cuneiform",
    *(f"{n} metatarsal" for n in ORDINALS),
)  # fmt: skip
_CARPUS = (
    "lunate", "scaphoid", "pisiform", "triquetrum", "capitate", "trapezium", "trapezoid", "hamate",
    *(f"{n} metacarpal" for n in ORDINALS[1:]),
)  # fmt: skip

FRONT, BACK, UP = (0.0, -1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Joint:
    """``child`` turns about ``centre`` (x, y, z), LPS mm, around unit ``bend``; ``across`` is the axis sideways."""

    name: str
    parent: str
    child: str
    centre: np.ndarray
    bend: np.ndarray
    across: np.ndarray


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The bones of one side of a body. ``values``: label values of each group that moves as one; ``clouds``: points
    (N, 3) of each, LPS mm. Bones that are in no limb of this side belong to the trunk."""

    values: dict[str, tuple[int, ...]]
    clouds: dict[str, np.ndarray]
    joints: tuple[Joint, ...]


def skeleton(body: Body, side: str) -> Skeleton:
    """The skeleton of one side ("left ", "right ", or "" where names have none)."""
    values = {group: _values(body, names) for group, names in _groups(side).items()}
    values = {group: own for group, own in values.items() if own}
    taken = {value for own in values.values() for value in own}
    anatomy = vocabulary()
    rest = [
        value for name, own in body.structures.items() if name in anatomy and anatomy[name].category == "bone"
        for value in own if value not in taken
    ]  # fmt: skip
    if rest:
        values[TRUNK] = tuple(rest)
    clouds = _clouds(body, values)
    values = {group: values[group] for group in clouds}
    joints = []
    for name, parent, child, flex, inside in _plan(values):
        joint = _joint(name, parent, child, clouds, flex, inside)
        if joint is not None:
            joints.append(joint)
    return Skeleton(values, clouds, tuple(joints))


def _groups(side: str) -> dict[str, list[str]]:
    groups = {
        "thigh": [f"{side}femur"],
        "patella": [f"{side}patella"],
        "shank": [f"{side}tibia", f"{side}fibula"],
        "foot": [f"{side}{name}" for name in _FOOT]
        + [f"{part} phalanx of {side}{n} toe" for part in ("proximal", "middle", "distal")
           for n in ("great", *ORDINALS[1:])],
        "upper arm": [f"{side}humerus"],
        "forearm": [f"{side}ulna", f"{side}radius"],
        "hand": [f"{side}{name}" for name in _CARPUS],
        "thumb": [f"{side}first metacarpal"],
    }  # fmt: skip
    for digit in DIGITS:
        for part in ("proximal", "middle", "distal"):
            groups[f"{part} {digit}"] = [f"{part} phalanx of {side}{digit}"]
    return groups


def _plan(groups):
    """(joint, parent, child, which way it bends or None for the palm, share of the way into the parent, mm)."""
    yield "hip", TRUNK, "thigh", FRONT, 0.0
    yield "knee", "thigh", "shank", BACK, 20.0
    yield "patella", "thigh", "patella", BACK, 0.0
    yield "ankle", "shank", "foot", UP, -8.0
    yield "shoulder", TRUNK, "upper arm", FRONT, 0.0
    yield "elbow", "upper arm", "forearm", FRONT, 10.0
    yield "wrist", "forearm", "hand", None, -6.0
    yield "thumb", "hand", "thumb", None, 0.0
    for digit in DIGITS:
        chain = ["thumb" if digit == "thumb" else "hand"]
        chain += [f"{part} {digit}" for part in ("proximal", "middle", "distal") if f"{part} {digit}" in groups]
        for number in range(len(chain) - 1):
            yield chain[number + 1], chain[number], chain[number + 1], None, 3.0


def _values(body: Body, names) -> tuple[int, ...]:
    return tuple(value for name in names for value in body.structures.get(name, ()))


def _clouds(body: Body, values: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    step = 2 if body.labels.size > 4_000_000 or body.spacing.min() < 1.3 else 1
    count = int(body.labels.max()) + 1
    number = np.zeros(count, np.uint8)
    for n, own in enumerate(values.values(), 1):
        number[[value for value in own if value < count]] = n
    small = number[body.labels[::step, ::step, ::step]]
    where = np.argwhere(small)
    kind = small[tuple(where.T)]
    points = body.origin + step * body.spacing * where[:, ::-1]
    found = {group: points[kind == n] for n, group in enumerate(values, 1)}
    return {group: own for group, own in found.items() if len(own) >= 4}


def _joint(name, parent, child, clouds, flex, inside) -> Joint | None:
    from scipy.spatial import cKDTree

    if parent not in clouds or child not in clouds:
        return None
    if name == "patella":  # it slides over the femur, about the axis of the knee
        if "shank" not in clouds:
            return None
        knee = _joint("knee", "thigh", "shank", clouds, BACK, 20.0)
        return Joint(name, parent, child, knee.centre, knee.bend, knee.across)
    near, far = clouds[parent], clouds[child]
    distance, nearest = cKDTree(far).query(near)
    close = np.argsort(distance)[: max(12, len(distance) // 60)]
    centre = (near[close].mean(0) + far[nearest[close]].mean(0)) / 2
    local = far[np.argsort(np.linalg.norm(far - centre, axis=1))[: max(200, len(far) // 2)]]
    along = _unit(local.mean(0) - centre)
    flex = _palm(clouds) if flex is None else np.array(flex)
    if name == "hip":  # the femur turns about the middle of its head, which lies in the pelvis' socket
        head = far[far[:, 2] > centre[2] - 30]
        head = head[np.linalg.norm(head - centre, axis=1) < 35]
        centre = head.mean(0) if len(head) else centre
    else:
        centre = centre - inside * along
    if name == "ankle":  # at rest a foot points to the front, whatever of it is there
        along = np.array(FRONT)
    bend = np.cross(along, flex)
    if np.linalg.norm(bend) < 0.2:
        return None
    bend = _unit(bend)
    return Joint(name, parent, child, centre, bend, _unit(np.cross(bend, along)))


def _palm(clouds) -> np.ndarray:
    """The direction to which fingers bend: across the plane of the hand, to the front where palms look."""
    hand = clouds.get("hand")
    if hand is None or len(hand) < 10:
        return np.array(FRONT)
    normal = np.linalg.svd(hand[:: max(1, len(hand) // 2000)] - hand.mean(0), full_matrices=False)[2][2]
    return normal if normal[1] < 0 else -normal


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
