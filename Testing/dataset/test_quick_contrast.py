"""Contrast medium in staged bodies, and what a staged volume holds of air."""

from __future__ import annotations

import numpy as np
from FluoroSAMSlicerLib.dataset.quick import load_packed, stage, staging
from FluoroSAMSlicerLib.dataset.quick.contrast import with_contrast
from FluoroSAMSlicerLib.dataset.quick.regions import REGIONS, places_of


def test_contrast_medium_brightens_what_it_flows_through():
    structures = {"aorta": (1,), "stomach": (2,), "urinary bladder": (3,), "liver": (4,)}
    ways = set()
    for seed in range(20):
        shift = with_contrast(np.zeros(5), structures, np.random.default_rng(seed))
        assert shift[4] == 0 and shift[0] == 0
        assert (shift > 0).sum() == 1
        ways.add(int(np.argmax(shift)))
    assert ways == {1, 2, 3}


def test_contrast_changes_tissue_but_no_place_or_view(packed_dolls, monkeypatch):
    bodies = load_packed(packed_dolls)

    def staged(share: float) -> list:
        monkeypatch.setattr(staging, "CONTRAST", share)
        return [stage(bodies, 3, number, views=1) for number in range(8)]

    for plain, filled in zip(staged(0.0), staged(1.0), strict=True):
        assert np.array_equal(plain.labels, filled.labels)
        assert np.array_equal(plain.views[0].geometry.source, filled.views[0].geometry.source)


def test_staged_volumes_begin_and_end_with_tissue(packed_dolls):
    bodies = load_packed(packed_dolls)
    for number in range(6):
        solid = stage(bodies, 5, number, views=1).tissue > -800
        for axis in range(3):
            shown = solid.any(axis=tuple({0, 1, 2} - {axis}))
            assert shown[0] and shown[-1]


def test_the_stump_of_a_bone_is_no_radiograph_of_it(packed_dolls):
    bodies = load_packed(packed_dolls)
    stumps = wholes = 0
    for packed in bodies:
        found = {place.region.name for place in places_of(packed.body)}
        for region in REGIONS:
            names = [region.centre[0].format(side=side) for side in ("left ", "right ", "")]
            for name in packed.body.structures.keys() & set(names):
                if region.whole_mm:
                    length = np.ptp(packed.body.bounds(name), axis=0).max()
                    stumps += length < region.whole_mm and region.name not in found
                    wholes += length >= region.whole_mm and region.name in found
    assert stumps
    assert wholes
