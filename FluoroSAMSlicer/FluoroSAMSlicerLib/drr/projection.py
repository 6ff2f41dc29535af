"""CT and label map through a view: line integrals, materials and per-label path lengths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .errors import DRRError, VolumeError
from .geometry import ProjectionGeometry
from .material import MATERIALS, density_table
from .volume import CTVolume, Grid, LabelVolume

_LARGEST_LABEL_STACK_BYTES = 8 * 2**30


@dataclass(frozen=True, eq=False)
class Projection:
    """What one view of a CT gives; images are (H, W), row 0 at the top.

    line_integral: float32, dimensionless, of mu = 0.02 / mm * (1 + HU / 1000), not below 0.
    geometry: the view.
    label_path_mm: (L, H, W) float32, mm that each ray runs through each label; None without labels.
    label_values: (L,) the label value of each plane of label_path_mm.
    area_density: "soft", "bone", "metal" -> (H, W) float32 in g/cm2; None unless asked for.
    """

    line_integral: np.ndarray
    geometry: ProjectionGeometry
    label_path_mm: np.ndarray | None = None
    label_values: np.ndarray | None = None
    area_density: dict[str, np.ndarray] | None = None

    def mask(self, *values: int, threshold_mm: float = 0.0) -> np.ndarray:
        """Where rays run through the labels for more than threshold_mm together, bool (H, W)."""
        if self.label_values is None:
            raise DRRError("this projection was made without labels")
        path = np.zeros(self.line_integral.shape, dtype=np.float32)
        for value in values:
            (plane,) = np.nonzero(self.label_values == value)
            if len(plane) == 0:
                raise DRRError(f"label {value} was not projected; the label map may not contain it")
            path += self.label_path_mm[plane[0]]
        return path > threshold_mm


def project(
    ct: CTVolume,
    geometry: ProjectionGeometry,
    labels: LabelVolume | None = None,
    materials: bool = False,
    label_values: Sequence[int] | None = None,
    threads: int | None = None,
) -> Projection:
    """Exact (Siddon) projection of box voxels from the source to every pixel centre.

    ct: image volume; outside of it is air.
    labels: label map on any grid; on the CT's own grid image and labels cost one march, else two.
    materials: also sum g/cm2 of soft tissue, bone and metal.
    label_values: the labels to project, in the order wanted; default all that occur.
    threads: default one a processor. The call releases the GIL and may run in several threads.

    Sums are in float64, results float32. Raises DRRError for arguments of the wrong type, a label map
    without labels, and label stacks above 8 GiB.
    """
    _check_types(ct, geometry, labels)
    width, height = geometry.size
    wanted = None if labels is None else _wanted(labels, label_values)
    label_path = None if wanted is None else _label_stack(len(wanted), height, width)
    line_integral = np.zeros((height, width), dtype=np.float32)
    area_density = np.zeros((3, height, width), dtype=np.float32) if materials else None
    together = labels is not None and ct.grid.coincides(labels.grid)
    image = _Image(ct, line_integral, area_density)
    tracks = None if labels is None else _Tracks(labels, wanted, label_path)
    _march(ct.grid, geometry, image, tracks if together else None, threads)
    if tracks is not None and not together:
        _march(labels.grid, geometry, None, tracks, threads)
    return Projection(
        line_integral,
        geometry,
        label_path,
        wanted,
        dict(zip(MATERIALS, area_density, strict=True)) if materials else None,
    )


@dataclass(frozen=True, eq=False)
class _Image:
    """The CT's side of a march: what it reads and where it writes."""

    ct: CTVolume
    line_integral: np.ndarray
    area_density: np.ndarray | None


@dataclass(frozen=True, eq=False)
class _Tracks:
    """The labels' side of a march."""

    labels: LabelVolume
    values: np.ndarray
    path_mm: np.ndarray

    @property
    def slots(self) -> np.ndarray:
        """Plane of each label value, -1 where it is not wanted."""
        slots = np.full(65536, -1, dtype=np.int32)
        slots[self.values] = np.arange(len(self.values), dtype=np.int32)
        return slots


def _march(grid: Grid, geometry, image: _Image | None, tracks: _Tracks | None, threads: int | None) -> None:
    from .siddon import TILE, march

    width, height = geometry.size
    step = np.linalg.inv(grid.index_to_world)
    hu, line_integral = np.zeros(1, np.int16), np.zeros((1, 1), np.float32)
    densities, lowest, area_density = np.zeros((1, 3), np.float32), 0, np.zeros((3, 1, 1), np.float32)
    with_materials = image is not None and image.area_density is not None
    if image is None:
        line_integral = np.empty((height, width), np.float32)
    else:
        hu, line_integral = image.ct.hu.reshape(-1), image.line_integral
    if with_materials:
        lowest, highest = image.ct.hu_range
        densities, area_density = density_table(lowest, highest), image.area_density
    labels, slots, path = np.zeros(1, np.uint16), np.zeros(1, np.int32), np.zeros((1, 1, 1), np.float32)
    if tracks is not None:
        labels, slots, path = tracks.labels.labels.reshape(-1), tracks.slots, tracks.path_mm
    arguments = (
        grid.shape,
        grid.world_to_index(geometry.first_pixel) + 0.5,
        step @ (geometry.column_axis * geometry.pixel_mm[0]),
        step @ (geometry.row_axis * geometry.pixel_mm[1]),
        grid.world_to_index(geometry.source) + 0.5,
        np.ascontiguousarray(grid.index_to_world),
        hu,
        image is not None,
        densities,
        lowest,
        with_materials,
        labels,
        slots,
        tracks is not None,
        line_integral,
        area_density,
        path,
    )
    kernel = march()
    tiles = -(-width // TILE) * -(-height // TILE)
    workers = max(1, min(threads or _processors(), tiles))
    if workers == 1:
        kernel(0, tiles, *arguments)
        return
    edges = np.linspace(0, tiles, min(tiles, 8 * workers) + 1).astype(int).tolist()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda first, last: kernel(first, last, *arguments), edges[:-1], edges[1:]))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_types(ct, geometry, labels) -> None:
    if not isinstance(ct, CTVolume):
        raise DRRError(f"a CTVolume is needed to project, not {type(ct).__name__}; see CTVolume.read")
    if not isinstance(geometry, ProjectionGeometry):
        raise DRRError(f"the view must be a ProjectionGeometry, not {type(geometry).__name__}")
    if labels is not None and not isinstance(labels, LabelVolume):
        raise DRRError(f"labels must be a LabelVolume, not {type(labels).__name__}; see LabelVolume.read")


def _wanted(labels: LabelVolume, label_values) -> np.ndarray:
    if label_values is None:
        if len(labels.values) == 0:
            raise VolumeError("the label map holds no labels: every voxel is background")
        return labels.values
    wanted = np.asarray(label_values).reshape(-1)
    if (
        wanted.dtype.kind not in "iu"
        or len(wanted) == 0
        or wanted.min() < 1
        or wanted.max() > 65535
        or len(set(wanted.tolist())) < len(wanted)
    ):
        raise DRRError("label_values must be different whole numbers between 1 and 65535")
    return wanted.astype(np.int64)


def _label_stack(count: int, height: int, width: int) -> np.ndarray:
    size = count * height * width * 4
    if size > _LARGEST_LABEL_STACK_BYTES:
        raise DRRError(
            f"{count} labels at {width} x {height} pixels need {size / 2**30:.1f} GiB; "
            "project fewer labels at a time or a smaller detector"
        )
    return np.zeros((count, height, width), dtype=np.float32)
