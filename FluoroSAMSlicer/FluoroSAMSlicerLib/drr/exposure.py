"""One exposure: beam, patient, scatter, detector blur, quantum noise; each part can be left out.

view = presets.view("chest PA", ct.centre)
projection = project(ct, view, materials=True)
xray = expose(projection, Exposure(Beam(120), dose_ugy=2.5), np.random.default_rng(1))
xray.intensity, xray.line_integral, xray.display
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .attenuation import LINE_INTEGRAL_KEV, mass_attenuation
from .beam import Beam
from .errors import BeamError
from .images import add_noise, attenuation_image, checked_image, display
from .projection import Projection


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Scatter:
    """Scattered radiation as a smooth share of the primary; an engineering approximation, not a simulation.

    The scatter that reaches a pixel is the primary around it, blurred, times a ratio that grows with the water
    that the rays pass, also blurred. Monte Carlo would differ near air and edges.

    ratio_per_cm: scatter-to-primary ratio a cm of water. 0.15 gives 3 behind 20 cm, usual for large fields
        without a grid; a chest has about half of that.
    spread_mm: standard deviation of the blur on the detector.
    grid: an anti-scatter grid that passes 70 % of the primary and 10 % of the scatter; the image is scaled back
        to the primary, as the exposure would be raised.
    """

    ratio_per_cm: float = 0.15
    spread_mm: float = 40.0
    grid: bool = True

    def __post_init__(self):
        if not (_is_number(self.ratio_per_cm) and 0 <= self.ratio_per_cm <= 10):
            raise BeamError("the scatter ratio must lie between 0 and 10 a cm")
        if not (_is_number(self.spread_mm) and 0 <= self.spread_mm <= 1000):
            raise BeamError("the spread of scatter must lie between 0 and 1000 mm")

    def image(self, primary: np.ndarray, water_cm: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
        """Scatter (H, W) float32, on the scale of ``primary``; water_cm: what each ray passes."""
        ratio = self.ratio_per_cm * gaussian(water_cm, self.spread_mm, pixel_mm)
        if self.grid:
            ratio = ratio * (0.1 / 0.7)
        return (ratio * gaussian(primary, self.spread_mm, pixel_mm)).astype(np.float32)


@dataclass(frozen=True)
class Exposure:
    """How an X-ray image is taken.

    beam: spectrum and detector material.
    dose_ugy: air kerma of the open beam at the detector, microgray (2.5 is a radiograph of speed class 400, 0.02
        to 0.1 a fluoroscopy frame); None takes no noise.
    correlated: whether noise spreads to neighbours (Wang et al. 2014).
    scatter: None leaves it out.
    mtf50_per_mm: line pairs / mm at which the detector passes half of the contrast (caesium iodide flat panels:
        about 1.2); None for a sharp detector. A Gaussian stands for the detector's own curve. Light is blurred,
        so this blurs signal and noise alike.
    """

    beam: Beam = Beam(90)
    dose_ugy: float | None = 2.5
    correlated: bool = True
    scatter: Scatter | None = Scatter()
    mtf50_per_mm: float | None = 1.2

    def __post_init__(self):
        if not isinstance(self.beam, Beam):
            raise BeamError(f"an exposure needs a Beam, not {type(self.beam).__name__}")
        if self.scatter is not None and not isinstance(self.scatter, Scatter):
            raise BeamError(f"scatter must be a Scatter or None, not {type(self.scatter).__name__}")
        for name, most in (("dose_ugy", 1e4), ("mtf50_per_mm", 100)):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 < value <= most):
                raise BeamError(
                    f"{name} must be above 0 and at most {most:g}, or None to leave it out; not {value!r}"
                )


@dataclass(frozen=True, eq=False)
class XRay:
    """An exposed image: intensity (H, W) float32 relative to the open beam (scatter included)."""

    intensity: np.ndarray

    @cached_property
    def line_integral(self) -> np.ndarray:
        """Negative logarithm of the intensity, (H, W) float32."""
        return attenuation_image(self.intensity)

    @cached_property
    def display(self) -> np.ndarray:
        """As it is read: (H, W) float32 in 0 to 1, bone bright."""
        return display(self.intensity)


def expose(projection: Projection, exposure: Exposure, rng: np.random.Generator | None = None) -> XRay:
    """Take the image. rng: needed for noise only; the same state gives the same image.

    Raises BeamError for a projection made without materials, and for noise without a generator.
    """
    if projection.area_density is None:
        raise BeamError("an exposure needs area densities by material; project with materials=True")
    pixel_mm = projection.geometry.pixel_mm
    intensity = exposure.beam.intensity(projection.area_density)
    if exposure.scatter is not None:
        intensity = intensity + exposure.scatter.image(intensity, water_cm(projection.area_density), pixel_mm)
    if exposure.dose_ugy is not None:
        if rng is None:
            raise BeamError("noise needs a generator: pass numpy.random.default_rng(seed), or dose_ugy=None")
        photons = exposure.beam.counted(exposure.dose_ugy, pixel_mm)
        intensity = add_noise(intensity, photons, rng, exposure.correlated)
    if exposure.mtf50_per_mm is not None:
        sigma = math.sqrt(math.log(2) / 2) / (math.pi * exposure.mtf50_per_mm)
        intensity = np.maximum(gaussian(intensity, sigma, pixel_mm), 0)
    return XRay(intensity.astype(np.float32))


def water_cm(area_density: dict[str, np.ndarray]) -> np.ndarray:
    """Water (H, W), cm, that attenuates as much at 64 keV as the materials together."""
    water = mass_attenuation("water", LINE_INTEGRAL_KEV)
    return sum(
        (np.float32(mass_attenuation(material, LINE_INTEGRAL_KEV) / water) * grams)
        for material, grams in area_density.items()
    )


def gaussian(image: np.ndarray, sigma_mm: float, pixel_mm: tuple[float, float]) -> np.ndarray:
    """The image blurred by exp(-2 (pi sigma f)^2) of each spatial frequency f, its edges mirrored; (H, W)."""
    image = checked_image(image, "the image")
    if sigma_mm == 0:
        return image
    result = image.astype(np.float64)
    for axis, pitch in ((0, pixel_mm[1]), (1, pixel_mm[0])):
        count = result.shape[axis]
        pad = min(count, int(math.ceil(5 * sigma_mm / pitch)))
        widths = [(pad, pad) if axis == other else (0, 0) for other in (0, 1)]
        padded = np.pad(result, widths, mode="symmetric")
        frequency = np.fft.rfftfreq(padded.shape[axis], pitch)
        passed = np.exp(-2 * (math.pi * sigma_mm * frequency) ** 2)
        spectrum = np.fft.rfft(padded, axis=axis) * (passed[:, None] if axis == 0 else passed)
        blurred = np.fft.irfft(spectrum, padded.shape[axis], axis=axis)
        result = blurred[pad : pad + count] if axis == 0 else blurred[:, pad : pad + count]
    return np.maximum(result, 0).astype(np.float32)
