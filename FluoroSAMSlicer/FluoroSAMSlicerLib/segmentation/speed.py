"""How fast SAT's U-Net runs here, found out in under a second."""

from __future__ import annotations

import time

import torch

from ..sat import SAT
from ..sat.slabs import convolve

TRIAL_ROWS = 4
"""Rows of a window that the speed is measured on."""


class Speed:
    """Multiply-adds a second of the network's full-resolution layers, measured once for each number format."""

    def __init__(self, network: SAT, device: torch.device) -> None:
        self._network, self._device = network, device
        self._found: dict[torch.dtype, float] = {}

    def of(self, kind: torch.dtype) -> float:
        """In the format that the network computes in now, which must be ``kind``."""
        if kind not in self._found:
            # The first run also sets the libraries up.
            self._found[kind] = [self._trial(kind) for _ in range(2)][-1]
        return self._found[kind]

    def _trial(self, kind: torch.dtype) -> float:
        block, config = self._network.backbone.encoder.stages[0][0].convs[-1], self._network.config
        volume = torch.zeros(
            (block.conv.weight.shape[1], TRIAL_ROWS, *config.tile[1:]), dtype=kind, device=self._device
        )
        work: list[float] = []
        self._wait()
        begin = time.perf_counter()
        convolve(volume, block.conv.weight, block.conv.bias, work.append)
        self._wait()
        return sum(work) / max(time.perf_counter() - begin, 1e-9)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
