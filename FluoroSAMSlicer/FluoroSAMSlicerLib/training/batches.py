"""What batches of every kind can do, and how pictures of any shape lie in the squares of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self


SMALL = 2**17
"""Bytes up to which a tensor goes from process to process by value."""


class Batch:
    """A frozen dataclass of tensors and of batches."""

    def __reduce__(self):
        """Small tensors as arrays: each that processes share keeps a file open, of which there may be few."""
        own = vars(self).items()
        arrays = {
            name: each.numpy() for name, each in own if isinstance(each, Tensor) and each.nbytes <= SMALL
        }
        return _received, (type(self), vars(self) | arrays)

    def to(self, device: torch.device, non_blocking: bool = True) -> Self:
        return self._each("to", device, non_blocking=non_blocking)

    def pin_memory(self) -> Self:
        """What a loader calls, so that the way to a GPU is short."""
        return self._each("pin_memory")

    def _each(self, method: str, *arguments, **named) -> Self:
        own = vars(self).items()
        return replace(self, **{name: getattr(value, method)(*arguments, **named) for name, value in own})

    @classmethod
    def stacked(cls, singles: Sequence[Self]) -> Self:
        """One batch of what has no first dimension yet."""
        columns = zip(*(vars(single).values() for single in singles), strict=True)
        return cls(*(type(c[0]).stacked(c) if isinstance(c[0], Batch) else torch.stack(c) for c in columns))


def _received(kind: type[Batch], parts: dict) -> Batch:
    tensors = {name: torch.from_numpy(each) for name, each in parts.items() if isinstance(each, np.ndarray)}
    return kind(**(parts | tensors))


def mirrored(side: int, size: int) -> np.ndarray:
    """Which of ``side`` rows or columns stand in the ``size`` of a square: all, then back from the last."""
    place = np.arange(size)
    return np.minimum(place, 2 * side - 1 - place)
