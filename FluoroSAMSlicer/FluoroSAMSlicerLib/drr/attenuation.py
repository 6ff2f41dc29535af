"""Mass attenuation and density of the materials that patients, tools, filters and detectors are made of."""

from __future__ import annotations

import numpy as np

from .errors import BeamError

# Mass attenuation with coherent scattering, cm2/g, at _ENERGIES_KEV. Computed with xraylib 4.3 for ICRU Report 44
# tissues, Ti-6Al-4V, 316L steel and the elements; within 0.07 % of Hubbell and Seltzer's NIST tables (XAAMDI) where
# those list the material. None of these has an absorption edge between these energies.
_ENERGIES_KEV = (10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 70, 80, 90, 100, 120, 140, 150)
_MASS_ATTENUATION = {
    "air": (
        5.12, 1.614, 0.778, 0.4838, 0.3538, 0.2869, 0.2485, 0.2243, 0.208, 0.1963, 0.1875, 0.175, 0.1662, 0.1596,
        0.1541, 0.1455, 0.1386, 0.1356,
    ),
    "water": (
        5.33, 1.672, 0.8098, 0.5082, 0.3756, 0.3075, 0.2683, 0.2436, 0.2269, 0.2149, 0.2059, 0.1929, 0.1837, 0.1766,
        0.1707, 0.1614, 0.1538, 0.1505,
    ),
    "soft": (
        5.38, 1.699, 0.8231, 0.515, 0.379, 0.3091, 0.2688, 0.2435, 0.2264, 0.2141, 0.2048, 0.1916, 0.1823, 0.1752,
        0.1693, 0.1599, 0.1525, 0.1492,
    ),
    "bone": (
        28.51, 9.032, 4.001, 2.158, 1.331, 0.9061, 0.6655, 0.5189, 0.4242, 0.3601, 0.3148, 0.257, 0.2229, 0.2008,
        0.1855, 0.1656, 0.1529, 0.148,
    ),
    "aluminium": (
        26.21, 7.955, 3.442, 1.836, 1.128, 0.7696, 0.5684, 0.4466, 0.3682, 0.3151, 0.2778, 0.2301, 0.2018, 0.1833,
        0.1704, 0.1533, 0.1422, 0.1378,
    ),
    "titanium": (
        110.7, 35.87, 15.85, 8.371, 4.972, 3.212, 2.213, 1.605, 1.213, 0.9499, 0.766, 0.5361, 0.4053, 0.3247, 0.2721,
        0.2102, 0.1764, 0.1649,
    ),
    "metal": (
        106.1, 34.36, 15.18, 8.019, 4.765, 3.08, 2.124, 1.543, 1.168, 0.9159, 0.7399, 0.5197, 0.3943, 0.3171,
        0.2666, 0.2071, 0.1745, 0.1634,
    ),
    "iron": (
        170.7, 57.09, 25.68, 13.7, 8.177, 5.286, 3.629, 2.614, 1.957, 1.515, 1.205, 0.8164, 0.5952, 0.4597,
        0.3717, 0.2693, 0.2146, 0.1964,
    ),
    "steel": (
        166, 55.48, 24.97, 14.28, 8.551, 5.539, 3.808, 2.746, 2.057, 1.592, 1.266, 0.8562, 0.6228, 0.4796, 0.3865,
        0.2782, 0.2204, 0.2012,
    ),
    "copper": (
        216, 74.05, 33.8, 18.2, 10.91, 7.074, 4.861, 3.498, 2.613, 2.013, 1.593, 1.064, 0.763, 0.5783, 0.4585, 0.3195,
        0.246, 0.2217,
    ),
}  # fmt: skip
# Caesium iodide (same source), with both sides of the K edges of iodine (33.17 keV) and caesium (35.985 keV).
_CAESIUM_IODIDE = (
    (10, 15, 20, 25, 30, 33.168, 33.171, 35, 35.983, 35.987, 40, 45, 50, 55, 60, 70, 80, 90, 100, 120, 140, 150),
    (
        171.1, 58.16, 26.86, 14.71, 9.047, 6.923, 21.22, 18.46, 17.19, 30.26, 22.97, 16.94, 12.87, 9.997, 7.921,
        5.248, 3.677, 2.688, 2.035, 1.269, 0.8621, 0.7291,
    ),
)  # fmt: skip

# Mass energy absorption of air, cm2/g: Hubbell and Seltzer, NIST (1995).
_AIR_ABSORPTION = (
    (10, 15, 20, 30, 40, 50, 60, 80, 100, 150),
    (4.742, 1.334, 0.5389, 0.1537, 0.06833, 0.04098, 0.03041, 0.02407, 0.02325, 0.02496),
)

TABLES = {
    **{name: (_ENERGIES_KEV, values) for name, values in _MASS_ATTENUATION.items()},
    "caesium iodide": _CAESIUM_IODIDE,
}

DENSITY = {
    "air": 0.0012, "water": 1.0, "soft": 1.06, "bone": 1.92, "aluminium": 2.70, "titanium": 4.51, "metal": 4.43,
    "iron": 7.87, "steel": 8.0, "copper": 8.96, "caesium iodide": 4.51,
}  # fmt: skip
"""g/cm3 of the solid material; "metal" is Ti-6Al-4V."""

LINE_INTEGRAL_KEV = 64.4
"""Where water attenuates 0.02 / mm, as ``Projection.line_integral`` has it."""


def mass_attenuation(material: str, kev) -> np.ndarray:
    """Mass attenuation in cm2/g at photon energies in keV.

    material: "air", "water", "soft" (tissue), "bone", "metal" (Ti-6Al-4V), "titanium", "iron", "steel" (316L),
    "aluminium", "copper" or "caesium iodide".

    Interpolated log-log between tabulated energies of 10 to 150 keV. Raises BeamError for other materials and
    for energies outside the table.
    """
    if material not in TABLES:
        raise BeamError(f"no attenuation is known for {material!r}; choose one of {', '.join(TABLES)}")
    return _interpolated(*TABLES[material], kev)


def air_absorption(kev) -> np.ndarray:
    """Mass energy absorption of air, cm2/g, by which fluence becomes air kerma."""
    return _interpolated(*_AIR_ABSORPTION, kev)


def _interpolated(energies, values, kev) -> np.ndarray:
    kev = np.asarray(kev, dtype=np.float64)
    if not ((kev >= energies[0]) & (kev <= energies[-1])).all():
        raise BeamError(f"attenuation is known from {energies[0]} to {energies[-1]} keV only")
    return np.exp(np.interp(np.log(kev), np.log(energies), np.log(values)))
