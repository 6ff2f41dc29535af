"""From path lengths to masks: one rule for sets, for shards and for the panel."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset import LabelledCT, SetSettings, plan, render
from FluoroSAMSlicerLib.dataset.masks import MaskRule
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume

PLAIN = MaskRule()


def masks(structures, path, rule=PLAIN) -> dict:
    values = np.arange(1, len(path) + 1)
    return {one.structure: one.mask for one in rule.masks(structures, values, path.astype(np.float32))}


def test_a_structure_begins_at_the_threshold_and_a_thin_one_at_its_share():
    path = np.zeros((2, 10, 10))
    path[0, :5] = 3.0
    path[0, 5:7] = 1.0
    femurs = {"right femur": (1,), "left femur": (2,)}
    thin = masks(femurs, path)
    assert set(thin) == {"right femur"} and thin["right femur"].sum() == 70
    path[0, :5] = 9.0
    assert masks(femurs, path)["right femur"].sum() == 50
    assert masks(femurs, path, MaskRule(own={"right femur": 0.5}))["right femur"].sum() == 70
    assert not masks(femurs, path, MaskRule(smallest_pixels=51))


def test_structures_of_several_labels_and_of_none_in_view():
    path = np.zeros((2, 10, 10))
    path[0, :5], path[1, 3:8] = 1.5, 1.5
    both = masks({"heart": (1, 2), "liver": (7,)}, path, MaskRule(thin_share=1.0))
    assert set(both) == {"heart"} and both["heart"].sum() == 20


@pytest.fixture
def chest() -> np.ndarray:
    """Paths through upper lobe, lower lobe and liver: apex, lung, and the recess behind the diaphragm's dome."""
    path = np.zeros((3, 10, 10))
    path[0, 0], path[0, 1:4], path[1, 4:7], path[1, 7:], path[2, 7:] = 40, 150, 140, 80, 90
    return path


def test_a_lung_ends_at_the_diaphragm_where_what_lies_below_is_known(chest):
    lobes = masks({"left lung upper lobe": (1,), "left lung lower lobe": (2,), "liver": (3,)}, chest)
    assert lobes["left lung lower lobe"][4:7].all()
    assert not lobes["left lung lower lobe"][7:].any(), "the recess behind the diaphragm"
    assert lobes["left lung upper lobe"].sum() == 40, "the apex"
    assert lobes["liver"].sum() == 30


def test_a_lung_with_nothing_known_below_it_is_where_most_of_the_way_is_lung(chest):
    chest[1, 7:] = 45
    lobes = masks({"left lung upper lobe": (1,), "left lung lower lobe": (2,)}, chest)
    assert lobes["left lung lower lobe"][4:7].all() and not lobes["left lung lower lobe"][7:].any()
    assert lobes["left lung upper lobe"].sum() == 30


def test_a_lung_labelled_as_one_is_the_lung_of_its_lobes(chest):
    both = {"left lung": (1, 2), "left lung lower lobe": (2,), "liver": (3,)}
    found = masks(both, chest)
    assert found["left lung"].sum() == 70
    assert np.array_equal(found["left lung lower lobe"], found["left lung"] & (chest[1] > 2))
    assert np.array_equal(
        masks({"right lung": (1, 2), "liver": (3,)}, chest)["right lung"], found["left lung"]
    )


def test_whoever_states_a_threshold_for_a_lung_gets_that_alone(chest):
    rule = SetSettings(count=1, thresholds=(("left lung", 5.0),)).mask_rule
    assert masks({"left lung": (1, 2), "liver": (3,)}, chest, rule)["left lung"].all()


def test_a_set_draws_the_lung_that_shards_draw():
    hu = np.full((40, 40, 40), 20, np.int16)
    labels = np.zeros(hu.shape, np.uint16)
    labels[10:25, 8:32, 8:32] = 1
    labels[25:34, 8:11, 8:32] = 1
    hu[labels > 0] = -800
    place = dict(origin=np.zeros(3), spacing=np.full(3, 5.0))
    subject = LabelledCT("chest", CTVolume(hu, **place), LabelVolume(labels, **place), {"left lung": (1,)})
    settings = SetSettings(
        count=1, size=64, lao_deg=0.0, cra_deg=0.0, aim="centre", jitter_mm=0.0, detector_mm=350.0
    )
    plain = dataclasses.replace(settings, thresholds=(("left lung", 2.0),))
    lung, all_of_it = (
        render(subject, plan([subject], one)[0], one, threads=1).masks[0].mask for one in (settings, plain)
    )
    assert 0.5 < lung.sum() / all_of_it.sum() < 0.75 and not (lung & ~all_of_it).any()
