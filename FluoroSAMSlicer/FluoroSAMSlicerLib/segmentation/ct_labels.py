"""What was found in a CT: a mask for each name, as one label map or as layers where masks overlap."""

from __future__ import annotations

import colorsys
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import Structure
from ..drr.volume import Grid

if TYPE_CHECKING:
    from ..sat import AskedName, MaskBox

TISSUE = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~"
    "SCT^85756007^Tissue~^^~Anatomic codes - DICOM master list~^^~^^"
)
"""What Slicer writes for a segment of no particular structure."""


@dataclass(frozen=True, eq=False)
class StructureLabel:
    """One structure that was looked for. ``box`` is where it was found, in (I, J, K) of the CT; empty if nowhere."""

    asked: AskedName
    box: MaskBox

    @property
    def name(self) -> str:
        return self.asked.title

    @property
    def structure(self) -> Structure | None:
        return self.asked.structure

    @property
    def voxels(self) -> int:
        return int(np.count_nonzero(self.box.mask))

    @property
    def color(self) -> tuple[int, int, int]:
        """8-bit RGB: the vocabulary's, else one that follows from the name."""
        if self.structure is not None:
            return self.structure.color
        hue = zlib.crc32(self.name.lower().encode("utf-8")) / 2**32
        return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.6, 0.9))

    @property
    def terminology(self) -> str:
        return (self.structure.terminology if self.structure is not None else "") or TISSUE

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Where :attr:`part` is in an array (K, J, I)."""
        pairs = zip(self.box.start[::-1], self.box.mask.shape[::-1], strict=True)
        return tuple(slice(start, start + size) for start, size in pairs)

    @property
    def part(self) -> np.ndarray:
        """The mask within its own box, bool (K, J, I)."""
        return self.box.mask.transpose(2, 1, 0)


@dataclass(frozen=True, eq=False)
class CTLabels:
    """All that was looked for in one CT, on its grid, in the order of the request; ``notes`` are for the user."""

    labels: tuple[StructureLabel, ...]
    grid: Grid
    model: str
    notes: tuple[str, ...] = ()

    def mask(self, name: str) -> np.ndarray:
        """Bool (K, J, I) of one structure. Raises KeyError for a name that was not asked for."""
        label = next((label for label in self.labels if name in (label.name, label.asked.prompt)), None)
        if label is None:
            raise KeyError(name)
        full = np.zeros(self.grid.shape, bool)
        full[label.slices] = label.part
        return full

    def label_map(self) -> np.ndarray:
        """uint16 (K, J, I): label n + 1 is the n-th structure; where masks overlap, the smaller one is seen."""
        full = np.zeros(self.grid.shape, np.uint16)
        order = sorted(range(len(self.labels)), key=lambda n: -self.labels[n].voxels)
        for number in order:
            label = self.labels[number]
            full[label.slices][label.part] = number + 1
        return full

    @cached_property
    def places(self) -> tuple[tuple[int, int], ...]:
        """(layer, label value) of each structure, so that no two in a layer overlap and nothing is lost."""
        layers: list[list[int]] = []
        places = []
        for number, label in enumerate(self.labels):
            free = (
                layer
                for layer, members in enumerate(layers)
                if not any(_overlap(label, self.labels[other]) for other in members)
            )
            layer = next(free, len(layers))
            if layer == len(layers):
                layers.append([])
            layers[layer].append(number)
            places.append((layer, len(layers[layer])))
        return tuple(places)

    def layers(self) -> list[np.ndarray]:
        """Label maps uint16 (K, J, I) that hold every structure whole, at its :attr:`places`."""
        count = 1 + max((layer for layer, _ in self.places), default=0)
        maps = [np.zeros(self.grid.shape, np.uint16) for _ in range(count)]
        for label, (layer, value) in zip(self.labels, self.places, strict=True):
            maps[layer][label.slices][label.part] = value
        return maps


def _overlap(one: StructureLabel, other: StructureLabel) -> bool:
    shared = [
        (max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one.slices, other.slices, strict=True)
    ]
    if any(end <= start for start, end in shared):
        return False

    def part(label: StructureLabel) -> np.ndarray:
        inner = tuple(
            slice(start - own.start, end - own.start)
            for (start, end), own in zip(shared, label.slices, strict=True)
        )
        return label.part[inner]

    return bool((part(one) & part(other)).any())
