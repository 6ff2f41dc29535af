"""Voxels that tell the exact march where a label may change, so that it looks labels up there alone.

Along a ray labels change at few of the voxels it meets. Each voxel that shares a face with one of another label is
stored lower by ``SURFACE``, which takes it out of the range of CT numbers; all others are as they were.
"""

from __future__ import annotations

import weakref

import numpy as np

from .siddon import SURFACE
from .volume import CTVolume, LabelVolume

HIGHEST_HU = SURFACE - 1001
"""CT numbers above this one, when marked, could not be told from plain ones."""
_MARKED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def marked(labels: LabelVolume, ct: CTVolume | None) -> np.ndarray:
    """HU of ``ct`` on the labels' grid, or 0 without one, less ``SURFACE`` at the surfaces of labels.

    (K, J, I) int16, kept for the last CT as long as the labels are alive. No HU may be above HIGHEST_HU.
    """
    kept = _MARKED.get(labels)
    if kept is not None and kept[0]() is ct:
        return kept[1]
    voxels = np.zeros(labels.labels.shape, np.int16) if ct is None else ct.attenuating.copy()
    for k, plane in enumerate(labels.labels):
        surface = np.zeros(plane.shape, bool)
        for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
            differ = plane[one] != plane[other]
            surface[one] |= differ
            surface[other] |= differ
        for neighbour in (k - 1, k + 1):
            if 0 <= neighbour < len(voxels):
                surface |= plane != labels.labels[neighbour]
        voxels[k] -= surface * np.int16(SURFACE)
    _MARKED[labels] = (_nothing if ct is None else weakref.ref(ct), voxels)
    return voxels


def _nothing() -> None:
    """In place of a reference to a CT where there is none."""
