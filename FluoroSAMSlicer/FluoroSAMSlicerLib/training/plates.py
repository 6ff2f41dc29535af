"""Radiographs that are taken and not yet developed: what workers hand over, and a device makes pictures of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .batches import Batch, mirrored
from .developing import behind_patient, blurred, develop, expose, expose_again
from .overlay import draw_overlay
from .technique import Technique, draw_technique
from .windows import LEVELS, NOTHING


@dataclass(frozen=True)
class Plates(Batch):
    """B pictures at an input of S pixels, each from the upper left corner of its square, mirrored in the rest.

    ``density`` float32 (B, C, S, S): g/cm2 of soft tissue, bone and metal, or of the first two; or, C = 1, the
    attenuation of exposures that were made. ``drawn`` float32 (B, S, S): g/cm2 of metal that was drawn into it.
    ``coarse`` float32 (B,): standard deviation in pixels of the blur that hides the density's voxels, up to
    S/80. ``overlay`` uint8 (B, 2, S, S), see :func:`~.overlay.draw_overlay`. ``sides`` int64 (B, 2): rows and columns
    of the picture. ``grain`` int64 (B,): seeds of the noise, which is another one on another kind of device.
    """

    density: Tensor
    drawn: Tensor
    coarse: Tensor
    overlay: Tensor
    sides: Tensor
    grain: Tensor
    technique: Technique

    def seen(self) -> Tensor:
        """Where each picture is in its square, bool (B, S, S)."""
        place = torch.arange(self.drawn.shape[-1], device=self.drawn.device)
        rows, columns = (place < side[:, None] for side in self.sides.unbind(1))
        return rows[:, :, None] & columns[:, None]

    def developed(self, device: torch.device) -> Tensor:
        """The pictures on ``device``: int64 (B, S, S), bone dark, levels 0 to 255, or `NOTHING` beside a picture."""
        noise = grain_of(self.grain.tolist(), self.drawn.shape[-1], device)
        return self.to(device)._developed(noise)

    def _developed(self, noise: Tensor) -> Tensor:
        seen, technique = self.seen(), self.technique
        if self.density.shape[1] == 1:
            density = self.density[:, 0]
            patient = behind_patient(density, seen)
            pixels = expose_again(density, self.drawn, seen, technique, noise)
        else:
            soft, bone, *metal = blurred(self.density, self.coarse, self.density.shape[-1] // 32).unbind(1)
            patient = behind_patient(soft + bone, seen)
            pixels = expose(soft, bone, sum(metal, self.drawn), patient, seen, technique, noise)
        left, added = self.overlay.unbind(1)
        pixels = develop(pixels, patient, seen, technique) * left + added
        return torch.where(seen, LEVELS - 1 - pixels.round_(), NOTHING).long()


def grain_of(seeds: list[int], size: int, device: torch.device) -> Tensor:
    """Normal noise (B, S, S) of standard deviation 1."""
    luck = torch.Generator(device)
    planes = [torch.randn((size, size), generator=luck.manual_seed(seed), device=device) for seed in seeds]
    return torch.stack(planes)


def take(
    density: np.ndarray, drawn: np.ndarray, size: int, rng: np.random.Generator, coarse: float = 0.0
) -> tuple[Plates, np.ndarray]:
    """A picture (C, h, w) in a square of ``size``, without the first dimension, and what is seen of it, bool (h, w).

    All that is random about it is drawn here. See :class:`Plates` for the arguments.
    """
    shape = drawn.shape
    overlay, visible = draw_overlay(shape, rng)
    return Plates(
        framed(density, size), framed(drawn, size), torch.tensor(coarse, dtype=torch.float32),
        framed(overlay, size), torch.tensor(shape), torch.tensor(int(rng.integers(2**62))),
        draw_technique(shape, size, rng),
    ), visible  # fmt: skip


def framed(planes: np.ndarray, size: int) -> Tensor:
    """Planes (..., h, w) in the upper left of a square, mirrored in the rest."""
    for axis in (-1, -2):
        if planes.shape[axis] != size:
            planes = planes.take(mirrored(planes.shape[axis], size), axis)
    return torch.from_numpy(np.array(planes))
