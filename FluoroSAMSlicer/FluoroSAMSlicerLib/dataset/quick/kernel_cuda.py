"""``trace`` for every pixel of every view, compiled for CUDA; importing this needs numba with CUDA."""

from __future__ import annotations

from numba import cuda

from .tracing import trace

trace_on_device = cuda.jit(device=True, fastmath=True)(trace)


@cuda.jit(fastmath=True)
def march_all(tissue, labels, slots, beams, spacing_mm, step, density, path):
    """One thread a ray: x, y in the block's plane, the view is the block's z."""
    x = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    y = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y
    v = cuda.blockIdx.z
    if x < density.shape[3] and y < density.shape[2]:
        trace_on_device(tissue, labels, slots, beams, spacing_mm, step, v, y, x, density, path)
