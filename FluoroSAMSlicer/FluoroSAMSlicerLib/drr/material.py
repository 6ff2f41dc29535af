"""Which material a CT number is, and how dense.

Thresholds and the density curve are DeepDRR's defaults (Unberath et al., MICCAI 2018): HU up to -800 is
air, up to 350 soft tissue, above it bone; density in g/cm3 is 0.001029 HU + 1.030 below water and
0.0005886 HU + 1.03 above. Metal is ours: scanners of 12 bits saturate at 3071 HU and enamel, the densest
tissue, stays near 2500, so what is above 2500 HU counts as titanium alloy (Ti-6Al-4V, 4.43 g/cm3),
whatever its saturated number says.
"""

from __future__ import annotations

import numpy as np

MATERIALS = ("soft", "bone", "metal")
AIR_HU, SOFT_HU, BONE_HU = -800, 350, 2500
METAL_DENSITY = 4.43
WATER_PER_MM = 0.02
"""Linear attenuation of water behind ``Projection.line_integral``, 1/mm."""


def density(hu) -> np.ndarray:
    """Tissue density in g/cm3 of CT numbers, metal aside."""
    hu = np.asarray(hu, dtype=np.float64)
    return np.maximum(np.minimum(0.001029 * hu + 1.030, 0.0005886 * hu + 1.030), 0.0)


def density_table(lowest: int, highest: int) -> np.ndarray:
    """Density (highest - lowest + 1, 3) float32, g/cm3, by HU and by soft tissue, bone, metal.

    Each HU has a density in one column at most; air has none.
    """
    hu = np.arange(lowest, highest + 1)
    table = np.zeros((len(hu), len(MATERIALS)), dtype=np.float32)
    for column, inside in enumerate(((AIR_HU < hu) & (hu <= SOFT_HU), (SOFT_HU < hu) & (hu <= BONE_HU))):
        table[inside, column] = density(hu[inside])
    table[hu > BONE_HU, 2] = METAL_DENSITY
    return table
