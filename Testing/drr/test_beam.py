"""Spectra, transmission, noise and display."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import (
    Beam,
    BeamError,
    CTVolume,
    ProjectionGeometry,
    add_noise,
    display,
    mass_attenuation,
    project,
)


@pytest.mark.parametrize(
    ("kilovolts", "mean"),
    [(40, 28.2), (60, 37.5), (70, 39.5), (90, 48.8), (110, 51.9), (120, 57.5), (125, 55.7)],
)
def test_spectra_have_the_mean_energy_stated_for_them(kilovolts, mean):
    """The stated mean is of 0.5 keV bins; five keV bins with lines inside them move it by less than 0.25 keV."""
    beam = Beam(kilovolts)
    assert beam.mean_kev == pytest.approx(mean, abs=0.25)
    assert beam.photons.sum() == pytest.approx(1)
    assert beam.energies_kev[0] == 17.5
    assert beam.energies_kev[-1] == kilovolts - 2.5


@pytest.mark.parametrize(
    ("kilovolts", "aluminium", "copper", "mean", "photons"),
    [(70, 5.0, 0.0, 42.99, 20947), (120, 4.3, 0.2, 64.53, 29542)],
)
def test_filters_harden_the_beam_as_the_spectrum_program_says(kilovolts, aluminium, copper, mean, photons):
    """Mean energy (keV) and photons / mm2 / microgray of spekpy 2.5.4 for filters that no table row has, within
    what 5 keV bins cost: 0.3 keV and 3 %."""
    beam = Beam(kilovolts, aluminium, copper)
    assert beam.mean_kev == pytest.approx(mean, abs=0.3)
    assert beam.photons_per_mm2_ugy == pytest.approx(photons, rel=0.03)
    assert Beam(kilovolts).mean_kev < beam.mean_kev


@pytest.mark.parametrize("millimetres", [0.1, 0.5])
def test_a_thin_screen_takes_up_its_share_of_every_energy(millimetres):
    beam, open_beam = Beam(80, scintillator_mm=millimetres), Beam(80)
    grams = millimetres * 0.451
    taken = [
        share * kev * (1 - np.exp(-float(mass_attenuation("caesium iodide", kev)) * grams))
        for kev, share in zip(beam.energies_kev, beam.photons, strict=True)
    ]
    assert np.allclose(beam.signal, np.array(taken) / sum(taken))
    assert beam.counted(1, (0.2, 0.2)) < open_beam.counted(1, (0.2, 0.2))


def test_caesium_iodide_jumps_at_its_two_edges():
    below, between, above = mass_attenuation("caesium iodide", [33.0, 34.5, 36.5])
    assert between > 2 * below and above > 1.5 * between * (34.5 / 36.5) ** 3


def test_dose_and_pixel_size_set_the_count():
    """An ideal detector's noise-equivalent count is fluence x area x (mean E)^2 / mean of E^2."""
    beam = Beam(70)
    kev, share = beam.energies_kev, beam.photons
    expected = 2.0 * beam.photons_per_mm2_ugy * 0.3 * 0.2 * (share @ kev) ** 2 / (share @ kev**2)
    assert beam.counted(2.0, (0.3, 0.2)) == pytest.approx(expected)
    assert beam.counted(4.0, (0.3, 0.2)) == pytest.approx(2 * expected)


@pytest.mark.parametrize(
    "settings",
    [{"aluminium_mm": 1}, {"aluminium_mm": float("nan")}, {"copper_mm": -1}, {"scintillator_mm": "thick"}],
)
def test_filters_and_screens_that_no_one_builds_are_refused(settings):
    with pytest.raises(BeamError, match=next(iter(settings))):
        Beam(90, **settings)


@pytest.mark.parametrize(
    ("material", "kev", "expected"),
    [("soft", 60, 0.2048), ("bone", 30, 1.331), ("metal", 100, 0.2666), ("iron", 80, 0.5952)],
)
def test_attenuation_is_the_tables_at_its_energies_and_a_power_law_between(material, kev, expected):
    assert mass_attenuation(material, kev) == pytest.approx(expected, rel=1e-12)
    low, middle, high = mass_attenuation(material, [60, np.sqrt(60 * 70), 70])
    assert middle == pytest.approx(np.sqrt(low * high), rel=1e-12)


def transmitted(beam: Beam, slabs: dict[str, float]) -> float:
    """Energy that passes the slabs (g/cm2) as a share of the open beam's, summed bin by bin in float64."""
    signal = through = 0.0
    for energy, share in zip(beam.energies_kev.tolist(), beam.photons.tolist(), strict=True):
        depth = sum(float(mass_attenuation(material, energy)) * amount for material, amount in slabs.items())
        signal += energy * share
        through += energy * share * np.exp(-depth)
    return through / signal


@pytest.mark.parametrize("kilovolts", [60, 90, 120])
@pytest.mark.parametrize(
    "slabs",
    [{"soft": 20.0}, {"soft": 15.0, "bone": 3.0}, {"soft": 10.0, "bone": 1.0, "metal": 2.2}, {"iron": 4.0}],
)
def test_slabs_transmit_the_float64_integral(kilovolts, slabs):
    beam = Beam(kilovolts)
    intensity = beam.intensity({material: np.full((3, 4), amount) for material, amount in slabs.items()})
    assert intensity.shape == (3, 4)
    assert intensity.dtype == np.float32
    assert intensity[1, 2] == pytest.approx(transmitted(beam, slabs), rel=1e-5)


def test_a_thin_slab_attenuates_by_the_mean_coefficient_and_a_thick_one_hardens_the_beam():
    beam = Beam(90)
    mean = float(beam.signal @ mass_attenuation("soft", beam.energies_kev))
    thin, thick = (
        -np.log(beam.intensity({"soft": np.full((1, 1), amount)})[0, 0]) / amount for amount in (0.02, 30)
    )
    assert thin == pytest.approx(mean, rel=2e-3)
    assert 0.75 * mean < thick < 0.97 * mean


def test_an_open_beam_is_one_and_more_kilovolts_reach_further():
    nothing = {name: np.zeros((2, 2), np.float32) for name in ("soft", "bone", "metal")}
    assert Beam(60).intensity(nothing) == pytest.approx(np.ones((2, 2)), abs=1e-6)
    through = [
        Beam(kilovolts).intensity({"soft": np.full((1, 1), 20.0)})[0, 0] for kilovolts in (60, 90, 120)
    ]
    assert through[0] < through[1] < through[2]


def test_steel_is_darker_than_titanium_bone_and_flesh_of_the_same_weight():
    amount = np.full((1, 1), 3.0)
    order = [Beam(90).intensity({material: amount})[0, 0] for material in ("iron", "metal", "bone", "soft")]
    assert order == sorted(order)


def test_noise_keeps_mean_and_variance_and_correlates_neighbours():
    """Relative errors of a million Poisson counts: 1e-4 of the mean allowed, 1 % of the variance."""
    photons, level = 10_000, 0.25
    noisy = add_noise(np.full((1000, 1000), level), photons, np.random.default_rng(5)).astype(np.float64)
    assert noisy.mean() == pytest.approx(level, rel=1e-4)
    spread = np.array([[0.03, 0.06, 0.02], [0.11, 0.98, 0.11], [0.02, 0.06, 0.03]])
    assert noisy.var() == pytest.approx((spread**2).sum() * level / photons, rel=0.01)
    beside = np.mean((noisy[:, 1:] - level) * (noisy[:, :-1] - level)) / noisy.var()
    expected = (spread[:, 1:] * spread[:, :-1]).sum() / (spread**2).sum()
    assert beside == pytest.approx(expected, abs=0.01)
    assert noisy[0].var() == pytest.approx(noisy.var(), rel=0.25)


def test_noise_is_the_generators():
    image = np.linspace(0, 1, 600).reshape(20, 30)
    first, again, other = (add_noise(image, 500, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert first.min() >= 0


def test_more_photons_make_less_noise():
    image = np.full((100, 100), 0.5)
    coarse, fine = (add_noise(image, photons, np.random.default_rng(1)).std() for photons in (1e4, 1e6))
    assert coarse / fine == pytest.approx(10, rel=0.05)


def test_display_shows_bone_bright_within_zero_and_one():
    intensity = Beam(90).intensity({"soft": np.full((40, 40), 15.0), "bone": np.eye(40) * 3})
    image = display(add_noise(intensity, 1e5, np.random.default_rng(2)))
    assert image.dtype == np.float32
    assert image.min() == 0 and image.max() == 1
    assert image[np.eye(40, dtype=bool)].mean() > image[~np.eye(40, dtype=bool)].mean() + 0.3


def test_display_clips_at_its_percentiles_and_needs_no_signal():
    ramp = np.exp(-np.arange(101.0)).reshape(1, 101).clip(1e-5)
    image = display(ramp, percentiles=(0, 100))
    assert image[0, 0] == image[0, 1] == 0 and image[0, -1] == 1
    assert image[0, 5] == pytest.approx(4 / (-np.log(1e-5) - 1), rel=1e-5)
    assert np.isfinite(display(np.array([[0.0, 0.5, 1.0]]))).all()
    assert not display(np.full((4, 4), 0.3)).any()


def test_open_beam_beside_the_patient_takes_no_contrast():
    patient = np.exp(-np.linspace(2, 4, 50)).reshape(5, 10)
    wide = np.hstack([np.ones((5, 90)), patient])
    assert np.allclose(display(wide)[:, 90:], display(patient), atol=1e-6)


def test_a_bone_block_in_flesh_goes_from_ct_to_image():
    hu = np.full((30, 30, 30), 40, np.int16)
    hu[10:20, 10:20, 10:20] = 1200
    ct = CTVolume(hu, spacing=(3, 3, 3))
    view = ProjectionGeometry.c_arm(ct.centre, size=40, pixel_mm=3)
    image = display(Beam(60).intensity(project(ct, view, materials=True, threads=1).area_density))
    assert image[20, 20] > image[20, 4] + 0.2


def test_what_no_beam_can_take_is_refused():
    flat = np.ones((2, 2))
    for kilovolts in (75, "90", None, True):
        with pytest.raises(BeamError, match="choose one of 40, 50, 60, 70, 80, 90, 100, 110, 120, 125"):
            Beam(kilovolts)
    for density, words in (
        ({}, "materials=True"),
        (None, "materials=True"),
        ({"wood": flat}, "no attenuation is known for 'wood'"),
        ({"soft": flat, "bone": np.ones((3, 2))}, "one size"),
        ({"soft": np.full((2, 2), np.nan)}, "not finite"),
        ({"soft": -flat}, "negative"),
        ({"soft": np.ones(4)}, "2-D"),
    ):
        with pytest.raises(BeamError, match=words):
            Beam(90).intensity(density)
    with pytest.raises(BeamError, match="keV"):
        mass_attenuation("soft", [5, 50])


def test_what_no_detector_can_take_is_refused():
    flat, rng = np.ones((2, 2)), np.random.default_rng(0)
    for photons in (0, -5, float("nan"), float("inf"), "many"):
        with pytest.raises(BeamError, match="photon count"):
            add_noise(flat, photons, rng)
    with pytest.raises(BeamError, match="Generator"):
        add_noise(flat, 100, np.random.RandomState(0))
    with pytest.raises(BeamError, match="negative or not finite"):
        add_noise(-flat, 100, rng)
    with pytest.raises(BeamError, match="2-D"):
        display(np.ones(4))
    with pytest.raises(BeamError, match="ascend"):
        display(flat, percentiles=(98, 2))


def test_importing_the_room_loads_no_heavy_library():
    code = (
        "import sys, FluoroSAMSlicerLib.drr;"
        "print([name for name in ('numba', 'torch', 'SimpleITK', 'scipy', 'vtk') if name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
