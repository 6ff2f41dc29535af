"""Quick exposures agree with the exact projector, and know what they show."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset.masks import MaskRule
from FluoroSAMSlicerLib.dataset.quick import REGIONS, load_packed, march, stage, staging
from FluoroSAMSlicerLib.dataset.quick.marching import slots_of
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, project

SIDE = 128


@pytest.fixture(scope="module")
def bodies(packed_dolls):
    return load_packed(packed_dolls)


def staged_of(bodies, number: int, seed: int = 1, views: int = 2, region: int | None = None):
    """A staging of body ``number``, of one region if asked."""
    only = load_packed(bodies.files[0].parent)
    only.places = [
        tuple(p for p in places if which == number and region in (None, p.number))
        for which, places in enumerate(bodies.places)
    ]
    return stage(only, seed, 0, views)


def exact(staged, view: int, side: int = SIDE):
    grid = {"origin": staged.origin, "spacing": staged.spacing}
    return project(
        CTVolume(staged.tissue, **grid), staged.views[view].geometry.resized(side),
        LabelVolume(staged.labels, **grid), materials=True, threads=1,
    )  # fmt: skip


def masks_of(staged, values, path) -> dict[str, np.ndarray]:
    return {one.structure: one.mask for one in MaskRule().masks(staged.structures, values, path)}


@pytest.mark.parametrize("number", range(4))
def test_pictures_and_masks_agree_with_the_exact_projector(bodies, number):
    staged = staged_of(bodies, number, seed=3 + number)
    quick = march(staged, SIDE)
    compared = 0
    for view in range(len(staged.views)):
        true = exact(staged, view)
        density = quick.density[view]
        summed = sum(true.area_density[name] for name in ("soft", "bone", "metal"))
        assert np.corrcoef(density.sum(0).ravel(), summed.ravel())[0, 1] > 0.99
        assert np.corrcoef(density[1].ravel(), true.area_density["bone"].ravel())[0, 1] > 0.98
        assert abs(density.sum() / summed.sum() - 1) < 0.01
        drawn = masks_of(staged, quick.values, quick.path[view])
        for name, mask in masks_of(staged, true.label_values, true.label_path_mm).items():
            if np.count_nonzero(mask) > 0.01 * mask.size:
                compared += 1
                both = np.count_nonzero(mask & drawn[name])
                assert 2 * both > 0.97 * (np.count_nonzero(mask) + np.count_nonzero(drawn[name])), name
    assert compared >= 2


def test_every_label_that_a_view_shows_has_a_plane_and_what_is_out_of_view_has_none(bodies):
    torso = bodies.names.index("doll_torso")
    neck = next(n for n, region in enumerate(REGIONS) if region.name == "cervical spine")
    staged = staged_of(bodies, torso, region=neck)
    quick = march(staged, 48)
    for view in range(len(staged.views)):
        true = exact(staged, view, 48)
        met = true.label_values[true.label_path_mm.max((1, 2)) > 3 * staged.spacing[0]]
        assert set(met.tolist()) <= set(quick.values.tolist())
    values, slots = slots_of(staged, range(len(staged.views)))
    assert np.array_equal(slots[values], np.arange(len(values))) and (np.delete(slots, values) == -1).all()
    assert staged.structures["left hip bone"][0] not in values
    assert staged.structures["C4 vertebra"][0] in values


def test_views_chosen_by_number_are_the_same_as_among_all(bodies):
    staged = staged_of(bodies, 0, views=3)
    every, one = march(staged, 32, threads=2), march(staged, 32, views=[2])
    assert np.array_equal(every.density[2], one.density[0])
    for plane, value in enumerate(one.values):
        assert np.array_equal(one.path[0, plane], every.path[2, list(every.values).index(value)])


@pytest.mark.parametrize("number", range(len(REGIONS)), ids=[region.name for region in REGIONS])
def test_every_region_shows_its_structure(bodies, number, monkeypatch):
    monkeypatch.setattr(staging, "LARGEST", 300_000)
    which = next(n for n, places in enumerate(bodies.places) if any(p.number == number for p in places))
    staged = staged_of(bodies, which, seed=number, views=4, region=number)
    quick = march(staged, 48)
    own = bodies[which].body.structures
    names = [name.format(side=side) for side in ("right ", "left ") for name in REGIONS[number].centre]
    values = {v for name in names for v in own.get(name, ())}
    planes = [plane for plane, value in enumerate(quick.values) if value in values]
    for view in range(4):
        assert staged.views[view].region == REGIONS[number].name
        shown = quick.path[view, planes].max(0) > 0
        assert np.count_nonzero(shown) > 0.002 * shown.size, staged.views[view].kind
