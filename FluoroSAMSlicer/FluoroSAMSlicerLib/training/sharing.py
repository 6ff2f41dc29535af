"""What the processes of one training have in common: each draws its own images, all take the same step."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


def together() -> bool:
    """Whether there is more than one process."""
    return dist.is_initialized()


def share() -> int:
    """Which of the processes of a training this is; 0 where there is only one."""
    return dist.get_rank() if together() else 0


def average(tensors: Iterable[Tensor]) -> None:
    """Replace float tensors by their mean over the processes, in place."""
    tensors = list(tensors)
    flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    start = 0
    for tensor in tensors:
        tensor.detach().copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()
