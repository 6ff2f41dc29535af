"""What every training keeps: its state on disk, the mean of its weights, a line a step, batch norms at rest."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..dataset import DatasetError

STATE = "state.pt"


def write_state(folder: Path, state: Mapping[str, Any], name: str, plan: Any) -> None:
    """Write ``folder/state.pt`` atomically, and the dataclass ``plan`` as the JSON file ``name`` beside it.

    Raises :class:`DatasetError` when the disk refuses.
    """
    path = folder / STATE
    partial = path.with_suffix(".partial")
    try:
        torch.save(dict(state), partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise DatasetError(f"{path}: the training state cannot be written ({error})") from error
    (folder / name).write_text(json.dumps(asdict(plan), indent=2), encoding="utf-8")


@torch.no_grad()
def follow(average: Mapping[str, Tensor], network: nn.Module, keep: float) -> None:
    """Let the running mean of a network's weights keep this share of itself, and take the rest from the network."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - keep)
        else:
            average[name].copy_(value)


def append_row(path: Path, columns: Sequence[str], row: Mapping[str, Any]) -> None:
    """Add a line to a CSV file; one that is new gets a head first."""
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def settle(network: nn.Module) -> None:
    """Have the batch norms use the statistics that they have."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
