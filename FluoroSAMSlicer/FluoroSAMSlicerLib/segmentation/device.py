"""Where and how the network runs: device, number format, threads."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import DeviceError


def choose_device(wanted: str) -> torch.device:
    """``"auto"`` is an NVIDIA GPU if there is one, else the CPU; anything else is a torch device name.

    Raises :class:`DeviceError` for a name that torch does not know or a device that is not there.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as problem:
        raise DeviceError(
            f"the device {wanted!r} is not available here: use auto, or cpu, which always is"
        ) from problem
    return device


def half_type(device: torch.device) -> torch.dtype | None:
    """The 16-bit type that ``device`` computes faster in than float32; None where there is none."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if device.type == "cpu" and cpu_has_bfloat16() else None


def cpu_has_bfloat16() -> bool:
    """Whether the processor has bfloat16 instructions; emulation, which is slower than float32, is none."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
        return torch.backends.mkldnn.is_available() and supported is not None and supported()
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def memory_is_full(problem: RuntimeError) -> bool:
    """Whether a GPU failed for want of memory; its libraries report that in words of their own."""
    if isinstance(problem, torch.cuda.OutOfMemoryError):
        return True
    return any(words in str(problem) for words in ("CUDA error: out of memory", "_STATUS_ALLOC_FAILED"))


def sensible_threads() -> int:
    """What torch would take, but no more than the processors this process may run on."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), allowed))


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """torch computes with ``count`` threads inside, and with what it had before afterwards."""
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
