"""The X-ray beam and what passes a patient: tube spectra, filters, polychromatic attenuation, dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .attenuation import DENSITY, air_absorption, mass_attenuation
from .errors import BeamError
from .images import checked_image

_BIN_KEV = 5.0
_FIRST_BIN_KEV = 15.0
# Tube voltage in kV: (mm of aluminium, fraction of photons per 5 keV bin from 15 keV on). Computed with spekpy 2.5.4
# (MIT; Poludniowski et al., Med Phys 48, 2021; model kqp): tungsten, 12 degree anode, behind that aluminium.
_SPECTRA = {
    40: (2.5, (0.0637, 0.2337, 0.3197, 0.2653, 0.1162)),
    50: (2.5, (0.0361, 0.1463, 0.2249, 0.2293, 0.1880, 0.1255, 0.0491)),
    60: (3.5, (0.0097, 0.0715, 0.1524, 0.1905, 0.1868, 0.1595, 0.1214, 0.0783, 0.0298)),
    70: (
        2.5,
        (
            0.0174, 0.0806, 0.1395, 0.1603, 0.1540, 0.1347, 0.1110, 0.0865, 0.0625, 0.0388, 0.0143,
        ),
    ),
    80: (
        2.5,
        (
            0.0131, 0.0639, 0.1155, 0.1376, 0.1366, 0.1240, 0.1069, 0.0889, 0.0837, 0.0550, 0.0428, 0.0232,
            0.0086,
        ),
    ),
    90: (
        4.0,
        (
            0.0023, 0.0260, 0.0714, 0.1064, 0.1207, 0.1197, 0.1103, 0.0973, 0.1161, 0.0694, 0.0654, 0.0403, 0.0295,
            0.0184, 0.0067,
        ),
    ),
    100: (
        2.5,
        (
            0.0081, 0.0433, 0.0840, 0.1060, 0.1105, 0.1050, 0.0949, 0.0834, 0.1150, 0.0611, 0.0633, 0.0381,
            0.0311, 0.0242, 0.0175, 0.0107, 0.0039,
        ),
    ),
    110: (
        2.5,
        (
            0.0066, 0.0365, 0.0732, 0.0947, 0.1008, 0.0973, 0.0894, 0.0798, 0.1279, 0.0607, 0.0685, 0.0391,
            0.0335, 0.0281, 0.0228, 0.0177, 0.0127, 0.0078, 0.0027,
        ),
    ),
    120: (
        4.3,
        (
            0.0009, 0.0129, 0.0419, 0.0699, 0.0860, 0.0909, 0.0887, 0.0827, 0.1487, 0.0671, 0.0805, 0.0447, 0.0396,
            0.0345, 0.0296, 0.0248, 0.0202, 0.0157, 0.0112, 0.0068, 0.0024,
        ),
    ),
    125: (
        2.5,
        (
            0.0051, 0.0294, 0.0615, 0.0824, 0.0901, 0.0889, 0.0832, 0.0757, 0.1372, 0.0598, 0.0723, 0.0391,
            0.0348, 0.0305, 0.0264, 0.0225, 0.0188, 0.0152, 0.0118, 0.0084, 0.0051, 0.0018,
        ),
    ),
}  # fmt: skip
KILOVOLTS = tuple(_SPECTRA)
LEAST_ALUMINIUM_MM = 2.5
"""IEC 60601-1-3 asks for half-value layers that this total filtration meets."""
_JOULE_PER_KEV = 1.602176634e-16


@dataclass(frozen=True)
class Beam:
    """A tungsten X-ray beam and an energy-integrating detector.

    kilovolts: tube voltage, one of ``KILOVOLTS``.
    aluminium_mm: total filtration, 2.5 to 40; default that of the table (3.5, 4.0 and 4.3 mm at 60, 90, 120 kV).
    copper_mm: added filter, 0 to 3.
    scintillator_mm: thickness of a caesium iodide screen, which lets some photons pass; 0 takes all of them up.
    Raises BeamError for others.
    """

    kilovolts: int = 90
    aluminium_mm: float | None = None
    copper_mm: float = 0.0
    scintillator_mm: float = 0.0

    def __post_init__(self):
        if isinstance(self.kilovolts, bool) or self.kilovolts not in _SPECTRA:
            choices = ", ".join(map(str, _SPECTRA))
            raise BeamError(f"no spectrum for {self.kilovolts!r} kV; choose one of {choices}")
        if self.aluminium_mm is None:
            object.__setattr__(self, "aluminium_mm", _SPECTRA[self.kilovolts][0])
        for name, least, most in (
            ("aluminium_mm", LEAST_ALUMINIUM_MM, 40),
            ("copper_mm", 0, 3),
            ("scintillator_mm", 0, 5),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
                raise BeamError(f"{name} must be a number from {least:g} to {most:g}, not {value!r}")

    @cached_property
    def energies_kev(self) -> np.ndarray:
        """Centres of the energy bins (B,), keV."""
        return _FIRST_BIN_KEV + _BIN_KEV * (np.arange(len(_SPECTRA[self.kilovolts][1])) + 0.5)

    @cached_property
    def photons(self) -> np.ndarray:
        """Fraction of the open beam's photons in each energy bin (B,); their sum is 1."""
        aluminium, fractions = _SPECTRA[self.kilovolts]
        added = (self.aluminium_mm - aluminium) * 0.1 * DENSITY["aluminium"]
        depth = added * mass_attenuation("aluminium", self.energies_kev)
        depth = depth + self.copper_mm * 0.1 * DENSITY["copper"] * mass_attenuation(
            "copper", self.energies_kev
        )
        fractions = np.array(fractions) * np.exp(-depth)
        return fractions / fractions.sum()

    @property
    def mean_kev(self) -> float:
        """Mean photon energy of the open beam, keV."""
        return float(self.photons @ self.energies_kev)

    @cached_property
    def signal(self) -> np.ndarray:
        """Share of the open beam's detector signal by energy bin (B,): photons taken up, weighted by energy."""
        signal = self.photons * self.energies_kev * self._taken_up
        return signal / signal.sum()

    @property
    def _taken_up(self) -> np.ndarray:
        if self.scintillator_mm == 0:
            return np.ones(len(self.energies_kev))
        grams = self.scintillator_mm * 0.1 * DENSITY["caesium iodide"]
        return 1 - np.exp(-mass_attenuation("caesium iodide", self.energies_kev) * grams)

    @property
    def photons_per_mm2_ugy(self) -> float:
        """Photons / mm2 of the open beam that give an air kerma of 1 microgray."""
        joule_per_gram = (
            self.photons @ (self.energies_kev * air_absorption(self.energies_kev)) * _JOULE_PER_KEV
        )
        return float(
            1e-6 / (joule_per_gram * 1000 * 100)
        )  # cm2/g x J is J cm2/g; 1 cm2 is 100 mm2, 1 kg 1000 g

    def counted(self, dose_ugy: float, pixel_mm: tuple[float, float]) -> float:
        """Noise-equivalent photons a pixel in the open beam, for an air kerma at the detector.

        Photons taken up, reduced by the spread of their energies (Swank), as an energy-integrating detector's
        noise is that of fewer photons of one energy.
        """
        taken = self.photons * self._taken_up
        mean, square = taken @ self.energies_kev, taken @ self.energies_kev**2
        return float(dose_ugy * self.photons_per_mm2_ugy * pixel_mm[0] * pixel_mm[1] * mean**2 / square)

    def intensity(self, area_density: Mapping[str, np.ndarray]) -> np.ndarray:
        """Detector signal relative to the open beam, float32 (H, W) in 0 to 1.

        Beer-Lambert over the spectrum: sum over bins of signal(E) exp(-sum over materials of
        (mu / rho)(E) * area density).

        area_density: g/cm2 images (H, W) of one shape, by material: those of ``Projection.area_density``, tools'
            materials included. Raises BeamError for none, unknown materials, unequal shapes, and values that are
            negative or not finite.
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


def _checked(area_density) -> dict[str, np.ndarray]:
    if not isinstance(area_density, Mapping) or not area_density:
        raise BeamError("area densities are needed by material; project with materials=True")
    images = {
        material: checked_image(image, f"the area density of {material}")
        for material, image in area_density.items()
    }
    if len({image.shape for image in images.values()}) > 1:
        raise BeamError("the area densities of the materials must be images of one size")
    return images
