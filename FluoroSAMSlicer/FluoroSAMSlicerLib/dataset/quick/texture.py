"""Tissue that is not alike everywhere: gas in the gut, fat between and within muscles, spongy bone, sick lungs.

Scans made of labels alone are smooth; pictures of people are not, and what was learned from smooth ones fails there.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...anatomy import vocabulary
from ...drr.compiling import compiled
from .contrast import GUT

GAS_HU = -850
GASEOUS = 0.6
"""Share of bodies with more gas in the gut than was scanned."""

CLOUD_MM = (14.0, 40.0)
"""Distance over which clouds of gas and fat differ."""

FLESH_HU, SPONGY = 45.0, 0.2
"""By how much flesh varies, HU, and spongy bone, as a share of its density; both at most, standard deviations."""

VESSELS_HU = 90.0
"""By how much a lung varies from place to place, HU, at most, standard deviation."""

DENSE, DENSE_HU = 0.4, (150.0, 700.0)
"""Share of bodies with clouds in the lungs, as of pneumonia, and how much denser those are in their middle, HU."""

SIDE = 48
"""Points on a side of the random tiles, which repeat."""

FLESH, BONE, INSIDE, LUNG = 1, 2, 3, 4


def give_texture(
    tissue: np.ndarray, labels: np.ndarray, structures: dict[str, tuple[int, ...]], spacing_mm: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Vary ``tissue``, int16 HU (K, J, I) on an isotropic grid, in place, by what ``labels`` say it is."""
    kind = np.full(int(labels.max()) + 1, FLESH, np.uint8)
    above = np.full(len(kind), np.inf, np.float32)
    gaseous = rng.random() < GASEOUS
    for name, values in structures.items():
        values = [value for value in values if value < len(kind)]
        if "lung" in name:
            kind[values] = LUNG
        elif vocabulary()[name].category == "bone":
            kind[values] = BONE
        elif name in GUT:
            kind[values] = INSIDE
            if gaseous and rng.random() < 0.6:
                above[values] = rng.uniform(-0.5, 2.0)
    white = rng.standard_normal((SIDE,) * 3, np.float32)
    _kernel()(
        tissue, labels, kind, above, white, float(spacing_mm / rng.uniform(*CLOUD_MM)),
        FLESH_HU * rng.random(), SPONGY * rng.random(), VESSELS_HU * rng.random(),
        rng.uniform(*DENSE_HU) if rng.random() < DENSE else 0.0, rng.uniform(0.2, 1.8),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _kernel():
    return compiled(_vary, fastmath=True)


def _vary(tissue, labels, kind, above, white, scale, flesh, spongy, vessels, dense, level):
    nk, nj, ni = tissue.shape
    side = white.shape[0]
    line = np.empty(side, np.float32)
    for k in range(nk):
        w = k * scale
        c = int(w)
        fw = w - c
        c0, c1 = c % side, (c + 1) % side
        for j in range(nj):
            v = j * scale
            b = int(v)
            fv = v - b
            b0, b1 = b % side, (b + 1) % side
            for a in range(side):
                line[a] = (white[c0, b0, a] * (1 - fv) + white[c0, b1, a] * fv) * (1 - fw) + (
                    white[c1, b0, a] * (1 - fv) + white[c1, b1, a] * fv
                ) * fw
            grains = white[(k >> 1) % side, (j >> 1) % side]
            for i in range(ni):
                hu = tissue[k, j, i]
                label = labels[k, j, i]
                own = kind[label]
                if hu < -700 and own != 4:
                    continue
                if own == 2:
                    tissue[k, j, i] = int(min(max(hu * (1 + spongy * grains[(i >> 1) % side]), -200.0), 2400.0))
                    continue
                u = i * scale
                a = int(u)
                fu = u - a
                cloud = 1.6 * (line[a % side] * (1 - fu) + line[(a + 1) % side] * fu)
                if own == 4:
                    denser = vessels * grains[(i >> 1) % side] + dense * min(max((cloud - level) * 1.5, 0.0), 1.0)
                    tissue[k, j, i] = int(min(max(hu + denser, -990.0), 120.0))
                elif cloud > above[label]:
                    tissue[k, j, i] = GAS_HU
                elif own == 1:
                    tissue[k, j, i] = int(hu + flesh * cloud)
