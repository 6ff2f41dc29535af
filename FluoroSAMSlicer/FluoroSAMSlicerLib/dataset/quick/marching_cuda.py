"""Exposures of a staged body on an NVIDIA GPU, as torch tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .marching import STEP, Exposures, beams_of, slots_of
from .panoramic import PanoramicGeometry
from .slits import expose_slits, ghost, on_square
from .staging import Staged

BLOCK, SLIT_BLOCK = (32, 4), (1, 128)


def march_cuda(staged: Staged, pixels: int, views: Sequence[int] | None = None, device=None) -> Exposures:
    """As ``march``, one thread a ray, on torch's current stream of ``device`` (default the current one).

    ``density`` and ``path`` are float32 CUDA tensors, ``values`` is numpy. Needs torch and numba-cuda.
    """
    import torch
    from numba import cuda

    device = torch.device("cuda" if device is None else device)
    numbers = range(len(staged.views)) if views is None else list(views)
    geometries = [staged.views[number].geometry.resized(pixels) for number in numbers]
    values, slots = slots_of(staged, numbers)
    stream = cuda.external_stream(torch.cuda.current_stream(device).cuda_stream)

    def sent(array: np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)

    volumes = [sent(a) for a in (staged.tissue, staged.labels.view(np.int16))]
    shown, nowhere = sent(slots), sent(np.full_like(slots, -1))

    def traced(beams: np.ndarray, rows: int, planes: int, columns: int = 1):
        met = torch.empty((len(beams), 3, rows, columns), dtype=torch.float32, device=device)
        lengths = torch.zeros((len(beams), max(planes, 1), rows, columns), dtype=torch.float32, device=device)
        there = [*volumes, shown if planes else nowhere, sent(beams)]
        launch(stream, there, staged.spacing[0], met, lengths, cuda.as_cuda_array)
        return met, lengths[:, :planes]

    # The views of one staging are of one region: panoramic all of them, or none.
    if not any(isinstance(geometry, PanoramicGeometry) for geometry in geometries):
        return Exposures(*traced(beams_of(staged, pixels, numbers), pixels, len(values), pixels), values)
    density = torch.empty((len(numbers), 3, pixels, pixels), dtype=torch.float32, device=device)
    path = torch.zeros((len(numbers), len(values), pixels, pixels), dtype=torch.float32, device=device)
    for v, geometry in enumerate(geometries):
        near, lengths, through = expose_slits(staged, geometry, traced, len(values))
        path[v][:, geometry.rows] = lengths
        # Blurred on the CPU: three planes, where the rays are what takes long.
        sharp = near.cpu().numpy()
        density[v] = sent(on_square(sharp + ghost(through.cpu().numpy(), sharp, geometry), geometry))
    return Exposures(density, path, values)


def launch(stream, volumes, spacing_mm: float, density, path, as_array) -> None:
    """Run the kernel over all pixels of all views; ``as_array`` wraps each array for numba."""
    from .kernel_cuda import march_all

    views, _, rows, columns = density.shape
    block = BLOCK if columns > 1 else SLIT_BLOCK
    grid = (-(-columns // block[0]), -(-rows // block[1]), views)
    arrays = [as_array(array) for array in (*volumes, density, path)]
    march_all[grid, (*block, 1), stream](*arrays[:4], np.float32(spacing_mm), np.float32(STEP), *arrays[4:])
