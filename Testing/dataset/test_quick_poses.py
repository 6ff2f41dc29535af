"""Bodies bent at their joints: bones stay what they are, flesh gives way."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset.quick import load_packed, staging
from FluoroSAMSlicerLib.dataset.quick.posing import JOINTS, Pose, pose, random_angles
from FluoroSAMSlicerLib.dataset.quick.resampling import resample
from scipy.ndimage import binary_dilation


@pytest.fixture(scope="module")
def bodies(packed_dolls):
    return load_packed(packed_dolls)


def still(body):
    """A warp that moves nothing."""
    upper = body.origin + body.spacing * np.array(body.labels.shape[::-1])
    control = np.zeros((3, 2, 2, 2))
    return SimpleNamespace(
        matrix=np.eye(3), centre=body.origin, lower=body.origin, upper=upper, control=control
    )


def bent(packed, region: str, angles):
    """HU, labels and origin of a body bent by ``angles``, on a grid with room around it."""
    body, mm = packed.body, float(packed.body.spacing[0])
    place = next(p for p in packed.places if p.region.name == region)
    how = pose(packed.skeleton_at(place.centre), region, angles, packed.count, place.centre, 700.0)
    far = body.origin + body.spacing * np.array(body.labels.shape[::-1])
    lower = np.minimum(body.origin, how.lower - 40) if how.moves else body.origin
    upper = np.maximum(far, how.upper + 40) if how.moves else far
    shape = tuple(np.ceil((upper - lower) / mm).astype(int)[::-1].tolist())
    one, none = np.ones(packed.count), np.zeros(packed.count)
    hu, labels = resample(body, still(body), lower, mm, shape, (-np.inf, np.inf), one, none, how)
    return hu, labels, lower, place


def points(labels, origin, mm, values):
    return origin + mm * np.argwhere(np.isin(labels, values))[:, ::-1]


def of(bodies, name):
    return bodies[bodies.names.index(name)]


def axis_of(cloud):
    return np.linalg.svd(cloud[::3] - cloud.mean(0), full_matrices=False)[2][0]


@pytest.mark.parametrize(
    ("name", "region", "joint", "fixed", "moved", "way", "degrees"),
    [
        ("doll_leg", "knee", "knee", "right femur", "right tibia", (1, 1), 40),
        ("lenz_doll", "foot", "ankle", "right talus", "right tibia", (1, 1), -25),
        ("osim_forearm_doll", "elbow", "elbow", "right humerus", "right radius", (1, -1), 60),
        ("osim_forearm_doll", "hand", "wrist", "right third metacarpal", "right radius", (1, -1), 15),
    ],
)
def test_a_joint_bends_by_its_angle_and_bones_keep_their_size(
    bodies, name, region, joint, fixed, moved, way, degrees
):  # fmt: skip
    packed = of(bodies, name)
    mm = float(packed.body.spacing[0])
    values = packed.body.structures
    _, rest, start, _ = bent(packed, region, {})
    _, labels, origin, _ = bent(packed, region, {joint: (degrees, 0.0)})
    kept = [points(*grid, mm, values[fixed]) for grid in ((rest, start), (labels, origin))]
    assert np.abs(kept[0].mean(0) - kept[1].mean(0)).max() < 1.5
    before, after = (points(*grid, mm, values[moved]) for grid in ((rest, start), (labels, origin)))
    assert abs(len(after) / len(before) - 1) < 0.06
    for one, other in zip(*(np.linalg.svd(c - c.mean(0), compute_uv=False) for c in (before, after)), strict=True):
        assert abs(other / one - 1) < 0.06
    turned = np.degrees(np.arccos(min(1.0, abs(axis_of(before) @ axis_of(after)))))
    assert abs(turned - abs(degrees)) < 5
    shift = (after.mean(0) - before.mean(0))[way[0]]
    assert shift * way[1] > 4


def test_flesh_goes_with_the_bones_and_leaves_no_ghost_of_them(bodies):
    packed = of(bodies, "doll_leg")
    hu, labels, origin, _ = bent(packed, "knee", {"knee": (45.0, 0.0), "patella": (27.0, 0.0)})
    mm = float(packed.body.spacing[0])
    shank = points(labels, origin, mm, packed.body.structures["right tibia"])
    middle = shank.mean(0)
    along = axis_of(shank)
    aside = np.cross(along, (1, 0, 0))
    for off in (32, -32):
        k, j, i = np.rint((middle + off * aside / np.linalg.norm(aside) - origin) / mm).astype(int)[::-1]
        assert -60 < hu[k, j, i] < 120, "flesh lies around the bent bone"
    assert hu[~binary_dilation(labels > 0, iterations=2)].max() <= 130
    # Where the far end of the straight leg was there is air now.
    far = packed.body.bounds("right tibia")[0][2] + 15
    k, j, i = np.rint((np.array([0, 0, far]) - origin) / mm).astype(int)[::-1]
    assert hu[k, j, i] < -500 and labels[k, j, i] == 0


def test_a_pose_of_straight_joints_is_no_pose(bodies):
    packed = of(bodies, "doll_leg")
    place = next(p for p in packed.places if p.region.name == "knee")
    bones = packed.skeleton_at(place.centre)
    assert {joint.name for joint in bones.joints} >= {"knee", "patella"}
    assert not pose(bones, "knee", {}, packed.count, place.centre, 300.0).moves
    assert not Pose.none().moves


def test_angles_are_those_that_radiographs_show():
    rng = np.random.default_rng(1)
    drawn = {region: [random_angles(region, rng) for _ in range(300)] for region in JOINTS}
    knees = np.array([angles["knee"][0] for angles in drawn["knee"]])
    assert 0.35 < ((knees > 18) & (knees < 52)).mean() < 0.75 and knees.min() >= 0 and knees.max() < 100
    ankles = np.array([angles["ankle"][0] for angles in drawn["ankle"]])
    assert -61 < ankles.min() < -50 and 5 < ankles.max() < 13 and 0.6 < (ankles > -31).mean() < 0.85
    fingers = [bend for angles in drawn["hand"] for name, (bend, _) in angles.items() if "finger" in name]
    assert np.percentile(fingers, 90) < 50 and min(fingers) >= -8
    assert all(abs(side) < 60 for every in drawn.values() for angles in every for _, side in angles.values())


def test_stagings_of_limbs_are_bent_and_their_bones_stay_whole(bodies, monkeypatch):
    own = load_packed(bodies.files[0].parent)
    own.places = [tuple(p for p in places if p.region.name == "knee") for places in own.places]
    monkeypatch.setattr(staging, "BENT", 0.0)
    straight = [staging.stage(own, 4, number, 1) for number in range(6)]
    monkeypatch.setattr(staging, "BENT", 1.0)
    turned = [staging.stage(own, 4, number, 1) for number in range(6)]
    changed = 0
    for one, other in zip(straight, turned, strict=True):
        assert one.body == other.body and one.views[0].kind == other.views[0].kind
        changed += one.tissue.shape != other.tissue.shape or not np.array_equal(one.labels, other.labels)
        counts = [
            np.count_nonzero(np.isin(s.labels, s.structures[next(n for n in s.structures if "patella" in n)]))
            * s.spacing[0] ** 3
            for s in (one, other)
        ]
        assert abs(counts[1] / counts[0] - 1) < 0.25
    assert changed >= 5
