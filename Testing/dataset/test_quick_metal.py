"""Metal that is put into staged bodies: where bones are, as metal, under its names."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.anatomy import vocabulary
from FluoroSAMSlicerLib.dataset.quick import load_packed, march, metal, staging


@pytest.fixture(scope="module")
def bodies(packed_dolls):
    return load_packed(packed_dolls)


def only(bodies, region: str):
    own = load_packed(bodies.files[0].parent)
    own.places = [tuple(p for p in places if p.region.name == region) for places in own.places]
    return own


def staged_with(bodies, region: str, monkeypatch, count: int = 16):
    """Stagings with metal, by what metal they have."""
    monkeypatch.setattr(metal, "SHARE", 1.0)
    monkeypatch.setattr(staging, "LARGEST", 300_000)
    found, own = {}, only(bodies, region)
    for number in range(count):
        staged = staging.stage(own, 6, number, 2)
        for name in staged.structures:
            if name in vocabulary() and vocabulary()[name].category in ("implant", "tool"):
                found.setdefault(name, []).append(staged)
    return found


@pytest.mark.parametrize(
    ("region", "names"),
    [
        ("knee", {"knee prosthesis", "screw"}),
        ("forearm", {"plate", "screw"}),
    ],
)
def test_metal_is_dense_named_and_in_the_picture(bodies, region, names, monkeypatch):
    found = staged_with(bodies, region, monkeypatch)
    assert names <= set(found)
    shown = 0
    for name, stagings in found.items():
        staged = stagings[0]
        inside = np.isin(staged.labels, staged.structures[name])
        assert inside.any() and (staged.tissue[inside] == metal.METAL_HU).all()
        assert inside.sum() * staged.spacing[0] ** 3 < 3e5, name
        quick = march(staged, 48)
        (value,) = staged.structures[name]
        if value in quick.values:
            path = quick.path[:, list(quick.values).index(value)]
            shown += path.max() > 0
            assert (quick.density[:, 2][path > 2 * staged.spacing[0]] > 0).all()
    assert shown >= len(names) - 1


def test_metal_lies_in_or_on_bones(bodies, monkeypatch):
    found = staged_with(bodies, "forearm", monkeypatch, 10)
    for name in ("plate", "screw"):
        staged = found[name][0]
        bones = [v for n, own in staged.structures.items() if n not in found for v in own]
        bone = np.argwhere(np.isin(staged.labels, bones))[::3]
        own = np.argwhere(np.isin(staged.labels, staged.structures[name]))
        near = [np.linalg.norm(bone - at, axis=1).min() * staged.spacing[0] for at in own[:: max(1, len(own) // 40)]]
        assert np.median(near) < 14, name


def test_a_knee_prosthesis_has_the_side_of_its_bone(bodies, monkeypatch):
    found = staged_with(bodies, "knee", monkeypatch, 8)
    assert found["knee prosthesis"]
    for staged in found["knee prosthesis"]:
        side = "left" if "left femur" in staged.structures else "right"
        assert staged.structures[f"{side} knee prosthesis"] == staged.structures["knee prosthesis"]


def test_a_hip_prosthesis_takes_the_place_of_the_head():
    z, y, x = np.mgrid[0:100, 0:50, 0:70] * 3.0
    labels = np.zeros(x.shape, np.uint16)
    head = np.array([75.0, 75.0, 240.0])
    far = np.sqrt((x - head[0]) ** 2 + (y - head[1]) ** 2 + (z - head[2]) ** 2)
    labels[((x - 125) ** 2 + (y - 75) ** 2 < 14**2) & (z < 225)] = 1
    neck = np.abs((x - 75) * 0.4 - (240 - z)) < 12
    labels[(neck & (np.abs(y - 75) < 12) & (x > 75) & (x < 130)) | (far < 23)] = 1
    labels[(far > 26) & (far < 34) & (z > 235)] = 2
    body = metal.Implanted(np.where(labels > 0, 700, 40).astype(np.int16), labels, np.zeros(3), 3.0, 3)
    seed = next(n for n in range(20) if np.random.default_rng(n).random() < 0.6)
    structures = {"left femur": (1,), "left hip bone": (2,)}
    metal.implant(body, structures, "hip", head, np.random.default_rng(seed))
    assert body.names == {"hip prosthesis": (3,), "left hip prosthesis": (3,)}
    inside = np.argwhere(labels == 3)[:, ::-1] * 3.0
    assert (body.tissue[labels == 3] == metal.METAL_HU).all()
    assert np.linalg.norm(inside - head, axis=1).min() < 4, "a head"
    low = inside[inside[:, 2] < 180]
    assert len(low) and np.abs(low[:, 0] - 125).max() < 20, "a stem in the shaft"
    assert not (labels[far < 20] == 1).any(), "the bone's own head is gone"


def test_one_in_eight_stagings_has_metal(bodies, monkeypatch):
    monkeypatch.setattr(staging, "LARGEST", 30_000)
    share = np.mean([bool(_metal(staging.stage(bodies, 8, number, 1))) for number in range(30)])
    assert 0 < share < 0.3


def _metal(staged):
    return [n for n in staged.structures if n in vocabulary() and vocabulary()[n].category == "implant"]
