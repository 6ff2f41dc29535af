"""What a set shall contain: settings that make sense, draws by the seed, splits by patient."""

from __future__ import annotations

import pytest
from FluoroSAMSlicerLib.dataset import CTSource, DatasetError, SetSettings, plan


def some(*names: str, **fields) -> list[CTSource]:
    return [CTSource(f"{name}.nrrd", f"{name}_l.nrrd", **fields) for name in names]


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"lao_deg": (30, 30)}, "LAO/RAO.*no extent; widen it, or give the one number 30"),
        ({"sdd_mm": (1200, 1000)}, "runs backwards"),
        ({"cra_deg": (-120, 0)}, "CRA/CAU angle must be a number between -90 and 90"),
        ({"sid_mm": (600, 1100)}, "raise the first or lower the second"),
        ({"kilovolts": (10.2, 10.8)}, "no spectrum is known for 10.2 to 10.8 kV"),
        ({"kilovolts": 12}, "no spectrum is known for 12 kV; choose from .*90"),
        ({"dose_ugy": 0}, "the dose at the detector must be a number"),
        ({"dose_ugy": (float("nan"), 5)}, "the dose at the detector must be a number"),
        ({"count": 0}, "count must be a whole number"),
        ({"size": 4}, "size must be a whole number from 16"),
        ({"size": (64, 64, 64)}, "one number of pixels or two"),
        ({"validation": 1.0}, "validation must be"),
        ({"thresholds": (("../x", 1.0),)}, "rename it"),
        ({"form": "zip"}, "files or webdataset"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_advice(changed, advice):
    with pytest.raises(DatasetError, match=advice):
        SetSettings(**{"count": 4, **changed})


def test_settings_survive_json():
    settings = SetSettings(count=4, size=(64, 48), lao_deg=(-9, 9), thresholds=(("femur_left", 3.0),))
    assert SetSettings.from_json(settings.to_json()) == settings
    assert settings.mask_rule.own == {"left femur": 3.0} and settings.mask_rule.threshold_mm == 2.0
    assert settings.resized(32).size == (32, 24)


def test_every_draw_lies_in_its_range_and_varies():
    settings = SetSettings(count=200, seed=1, jitter_mm=10.0, dose_ugy=(0.1, 1.0), rotation_deg=5.0)
    images = list(plan(some("a", "b"), settings))
    for name in ("lao_deg", "cra_deg", "sdd_mm", "sid_mm", "detector_mm", "dose_ugy"):
        low, high = getattr(settings, name)
        drawn = [getattr(image, name) for image in images]
        assert low <= min(drawn) < low + 0.1 * (high - low) and high - 0.1 * (high - low) < max(drawn) <= high
    assert {image.rotation_deg for image in images} == {5.0}
    assert len({image.kilovolts for image in images}) >= 3
    assert all(60 <= image.kilovolts <= 120 for image in images)
    assert all(abs(mm) <= 10 for image in images for mm in image.jitter_mm)
    # Drawn by logarithm: half of the doses lie below the geometric mean.
    assert 70 < sum(image.dose_ugy < 10**-0.5 for image in images) < 130


def test_images_depend_on_the_seed_the_ct_and_their_place_there_alone():
    settings = SetSettings(count=6, seed=1)
    pair, trio = plan(some("a", "b"), settings), plan(some("b", "c", "a"), SetSettings(count=9, seed=1))
    assert pair[3] == pair[3] and pair[-1] == pair[5] and [one.number for one in pair[2:5]] == [2, 3, 4]
    of_a, again = ([one for one in images if one.name == "a"] for images in (pair, trio))
    assert len(of_a) == len(again) == 3
    assert [(one.lao_deg, one.dose_ugy) for one in of_a] == [(one.lao_deg, one.dose_ugy) for one in again]
    assert plan(some("a"), SetSettings(count=6, seed=2))[0].lao_deg != pair[0].lao_deg
    assert list(pair.numbers(1)) == [1, 3, 5]


def test_a_plan_of_a_million_images_costs_nothing():
    images = plan(some("a", "b"), SetSettings(count=1_000_000))
    assert images[999_999].index == 499_999


def test_the_split_is_by_patient():
    cts = [CTSource(f"{n}.nrrd", "l.nrrd", patient=f"p{n // 2}") for n in range(20)]
    images = plan(cts, SetSettings(count=100, validation=0.3, seed=4))
    parts = {image.name: image.split for image in images}
    assert sorted(parts.values()).count("val") == 6
    assert all(parts[str(n)] == parts[str(n + 1)] for n in range(0, 20, 2))


@pytest.mark.parametrize(
    ("count", "share", "val"), [(1, 0.5, 0), (2, 0.01, 1), (2, 0.9, 1), (5, 0.0, 0), (10, 0.2, 2)]
)
def test_both_splits_get_somebody_if_they_can(count, share, val):
    images = plan(some(*"abcdefghij"[:count]), SetSettings(count=count, validation=share))
    assert [image.split for image in images].count("val") == val


def test_a_set_in_which_nothing_varies_is_refused():
    still = dict(lao_deg=0.0, cra_deg=0.0, sdd_mm=1000.0, sid_mm=700.0, jitter_mm=0.0, aim="centre")
    with pytest.raises(DatasetError, match="nothing varies"):
        plan(some("a"), SetSettings(count=2, **still))
    assert len(plan(some("a"), SetSettings(count=1, **still))) == 1
    with pytest.raises(DatasetError, match="no CT was given"):
        plan([], SetSettings(count=1))
