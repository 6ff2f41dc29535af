"""Training images made on the fly: bodies varied, exposed and developed anew for every step, with all their masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from ..dataset.masks import MaskRule
from ..dataset.quick import load_packed, march, stage
from ..dataset.quick.metal import NAMES as PROSTHESES
from ..model.windowing import window
from .augment import behind_patient, burn_in, develop, expose, shutter
from .implants import Drawing, draw_implants
from .prompts import SMALL, Prompts

CELL = 4
"""Pixels of the input on a side of one cell of a target."""

FULL = CELL * CELL
"""What a target counts where a structure covers the whole cell."""

PRESENT, ABSENT = 24, 8
"""Names asked for of an image, at most: what is to be seen, and what is not."""

IMPLANTS = 0.12
"""Share of pictures into which lines, tubes and metal are drawn."""

SMALLEST = 0.0006
"""Share of the picture that a mask must have to be one."""

FRAMED = 0.6
"""Share of pictures that are not square."""


@dataclass(frozen=True)
class NameBatch:
    """B images and N names each, at an input of S pixels.

    ``pixel_values`` float16 (B, 3, S, S). ``covered`` uint8 (B, N, S/4, S/4): pixels of each cell that the structure
    covers, up to `FULL`. ``names`` int64 (B, N): positions in the list of names, -1 where there is none.
    """

    pixel_values: Tensor
    covered: Tensor
    names: Tensor

    def to(self, device: torch.device) -> NameBatch:
        return NameBatch(*(t.to(device, non_blocking=True) for t in vars(self).values()))


class ExposureStream(Dataset):
    """Item ``n`` is the batch of step ``n``: ``bodies`` staged bodies with ``views`` exposures each.

    It depends on the seed and ``n`` alone. ``folder`` holds bodies that :func:`~..dataset.quick.pack` wrote; ``size``
    is the input's side in pixels, a multiple of 32.
    """

    def __init__(self, folder: Path | str, size: int, bodies: int = 4, views: int = 6, seed: int = 1):
        self.folder, self.size, self.bodies, self.views, self.seed = Path(folder), size, bodies, views, seed
        self.packed = load_packed(folder)
        catalogue = _Catalogue(self.packed)
        self.source = Prompts(catalogue)
        own = self.source.names
        self.names = [*own, *(name for name in PROSTHESES if name not in own)]
        self.position = {name: number for number, name in enumerate(self.names)}
        # No body has a prosthesis but those that are put in, so that it is known where there is none.
        more = np.ones(len(self.names) - len(own), bool)
        self.known = {body: np.append(known, more) for body, known in self.source.known(catalogue).items()}
        sided = (*self.source.askable, *PROSTHESES)
        self.opposite = {name: self.source.anatomy.mirrored(name) for name in sided}
        self.rule = MaskRule()

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, step: int) -> NameBatch:
        torch.set_num_threads(1)
        parts = []
        for number in range(self.bodies):
            own = step * self.bodies + number
            staged = stage(self.packed, self.seed, own, self.views)
            exposures = march(staged, self.size)
            rng = np.random.default_rng([self.seed, own, 3])
            parts += [self._image(staged, exposures, view, rng) for view in range(self.views)]
        return NameBatch(*(torch.stack(part) for part in zip(*parts, strict=True)))

    def _image(self, staged, exposures, view: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        found = self.rule.masks(staged.structures, exposures.values, exposures.path[view])
        masks = {one.structure: one.mask for one in found}
        soft, bone, metal = smoothed(exposures.density[view], staged, view, self.size)
        drawing = draw_implants(soft.shape, rng) if rng.random() < IMPLANTS else Drawing(metal * 0, {})
        masks |= drawing.masks
        rows, columns = self._frame(rng)
        planes = (plane[rows, columns] for plane in (soft, bone, metal + drawing.metal))
        soft, bone, metal = (np.ascontiguousarray(plane) for plane in planes)
        pixels = expose(soft, bone, metal, rng)
        pixels = develop(pixels, behind_patient(soft + bone), rng)
        pixels, visible = shutter(pixels, rng)
        pixels = burn_in(pixels, rng)
        height, width = pixels.shape
        margin = (0, self.size - width, 0, self.size - height)
        masks = {name: mask[rows, columns] & visible for name, mask in masks.items()}
        masks = {name: mask for name, mask in masks.items() if mask.sum() >= SMALLEST * mask.size}
        names, covered = self._asked(staged.body, masks, rng)
        covered = F.pad(torch.from_numpy(covered), margin).float()
        covered = F.avg_pool2d(covered[None], CELL)[0] * FULL
        values = F.pad((torch.from_numpy(window(1 - pixels)) - 0.5) / 0.5, margin)
        return values.half(), covered.round().to(torch.uint8), names

    def _frame(self, rng: np.random.Generator) -> tuple[slice, slice]:
        """The rows and columns of the square exposure that the picture shows."""
        height = width = self.size
        if rng.random() < FRAMED:
            short = int(self.size * rng.uniform(0.55, 1.0))
            height, width = (short, self.size) if rng.random() < 0.6 else (self.size, short)
        top, left = (self.size - height) // 2, (self.size - width) // 2
        return slice(top, top + height), slice(left, left + width)

    def _asked(self, body: str, masks: dict[str, np.ndarray], rng: np.random.Generator) -> tuple[Tensor, np.ndarray]:
        """Positions (N,) of the names that are asked for, and their masks uint8 (N, h, w)."""
        shape = next(iter(masks.values())).shape if masks else (self.size, self.size)
        parts = self.source.masks(masks)
        wanted = {name: tuple(own) for name, own in parts.items()} | {
            name: (name,) for name in masks if name not in parts and name in self.position
        }
        names = list(wanted)
        asked = np.full(PRESENT + ABSENT, -1, np.int64)
        drawn = np.zeros((PRESENT + ABSENT, *shape), np.uint8)
        if names:
            area = np.array([max(masks[part].mean() for part in wanted[name]) for name in names])
            weight = np.array([self.source.weight.get(name, 0.05) for name in names])
            weight *= np.clip(area / SMALL, 0.02, 1)
            chosen = rng.choice(len(names), min(PRESENT, len(names)), replace=False, p=weight / weight.sum())
            for place, number in enumerate(chosen):
                asked[place] = self.position[names[number]]
                for part in wanted[names[number]]:
                    drawn[place] |= masks[part]
        # What is there, but turned round, is not asked for: of a single limb nobody sees the side.
        never = {self.position[n] for n in wanted}
        never |= {self.position[o] for n in wanted if (o := self.opposite.get(n)) in self.position}
        absent = [n for n in np.flatnonzero(self.known[body]) if n not in never]
        if absent:
            more = rng.choice(absent, min(ABSENT, len(absent)), replace=False)
            asked[PRESENT : PRESENT + len(more)] = more
        return torch.from_numpy(asked), drawn


VOXEL = 0.4
"""Standard deviation of the blur that hides the voxels of a coarse body, in voxels."""


def smoothed(density: np.ndarray, staged, view: int, size: int) -> np.ndarray:
    """Densities (3, S, S) without the steps of the voxels that they were made of."""
    geometry = staged.views[view].geometry.resized(size)
    far = np.linalg.norm(np.subtract(geometry.detector_centre, geometry.source))
    middle = staged.origin + staged.spacing * np.array(staged.labels.shape[::-1]) / 2
    near = np.clip(np.linalg.norm(middle - geometry.source) / far, 0.3, 1.0)
    sigma = VOXEL * float(staged.spacing[0] / (near * geometry.pixel_mm[0]))
    return np.stack([gaussian_filter(plane, sigma, truncate=2.5) for plane in density])


class _Catalogue:
    """The packed bodies as :class:`Prompts` reads images: one entry each, with everything that it has."""

    def __init__(self, packed):
        self._entries = [
            {"body": name, "masks": [(structure,) for structure in packed[n].body.structures]}
            for n, name in enumerate(packed.names)
        ]

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, number: int) -> dict:
        return self._entries[number]
