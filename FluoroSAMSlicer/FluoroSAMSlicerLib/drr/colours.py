"""Voxels that hold their CT number and, above it, a colour of their label: all that the exact march reads a voxel.

No two labels that share a face have the same colour, so a ray meets another label exactly where the colour changes,
at four voxels of some five hundred in a body of a hundred structures. Only there the label itself is looked up.
"""

from __future__ import annotations

import weakref

import numpy as np

from .volume import NOTHING_HU, CTVolume, LabelVolume

_COLOURED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def coloured(labels: LabelVolume, ct: CTVolume | None) -> tuple[np.ndarray, int] | None:
    """(voxels (K, J, I) uint16, room): each voxel is HU + 1000, which is below room, plus room times a colour.

    Without a CT the room is 1, and the labels are colours enough. With one, voxels are kept for the last CT as long
    as the labels are alive. None where HU leave too few colours: 16 up to 3095 HU, 8 up to 7191, 4 up to 15383, 2 up
    to 31767.
    """
    if ct is None:
        return labels.labels, 1
    kept = _COLOURED.get(labels)
    if kept is None or kept[0]() is not ct:
        kept = _COLOURED[labels] = weakref.ref(ct), _coloured(labels, ct)
    return kept[1]


def _coloured(labels: LabelVolume, ct: CTVolume) -> tuple[np.ndarray, int] | None:
    room = 1 << (max(ct.hu_range[1], NOTHING_HU) - NOTHING_HU).bit_length()
    table = colours(labels.labels)
    if room > 32768 or (int(table.max()) + 1) * room > 65536:
        return None
    table *= np.uint16(room)
    voxels = np.empty(labels.labels.shape, np.uint16)
    for there, plane, hu in zip(voxels, labels.labels, ct.attenuating, strict=True):
        np.take(table, plane, out=there, mode="clip")
        there += (hu - np.int16(NOTHING_HU)).view(np.uint16)
    return voxels, room


def colours(labels: np.ndarray) -> np.ndarray:
    """A colour for every label value, (65536,) uint16, others than those of the labels it shares a face with.

    Welsh and Powell (Comput J 10, 1967): labels with the most neighbours first, each in the first colour free.
    """
    pairs = _touching(labels)
    neighbours: dict[int, set[int]] = {}
    for one, other in zip((pairs >> 16).tolist(), (pairs & 0xFFFF).tolist(), strict=True):
        neighbours.setdefault(one, set()).add(other)
        neighbours.setdefault(other, set()).add(one)
    chosen: dict[int, int] = {}
    for label in sorted(neighbours, key=lambda value: -len(neighbours[value])):
        taken = {chosen.get(other) for other in neighbours[label]}
        chosen[label] = next(colour for colour in range(65536) if colour not in taken)
    table = np.zeros(65536, np.uint16)
    table[list(chosen)] = list(chosen.values())
    return table


def _touching(labels: np.ndarray) -> np.ndarray:
    """The pairs of labels that share a face, each as one << 16 | other, in either order or both, (N,) uint32."""
    found = [np.zeros(0, np.uint32)]
    for k, plane in enumerate(labels):
        beside = [(plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])]
        if k:
            beside.append((plane, labels[k - 1]))
        for one, other in beside:
            differ = one != other
            found.append(np.unique(one[differ].astype(np.uint32) << 16 | other[differ]))
    return np.unique(np.concatenate(found))
