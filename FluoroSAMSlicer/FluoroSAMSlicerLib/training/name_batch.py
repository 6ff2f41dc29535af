"""Images with all that is asked of them at once: many names each, present and absent, and what they cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..model.windowing import window
from .prompts import SMALL, Prompts

CELL = 4
"""Pixels of the input on a side of one cell of a target."""

FULL = CELL * CELL
"""What a target counts where a structure covers the whole cell."""

PRESENT, ABSENT = 24, 8
"""Names asked for of an image, at most: what is to be seen, and what is not."""


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


class Asking:
    """Which names are asked of an image: those of ``prompts``, by what its reader knows of each body.

    ``added`` are names of what no body has unless it is put in, so that it is known where there is none.
    """

    def __init__(self, prompts: Prompts, reader, added: Sequence[str] = ()) -> None:
        own = prompts.names
        self.prompts, self.names = prompts, [*own, *(name for name in added if name not in own)]
        self.position = {name: number for number, name in enumerate(self.names)}
        more = np.ones(len(self.names) - len(own), bool)
        self.known = {body: np.append(known, more) for body, known in prompts.known(reader).items()}
        sided = (*prompts.askable, *added)
        self.opposite = {name: prompts.anatomy.mirrored(name) for name in sided}

    def choose(
        self, body: str, masks: Mapping[str, np.ndarray], shape: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Tensor, np.ndarray]:
        """Positions (N,) of names of an image that shows ``masks``, bool (h, w), and their masks uint8 (N, h, w)."""
        parts = self.prompts.masks(masks)
        wanted = {name: tuple(own) for name, own in parts.items()} | {
            name: (name,) for name in masks if name not in parts and name in self.position
        }
        names = list(wanted)
        asked = np.full(PRESENT + ABSENT, -1, np.int64)
        drawn = np.zeros((PRESENT + ABSENT, *shape), np.uint8)
        if names:
            area = np.array([max(masks[part].mean() for part in wanted[name]) for name in names])
            weight = np.array([self.prompts.weight.get(name, 0.05) for name in names])
            weight *= np.clip(area / SMALL, 0.02, 1)
            chosen = rng.choice(len(names), min(PRESENT, len(names)), replace=False, p=weight / weight.sum())
            for place, number in enumerate(chosen):
                asked[place] = self.position[names[number]]
                for part in wanted[names[number]]:
                    drawn[place] |= masks[part]
        # What is there, but of the other side, is not asked for: of a single limb nobody sees the side.
        never = {self.position[name] for name in wanted}
        never |= {self.position[o] for name in wanted if (o := self.opposite.get(name)) in self.position}
        absent = [number for number in np.flatnonzero(self.known[body]) if number not in never]
        if absent:
            more = rng.choice(absent, min(ABSENT, len(absent)), replace=False)
            asked[PRESENT : PRESENT + len(more)] = more
        return torch.from_numpy(asked), drawn


def framed(pixels: np.ndarray, drawn: np.ndarray, size: int) -> tuple[Tensor, Tensor]:
    """A picture (h, w), bone bright, and masks (N, h, w) as a :class:`NameBatch` holds them."""
    height, width = pixels.shape
    margin = (0, size - width, 0, size - height)
    values = F.pad((torch.from_numpy(window(1 - pixels)) - 0.5) / 0.5, margin)
    covered = F.avg_pool2d(F.pad(torch.from_numpy(drawn), margin).float()[None], CELL)[0] * FULL
    return values.half(), covered.round().to(torch.uint8)
