"""A checkpoint of the published size with random values: its keys, shapes and pickle, not its knowledge."""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
from FluoroSAMSlicerLib.model import FluoroSAMConfig
from FluoroSAMSlicerLib.model.construction import empty_network
from FluoroSAMSlicerLib.model.reference_keys import reference_source
from torch import Tensor

SHARED_BLOCKS = re.compile(r"(.*stages\.2\.blocks\.)(\d+)(\..*)")
"""The third stage's blocks are equal in shape; three of them share their values, as tied weights do."""


def published_state(name: str, shared: bool = True) -> dict[str, Tensor]:
    """Random values under every key of the published file; the text transformer's matrices in half precision.

    With ``shared``, three blocks each of the long stage share one storage, so that the file is a third
    smaller than the weights that are made of it.
    """
    config = FluoroSAMConfig.published(name)
    generator = torch.Generator().manual_seed(1)
    # Repeating one block is twenty times cheaper than drawing all values, and no two layers are equal.
    block = torch.randn((1 << 20) + 7, generator=generator)
    state: dict[str, Tensor] = {}
    for key, own in empty_network(config).state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        source, layout = reference_source(key, config.decoder.iou_depth)
        if f"sam.{source}" in state:
            continue
        match = SHARED_BLOCKS.fullmatch(source)
        if shared and match:
            first = f"sam.{match[1]}{int(match[2]) // 3 * 3}{match[3]}"
            if first in state:
                state[f"sam.{source}"] = state[first]
                continue
        shape = layout.shape(tuple(own.shape))
        values = torch.empty(math.prod(shape))
        start = len(state) % 1000
        for begin in range(0, values.numel(), block.numel() - 1000):
            piece = values[begin : begin + block.numel() - 1000]
            piece.copy_(block[start : start + piece.numel()])
        state[f"sam.{source}"] = _scaled(source, values.view(shape))
    return state | {"cross_entropy.weight": torch.ones(2)}


def _scaled(key: str, values: Tensor) -> Tensor:
    """In the range that keeps a network of random weights finite, whatever the image."""
    fan_in = math.prod(values.shape[1:]) if values.ndim > 1 else 0
    if key.endswith("running_var"):
        return values.abs_().add_(0.5)
    if values.ndim < 2:
        return values.mul_(0.02).add_(1.0 if "norm" in key and key.endswith("weight") else 0.0)
    scaled = values.mul_(1.0 / math.sqrt(fan_in))
    return scaled.half() if ".text_model.transformer." in key else scaled


def write_checkpoint(path: Path, state: dict[str, Tensor]) -> Path:
    """Like a trainer does: the state beside an optimiser's, callbacks and counters."""
    content = {
        "epoch": 42,
        "global_step": 1000,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": state,
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(1 << 16)}}, "param_groups": []}],
        "lr_schedulers": [],
        "callbacks": {},
        "hyper_parameters": {"lr": 1e-4},
    }
    torch.save(content, path)
    return path
