"""CT, label maps and tools through a view: line integrals, materials, per-label and per-tool path lengths."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import DRRError, GeometryError, VolumeError
from .geometry import ProjectionGeometry
from .material import MATERIALS
from .projectors import PROJECTORS, Tracks, image, march
from .volume import CTVolume, LabelVolume

_LARGEST_LABEL_STACK_BYTES = 8 * 2**30
_TISSUE_HU = -500


@dataclass(frozen=True, eq=False)
class Projection:
    """What one view of a CT gives; images are (H, W), row 0 at the top.

    line_integral: float32, dimensionless, of mu = 0.02 / mm * (1 + HU / 1000), not below 0.
    geometry: the view.
    label_path_mm: (L, H, W) float32, mm that each ray runs through each label; None without labels.
    label_values: (L,) the label value of each plane of label_path_mm.
    area_density: material -> (H, W) float32 in g/cm2: "soft", "bone", "metal", and those of tools; None unless
        asked for.
    label_layers: (L,) which of the label maps each plane comes from.
    silhouettes: (ceil(L / 64), H, W) uint64, bit n % 64 of word n // 64 set where the ray meets label n; only
        where silhouettes were asked for, in place of label_path_mm.
    tool_path_mm: (T, H, W) float32, mm that each ray runs through each tool; None without tools.
    tool_names: their names.
    projector: what made the image: "exact", "fast", "preview", "gpu" or "torch". Labels are exact always.
    """

    line_integral: np.ndarray
    geometry: ProjectionGeometry
    label_path_mm: np.ndarray | None = None
    label_values: np.ndarray | None = None
    area_density: dict[str, np.ndarray] | None = None
    label_layers: np.ndarray | None = None
    silhouettes: np.ndarray | None = None
    tool_path_mm: np.ndarray | None = None
    tool_names: tuple[str, ...] = ()
    projector: str = "exact"

    def mask(self, *values: int, threshold_mm: float = 0.0, layer: int | None = None) -> np.ndarray:
        """Where rays run through the labels for more than threshold_mm together, bool (H, W).

        layer: the label map whose labels are meant, where there are several. Raises DRRError for labels that
        were not projected, and for a threshold where only silhouettes were made.
        """
        if self.label_values is None:
            raise DRRError("this projection was made without labels")
        if self.silhouettes is not None and threshold_mm != 0:
            raise DRRError("silhouettes know no lengths; project without silhouettes to use a threshold")
        mask = np.zeros(self.line_integral.shape, dtype=bool)
        path = np.zeros(self.line_integral.shape, dtype=np.float32)
        for value in values:
            chosen = self.label_values == value
            if layer is not None:
                chosen &= self.label_layers == layer
            planes = np.flatnonzero(chosen)
            if len(planes) == 0:
                raise DRRError(f"label {value} was not projected; the label map may not contain it")
            for plane in planes:
                if self.silhouettes is not None:
                    mask |= (self.silhouettes[plane >> 6] >> np.uint64(plane & 63)) & np.uint64(1) != 0
                else:
                    path += self.label_path_mm[plane]
        return mask if self.silhouettes is not None else path > threshold_mm

    def tool_mask(self, name: str, threshold_mm: float = 0.0) -> np.ndarray:
        """Where rays run through the tool of that name for more than threshold_mm, bool (H, W)."""
        if name not in self.tool_names:
            raise DRRError(
                f"no tool {name!r} was projected; there are {', '.join(self.tool_names) or 'none'}"
            )
        return self.tool_path_mm[self.tool_names.index(name)] > threshold_mm


def project(
    ct: CTVolume,
    geometry: ProjectionGeometry,
    labels: LabelVolume | Sequence[LabelVolume] | None = None,
    materials: bool = False,
    label_values: Sequence[int] | None = None,
    threads: int | None = None,
    projector: str = "exact",
    silhouettes: bool = False,
    tools: Sequence = (),
) -> Projection:
    """Projection of box voxels from the source to every pixel centre.

    ct: image volume; outside of it is air.
    labels: label map on any grid, or several whose structures may overlap (the layers of a segmentation). One on
        the CT's own grid costs no march of its own; each other one does.
    materials: also sum g/cm2 of soft tissue, bone and metal.
    label_values: the labels to project, in the order wanted; default all that occur. Of several label maps, each
        gives those of them that it holds.
    threads: default one a processor. The call releases the GIL and may run in several threads.
    projector: "exact" (Siddon), "fast" (0.45 % rms from it on noisy CT, as Joseph's method is; a fifth of the
        time), "preview" (0.55 %, an eighth, for dragging), "gpu" (Siddon on CUDA), "torch". The result says
        what was used: exact steps in where the source or tissue is out of place for the fast ones.
    silhouettes: a bit a label instead of path lengths, which needs a thirtieth of the memory.
    tools: objects placed in the world (``Tool``); they take the place of the tissue where they are.

    Sums of the exact projector are in float64 and whole numbers, results float32. Raises DRRError for arguments
    of the wrong type, a label map without labels, label stacks above 8 GiB; GeometryError for a source inside the
    patient and a CT that lies behind the source.
    """
    layers = _layers(labels)
    _check(ct, geometry, layers, projector)
    wanted = [_wanted(layer, label_values, len(layers) > 1) for layer in layers]
    values = np.concatenate(wanted) if layers else None
    path, bits = _label_output(values, geometry.size, silhouettes)
    starts = np.cumsum([0, *map(len, wanted)])
    tracks = [
        Tracks(layer, chosen, path, bits, int(first))
        for layer, chosen, first in zip(layers, wanted, starts[:-1], strict=True)
        if len(chosen)
    ]
    together = None
    if projector in ("exact", "gpu"):
        together = next((track for track in tracks if ct.grid.coincides(track.labels.grid)), None)
    if projector == "gpu":
        from . import gpu

        images, used = gpu.march(ct, geometry, materials, together), "gpu"
    elif projector == "exact":
        images, used = march(ct, geometry, materials, together, threads)
    else:
        images, used = image(ct, geometry, materials, projector, threads)
    for track in tracks:
        if track is together:
            continue
        if projector == "gpu":
            gpu.march(None, geometry, False, track)
        else:
            march(None, geometry, False, track, threads)
    result = Projection(
        images[0],
        geometry,
        path,
        values,
        dict(zip(MATERIALS, images[1:], strict=True)) if materials else None,
        np.repeat(np.arange(len(layers)), [len(chosen) for chosen in wanted]) if layers else None,
        bits,
        projector=used,
    )
    if tools:
        from .placement import add_tools

        return add_tools(result, ct, tools)
    return result


def _layers(labels) -> list[LabelVolume]:
    if labels is None:
        return []
    layers = [labels] if isinstance(labels, LabelVolume) else labels
    if isinstance(layers, np.ndarray) or not isinstance(layers, Sequence):
        layers = [layers]
    for layer in layers:
        if not isinstance(layer, LabelVolume):
            raise DRRError(f"labels must be a LabelVolume, not {type(layer).__name__}; see LabelVolume.read")
    return list(layers)


def _check(ct, geometry, layers, projector) -> None:
    if not isinstance(ct, CTVolume):
        raise DRRError(f"a CTVolume is needed to project, not {type(ct).__name__}; see CTVolume.read")
    if not isinstance(geometry, ProjectionGeometry):
        raise DRRError(f"the view must be a ProjectionGeometry, not {type(geometry).__name__}")
    if projector not in PROJECTORS:
        raise DRRError(f"no projector {projector!r}; choose one of {', '.join(PROJECTORS)}")
    grid, matrix = ct.grid, geometry.projection_matrix()[2]
    far = np.array(grid.shape[::-1]) - 0.5
    corners = np.array([(i, j, k) for i in (-0.5, far[0]) for j in (-0.5, far[1]) for k in (-0.5, far[2])])
    if ((grid.origin + corners @ grid.index_to_world.T) @ matrix[:3] + matrix[3]).max() <= 0:
        raise GeometryError(
            "the CT lies behind the X-ray source, seen from the detector; turn the beam towards the patient or "
            "exchange source and detector"
        )
    i, j, k = np.rint(grid.world_to_index(geometry.source)).astype(np.int64)
    inside = 0 <= i < grid.shape[2] and 0 <= j < grid.shape[1] and 0 <= k < grid.shape[0]
    if inside and ct.hu[k, j, i] > _TISSUE_HU:
        raise GeometryError(
            "the X-ray source lies inside the patient; increase the distance from source to isocentre"
        )


def _wanted(labels: LabelVolume, label_values, several: bool) -> np.ndarray:
    if label_values is None:
        if len(labels.values) == 0 and not several:
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
    wanted = wanted.astype(np.int64)
    return wanted[np.isin(wanted, labels.values)] if several else wanted


def _label_output(values, size, silhouettes: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(path lengths (L, H, W) or None, silhouettes (words, H, W) or None), zero."""
    if values is None:
        return None, None
    if len(values) == 0:
        raise VolumeError("the label maps hold none of the labels wanted: every voxel is background")
    width, height = size
    if silhouettes:
        return None, _zeros((-(-len(values) // 64), height, width), np.uint64)
    need = len(values) * height * width * 4
    if need > _LARGEST_LABEL_STACK_BYTES:
        raise DRRError(
            f"{len(values)} labels at {width} x {height} pixels need {need / 2**30:.1f} GiB; "
            "project fewer labels at a time, silhouettes only, or a smaller detector"
        )
    return _zeros((len(values), height, width), np.float32), None


def _zeros(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Zeros that take memory only where they are written, a page of 4 KB at a time.

    Most of a stack of label planes stays zero. For large arrays numpy asks Linux for pages of 2 MB, so that nearly
    all of the stack would be cleared: an eighth of the time of a projection of 100 labels.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if hasattr(mmap, "MADV_NOHUGEPAGE") and size:
        try:
            pages = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            pages.madvise(mmap.MADV_NOHUGEPAGE)
            return np.frombuffer(pages, dtype).reshape(shape)
        except OSError:  # a kernel without such pages, or no memory, which numpy tells better
            pass
    return np.zeros(shape, dtype)
