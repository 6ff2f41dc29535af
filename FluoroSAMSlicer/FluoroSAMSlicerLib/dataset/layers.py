"""Overlapping segmentations as one label map on the CT's grid.

Slicer stores segments that overlap in several layers, TotalSegmentator one file a structure. Every
combination of structures that occurs becomes one label value, so that a single march of the rays gives the
path lengths of all of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..drr import Grid, LabelVolume, VolumeError
from ..drr.reading import read_image
from .dicom_seg_labels import dicom_seg_in, read_dicom_seg, segment_names
from .errors import DatasetError
from .label_names import (
    FORMS,
    Pairs,
    checked,
    names_beside,
    names_in_header,
    read_pairs,
    structure_name,
    structures_by_name,
    usable_name,
)
from .segment_header import Layers, header_segments, segments_of

MASK_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_OFF_LATTICE = 0.1
"""Voxels by which a label map may miss the CT's lattice, anywhere in it; files round their positions."""


@dataclass(frozen=True, eq=False)
class Layer:
    """Labels that do not overlap: uint16 (K, J, I) on a grid, and the label values of each structure."""

    labels: np.ndarray
    grid: Grid
    structures: dict[str, tuple[int, ...]]


def read_layers(path: Path | str, names: Path | str | None = None) -> Iterator[Layer]:
    """The layers of a label map, a ``.seg.nrrd``, a DICOM SEG, or a folder with one mask file a structure.

    names: a table of label names (see :func:`read_pairs`); default the file's own header, else a table of
    the same name beside it. Raises DatasetError and VolumeError.
    """
    path = Path(path)
    seg = dicom_seg_in(path)
    if seg is not None:
        for mask, grid, name in read_dicom_seg(seg):
            yield Layer(mask, grid, {structure_name(name): (1,)})
        return
    if path.is_dir():
        yield from _folder(path)
        return
    if not path.exists():
        raise DatasetError(f"{path}: there is no such label map")
    yield from _file(path, Path(names) if names else None)


def structure_names(path: Path | str, names: Path | str | None = None) -> tuple[str, ...]:
    """The names of the structures in a label map, from its table or header, without reading voxels."""
    path = Path(path)
    seg = dicom_seg_in(path)
    if seg is not None:
        return tuple(sorted({structure_name(name) for name in segment_names(seg)}))
    if path.is_dir():
        return tuple(sorted({structure_name(usable_name(_stem(file), 1)) for file in _mask_files(path)}))
    segments = {} if names or not _is_nrrd(path) else _usable(header_segments(path))
    if segments:
        return tuple(sorted({structure_name(name) for layer in segments.values() for _, name in layer}))
    return tuple(structures_by_name(_table(path, Path(names) if names else None)))


def merged(layers: Iterable[Layer], grid: Grid, where: str) -> tuple[LabelVolume, dict[str, tuple[int, ...]]]:
    """One label map on ``grid`` and the label values of each structure in it, from layers that may overlap.

    Raises DatasetError for a layer on another lattice and for more than 65535 combinations of structures.
    """
    labels: np.ndarray | None = None
    inside: list[frozenset[str]] = [frozenset()]
    for layer in layers:
        placed = on_grid(layer.labels, layer.grid, grid, where)
        named: dict[int, frozenset[str]] = {}
        for name, values in layer.structures.items():
            for value in values:
                named[value] = named.get(value, frozenset()) | {name}
        if labels is None:
            labels = placed
            inside += [named.get(value, frozenset()) for value in range(1, int(labels.max()) + 1)]
            continue
        at = np.flatnonzero(placed)
        both = labels.reshape(-1)[at].astype(np.uint32) << 16 | placed.reshape(-1)[at]
        keys, place = np.unique(both, return_inverse=True)
        values = np.empty(len(keys), np.int64)
        for number, key in enumerate(keys.tolist()):
            below, above = inside[key >> 16], named.get(key & 0xFFFF)
            values[number] = key >> 16
            if above is not None and not above <= below:
                values[number] = len(inside)
                inside.append(below | above)
        if len(inside) > 65536:
            raise DatasetError(f"{where}: the structures overlap in more than 65535 ways; leave some out")
        labels.reshape(-1)[at] = values[place]
    if labels is None or not labels.any():
        raise DatasetError(f"{where}: no voxel is labelled; segment the CT first")
    present = LabelVolume(labels, grid.origin, grid.spacing, grid.direction)
    structures: dict[str, list[int]] = {}
    for value in present.values.tolist():
        for name in inside[value]:
            structures.setdefault(name, []).append(value)
    if not structures:
        raise DatasetError(f"{where}: none of its labels has a name; the table of names must be {FORMS}")
    return present, {name: tuple(values) for name, values in sorted(structures.items())}


def on_grid(labels: np.ndarray, own: Grid, grid: Grid, where: str) -> np.ndarray:
    """Labels (K, J, I) on the voxels of ``grid``, uint16, from a grid with the same voxels in part or in all.

    Axes may be swapped or flipped and the extent cropped, as Slicer and DICOM tools do; nothing is resampled.
    Raises DatasetError when the voxels are others.
    """
    step = np.linalg.inv(grid.index_to_world) @ own.index_to_world
    turned = np.rint(step)
    first = grid.world_to_index(own.origin)
    drift = np.abs(step - turned) @ np.array(own.shape[::-1]) + np.abs(first - np.rint(first))
    if np.abs(turned).sum() != 3 or abs(np.linalg.det(turned)) != 1 or drift.max() > _OFF_LATTICE:
        raise DatasetError(
            f"{where}: the labels lie on another grid ({_described(own)}) than the CT ({_described(grid)});"
            " resample them onto the CT (nearest neighbour) first"
        )
    source_axes = np.abs(turned).argmax(axis=1)
    signs = turned[np.arange(3), source_axes]
    placed = labels.transpose([2 - axis for axis in source_axes[::-1]])
    placed = placed[tuple(slice(None, None, -1 if sign < 0 else 1) for sign in signs[::-1])]
    size = np.array(placed.shape[::-1])
    start = np.rint(first).astype(int) - np.where(signs < 0, size - 1, 0)
    low, high = np.maximum(start, 0), np.minimum(start + size, np.array(grid.shape[::-1]))
    if (high <= low).any():
        raise DatasetError(f"{where}: the labels lie outside the CT; were they drawn on another scan?")
    if (low == 0).all() and placed.shape == grid.shape:
        return np.array(placed, dtype=np.uint16, order="C")
    result = np.zeros(grid.shape, np.uint16)
    target = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
    result[target] = placed[
        tuple(slice(a, b) for a, b in zip((low - start)[::-1], (high - start)[::-1], strict=True))
    ]
    return result


def _file(path: Path, names: Path | None) -> Iterator[Layer]:
    if not _is_nrrd(path):
        yield _layer(path, LabelVolume.read(path), _table(path, names))
        return
    import SimpleITK as sitk

    image = read_image(path)
    segments = {} if names else _usable(segments_of(image))
    count = image.GetNumberOfComponentsPerPixel()
    if not segments and count > 1:
        raise DatasetError(
            f"{path}: has {count} layers but no segment names in its header; save it from Slicer"
        )
    table = segments or {0: _table(path, names)}
    for number in sorted(table):
        if number >= count:
            raise DatasetError(f"{path}: its header names layer {number}, the file has {count}; save it anew")
        array = sitk.GetArrayFromImage(image if count == 1 else sitk.VectorIndexSelectionCast(image, number))
        if array.ndim != 3:
            raise DatasetError(f"{path}: is {array.ndim}-D; a 3-D label map is needed")
        try:
            volume = LabelVolume(
                array, image.GetOrigin(), image.GetSpacing(), np.reshape(image.GetDirection(), (3, 3))
            )
        except VolumeError as error:
            raise VolumeError(f"{path}: {error}") from error
        yield _layer(path, volume, table[number])


def _layer(path: Path, volume: LabelVolume, pairs: Pairs) -> Layer:
    return Layer(volume.labels, volume.grid, structures_by_name(checked(pairs, path)))


def _folder(folder: Path) -> Iterator[Layer]:
    """Masks by file name; one that cannot be read is left out with a warning, unless none can."""
    faults: list[str] = []
    found = False
    for file in _mask_files(folder):
        name = structure_name(usable_name(_stem(file), 1))
        try:
            volume = LabelVolume.read(file)
        except VolumeError as error:
            faults.append(str(error))
            continue
        found = True
        yield Layer((volume.labels > 0).astype(np.uint16), volume.grid, {name: (1,)})
    if not found:
        raise DatasetError(faults[0])
    for fault in faults:
        warnings.warn(f"left out: {fault}", UserWarning, stacklevel=2)


def _mask_files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.name.lower().endswith(MASK_ENDINGS))
    if not files:
        raise DatasetError(f"{folder}: holds no mask files ({', '.join(MASK_ENDINGS)}), one a structure")
    return files


def _stem(file: Path) -> str:
    return next(file.name[: -len(end)] for end in MASK_ENDINGS if file.name.lower().endswith(end))


def _is_nrrd(path: Path) -> bool:
    return path.name.lower().endswith((".nrrd", ".nhdr"))


def _table(path: Path, names: Path | None) -> Pairs:
    """(label value, name) of a label map without segments in its header. Raises DatasetError."""
    names = names or names_beside(path)
    table = read_pairs(names) if names else list(names_in_header(path).items())
    if not table and names:
        raise DatasetError(f"{names}: names no label; a table of names must be {FORMS}")
    if not table:
        raise DatasetError(
            f"{path}: what its labels are called is not known; give a table of names: {FORMS}, by itself or as"
            f" {path.name.split('.')[0]}.json beside the label map"
        )
    return table


def _usable(segments: Layers) -> dict[int, Pairs]:
    return {
        layer: [(value, usable_name(name, value)) for value, name in pairs] for layer, pairs in segments.items()
    }


def _described(grid: Grid) -> str:
    spacing = " x ".join(f"{mm:.4g}" for mm in grid.spacing)
    return f"{' x '.join(map(str, grid.shape[::-1]))} voxels of {spacing} mm"
