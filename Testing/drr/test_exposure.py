"""One exposure: scatter, blur, dose and noise against what can be worked out by hand; each can be left out."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import (
    Beam,
    BeamError,
    Exposure,
    Projection,
    ProjectionGeometry,
    Scatter,
    display,
    expose,
    mass_attenuation,
)
from FluoroSAMSlicerLib.drr.exposure import gaussian, water_cm

PIXEL = (0.4, 0.3)


def slab(soft=20.0, bone=0.0, size=(60, 50)) -> Projection:
    view = ProjectionGeometry.c_arm((0, 0, 0), size=size, pixel_mm=PIXEL)
    flat = np.ones(size[::-1], np.float32)
    return Projection(0.02 * flat, view, area_density={"soft": soft * flat, "bone": bone * flat})


PLAIN = Exposure(Beam(90), dose_ugy=None, scatter=None, mtf50_per_mm=None)


def test_with_everything_left_out_the_beam_alone_is_left():
    projection = slab(15, 2)
    xray = expose(projection, PLAIN)
    assert np.array_equal(xray.intensity, Beam(90).intensity(projection.area_density))
    assert np.allclose(xray.line_integral, -np.log(xray.intensity))
    assert np.array_equal(xray.display, display(xray.intensity))


def test_water_equivalent_is_a_materials_attenuation_in_water():
    assert water_cm({"water": np.full((1, 1), 7.0)})[0, 0] == pytest.approx(7.0)
    bone = float(mass_attenuation("bone", 64.4) / mass_attenuation("water", 64.4))
    assert water_cm({"bone": np.full((1, 1), 3.0)})[0, 0] == pytest.approx(3 * bone)


@pytest.mark.parametrize(("grid", "share"), [(False, 1.0), (True, 1 / 7)])
def test_a_slab_scatters_by_its_thickness(grid, share):
    """Uniform images stay uniform under blur: scatter / primary is ratio x cm, a seventh of it behind the grid."""
    projection = slab(20)
    scatter = Scatter(ratio_per_cm=0.1, spread_mm=30, grid=grid)
    primary = expose(projection, PLAIN).intensity
    total = expose(projection, Exposure(Beam(90), None, scatter=scatter, mtf50_per_mm=None)).intensity
    water = float(water_cm(projection.area_density)[0, 0])
    assert np.allclose(total / primary - 1, 0.1 * water * share, rtol=1e-4)


def test_scatter_fills_shadows_smoothly():
    projection = slab(20)
    projection.area_density["bone"][:, :25] = 6
    scatter = Scatter(0.1, 20, grid=False)
    primary = expose(projection, PLAIN).intensity
    added = (
        expose(projection, Exposure(Beam(90), None, scatter=scatter, mtf50_per_mm=None)).intensity - primary
    )
    assert np.ptp(primary) / primary.mean() > 0.5
    assert np.abs(np.diff(added, axis=1)).max() < 0.02 * np.abs(np.diff(primary, axis=1)).max()
    contrast = [image[:, -1].mean() / image[:, 0].mean() for image in (primary, primary + added)]
    assert contrast[1] < contrast[0]


@pytest.mark.parametrize(("axis", "pitch"), [(1, PIXEL[0]), (0, PIXEL[1])])
def test_half_of_the_contrast_passes_at_the_frequency_stated(axis, pitch):
    """A cosine of whole periods, symmetric at its mirrored edges, keeps its shape: half of its swing is left."""
    count, periods = 96, 8
    frequency = periods / (count * pitch)
    wave = np.cos(2 * np.pi * periods * (np.arange(count) + 0.5) / count)
    image = 0.5 + 0.2 * (wave[None, :] if axis == 1 else wave[:, None]) * np.ones((count, count))
    view = ProjectionGeometry.c_arm((0, 0, 0), size=count, pixel_mm=PIXEL)
    sigma = np.sqrt(np.log(2) / 2) / (np.pi * frequency)
    blurred = gaussian(image, sigma, view.pixel_mm)
    assert np.abs(blurred - 0.5 - (image - 0.5) / 2).max() < 2e-3


def test_blur_keeps_the_mean_and_zero_blur_the_image():
    image = np.random.default_rng(1).random((40, 70)).astype(np.float32)
    assert gaussian(image, 2.0, PIXEL).mean() == pytest.approx(image.mean(), rel=0.02)
    assert gaussian(image, 0, PIXEL) is image


def test_noise_follows_the_dose():
    """Relative variance behind a slab is 1 / (counts x transmission) for uncorrelated, unblurred noise."""
    projection = slab(10, size=(400, 300))
    beam = Beam(70)
    clean = expose(projection, PLAIN.__class__(beam, None, scatter=None, mtf50_per_mm=None)).intensity[0, 0]
    for dose in (0.05, 2.5):
        exposure = Exposure(beam, dose, correlated=False, scatter=None, mtf50_per_mm=None)
        noisy = expose(projection, exposure, np.random.default_rng(3)).intensity.astype(np.float64)
        assert noisy.mean() == pytest.approx(clean, rel=0.01)
        assert noisy.var() == pytest.approx(clean / beam.counted(dose, PIXEL), rel=0.02)


def test_the_whole_chain_is_the_generators_and_takes_a_tools_material():
    projection = slab(12)
    projection.area_density["steel"] = np.eye(50, 60, dtype=np.float32)
    first, again, other = (
        expose(projection, Exposure(Beam(80, scintillator_mm=0.5)), np.random.default_rng(seed)).intensity
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.dtype == np.float32 and first.min() >= 0
    assert first[np.eye(50, 60, dtype=bool)].mean() < 0.9 * first.mean()


def test_exposures_that_cannot_be_taken_are_refused():
    with pytest.raises(BeamError, match="materials=True"):
        expose(Projection(np.zeros((2, 2), np.float32), slab().geometry), PLAIN)
    with pytest.raises(BeamError, match="needs a generator"):
        expose(slab(), Exposure())
    for settings, words in (
        ({"beam": 90}, "needs a Beam"),
        ({"scatter": 0.1}, "Scatter or None"),
        ({"dose_ugy": 0}, "dose_ugy"),
        ({"dose_ugy": "high"}, "dose_ugy"),
        ({"mtf50_per_mm": float("nan")}, "mtf50_per_mm"),
    ):
        with pytest.raises(BeamError, match=words):
            Exposure(**settings)
    with pytest.raises(BeamError, match="scatter ratio"):
        Scatter(ratio_per_cm=-1)
    with pytest.raises(BeamError, match="spread of scatter"):
        Scatter(spread_mm=float("inf"))
