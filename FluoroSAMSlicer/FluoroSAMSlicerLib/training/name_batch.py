"""Images with all that is asked of them at once: many names each, present and absent, and what they cover."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .batches import Batch
from .plates import Plates
from .prompts import SMALL, Prompts
from .windows import network_values

CELL = 4
"""Pixels of the input on a side of one cell of a target."""

FULL = CELL * CELL
"""What a target counts where a structure covers the whole cell."""

SMALLEST = 0.0006
"""Share of the picture that a mask must have to be one."""

PRESENT, ABSENT = 44, 12
"""Names asked for of an image, at most: what is to be seen, and what is not. A trunk shows about 80; asking for 56 in
all instead of 32 makes a step a twentieth longer."""


@dataclass(frozen=True)
class NameBatch(Batch):
    """B images and N names each, at an input of S pixels.

    ``pixel_values`` float16 (B, 3, S, S). ``covered`` uint8 (B, N, S/4, S/4): pixels of each cell that the structure
    covers, up to `FULL`. ``names`` int64 (B, N): positions in the list of names, -1 where there is none.
    """

    pixel_values: Tensor
    covered: Tensor
    names: Tensor


@dataclass(frozen=True)
class TakenBatch(Batch):
    """A :class:`NameBatch` whose pictures are taken and not yet developed."""

    plates: Plates
    covered: Tensor
    names: Tensor

    @classmethod
    def of(cls, parts: Sequence[tuple[Plates, Tensor, Tensor]]) -> TakenBatch:
        plates, covered, names = zip(*parts, strict=True)
        return cls(Plates.stacked(plates), torch.stack(covered), torch.stack(names))

    def developed(self, device: torch.device) -> NameBatch:
        """With its pictures made on ``device``; this batch is the processor's."""
        covered, names = (part.to(device, non_blocking=True) for part in (self.covered, self.names))
        return NameBatch(network_values(self.plates.developed(device)), covered, names)


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
        self, body: str, masks: Mapping[str, np.ndarray], shape: tuple[int, int], rng: np.random.Generator,
        traces: Collection[str] = (),
    ) -> tuple[Tensor, np.ndarray]:  # fmt: skip
        """Positions (N,) of names of an image that shows ``masks``, bool (h, w), and their masks uint8 (N, h, w).

        ``traces`` are structures of which there may be too little for a mask: they are not absent either.
        """
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
        shown = wanted.keys() | self.prompts.masks(traces).keys()
        never = {self.position[name] for name in shown}
        never |= {self.position[o] for name in shown if (o := self.opposite.get(name)) in self.position}
        absent = [number for number in np.flatnonzero(self.known[body]) if number not in never]
        if absent:
            more = rng.choice(absent, min(ABSENT, len(absent)), replace=False)
            asked[PRESENT : PRESENT + len(more)] = more
        return torch.from_numpy(asked), drawn


def covered_cells(drawn: np.ndarray, size: int) -> Tensor:
    """Masks uint8 (N, h, w) as a :class:`NameBatch` holds them."""
    height, width = drawn.shape[1:]
    cells = np.zeros((len(drawn), size, size), np.uint8)
    cells[:, :height, :width] = drawn
    cells = sum(cells[:, row::CELL] for row in range(CELL))
    return torch.from_numpy(sum(cells[..., column::CELL] for column in range(CELL)))
