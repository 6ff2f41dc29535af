"""Samples varied at random: moved, bent, with implants, and taken anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ..dataset import Sample
from ..model.image_encoder import bicubic_matrix
from .implants import Drawing, draw_implants
from .name_batch import SMALLEST
from .plates import Plates, take


@dataclass(frozen=True)
class TrainingImage:
    """``plates`` of one picture (h, w), longest side the model's, without B; ``masks`` name -> bool (h, w)."""

    plates: Plates
    shape: tuple[int, int]
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
    drawing = draw_implants(shape, rng) if rng.random() < 0.2 else Drawing(np.zeros(shape, np.float32))
    plates, visible = take(density, drawing.metal, size, rng)
    masks = {name: mask & visible for name, mask in (masks | drawing.masks).items()}
    masks = {name: mask for name, mask in masks.items() if mask.sum() >= SMALLEST * mask.size}
    return TrainingImage(plates, shape, masks)


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
