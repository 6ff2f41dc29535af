"""Training images made on the fly: bodies varied, exposed and developed anew for every step, with all their masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..dataset.masks import MaskRule
from ..dataset.quick import load_packed, march, stage
from ..dataset.quick.metal import NAMES as PROSTHESES
from ..dataset.quick.panoramic import PanoramicGeometry
from .implants import Drawing, draw_implants
from .name_batch import SMALLEST, Asking, TakenBatch, covered_cells
from .plates import Plates, take
from .prompts import Prompts
from .streams import Stream

IMPLANTS = 0.16
"""Share of pictures into which lines, tubes and metal are drawn."""

METAL = "metal"
"""The name of all metal together."""

FRAMED = 0.6
"""Share of pictures that are not square."""

BARRED = 0.25
"""Share of panoramic pictures that are stored as squares, with black above and below."""


class ExposureStream(Stream):
    """Item ``n`` is the batch of step ``n``: ``bodies`` staged bodies with ``views`` exposures each.

    It depends on the seed and ``n`` alone. ``folder`` holds bodies that :func:`~..dataset.quick.pack` wrote; ``size``
    is the input's side in pixels, a multiple of 32.
    """

    def __init__(self, folder: Path | str, size: int, bodies: int = 4, views: int = 6, seed: int = 1):
        self.folder, self.size, self.bodies, self.views, self.seed = Path(folder), size, bodies, views, seed
        self.packed = load_packed(folder)
        catalogue = _Catalogue(self.packed)
        prompts = Prompts(catalogue)
        self.metal = frozenset(prompts.anatomy.constituents(METAL))
        self.asking = Asking(prompts, catalogue, (*PROSTHESES, METAL))
        self.names = self.asking.names
        self.rule = MaskRule()

    def taken(self, step: int) -> TakenBatch:
        torch.set_num_threads(1)
        parts = []
        for number in range(self.bodies):
            own = step * self.bodies + number
            staged = stage(self.packed, self.seed, own, self.views)
            exposures = march(staged, self.size)
            rng = np.random.default_rng([self.seed, own, 3])
            parts += [self._image(staged, exposures, view, rng) for view in range(self.views)]
        return TakenBatch.of(parts)

    def _image(self, staged, exposures, view: int, rng: np.random.Generator) -> tuple[Plates, Tensor, Tensor]:
        found = self.rule.masks(staged.structures, exposures.values, exposures.path[view])
        masks = {one.structure: one.mask for one in found}
        traces = frozenset(masks)
        drawing = Drawing(np.zeros((self.size, self.size), np.float32))
        if rng.random() < IMPLANTS:
            drawing = draw_implants(drawing.metal.shape, rng)
        masks |= drawing.masks
        if of_metal := [mask for name, mask in masks.items() if name in self.metal]:
            masks[METAL] = np.logical_or.reduce(of_metal)
        geometry = staged.views[view].geometry.resized(self.size)
        swept = isinstance(geometry, PanoramicGeometry)
        barred = swept and rng.random() < BARRED
        rows, columns = (geometry.rows, slice(None)) if swept else self._frame(rng)
        if barred:
            rows = slice(None)
        density, metal = exposures.density[view][:, rows, columns], drawing.metal[rows, columns]
        plates, visible = take(density, metal, self.size, rng, voxel_blur(staged, geometry))
        if barred:
            shown = np.zeros(self.size, bool)
            shown[geometry.rows] = True
            plates.overlay[:, ~shown] = 0
            visible = visible & shown[:, None]
        masks = {name: mask[rows, columns] & visible for name, mask in masks.items()}
        masks = {name: mask for name, mask in masks.items() if mask.sum() >= SMALLEST * mask.size}
        names, drawn = self.asking.choose(staged.body, masks, visible.shape, rng, traces)
        return plates, covered_cells(drawn, self.size), names

    def _frame(self, rng: np.random.Generator) -> tuple[slice, slice]:
        """The rows and columns of the square exposure that the picture shows."""
        height = width = self.size
        if rng.random() < FRAMED:
            short = int(self.size * rng.uniform(0.55, 1.0))
            height, width = (short, self.size) if rng.random() < 0.6 else (self.size, short)
        top, left = (self.size - height) // 2, (self.size - width) // 2
        return slice(top, top + height), slice(left, left + width)


VOXEL = 0.4
"""Standard deviation of the blur that hides the voxels of a coarse body, in voxels."""


def voxel_blur(staged, geometry) -> float:
    """Standard deviation, in pixels, of the blur that hides the steps of the voxels that densities were made of."""
    if isinstance(geometry, PanoramicGeometry):
        return VOXEL * float(staged.spacing[0] / np.sqrt(np.prod(geometry.pixel_mm)))
    far = np.linalg.norm(np.subtract(geometry.detector_centre, geometry.source))
    middle = staged.origin + staged.spacing * np.array(staged.labels.shape[::-1]) / 2
    near = np.clip(np.linalg.norm(middle - geometry.source) / far, 0.3, 1.0)
    return VOXEL * float(staged.spacing[0] / (near * geometry.pixel_mm[0]))


class _Catalogue:
    """The packed bodies as :class:`Prompts` reads images: one entry each, with everything that it has."""

    def __init__(self, packed):
        self._entries = [
            {
                "body": name, "masks": [(structure,) for structure in packed[n].body.structures],
                "complete": packed.complete[n],
            }  # fmt: skip
            for n, name in enumerate(packed.names)
        ]

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, number: int) -> dict:
        return self._entries[number]
