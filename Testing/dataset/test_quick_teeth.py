"""Teeth in staged jaws: between both of them, in rows, the bone's own masks left as they are."""

from __future__ import annotations

import numpy as np
from FluoroSAMSlicerLib.dataset.quick import teeth
from FluoroSAMSlicerLib.dataset.quick.metal import Implanted

MM, LOWER, UPPER, GAP_MM = 1.4, 1, 2, 16.0


def jaws(next_value: int = 3) -> Implanted:
    """Two horseshoes over each other, 16 mm apart, in flesh."""
    z, y, x = (MM * (np.arange(n) - n // 2) for n in (64, 90, 80))
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    arch = (np.abs(np.hypot(x / 40, np.minimum(y - 20, 0) / 50) - 1) < 0.15) & (y < 40)
    labels = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.uint16)
    labels[arch & (z < -GAP_MM / 2) & (z > -GAP_MM / 2 - 25)] = LOWER
    labels[arch & (z > GAP_MM / 2) & (z < GAP_MM / 2 + 22)] = UPPER
    tissue = np.where(labels > 0, 500, 40).astype(np.int16)
    return Implanted(tissue, labels, np.array([x.min(), y.min(), z.min()]), MM, next_value)


NAMES = {"mandible": (LOWER,), "left maxilla": (UPPER,)}


def test_crowns_fill_the_gap_and_roots_stay_bone(monkeypatch):
    monkeypatch.setattr(teeth, "NONE", 0.0)
    monkeypatch.setattr(teeth, "CROWNED", (0.0,) * 3)
    for seed in range(3):
        body, before = jaws(), jaws()
        count = teeth.give_teeth(body, NAMES, np.random.default_rng(seed))
        assert 10 <= count <= 32
        new = body.tissue != before.tissue
        assert body.tissue[new].min() >= 1400 and body.tissue.max() < 2500
        in_gap = before.labels == 0
        assert np.count_nonzero(new & in_gap) > 500 and np.count_nonzero(new & (before.labels == LOWER)) > 300
        assert (body.labels[new & in_gap] == 0).all()
        assert np.count_nonzero(body.labels != before.labels) < 0.06 * np.count_nonzero(before.labels)
        heights = body.origin[2] + MM * np.argwhere(new & in_gap)[:, 0]
        assert np.abs(heights).max() < GAP_MM / 2 + 3


def test_there_are_as_many_on_the_left_as_on_the_right(monkeypatch):
    monkeypatch.setattr(teeth, "NONE", 0.0)
    body, before = jaws(), jaws()
    teeth.give_teeth(body, NAMES, np.random.default_rng(0))
    x = body.origin[0] + MM * np.argwhere((body.tissue != before.tissue) & (before.labels == 0))[:, 2]
    assert 0.5 < np.count_nonzero(x < 0) / np.count_nonzero(x > 0) < 2


def test_crowns_of_metal_have_a_name(monkeypatch):
    monkeypatch.setattr(teeth, "NONE", 0.0)
    monkeypatch.setattr(teeth, "CROWNED", (1.0,) * 3)
    body = jaws()
    assert teeth.give_teeth(body, NAMES, np.random.default_rng(1))
    assert body.names == {teeth.CROWN: (3,)} and body.next_value == 4
    assert (body.tissue[body.labels == 3] == 3000).all() and np.count_nonzero(body.labels == 3) > 100


def test_bodies_without_both_jaws_stay_as_they_are():
    for names in ({"mandible": (LOWER,)}, {"left maxilla": (UPPER,)}, {}):
        body = jaws()
        assert teeth.give_teeth(body, names, np.random.default_rng(3)) == 0
        assert np.array_equal(body.tissue, jaws().tissue) and np.array_equal(body.labels, jaws().labels)
