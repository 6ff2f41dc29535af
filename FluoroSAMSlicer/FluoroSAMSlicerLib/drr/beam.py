"""From area densities to an X-ray image: polychromatic beam, detector noise, display.

    projection = project(ct, view, materials=True)
    intensity = Beam(90).intensity(projection.area_density)
    noisy = add_noise(intensity, photons=20_000, rng=np.random.default_rng(1))
    image = display(noisy)

Scatter is not part of this model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import BeamError

_BIN_KEV = 5.0
_FIRST_BIN_KEV = 15.0
# Fraction of photons per 5 keV bin from 15 keV on. Computed with spekpy 2.5.4 (MIT; Poludniowski et al.,
# Med Phys 48, 2021; model kqp): tungsten, 12 degree anode, behind 3.5, 4.0 and 4.3 mm of aluminium.
_SPECTRA = {
    60: (0.0097, 0.0715, 0.1524, 0.1905, 0.1868, 0.1595, 0.1214, 0.0783, 0.0298),
    90: (
        0.0023, 0.0260, 0.0714, 0.1064, 0.1207, 0.1197, 0.1103, 0.0973, 0.1161, 0.0694, 0.0654, 0.0403, 0.0295,
        0.0184, 0.0067,
    ),
    120: (
        0.0009, 0.0129, 0.0419, 0.0699, 0.0860, 0.0909, 0.0887, 0.0827, 0.1487, 0.0671, 0.0805, 0.0447, 0.0396,
        0.0345, 0.0296, 0.0248, 0.0202, 0.0157, 0.0112, 0.0068, 0.0024,
    ),
}  # fmt: skip

# Mass attenuation with coherent scattering, cm2/g, at _ENERGIES_KEV. Computed with xraylib 4.3 for ICRU Report 44
# soft tissue and cortical bone, Ti-6Al-4V and iron; within 0.07 % of Hubbell and Seltzer's NIST tables (XAAMDI)
# where those list the material. None of the four has an absorption edge between these energies.
_ENERGIES_KEV = (10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 70, 80, 90, 100, 120, 140, 150)
_MASS_ATTENUATION = {
    "soft": (
        5.38, 1.699, 0.8231, 0.515, 0.379, 0.3091, 0.2688, 0.2435, 0.2264, 0.2141, 0.2048, 0.1916, 0.1823, 0.1752,
        0.1693, 0.1599, 0.1525, 0.1492,
    ),
    "bone": (
        28.51, 9.032, 4.001, 2.158, 1.331, 0.9061, 0.6655, 0.5189, 0.4242, 0.3601, 0.3148, 0.257, 0.2229, 0.2008,
        0.1855, 0.1656, 0.1529, 0.148,
    ),
    "metal": (
        106.1, 34.36, 15.18, 8.019, 4.765, 3.08, 2.124, 1.543, 1.168, 0.9159, 0.7399, 0.5197, 0.3943, 0.3171,
        0.2666, 0.2071, 0.1745, 0.1634,
    ),
    "iron": (
        170.7, 57.09, 25.68, 13.7, 8.177, 5.286, 3.629, 2.614, 1.957, 1.515, 1.205, 0.8164, 0.5952, 0.4597,
        0.3717, 0.2693, 0.2146, 0.1964,
    ),
}  # fmt: skip

# Spread of quantum noise to neighbour pixels, as measured by Wang et al. (2014) and used by DeepDRR.
_NOISE_SPREAD = np.array([[0.03, 0.06, 0.02], [0.11, 0.98, 0.11], [0.02, 0.06, 0.03]])
_DARKEST = 1e-6


def mass_attenuation(material: str, kev) -> np.ndarray:
    """Mass attenuation in cm2/g of "soft", "bone", "metal" (Ti-6Al-4V) or "iron" at photon energies in keV.

    Interpolated log-log between tabulated energies of 10 to 150 keV. Raises BeamError for other materials and
    for energies outside the table.
    """
    if material not in _MASS_ATTENUATION:
        raise BeamError(
            f"no attenuation is known for {material!r}; choose one of {', '.join(_MASS_ATTENUATION)}"
        )
    kev = np.asarray(kev, dtype=np.float64)
    if not ((kev >= _ENERGIES_KEV[0]) & (kev <= _ENERGIES_KEV[-1])).all():
        raise BeamError(f"attenuation is known from {_ENERGIES_KEV[0]} to {_ENERGIES_KEV[-1]} keV only")
    return np.exp(np.interp(np.log(kev), np.log(_ENERGIES_KEV), np.log(_MASS_ATTENUATION[material])))


@dataclass(frozen=True)
class Beam:
    """A tungsten X-ray beam and an energy-integrating detector.

    kilovolts: tube voltage, one of 60, 90, 120. Raises BeamError for others.
    """

    kilovolts: int = 90

    def __post_init__(self):
        if isinstance(self.kilovolts, bool) or self.kilovolts not in _SPECTRA:
            choices = ", ".join(map(str, _SPECTRA))
            raise BeamError(f"no spectrum for {self.kilovolts!r} kV; choose one of {choices}")

    @cached_property
    def energies_kev(self) -> np.ndarray:
        """Centres of the energy bins (B,), keV."""
        return _FIRST_BIN_KEV + _BIN_KEV * (np.arange(len(self.photons)) + 0.5)

    @cached_property
    def photons(self) -> np.ndarray:
        """Fraction of the open beam's photons in each energy bin (B,); their sum is 1."""
        fractions = np.array(_SPECTRA[self.kilovolts])
        return fractions / fractions.sum()

    @property
    def mean_kev(self) -> float:
        """Mean photon energy of the open beam, keV."""
        return float(self.photons @ self.energies_kev)

    @cached_property
    def signal(self) -> np.ndarray:
        """Share of the open beam's detector signal by energy bin (B,): photons weighted by energy."""
        signal = self.photons * self.energies_kev
        return signal / signal.sum()

    def intensity(self, area_density: Mapping[str, np.ndarray]) -> np.ndarray:
        """Detector signal relative to the open beam, float32 (H, W) in 0 to 1.

        Beer-Lambert over the spectrum: sum over bins of signal(E) exp(-sum over materials of
        (mu / rho)(E) * area density).

        area_density: g/cm2 images (H, W) of one shape, by material: those of ``Projection.area_density``, and
            "iron" for steel tools. Raises BeamError for none, unknown materials, unequal shapes, and values
            that are negative or not finite.
        """
        images = _checked(area_density)
        coefficients = {material: mass_attenuation(material, self.energies_kev) for material in images}
        total = np.zeros(next(iter(images.values())).shape, dtype=np.float32)
        for index, share in enumerate(self.signal):
            depth = sum(
                np.float32(coefficients[material][index]) * image for material, image in images.items()
            )
            total += np.float32(share) * np.exp(-depth)
        return np.minimum(total, np.float32(1))


def add_noise(intensity: np.ndarray, photons: float, rng: np.random.Generator) -> np.ndarray:
    """Quantum noise of a detector that counts ``photons`` a pixel in the open beam; float32 (H, W), not below 0.

    The Poisson deviation of each pixel spreads to its neighbours by the kernel of Wang et al. (2014), which
    leaves mean and variance (within 0.6 %) as they are and correlates neighbours. Typical counts run from 1e4
    to 5e5. The same generator state gives the same image.

    intensity: (H, W) relative to the open beam. Raises BeamError for another shape, for negative or non-finite
    values, a photon count that is not above zero, and a generator of another type.
    """
    intensity = _image(intensity, "the intensity")
    if not isinstance(rng, np.random.Generator):
        raise BeamError(f"noise needs a numpy Generator (numpy.random.default_rng), not {type(rng).__name__}")
    if (
        isinstance(photons, bool)
        or not isinstance(photons, (int, float, np.number))
        or not 0 < photons < 1e15
    ):
        raise BeamError(f"the photon count must be a number above zero and below 1e15, not {photons!r}")
    expected = np.pad(intensity.astype(np.float64), 1, mode="edge") * float(photons)
    deviation = rng.poisson(expected) - expected
    height, width = intensity.shape
    spread = np.zeros((height, width))
    for (row, column), weight in np.ndenumerate(_NOISE_SPREAD):
        spread += weight * deviation[row : row + height, column : column + width]
    return np.maximum(intensity + spread / float(photons), 0).astype(np.float32)


def display(intensity: np.ndarray, percentiles: tuple[float, float] = (2.0, 98.0)) -> np.ndarray:
    """The image as it is read: negative logarithm, windowed, float32 (H, W) in 0 to 1, bone bright.

    percentiles: of the negative logarithm, those that become 0 and 1. An image without contrast is 0
    throughout. Pixels without signal count as a millionth of the open beam.

    Raises BeamError for an intensity that is no (H, W) image of finite numbers from 0 up, and for percentiles
    that are not ascending within 0 to 100.
    """
    intensity = _image(intensity, "the intensity")
    low, high = percentiles
    if not (math.isfinite(low) and math.isfinite(high) and 0 <= low < high <= 100):
        raise BeamError(f"percentiles must ascend within 0 to 100, not {percentiles!r}")
    attenuation = -np.log(np.maximum(intensity, np.float32(_DARKEST)))
    dark, bright = np.percentile(attenuation, (low, high))
    if bright - dark < 1e-6:
        return np.zeros(intensity.shape, dtype=np.float32)
    return np.clip((attenuation - dark) / (bright - dark), 0, 1).astype(np.float32)


def _checked(area_density) -> dict[str, np.ndarray]:
    if not isinstance(area_density, Mapping) or not area_density:
        raise BeamError("area densities are needed by material; project with materials=True")
    images = {
        material: _image(image, f"the area density of {material}") for material, image in area_density.items()
    }
    if len({image.shape for image in images.values()}) > 1:
        raise BeamError("the area densities of the materials must be images of one size")
    return images


def _image(array, what: str) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iuf":
        raise BeamError(f"{what} must be a 2-D image of numbers (H, W)")
    if not np.isfinite(array).all() or array.min() < 0:
        raise BeamError(f"{what} holds values that are negative or not finite")
    return array.astype(np.float32, copy=False)
