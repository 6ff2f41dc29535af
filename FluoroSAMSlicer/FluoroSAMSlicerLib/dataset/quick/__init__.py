"""Exposures made while a model trains: quick bodies, many views of each, coarse and cheap.

    pack("ct", "packed")                                  # once; needs SimpleITK
    bodies = load_packed("packed")                        # numpy alone from here on
    staged = stage(bodies, seed=1, number=0, views=12)    # one varied body and its views
    exposures = march(staged, 256)                        # densities and path lengths, on the CPU (numba)
    exposures = march_cuda(staged, 256)                   # the same as torch tensors on the GPU
"""

from __future__ import annotations

from .bodies import Bodies, PackedBody, load_packed
from .marching import Exposures, march
from .marching_cuda import march_cuda
from .packing import pack
from .regions import REGIONS, Region
from .staging import QuickView, Staged, stage

__all__ = [
    "REGIONS",
    "Bodies",
    "Exposures",
    "PackedBody",
    "QuickView",
    "Region",
    "Staged",
    "load_packed",
    "march",
    "march_cuda",
    "pack",
    "stage",
]
