"""The last CT and labels that were projected, as the projectors want them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...drr import CTVolume
from ..errors import SceneError
from .labels_on_grid import on_ct_grid
from .patient import TakenPatient, grid_of, structure_of

MANY_VOXELS = 2**24


@dataclass
class PatientStore:
    """Projects need the same patient again and again: this keeps the last one as the projectors want it.

    ``lock`` lets one thread at a time prepare; all methods may be called on any thread.
    """

    lock: threading.RLock = field(default_factory=threading.RLock)
    _ct: tuple[tuple, CTVolume] | None = None
    _small: tuple[tuple, CTVolume] | None = None
    _labelled: tuple[tuple, object, tuple[str, ...]] | None = None

    def holds(self, patient: TakenPatient) -> bool:
        """Whether previews of this CT begin at once."""
        with self.lock:
            return self._small is not None and self._small[0] == patient.ct_key

    def ct(self, patient: TakenPatient) -> CTVolume:
        """Raises VolumeError for voxels that are no CT."""
        with self.lock:
            if self._ct is None or self._ct[0] != patient.ct_key:
                grid = grid_of(patient.hu.shape, patient.to_world)
                ct = CTVolume(patient.hu, grid.origin, grid.spacing, grid.direction)
                ct.require_contrast()
                self._ct = patient.ct_key, ct
            return self._ct[1]

    def small_ct(self, patient: TakenPatient) -> CTVolume:
        """The CT for previews: with half as many voxels along each axis where there are many."""
        with self.lock:
            if self._small is None or self._small[0] != patient.ct_key:
                ct = self.ct(patient)
                self._small = patient.ct_key, halved(ct) if ct.hu.size > MANY_VOXELS else ct
            return self._small[1]

    def labelled(self, patient: TakenPatient):
        """(LabelledCT, notes for the user). Raises DatasetError, VolumeError and SceneError."""
        from ...dataset import LabelledCT
        from ...dataset.layers import Layer, merged

        if not patient.layers:
            raise SceneError(
                "There are no labels. Choose a segmentation of the CT: without one the images have no masks."
            )
        key = (patient.ct_key, patient.labels_key)
        with self.lock:
            if self._labelled is None or self._labelled[0] != key:
                ct = self.ct(patient)
                notes: list[str] = []
                layers = []
                for taken in patient.layers:
                    grid = grid_of(taken.labels.shape, taken.to_world)
                    placed, note = on_ct_grid(taken.labels, grid, ct.grid, patient.name)
                    notes += [note] if note and note not in notes else []
                    layers.append(Layer(placed, ct.grid, _by_structure(taken.names)))
                labels, structures = merged(layers, ct.grid, patient.name)
                subject = LabelledCT(_plain_name(patient.name), ct, labels, structures)
                self._labelled = key, subject, tuple(notes)
            return self._labelled[1:]

    def forget(self) -> None:
        with self.lock:
            self._ct = self._small = self._labelled = None


def halved(ct: CTVolume) -> CTVolume:
    """The CT with the mean of two voxels along each axis as one; an odd last one is left out."""
    depth, height, width = (count // 2 for count in ct.hu.shape)
    hu = np.empty((depth, height, width), np.int16)
    for k in range(depth):
        pair = ct.hu[2 * k : 2 * k + 2, : 2 * height, : 2 * width]
        total = pair[0].astype(np.int32) + pair[1]
        total = total[::2] + total[1::2]
        hu[k] = (total[:, ::2] + total[:, 1::2]) >> 3
    origin = ct.origin + ct.grid.index_to_world @ np.full(3, 0.5)
    return CTVolume(hu, origin, 2 * ct.spacing, ct.direction)


def _by_structure(names: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for value, name in names.items():
        found.setdefault(structure_of(name), []).append(value)
    return {name: tuple(values) for name, values in found.items()}


def _plain_name(name: str) -> str:
    """A node's name as the name of a CT in a set, which becomes part of files: "2: Abd/Pelvis" -> "2 Abd-Pelvis"."""
    plain = "".join(one if one.isalnum() or one in " ._-" else "-" for one in name.replace(":", ""))
    return plain.replace("..", "-").strip(" .")[:100] or "CT"
