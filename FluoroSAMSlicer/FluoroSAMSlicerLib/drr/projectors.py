"""The ways through a volume behind one signature: exact, fast and preview on the CPU, GPU, and torch.

Each takes the CT, the view and the planes wanted, and returns images (N, H, W) float32, one a plane: the line
integral first, then, with ``materials``, g/cm2 of soft tissue, bone and metal.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np

from .errors import DRRError
from .geometry import ProjectionGeometry
from .material import MATERIALS, density_table
from .rays import rays
from .volume import NOTHING_HU, CTVolume, LabelVolume

PROJECTORS = ("exact", "fast", "preview", "gpu", "torch")
"""exact: Siddon. fast: bilinear slices sampled half a voxel apart. preview: 1 voxel or 1 pixel apart.
gpu: Siddon on CUDA (numba-cuda). torch: bilinear slices, for machines without numba."""
SPACING = {"fast": 0.5, "preview": 1.0}
_TISSUE_HU = -500


def image(
    ct: CTVolume, view: ProjectionGeometry, materials: bool, projector: str, threads: int | None
) -> tuple[np.ndarray, str]:
    """Images (1 or 4, H, W) of one view, and the projector that made them.

    fast, preview and torch need a volume wholly before the source and no tissue behind the detector; else, and
    for volumes of a single slice, the exact march takes over. Air behind the detector counts with them.
    """
    if projector in ("fast", "preview", "torch"):
        if projector != "torch" and find_spec("numba") is None:
            projector = "torch"
        if not _between(ct, view):
            projector = "exact"
        elif projector == "torch":
            from . import slicewise

            return slicewise.project_image(ct, view, materials), "torch"
        else:
            made = _fast(ct, view, materials, SPACING[projector], threads)
            if made is not None:
                return made, projector
    return march(ct, view, materials, None, threads)[0], "exact"


def march(
    ct: CTVolume | None,
    view: ProjectionGeometry,
    materials: bool,
    tracks: Tracks | None,
    threads: int | None,
) -> tuple[np.ndarray, str]:
    """The exact march over the CT (images returned), the labels of ``tracks`` (filled in), or both at once."""
    if find_spec("numba") is None:
        raise DRRError(
            "the exact projector and labels need numba: install it (pip install numba), or choose "
            "projector='torch' without labels"
        )
    from .colours import coloured
    from .siddon import DENSITY_UNIT, TILE
    from .siddon import march as compiled_march

    both = None if tracks is None else coloured(tracks.labels, ct)
    if tracks is not None and both is None:  # CT numbers leave no room for colours
        march(None, view, False, tracks, threads)
        tracks = None
    kernel = compiled_march()
    width, height = view.size
    grid = tracks.labels.grid if ct is None else ct.grid
    images = np.zeros((4 if materials else 1, height, width), np.float32)
    table, lowest, density = None, 0, None
    if materials:
        lowest, highest = int(max(ct.hu_range[0], -1000)), int(max(ct.hu_range[1], -1000))
        table = np.rint(density_table(lowest, highest) / DENSITY_UNIT).astype(np.int32)
        density = images[1:]
    labels = slots = path = bits = None
    if tracks is not None:
        labels, slots = tracks.labels.labels.reshape(-1), tracks.slots
        path, bits = tracks.path_mm, tracks.bits
        voxels, room = both
        nothing, lowest = 0, lowest - NOTHING_HU
    else:
        voxels, room, nothing = ct.attenuating, None, NOTHING_HU
    arguments = (
        grid.shape, *rays(grid, view, 0.5), np.ascontiguousarray(grid.index_to_world),
        voxels.reshape(-1), room, nothing, images[0], table, lowest, density, labels, slots, path, bits,
    )  # fmt: skip
    in_pieces(
        lambda first, last: kernel(first, last, *arguments), -(-width // TILE) * -(-height // TILE), threads
    )
    return images, "exact"


class Tracks:
    """The labels' side of a march: which label goes to which plane of path lengths or to which bit."""

    def __init__(self, labels: LabelVolume, values: np.ndarray, path_mm=None, bits=None, first: int = 0):
        self.labels, self.values, self.path_mm, self.bits = labels, np.asarray(values), path_mm, bits
        self.first, self.count = first, len(values)
        planes = len(path_mm) if path_mm is not None else 64 * len(bits)
        self.slots = np.full(65536, planes, dtype=np.uint32)
        self.slots[values] = np.arange(first, first + len(values), dtype=np.uint32)


def in_pieces(work: Callable[[int, int], None], count: int, threads: int | None, smallest: int = 1) -> None:
    """Call work(first, last) over 0..count in pieces, by threads."""
    workers = max(1, min(threads or processors(), -(-count // smallest)))
    if workers == 1:
        work(0, count)
        return
    pieces = min(-(-count // smallest), 8 * workers)
    edges = np.unique(np.linspace(0, count, pieces + 1).astype(int)).tolist()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))


def processors() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _fast(ct, view, materials, voxels, threads) -> np.ndarray | None:
    from .shear import BAND, kernels, plane_of

    plane = plane_of(ct, view, voxels)
    if plane is None:
        return None
    sum_slices, see = kernels()
    _, size_j, size_i = ct.grid.shape
    strides, hu = [1, size_i, size_i * size_j], ct.hu
    if plane.axis == 0:
        strides, hu = [size_j, 1, size_i * size_j], ct.sideways
    count = ct.grid.shape[::-1]
    b, c = plane.across
    channels = np.arange(4 if materials else 1)
    width, height = plane.size
    summed = np.zeros((len(channels), height, width), np.float32)
    flat = hu.reshape(-1)
    in_pieces(
        lambda first, last: sum_slices(
            first, last, flat, count[plane.axis], count[b], count[c], strides[plane.axis], strides[c],
            plane.source[plane.axis], plane.source[b], plane.source[c], plane.reference,
            plane.first[0], plane.pitch[0], plane.first[1], plane.pitch[1], channels, summed,
        ),
        height, threads, BAND,
    )  # fmt: skip
    out = np.zeros((len(channels), view.size[1], view.size[0]), np.float32)
    scales = np.array([2e-5] + [0.1] * len(MATERIALS), np.float32)
    geometry = (*rays(ct.grid, view, 0.0), np.ascontiguousarray(ct.grid.index_to_world))
    in_pieces(
        lambda first, last: see(
            first, last, *geometry, plane.axis, b, c, plane.reference,
            plane.first[0], plane.pitch[0], plane.first[1], plane.pitch[1], summed, scales, out,
        ),
        view.size[1], threads, BAND,
    )  # fmt: skip
    return out


def _between(ct: CTVolume, view: ProjectionGeometry) -> bool:
    """Whether the volume lies before the source and no tissue of it behind the detector (every fourth voxel)."""
    matrix = view.projection_matrix()[2]
    grid = ct.grid
    far = np.array(grid.shape[::-1]) - 0.5
    corners = np.array([(i, j, k) for i in (-0.5, far[0]) for j in (-0.5, far[1]) for k in (-0.5, far[2])])
    depth = (grid.origin + corners @ grid.index_to_world.T) @ matrix[:3] + matrix[3]
    if depth.min() <= 1e-3:
        return False
    if depth.max() <= 1:
        return True
    i, j, k = (np.arange(0, n, 4) for n in grid.shape[::-1])
    slope = matrix[:3] @ grid.index_to_world
    behind = (slope[2] * k[:, None, None] + slope[1] * j[None, :, None] + slope[0] * i) > 1 - matrix[
        3
    ] - matrix[:3] @ grid.origin
    return not (ct.hu[::4, ::4, ::4][behind] > _TISSUE_HU).any()
