"""How pictures are exposed and developed, at random: numbers, drawn before any pixel is touched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..model.image_encoder import bicubic_matrix
from .batches import Batch, mirrored

ATTENUATION = {
    40: (0.2688, 0.6655, 3.629),
    50: (0.2264, 0.4242, 1.957),
    60: (0.2048, 0.3148, 1.205),
    70: (0.1916, 0.2570, 0.8164),
    80: (0.1823, 0.2229, 0.5952),
    100: (0.1693, 0.1855, 0.3717),
}
"""Mass attenuation in cm2/g of soft tissue, cortical bone and iron by keV (NIST XAAMDI, Hubbell and Seltzer;
ICRU Report 44)."""

BEAMS = {40: 0.1, 50: 0.2, 60: 0.25, 70: 0.15, 80: 0.1, 100: 0.2}
"""How often an energy in keV stands for a part of the beam: mean energies of 50 to 120 kV are about 32 to 65. At 100
bone weakens the beam as much as soft tissue of its mass, which is what a line integral of HU shows."""

CLOUDS = 4
"""Clouds of extra or missing tissue in a picture, at most."""


@dataclass(frozen=True)
class Technique(Batch):
    """All that is random about B pictures of S pixels but the grain of their noise; float32 tensors, B first.

    ``beams`` (B, 2, 3): cm2/g of soft tissue, bone and metal for two energies. ``tissue``, ``bone`` (B,): factors of
    their densities; ``cortex`` (B,): the power of bone's. ``rows`` (B, S, 5) and ``columns`` (B, 5, S): their product
    is the logarithm of a further factor of bone. ``clouds`` (B, 4, 7): y, x, two radii in pixels, turn, whether soft,
    g/cm2. ``scatter``, ``saturation``, ``photons``, ``floor`` (B,): of what arrives behind the patient; ``coarse``:
    noise is of a detector that blurs. ``again`` (B, 2): cm2/g of tissue and metal put before a picture that was made
    already, ``grain`` (B,) its further noise.

    ``limits`` (B, 2): shares of the pixels that are black and white, of the patient's where ``of_patient``. ``gamma``
    (B,). ``equalised`` (B, 4): whether, the blur's deviation in pixels, what is left of the blur and of the rest.
    ``blur`` (B,): its deviation in pixels, ``sharp`` (B,): how much of what it takes is added, -1 for a blur.
    ``tilt`` (B,), ``inverted`` (B,).
    """

    beams: Tensor
    tissue: Tensor
    bone: Tensor
    cortex: Tensor
    rows: Tensor
    columns: Tensor
    clouds: Tensor
    scatter: Tensor
    saturation: Tensor
    photons: Tensor
    floor: Tensor
    coarse: Tensor
    again: Tensor
    grain: Tensor
    limits: Tensor
    of_patient: Tensor
    gamma: Tensor
    equalised: Tensor
    blur: Tensor
    sharp: Tensor
    tilt: Tensor
    inverted: Tensor


def draw_technique(shape: tuple[int, int], size: int, rng: np.random.Generator) -> Technique:
    """Of one picture (h, w) that lies in a square of ``size``; its tensors have no B."""
    rows, columns = uneven_bone(shape, size, rng)
    drawn = {
        "beams": draw_beams(rng),
        "tissue": rng.uniform(0.6, 1.5),
        "bone": rng.uniform(0.45, 1.6),
        "cortex": np.exp(rng.normal(0, 0.2)),
        "rows": rows,
        "columns": columns,
        "clouds": draw_clouds(shape, rng),
        "scatter": rng.uniform(0.05, 0.8) * (rng.random() < 0.5),
        "saturation": 10 ** rng.uniform(0.6, 1.8),
        "photons": 10 ** rng.uniform(2.1, 4.4),
        "floor": 10 ** rng.uniform(-3, -0.8),
        "coarse": rng.random() < 0.5,
        "again": np.take(ATTENUATION[int(rng.choice(list(ATTENUATION)))], [0, 2]),
        "grain": 10 ** rng.uniform(-2.5, -1.3) * (rng.random() < 0.5),
        **draw_display(shape, rng),
    }
    return Technique(**{name: torch.as_tensor(value, dtype=torch.float32) for name, value in drawn.items()})


def draw_beams(rng: np.random.Generator) -> np.ndarray:
    """Two energies' attenuation (2, 3)."""
    return np.array([ATTENUATION[int(e)] for e in rng.choice(list(BEAMS), 2, p=list(BEAMS.values()))])


def uneven_bone(shape: tuple[int, int], size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Bone denser in one place than in another: 5 x 5 normal numbers, enlarged, as (S, 5) and (5, S)."""
    down, across = (bicubic_matrix(5, side).numpy()[:, mirrored(side, size)] for side in shape)
    return down.T @ rng.normal(0, 0.2, (5, 5)), across


def draw_clouds(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Tissue that is too much or missing, soft (opacities, folds) or with an edge (gas, masses): (4, 7)."""
    clouds = np.zeros((CLOUDS, 7))
    clouds[:, 2:4] = 1
    for cloud in clouds[: rng.integers(0, CLOUDS + 1)]:
        centre = rng.uniform(0, 1, 2) * shape
        radii, turn = rng.uniform(0.03, 0.2, 2) * shape[0], rng.uniform(0, np.pi)
        cloud[:] = *centre, *radii, turn, rng.random() < 0.5, rng.normal(0, 2.0)
    return clouds


def draw_display(shape: tuple[int, int], rng: np.random.Generator) -> dict:
    """Window, gamma, local contrast, sharpening or blur: the fields of :class:`Technique` from ``limits`` on."""
    equalised = rng.random() < 0.55
    local = shape[0] * rng.uniform(0.03, 0.12), rng.uniform(0.2, 0.9), rng.uniform(1.0, 2.5)
    sharpened = rng.uniform(0.3, 1.5) if rng.random() < 0.5 else -1.0
    return {
        "limits": np.array([rng.uniform(0, 10), rng.uniform(95, 100)]) / 100,
        "of_patient": rng.random() < 0.75,
        "gamma": np.exp(rng.normal(0, 0.35)),
        "equalised": [1, *local] if equalised else [0, 1, 1, 1],
        "blur": rng.uniform(0.4, 1.4),
        "sharp": sharpened * (rng.random() < 0.5),
        "tilt": rng.normal(0, 0.12) * (rng.random() < 0.1),
        "inverted": rng.random() < 0.06,
    }
