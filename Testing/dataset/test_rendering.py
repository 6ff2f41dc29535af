"""One image: it shows what it was aimed at, its masks lie on it, and its physics are those it states."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset import SetSettings, plan, render
from FluoroSAMSlicerLib.drr import Beam, DRRError
from FluoroSAMSlicerLib.drr.material import density


def by_name(image) -> dict:
    return {one.structure: one for one in image.masks}


@pytest.fixture(scope="module")
def subject(sources):
    return sources[0].load()


def test_the_centre_of_the_aimed_structure_is_in_its_mask(subject):
    settings = SetSettings(count=6, size=64, jitter_mm=0.0, seed=2, lao_deg=(-180.0, 180.0))
    aimed = set()
    for planned in plan([subject], settings):
        exposure = render(subject, planned, settings, threads=1)
        aimed.add(exposure.aim)
        point = np.append(subject.centroid(exposure.aim), 1.0)
        x, y, w = np.array(exposure.geometry["projection_matrix"]) @ point
        column, row = round(x / w), round(y / w)
        if 0 <= row < 64:
            assert by_name(exposure)[exposure.aim].mask[row, column]
    assert len(aimed) > 1


def test_masks_are_where_the_path_exceeds_the_stated_threshold(subject):
    fixed = dict(lao_deg=30.0, cra_deg=0.0, jitter_mm=0.0, aim="centre", count=1, size=64)
    areas = {}
    for mm in (1.0, 19.5):
        settings = SetSettings(**fixed, threshold_mm=mm, thin_share=1.0, thresholds=(("left femur", 3.0),))
        exposure = render(subject, plan([subject], settings)[0], settings, threads=1)
        areas[mm] = {name: int(one.mask.sum()) for name, one in by_name(exposure).items()}
        assert by_name(exposure)["right femur"].threshold_mm == mm
        assert by_name(exposure)["left femur"].threshold_mm == 3.0
        assert 20 <= by_name(exposure)["right femur"].longest_mm <= 29
    assert areas[1.0]["right femur"] > areas[19.5]["right femur"]
    assert areas[1.0]["left femur"] == areas[19.5]["left femur"]
    settings = SetSettings(**fixed, threshold_mm=900.0)
    thin = by_name(render(subject, plan([subject], settings)[0], settings, threads=1))["right femur"]
    assert thin.threshold_mm == pytest.approx(0.25 * thin.longest_mm)


def test_attenuation_is_that_of_the_stated_beam(subject):
    settings = SetSettings(
        count=1, size=32, lao_deg=0.0, cra_deg=0.0, aim="centre", jitter_mm=0.0, kilovolts=90,
        dose_ugy=1e4, scatter_per_cm=0.0, detector_mm=20.0,
    )  # fmt: skip
    exposure = render(subject, plan([subject], settings)[0], settings, threads=1)
    centre = subject.labels.grid.world_to_index(subject.centre).round().astype(int)
    column = subject.ct.hu[centre[2], :, centre[0]]
    soft = 0.1 * 4.0 * density(column[column > -800]).sum()
    expected = -np.log(Beam(90).intensity({"soft": np.full((1, 1), soft, np.float32)})[0, 0])
    assert np.median(exposure.attenuation) == pytest.approx(expected, rel=0.03)
    assert exposure.physics["kilovolts"] == 90 and exposure.physics["dose_ugy"] == 1e4
    assert np.abs(exposure.counts / 4096 - exposure.attenuation).max() < 1.3e-4


def test_bone_is_bright_and_the_open_beam_dark(subject):
    settings = SetSettings(
        count=1, size=64, lao_deg=0.0, cra_deg=0.0, dose_ugy=10.0, aim="centre", detector_mm=400.0
    )
    exposure = render(subject, plan([subject], settings)[0], settings, threads=1)
    bone = by_name(exposure)["left femur"].mask
    assert exposure.display[bone].mean() > 180 and exposure.display[:, 0].max() == 0


def test_dose_decides_the_noise(subject):
    def spread(dose: float) -> float:
        settings = SetSettings(
            count=1,
            size=48,
            lao_deg=0.0,
            cra_deg=0.0,
            detector_mm=100.0,
            aim="centre",
            dose_ugy=dose,
            kilovolts=90,
        )
        planned = plan([subject], settings)[0]
        twins = [
            render(subject, dataclasses.replace(planned, entropy=(1, 1, n)), settings, threads=1).attenuation
            for n in (1, 2)
        ]
        return float((twins[0] - twins[1]).std())

    assert spread(0.5) == pytest.approx(10 * spread(50.0), rel=0.15)


def test_the_same_bits_whatever_the_threads_and_others_for_another_seed(subject):
    settings = SetSettings(count=2, size=48, seed=3)
    planned = plan([subject], settings)[1]
    first, again = (render(subject, planned, settings, threads=threads) for threads in (1, 3))
    assert np.array_equal(first.counts, again.counts) and np.array_equal(first.display, again.display)
    other = dataclasses.replace(planned, entropy=(3, 1, 1))
    assert not np.array_equal(render(subject, other, settings, threads=1).counts, first.counts)


def test_a_preview_shows_the_same_view_with_fewer_pixels(subject):
    settings = SetSettings(count=1, size=96, dose_ugy=100.0)
    planned = plan([subject], settings)[0]
    whole, small = (render(subject, planned, one, threads=1) for one in (settings, settings.resized(32)))
    assert small.display.shape == (32, 32)
    blocks = whole.attenuation.reshape(32, 3, 32, 3).mean((1, 3))
    assert np.corrcoef(blocks.ravel(), small.attenuation.ravel())[0, 1] > 0.98


def test_a_source_inside_the_patient_is_refused_with_advice(subject):
    settings = SetSettings(
        count=1, size=16, sid_mm=51.0, lao_deg=90.0, cra_deg=0.0, aim="centre", jitter_mm=0.0
    )
    with pytest.raises(DRRError, match="inside the patient; increase the distance from source"):
        render(subject, plan([subject], settings)[0], settings)


def test_tools_are_in_view_bright_and_named(subject):
    settings = SetSettings(count=6, size=96, seed=8, tools=3, dose_ugy=50.0)
    seen = []
    for planned in plan([subject], settings):
        image = render(subject, planned, settings, threads=1)
        plain = render(subject, dataclasses.replace(planned, tools=0), settings, threads=1)
        assert len(image.tools) <= planned.tools <= 3
        masks = image.masks[len(plain.masks) :]
        names = [tool["structure"] for tool in image.tools]
        assert {one.structure for one in masks} <= set(names)
        for one in masks:
            assert image.attenuation[one.mask].mean() > plain.attenuation[one.mask].mean()
        seen += names
    assert len(set(seen)) >= 2 and not any(name[-1].isdigit() for name in seen)


def test_scatter_and_blur_can_be_left_out(subject):
    fixed = dict(count=1, size=64, lao_deg=0.0, cra_deg=0.0, aim="centre", dose_ugy=1e4, detector_mm=40.0)
    images = {}
    for name, changed in {
        "both": {"scatter_per_cm": 0.2, "mtf50_per_mm": 0.2},
        "no scatter": {"scatter_per_cm": 0.0, "mtf50_per_mm": 0.2},
        "sharp": {"scatter_per_cm": 0.0, "mtf50_per_mm": 0.0},
    }.items():
        settings = SetSettings(**fixed, **changed)
        images[name] = render(subject, plan([subject], settings)[0], settings, threads=1)
    mean = {name: image.attenuation.mean() for name, image in images.items()}
    edges = {name: np.abs(np.diff(image.attenuation)).max() for name, image in images.items()}
    assert mean["both"] < mean["no scatter"] - 0.02
    assert edges["sharp"] > 1.2 * edges["no scatter"]
    assert images["sharp"].physics["scatter_per_cm"] == images["sharp"].physics["mtf50_per_mm"] == 0.0
