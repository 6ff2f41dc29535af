"""The kernel of ``gpu``: a thread a ray. In a module of its own, which alone imports numba.cuda."""

from __future__ import annotations

from functools import lru_cache

from numba import cuda

from .ray import march_ray

TILE = 16
THREADS = TILE * TILE


def blocks(height: int, width: int) -> int:
    """Blocks of threads that cover the detector, a tile each."""
    return -(-height // TILE) * -(-width // TILE)


@lru_cache(maxsize=16)
def view_kernel(image: bool, materials: bool, lengths: bool, bits: bool):
    """The compiled kernel for the outputs wanted; arguments as those of the ray in ``march_ray``.

    Of the tile a block marches, each warp of 32 threads takes 4 rows of 8 pixels: its rays stay close together.
    """
    ray = march_ray(image, materials, lengths, bits, cuda.jit(device=True))

    @cuda.jit
    def view(height, width, geometry, shape, voxels, density, images, path, words):
        tiles_across = (width + 15) // 16
        tile, thread = cuda.blockIdx.x, cuda.threadIdx.x
        lane, warp = thread % 32, thread // 32
        row = (tile // tiles_across) * 16 + (warp // 2) * 4 + lane // 8
        column = (tile % tiles_across) * 16 + (warp % 2) * 8 + lane % 8
        if row < height and column < width:
            ray(row, column, geometry, shape, voxels, density, images, path, words)

    return view
