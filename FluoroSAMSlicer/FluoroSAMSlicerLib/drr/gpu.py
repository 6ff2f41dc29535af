"""Exact projection on CUDA (numba-cuda): image, materials and all labels of a view by one kernel.

Why numba: of what compiles kernels at run time without a toolchain, only numba-cuda and Warp have wheels for
Python 3.12 on both Windows and Linux; Triton's are for Linux. numba is what the CPU projectors need already, so its
CUDA part adds a wheel of 2 MB to NVIDIA's compiler, where Warp's is 149 MB and repeats both. And one march (``ray``)
then is plain Python, which the tests run on the CPU.

Voxels, density table and outputs stay on the device between the views of a CT; what a view costs is one launch and
the way back of what was asked for.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .errors import DRRError
from .geometry import ProjectionGeometry
from .material import density_table
from .ray import NOTHING
from .rays import rays
from .volume import CTVolume

_LARGEST_VOXEL_COUNT = 2**31
_BUSY = threading.Lock()


@dataclass(frozen=True, eq=False)
class DeviceProjection:
    """Outputs on the device (``__cuda_array_interface__``), valid until the next view; None if not asked for.

    images: (1 or 4, H, W) float32. path_mm: (L, H, W) float32. bits: (words, H, W) uint64; as in ``Projection``.
    """

    images: Any
    path_mm: Any
    bits: Any


def march(ct: CTVolume | None, view: ProjectionGeometry, materials: bool, tracks=None) -> np.ndarray | None:
    """The march over the CT, the labels of ``tracks`` (``projectors.Tracks``; filled in), or both at once.

    Returns images (1 or 4, H, W) float32 as ``projectors.march`` does, None without a CT. Raises DRRError where
    numba-cuda or a device is absent, or the device fails.
    """
    with _BUSY:
        made = march_on_device(ct, view, materials, tracks)
        return _guarded(_fetched, made, tracks)


def march_on_device(ct: CTVolume | None, view: ProjectionGeometry, materials: bool, tracks=None):
    """As ``march``, but the outputs stay where they are: a DeviceProjection. Not for several threads at once."""
    return _guarded(_launched, _cuda(), ct, view, materials, tracks)


def name() -> str:
    """The name of the device that projects. Raises DRRError where there is none."""
    found = _cuda().get_current_device().name
    return found.decode() if isinstance(found, bytes) else str(found)


def _guarded(work, *arguments):
    try:
        return work(*arguments)
    except DRRError:
        raise
    except Exception as error:  # drivers fail in many ways, each with a class of its own
        _VOLUMES.clear()
        _BUFFERS.clear()
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DRRError(f"the GPU could not project ({cause}); choose projector='fast' or 'exact'") from error


def _launched(cuda, ct, view, materials, tracks) -> DeviceProjection:
    from . import kernel_cuda

    grid = tracks.labels.grid if ct is None else ct.grid
    width, height = view.size
    voxels = _voxels(cuda, ct, tracks)
    density = _density(cuda) if materials else _buffer(cuda, "none", (1,), np.float32)
    wanted = (
        ct is not None,
        materials,
        tracks is not None and tracks.path_mm is not None,
        tracks is not None and tracks.bits is not None,
    )
    empty = (1, 1, 1)
    images = _buffer(
        cuda, "images", (4 if materials else 1, height, width) if wanted[0] else empty, np.float32
    )
    path = _buffer(cuda, "path", (tracks.count, height, width) if wanted[2] else empty, np.float32)
    words = (-(-tracks.count // 64), height, width) if wanted[3] else empty
    words = _buffer(cuda, "words", words, np.uint64)
    geometry = tuple(np.concatenate([*rays(grid, view, 0.5), grid.index_to_world.reshape(-1)]).tolist())
    kernel = kernel_cuda.view_kernel(*wanted)
    kernel[kernel_cuda.blocks(height, width), kernel_cuda.THREADS](
        height, width, geometry, tuple(map(int, grid.shape)), voxels, density, images, path, words
    )
    return DeviceProjection(
        images if wanted[0] else None, path if wanted[2] else None, words if wanted[3] else None
    )


def _fetched(made: DeviceProjection, tracks) -> np.ndarray | None:
    if tracks is not None:
        last = tracks.first + tracks.count
        if made.path_mm is not None:
            made.path_mm.copy_to_host(tracks.path_mm[tracks.first : last])
        if made.bits is not None:
            _merge_bits(made.bits.copy_to_host(), tracks)
    return None if made.images is None else made.images.copy_to_host()


def _merge_bits(bits: np.ndarray, tracks) -> None:
    """Bits 0.. of one label map into their place among those of all label maps."""
    word, offset = tracks.first // 64, np.uint64(tracks.first % 64)
    for number, found in enumerate(bits):
        tracks.bits[word + number] |= found << offset
        if offset and word + number + 1 < len(tracks.bits):
            tracks.bits[word + number + 1] |= found >> (np.uint64(64) - offset)


_VOLUMES: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_BUFFERS: dict = {}


def _voxels(cuda, ct: CTVolume | None, tracks):
    """The voxels on the device, packed for ``ray``; kept for the last labels of each volume that is alive."""
    owner = tracks.labels if ct is None else ct
    if np.prod(owner.grid.shape, dtype=np.int64) >= _LARGEST_VOXEL_COUNT:
        raise DRRError("the volume is too big for the GPU projector; crop it, or choose projector='exact'")
    key = (None, b"") if tracks is None else (weakref.ref(tracks.labels), tracks.values.tobytes())
    kept = _VOLUMES.get(owner)
    if kept is not None and kept[0] == key:
        return kept[1]
    _VOLUMES.pop(owner, None)
    packed = np.empty(owner.grid.shape, np.uint32 if ct is not None and tracks is not None else np.uint16)
    slots = None
    if tracks is not None:
        slots = np.zeros(65536, np.uint16)
        slots[tracks.values] = np.arange(1, tracks.count + 1)
    for k in range(len(packed)):
        if ct is not None:
            np.add(ct.attenuating[k], NOTHING, out=packed[k], dtype=np.int32, casting="unsafe")
        if slots is not None and ct is not None:
            packed[k] |= slots[tracks.labels.labels[k]].astype(np.uint32) << np.uint32(16)
        elif slots is not None:
            packed[k] = slots[tracks.labels.labels[k]]
    device = cuda.to_device(packed.reshape(-1))
    _VOLUMES[owner] = (key, device)
    return device


def _density(cuda):
    if "density" not in _BUFFERS:
        grams = density_table(-NOTHING, 32767).sum(axis=1)  # each HU is of one material at most
        _BUFFERS["density"] = cuda.to_device(grams)
    return _BUFFERS["density"]


def _buffer(cuda, name: str, shape: tuple, dtype):
    """An array on the device that views of one size use again: allocating hundreds of MB takes as long as a view."""
    kept = _BUFFERS.get(name)
    if kept is None or kept.shape != shape:
        _BUFFERS.pop(name, None)
        kept = None
        _BUFFERS[name] = kept = cuda.device_array(shape, dtype)
    return kept


@lru_cache(maxsize=1)
def _cuda():
    try:
        from numba import cuda
    except ModuleNotFoundError as error:
        raise DRRError(
            "projector='gpu' needs numba-cuda (pip install numba-cuda[cu12]); choose 'fast' or 'exact' without it"
        ) from error
    except Exception as error:  # versions of numpy, numba and numba-cuda that do not fit
        raise DRRError(
            f"numba-cuda does not start ({error}); install versions that fit, or choose 'fast' or 'exact'"
        ) from error
    if not cuda.is_available():
        raise DRRError("projector='gpu' found no NVIDIA GPU with a driver; choose 'fast' or 'exact'")
    return cuda
