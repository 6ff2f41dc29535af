"""Exposures of a staged body on an NVIDIA GPU, as torch tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .marching import STEP, Exposures, beams_of, slots_of
from .staging import Staged

BLOCK = (32, 4)


def march_cuda(staged: Staged, pixels: int, views: Sequence[int] | None = None, device=None) -> Exposures:
    """As ``march``, one thread a ray, on torch's current stream of ``device`` (default the current one).

    ``density`` and ``path`` are float32 CUDA tensors, ``values`` is numpy. Needs torch and numba-cuda.
    """
    import torch
    from numba import cuda

    device = torch.device("cuda" if device is None else device)
    numbers = range(len(staged.views)) if views is None else list(views)
    beams = beams_of(staged, pixels, numbers)
    values, slots = slots_of(staged, numbers)
    stream = cuda.external_stream(torch.cuda.current_stream(device).cuda_stream)

    def sent(array: np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)

    there = [sent(a) for a in (staged.tissue, staged.labels.view(np.int16), slots, beams)]
    density = torch.empty((len(beams), 3, pixels, pixels), dtype=torch.float32, device=device)
    path = torch.zeros((len(beams), max(len(values), 1), pixels, pixels), dtype=torch.float32, device=device)
    launch(stream, there, staged.spacing[0], density, path, cuda.as_cuda_array)
    return Exposures(density, path[:, : len(values)], values)


def launch(stream, volumes, spacing_mm: float, density, path, as_array) -> None:
    """Run the kernel over all pixels of all views; ``as_array`` wraps each array for numba."""
    from .kernel_cuda import march_all

    views, _, rows, columns = density.shape
    grid = (-(-columns // BLOCK[0]), -(-rows // BLOCK[1]), views)
    arrays = [as_array(array) for array in (*volumes, density, path)]
    march_all[grid, (*BLOCK, 1), stream](*arrays[:4], np.float32(spacing_mm), np.float32(STEP), *arrays[4:])
