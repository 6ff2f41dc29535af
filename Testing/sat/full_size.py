"""SAT checkpoints of the published sizes with random values: their keys, shapes and pickle, not their knowledge."""

from __future__ import annotations

import math
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from FluoroSAMSlicerLib.sat import SAT, SatConfig
from FluoroSAMSlicerLib.sat.checkpoint import ALIASES, TEXT, WRAPPER
from torch import Tensor

TEXT_SIZES = {
    "words": 30527, "positions": 514, "text_layers": 12, "text_heads": 12, "text_feed_forward": 3072,
    "modalities": 4, "width": 768, "layers": 6, "feed_forward": 2048,
}  # fmt: skip
PUBLISHED = {
    "sat-nano": SatConfig((64, 64, 128, 256, 512, 768), 2, projection=768, mask_hidden=256, **TEXT_SIZES),
    "sat-pro": SatConfig((128, 128, 256, 512, 1024, 1536), 3, projection=1536, mask_hidden=384, **TEXT_SIZES),
}


NEEDED_MEMORY, NEEDED_DISK = 4 << 30, 3 << 30
"""Bytes that the tests of SAT-Nano's size take at most, of which a machine with 7 GB has enough."""


def lacking(folder: Path) -> str:
    """What this machine lacks for files and weights of SAT-Nano's size in ``folder``; empty if nothing."""
    free = shutil.disk_usage(folder).free
    if free < NEEDED_DISK:
        return f"needs {NEEDED_DISK / 2**30:.0f} GiB of disk, {free / 2**30:.1f} GiB are free"
    memory = free_memory()
    if memory < NEEDED_MEMORY:
        return f"needs {NEEDED_MEMORY / 2**30:.0f} GiB of memory, {memory / 2**30:.1f} GiB are free"
    return ""


def free_memory(system: Path = Path("/")) -> int:
    """Bytes that a process here can still have, by Linux's own account and its container's limit."""
    lines = (system / "proc/meminfo").read_text().splitlines()
    free = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    limit, used = (system / "sys/fs/cgroup" / name for name in ("memory.max", "memory.current"))
    if limit.is_file() and used.is_file() and limit.read_text().strip() != "max":
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return free


def random_state(config: SatConfig) -> dict[str, Tensor]:
    """Random values under every key of the network, in the range that keeps it finite."""
    with torch.device("meta"):
        shapes = {key: tuple(tensor.shape) for key, tensor in SAT(config).state_dict().items()}
    # Repeating one block is twenty times cheaper than drawing all values, and no two layers are equal.
    block = torch.randn((1 << 20) + 7, generator=torch.Generator().manual_seed(1))
    state = {}
    for number, (key, shape) in enumerate(shapes.items()):
        values = torch.empty(math.prod(shape))
        for begin in range(0, values.numel(), block.numel() - 1000):
            piece = values[begin : begin + block.numel() - 1000]
            piece.copy_(block[number % 1000 : number % 1000 + piece.numel()])
        if len(shape) < 2:
            values.mul_(0.02).add_(1.0 if "norm" in key.lower() and key.endswith("weight") else 0.0)
        else:
            values.mul_(1.4 / math.sqrt(math.prod(shape[1:])))
        state[key] = values.view(shape)
    return state


def write_published(folder: Path, config: SatConfig) -> tuple[Path, Path]:
    """The two files as published: wrapped keys, second names of one storage, an optimiser with a numpy rate."""
    network: OrderedDict[str, Tensor] = OrderedDict()
    text: OrderedDict[str, Tensor] = OrderedDict()
    for key, tensor in random_state(config).items():
        if key.startswith(TEXT):
            text[WRAPPER + key[len(TEXT) :]] = tensor
            continue
        network[WRAPPER + key] = tensor
        for alias, meant in ALIASES:
            if key.startswith("backbone.") and meant in key:
                network[WRAPPER + key.replace(meant, alias)] = tensor
    width = config.width
    for layer in range(config.layers):
        for name in ("weight", "bias"):
            network[f"{WRAPPER}transformer_decoder.layers.{layer}.norm1.{name}"] = torch.ones(width)
    text[f"{WRAPPER}text_tower.biolord.pooler.dense.weight"] = torch.zeros(width, width)
    text[f"{WRAPPER}text_tower.biolord.pooler.dense.bias"] = torch.zeros(width)
    optimiser = {"state": {0: {"exp_avg": torch.zeros(1 << 20)}}, "param_groups": [{"lr": np.float64(1e-4)}]}
    paths = folder / "model.pth", folder / "text_encoder.pth"
    torch.save({"step": 1, "model_state_dict": network, "optimizer_state_dict": optimiser}, paths[0])
    torch.save({"step": 1, "model_state_dict": text}, paths[1])
    return paths
