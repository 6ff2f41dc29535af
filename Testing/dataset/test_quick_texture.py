"""Gas, fat and spongy bone in staged bodies, and bones that are bent beside their neighbours."""

from __future__ import annotations

import numpy as np
from FluoroSAMSlicerLib.dataset.quick import load_packed, stage, staging
from FluoroSAMSlicerLib.dataset.quick.texture import GAS_HU, give_texture
from FluoroSAMSlicerLib.dataset.warp import Warp

STRUCTURES = {"colon": (1,), "left femur": (2,), "left lung": (3,), "liver": (4,)}


def textured(seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(5, dtype=np.uint16), 12)[:, None, None] * np.ones((1, 40, 40), np.uint16)
    tissue = np.array([-90, 20, 700, -650, 60], np.int16)[labels]
    tissue[:, 0] = -1000
    give_texture(tissue, labels, STRUCTURES, 2.0, np.random.default_rng(seed))
    return tissue, labels


def test_gas_comes_into_the_gut_and_nowhere_else():
    shares = []
    for seed in range(30):
        tissue, labels = textured(seed)
        assert not np.isin(labels[tissue == GAS_HU], (0, 2, 4)).any()
        shares.append((tissue[labels == 1] == GAS_HU).mean())
    assert min(shares) == 0 and max(shares) > 0.2


def test_air_stays_and_bone_keeps_its_mean_density():
    tissue, labels = textured(1)
    assert (tissue[:, 0][labels[:, 0] != 3] == -1000).all()
    bone = tissue[:, 1:][labels[:, 1:] == 2]
    assert abs(bone.mean() - 700) < 20 and bone.std() > 5
    assert tissue[:, 1:][labels[:, 1:] == 4].std() > 2


def test_some_lungs_have_clouds_and_all_stay_lighter_than_flesh_on_average():
    means, spreads = [], []
    for seed in range(30):
        tissue, labels = textured(seed)
        lung = tissue[:, 1:][labels[:, 1:] == 3]
        assert -990 <= lung.min() and lung.max() <= 120
        means.append(lung.mean())
        spreads.append(lung.std())
    clouded = np.array(means) > -640
    assert 5 <= clouded.sum() <= 20 and np.mean(means) < -400
    assert np.median(np.array(spreads)[~clouded]) < 100 < np.max(spreads)


def test_texture_moves_nothing(packed_dolls, monkeypatch):
    bodies = load_packed(packed_dolls)
    varied = [stage(bodies, 3, number, views=1) for number in range(4)]
    monkeypatch.setattr(staging, "give_texture", lambda *_: None)
    for number, one in enumerate(varied):
        smooth = stage(bodies, 3, number, views=1)
        assert np.array_equal(one.views[0].geometry.source, smooth.views[0].geometry.source)
        assert one.structures == smooth.structures


def test_a_line_of_points_is_bent_locally_by_about_what_was_asked(packed_dolls):
    body = load_packed(packed_dolls)[0].body
    size = body.spacing * np.array(body.labels.shape[::-1])
    points = body.origin + size * np.linspace(0.1, 0.9, 40)[:, None]
    moved = []
    for seed in range(12):
        still, bent = (Warp.random(body, np.random.default_rng(seed), False, 0.0, mm) for mm in (0.0, 3.0))
        assert np.allclose(still.source_of(points), points)
        moved.append(bent.source_of(points) - points)
        assert np.allclose(bent.source_of(bent.target_of(points)), points, atol=0.1)
    assert 0.8 < np.std(moved) < 4.5
