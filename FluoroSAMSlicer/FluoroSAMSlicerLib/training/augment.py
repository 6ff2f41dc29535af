"""From area densities to the picture a detector, a vendor and a hospital make of them, at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from ..dataset import Sample
from ..model.image_encoder import bicubic_matrix
from .implants import Drawing, draw_implants

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

PATIENT = 0.1
"""Share of the thickest place above which a ray went through the patient."""

SMALLEST = 0.0006
"""Share of the picture that a mask must have to be one."""


@dataclass(frozen=True)
class TrainingImage:
    """``pixels`` float32 (h, w), [0, 1], bone bright, longest side the model's; ``masks`` name -> bool (h, w)."""

    pixels: np.ndarray
    masks: dict[str, np.ndarray]


def augment(sample: Sample, size: int, rng: np.random.Generator) -> TrainingImage:
    """One random exposure of a sample, ``size`` pixels on its longest side."""
    grid = deformation(size, rng)
    far = np.abs(grid)
    inside = (far[..., 0] <= 1) & (far[..., 1] <= 1)
    stack = np.concatenate([sample.density, *[mask[None] for mask in sample.masks.values()]])
    moved = resample(stack, grid)
    density, drawn = np.split(moved, [len(sample.density)])
    masks = {name: (mask > 0.5) & inside for name, mask in zip(sample.masks, drawn, strict=True)}
    density = density * inside
    shape = density.shape[1:]
    drawing = draw_implants(shape, rng) if rng.random() < 0.2 else Drawing(np.zeros(shape, np.float32), {})
    take = expose if len(density) == 2 else expose_again
    pixels = take(*density, drawing.metal, rng)
    pixels = develop(pixels, behind_patient(density.sum(0)), rng)
    pixels, visible = shutter(pixels, rng)
    pixels = burn_in(pixels, rng)
    masks = {name: mask & visible for name, mask in (masks | drawing.masks).items()}
    masks = {name: mask for name, mask in masks.items() if mask.sum() >= SMALLEST * mask.size}
    return TrainingImage(pixels.astype(np.float32), masks)


def deformation(size: int, rng: np.random.Generator) -> np.ndarray:
    """Where each pixel of the new picture lies in the old one: (h, w, 2), x and y in [-1, 1] across it.

    Turned, scaled, shifted, stretched and bent; the longest side is ``size``, the aspect ratio random.
    """
    height = width = size
    if rng.random() < 0.6:
        short = int(size * rng.uniform(0.62, 1.0))
        height, width = (short, size) if rng.random() < 0.7 else (size, short)
    angle, scale = np.deg2rad(rng.normal(0, 7)), np.exp(rng.normal(0, 0.13, 2) + rng.normal(-0.02, 0.16))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag(scale)
    shift = rng.normal(0, 0.08, 2)
    x, y = (((np.arange(side) + 0.5) / side * 2 - 1) * side / size for side in (width, height))
    grid = np.empty((height, width, 2), np.float32)
    for axis in (0, 1):
        line = (turn[axis, 0] * x + shift[axis]).astype(np.float32)
        column = (turn[axis, 1] * y).astype(np.float32)
        grid[..., axis] = waves((height, width), 0.03, rng) + line + column[:, None]
    return grid


def waves(shape: tuple[int, int], deviation: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth random field (h, w), float32: 5 x 5 normal numbers of this standard deviation, enlarged."""
    down, across = (bicubic_matrix(5, side).numpy() for side in shape)
    return down.T @ rng.normal(0, deviation, (5, 5)).astype(np.float32) @ across


def resample(stack: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Planes (C, H, W) at the places of ``grid`` (h, w, 2): (C, h, w) float32, linear."""
    planes = torch.from_numpy(stack.astype(np.float32))[None]
    places = torch.from_numpy(grid)[None]
    return F.grid_sample(planes, places, "bilinear", "border", align_corners=False)[0].numpy()


def broad(picture: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian of ``sigma`` (4 pixels or more) over ``picture`` (h, w), in a sixteenth of its pixels."""
    planes = torch.from_numpy(picture)[None, None]
    small = F.avg_pool2d(planes, 4, ceil_mode=True, count_include_pad=False)[0, 0]
    return enlarged(gaussian_filter(small.numpy(), sigma / 4, truncate=2), picture.shape)


def enlarged(small: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A fourfold enlargement, linear, of a picture with a quarter of the sides of ``shape``."""
    large = F.interpolate(torch.from_numpy(small)[None, None], scale_factor=4, mode="bilinear")
    return large[0, 0, : shape[0], : shape[1]].numpy()


def expose(soft: np.ndarray, bone: np.ndarray, metal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Area densities in g/cm2 -> attenuation picture, bone bright, any range: beam, haze, noise, logarithm."""
    soft = soft * rng.uniform(0.6, 1.5) + patches(soft.shape, rng) * (soft > 1)
    # Bone of another thickness of cortex, and denser in one place than in another.
    bone = np.maximum(bone, 0) ** float(np.exp(rng.normal(0, 0.2))) * rng.uniform(0.45, 1.6)
    bone = bone * np.exp(waves(bone.shape, 0.2, rng))
    intensity = np.zeros(soft.shape, np.float32)
    for energy in rng.choice(list(BEAMS), 2, p=list(BEAMS.values())):
        per_soft, per_bone, per_metal = ATTENUATION[int(energy)]
        intensity += np.exp(-(per_soft * soft + per_bone * bone + per_metal * metal))
    # Automatic exposure: 1 is what arrives behind the patient. Scatter, noise and the floor of the detector are in
    # proportion to that, and it saturates somewhere above.
    patient = behind_patient(soft + bone)
    level = np.median(intensity[patient][::7]) if patient.mean() > 0.05 else intensity.max()
    intensity = intensity / max(float(level), 1e-6)
    if rng.random() < 0.5:
        scatter = broad(np.minimum(intensity, 2), soft.shape[0] / 8)
        intensity = intensity + rng.uniform(0.05, 0.8) * scatter
    intensity = np.minimum(intensity, 10 ** rng.uniform(0.6, 1.8))
    photons = 10 ** rng.uniform(2.1, 4.4)
    noise = rng.standard_normal(soft.shape, np.float32)
    if rng.random() < 0.5:
        noise = 2 * gaussian_filter(noise, 0.8, truncate=2.5)
    intensity = np.maximum(intensity + noise * np.sqrt(intensity / photons), 0)
    return -np.log(intensity + 10 ** rng.uniform(-3, -0.8))


def expose_again(attenuation: np.ndarray, metal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Attenuation -ln(intensity / open beam) of an exposure that was made -> of one like it, any range.

    Beam, scatter and detector are in it already; tissue and metal (g/cm2) are put in the way, and half of the
    pictures get more of the noise that grows where few photons arrive.
    """
    per_soft, _, per_metal = ATTENUATION[int(rng.choice(list(ATTENUATION)))]
    patient = attenuation > 0.2
    attenuation = attenuation + per_soft * patches(attenuation.shape, rng) * patient + per_metal * metal
    if rng.random() < 0.5 and patient.any():
        grain = np.exp(np.clip(attenuation - np.median(attenuation[patient]), -4, 3) / 2)
        grain = grain * rng.standard_normal(attenuation.shape, np.float32)
        attenuation = attenuation + 10 ** rng.uniform(-2.5, -1.3) * grain
    return attenuation


def behind_patient(thickness: np.ndarray) -> np.ndarray:
    """Bool (h, w): where a ray went through the patient, from area density or attenuation."""
    return thickness > PATIENT * np.percentile(thickness[::3, ::3], 99)


def patches(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Clouds of extra or missing tissue, soft (opacities, folds) or with an edge (gas, masses), g/cm2."""
    height, width = (-(-side // 4) for side in shape)
    cloud = np.zeros((height, width), np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(rng.integers(0, 5)):
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        a, b = rng.uniform(0.03, 0.2, 2) * height
        turn = rng.uniform(0, np.pi)
        cos, sin = math.cos(turn), math.sin(turn)
        far = (((x - cx) * cos + (y - cy) * sin) / a) ** 2 + (((y - cy) * cos - (x - cx) * sin) / b) ** 2
        soft = rng.random() < 0.5
        form = np.exp(-0.5 * far) if soft else 1 / (1 + np.exp(np.minimum(9 * (far - 1), 60)))
        cloud += rng.normal(0, 2.0) * form
    return enlarged(cloud, shape)


def develop(pixels: np.ndarray, patient: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Window, gamma, local contrast, sharpening or blur, quantisation: any range -> [0, 1]."""
    shown = pixels[::3, ::3]
    if rng.random() < 0.75 and patient.mean() > 0.05:
        shown = pixels[patient][::7]
    low, high = np.percentile(shown, [rng.uniform(0, 10), rng.uniform(95, 100)])
    pixels = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    pixels = pixels ** float(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.55:
        around = broad(pixels, pixels.shape[0] * rng.uniform(0.03, 0.12))
        deviation = pixels - around
        pixels = around * rng.uniform(0.2, 0.9) + deviation * rng.uniform(1.0, 2.5)
        pixels = (pixels - pixels.min()) / max(float(np.ptp(pixels)), 1e-6)
    if rng.random() < 0.5:
        soft = gaussian_filter(pixels, rng.uniform(0.4, 1.4), truncate=2.5)
        pixels = (
            soft if rng.random() < 0.5 else np.clip(pixels + rng.uniform(0.3, 1.5) * (pixels - soft), 0, 1)
        )
    if rng.random() < 0.1:
        pixels = pixels + rng.normal(0, 0.12) * np.linspace(-1, 1, pixels.shape[1], dtype=np.float32)
    if rng.random() < 0.06:
        pixels = 1 - pixels
    return np.round(np.clip(pixels, 0, 1) * 255) / 255


def shutter(pixels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rectangular or circular collimation, or a plain border; the second result says what is still seen."""
    height, width = pixels.shape
    visible = np.ones(pixels.shape, bool)
    draw = rng.random()
    if draw < 0.22:
        top, left = rng.uniform(0, 0.15, 2) * [height, width]
        bottom, right = rng.uniform(0.85, 1, 2) * [height, width]
        visible[:] = False
        visible[int(top) : int(bottom), int(left) : int(right)] = True
    elif draw < 0.32:
        y, x = np.mgrid[0:height, 0:width]
        radius = max(height, width) * rng.uniform(0.46, 0.62)
        visible = np.hypot(x - width / 2, y - height / 2) < radius
    if visible.all():
        return pixels, visible
    outside = rng.choice([0.0, 1.0, rng.random()], p=[0.6, 0.2, 0.2])
    return np.where(visible, pixels, outside), visible


def burn_in(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Side markers, letters and labels as they are burnt into radiographs."""
    if rng.random() > 0.35:
        return pixels
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray((pixels * 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(1, 4)):
        text = str(
            rng.choice(["R", "L", "PA", "AP", "STANDING", "SUPINE", "12:45", "A. B. 1960", "P", "MOBILE"])
        )
        place = (int(rng.uniform(0, 0.9) * picture.width), int(rng.uniform(0, 0.95) * picture.height))
        pen.text(
            place,
            text,
            fill=int(rng.choice([255, 230, 0])),
            font=ImageFont.load_default(int(rng.integers(8, 22))),
        )
    return np.asarray(picture, np.float32) / 255
