"""The CTs a training set is made of: where they are, and what they are once read."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..drr import CTVolume, LabelVolume
from .errors import DatasetError
from .label_names import check_name
from .layers import merged, read_layers

TISSUE_HU = -500
"""From this HU on a voxel is no air."""


@dataclass(frozen=True, eq=False)
class LabelledCT:
    """A CT, a label map on the same voxels, and the label values of each structure.

    Structures may overlap: one label value may belong to several. ``patient`` ties CTs of one person
    together, so that they go to the same split; default the CT's own name. ``source`` and ``licence``
    state where the CT comes from, for the dataset card.
    """

    name: str
    ct: CTVolume
    labels: LabelVolume
    structures: dict[str, tuple[int, ...]]
    patient: str = ""
    source: str = ""
    licence: str = ""

    def __post_init__(self):
        check_name(self.name, "the CT")
        if not self.ct.grid.coincides(self.labels.grid):
            raise DatasetError(
                f"{self.name}: the labels lie on another grid than the CT; resample them onto the CT first"
            )
        low, high = self.ct.hu_range
        if low == high:
            raise DatasetError(
                f"{self.name}: every voxel of the CT is {low} HU; choose a CT that shows something"
            )
        if high < TISSUE_HU:
            raise DatasetError(
                f"{self.name}: the CT holds nothing but air (at most {high} HU); is it in Hounsfield units?"
            )
        if not self.structures:
            raise DatasetError(
                f"{self.name}: no label has a name; segment the CT first and name its segments"
            )

    def load(self) -> LabelledCT:
        return self

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with any voxel, position or name."""
        number = zlib.crc32(np.ascontiguousarray(self.ct.hu))
        number = zlib.crc32(np.ascontiguousarray(self.labels.labels), number)
        place = np.concatenate([self.ct.origin, self.ct.spacing, self.ct.direction.ravel()]).round(6) + 0.0
        number = zlib.crc32(place.tobytes(), number)
        return f"{zlib.crc32(repr(sorted(self.structures.items())).encode(), number):08x}"

    @cached_property
    def _voxels(self) -> tuple[np.ndarray, np.ndarray]:
        """By label value, background too: the number of voxels (V,) and their mean index (V, 3) as (i, j, k)."""
        size = int(self.labels.labels.max()) + 1
        count, sums = np.zeros(size), np.zeros((size, 3))
        _, rows, columns = self.labels.labels.shape
        for k, plane in enumerate(self.labels.labels):
            table = np.bincount(plane.ravel(), minlength=size)
            if table[0] == plane.size:
                continue
            j, i = np.nonzero(plane)
            value = plane[j, i]
            count += table
            sums[:, 0] += np.bincount(value, weights=i, minlength=size)
            sums[:, 1] += np.bincount(value, weights=j, minlength=size)
            sums[:, 2] += table * k
        count[0] = 0
        return count, sums / np.maximum(count, 1)[:, None]

    @property
    def targets(self) -> tuple[str, ...]:
        """The structures that have voxels, in alphabetic order: what a view can be aimed at."""
        count, _ = self._voxels
        return tuple(name for name in sorted(self.structures) if count[list(self.structures[name])].sum() > 0)

    def centroid(self, name: str) -> np.ndarray:
        """Centre of mass (3,) of a structure, LPS mm."""
        count, mean = self._voxels
        values = list(self.structures[name])
        index = (count[values, None] * mean[values]).sum(0) / count[values].sum()
        return self.ct.origin + self.ct.grid.index_to_world @ index

    def volume_ml(self, name: str) -> float:
        count, _ = self._voxels
        voxel = abs(np.linalg.det(self.ct.grid.index_to_world))
        return float(count[list(self.structures[name])].sum() * voxel / 1000)

    @cached_property
    def centre(self) -> np.ndarray:
        """Middle (3,) of the labelled voxels' bounding box, LPS mm."""
        boxes = []
        for axis in range(3):
            others = tuple(other for other in range(3) if other != axis)
            filled = np.flatnonzero(self.labels.labels.any(axis=others))
            boxes.append((filled[0] + filled[-1]) / 2)
        return self.ct.origin + self.ct.grid.index_to_world @ np.array(boxes[::-1])

    @cached_property
    def extent_z(self) -> tuple[float, float]:
        """Lowest and highest z of the CT's corners, LPS mm: its extent along the patient."""
        far = np.array(self.ct.hu.shape[::-1]) - 1
        step = self.ct.grid.index_to_world[2] * far
        base = float(self.ct.origin[2])
        return base + float(step[step < 0].sum()), base + float(step[step > 0].sum())


@dataclass(frozen=True)
class CTSource:
    """Where a labelled CT lies on disk; light enough to be sent to any worker.

    ct: a volume file or a DICOM folder. labels: a label map, a ``.seg.nrrd`` with any number of layers, or a
    folder with one mask file a structure. names: a table of label names where the labels carry none.
    series, any_modality, rescale: as for :meth:`CTVolume.read`. The other fields are those of
    :class:`LabelledCT`; ``name`` is by default that of the file.
    """

    ct: Path
    labels: Path
    names: Path | None = None
    name: str = ""
    patient: str = ""
    source: str = ""
    licence: str = ""
    series: str | None = None
    any_modality: bool = False
    rescale: tuple[float, float] | None = None

    def __post_init__(self):
        for field in ("ct", "labels"):
            if not str(getattr(self, field) or "").strip():
                raise DatasetError(
                    f"{self.ct or 'a CT'}: labels are needed beside the CT; give a label map of it"
                )
            object.__setattr__(self, field, Path(getattr(self, field)).absolute())
        object.__setattr__(self, "names", Path(self.names).absolute() if self.names else None)
        object.__setattr__(self, "name", self.name or self.ct.name.split(".")[0])
        check_name(self.name, str(self.ct))

    def check(self) -> None:
        """Raise DatasetError if a file is absent, before any work is done."""
        for path in (self.ct, self.labels, self.names):
            if path is not None and not path.exists():
                raise DatasetError(f"{path}: there is no such file or folder")

    def load(self) -> LabelledCT:
        """Read and check everything. Raises DatasetError and VolumeError."""
        ct = CTVolume.read(self.ct, self.series, self.any_modality, self.rescale)
        where = f"{self.name} with labels {self.labels.name}"
        labels, structures = merged(read_layers(self.labels, self.names), ct.grid, where)
        return LabelledCT(self.name, ct, labels, structures, self.patient, self.source, self.licence)


def distinct(sources: Sequence[CTSource | LabelledCT]) -> list[CTSource | LabelledCT]:
    """The sources with names that differ: "ct" of many folders becomes "s0011_ct". Raises DatasetError."""
    if not sources:
        raise DatasetError("no CT was given; a training set needs at least one with labels")
    names = [source.name.casefold() for source in sources]
    result = [
        replace(source, name=f"{source.ct.parent.name}_{source.name}")
        if names.count(source.name.casefold()) > 1 and isinstance(source, CTSource)
        else source
        for source in sources
    ]
    names = [source.name.casefold() for source in result]
    for source in result:
        if names.count(source.name.casefold()) > 1:
            raise DatasetError(f"two CTs are called {source.name!r}; name them apart")
    return result
