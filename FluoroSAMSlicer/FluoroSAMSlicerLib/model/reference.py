"""Published FluoroSAM checkpoints: read without running anything of them, and checked key by key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..weights import read_archive, read_safetensors
from .config import PUBLISHED_SWIN, FluoroSAMConfig
from .construction import empty_network, fill
from .errors import CheckpointError, ModelError
from .network import FluoroSAM
from .reference_keys import SWIN, UNUSED, reference_source

PREFIX = "sam."
NAMED = 8
"""Keys that an error message names before it only counts."""


def load_reference_checkpoint(path: str | Path, config: FluoroSAMConfig | None = None) -> FluoroSAM:
    """The network with the weights of a published checkpoint, in evaluation mode, float32.

    ``path`` is the published file (a ``torch.save`` archive whose keys begin with ``sam.``; optimiser state
    and everything else in it is ignored) or a safetensors file with the same keys without prefix. Weights
    stay memory-mapped, so the file must remain in place while the network lives. Without ``config`` the
    sizes come from a ``config.json`` beside a safetensors file, else from the width of the patch embedding.

    Raises :class:`CheckpointError` if the file is absent, truncated, not a checkpoint, holds code, or does
    not fit the configuration; missing, unexpected and mis-shaped keys are named.
    """
    path = Path(path)
    weights = read_reference_weights(path)
    config = config or _configuration(path, weights)
    network = empty_network(config)
    fill(network, _translate(weights, network, config, path))
    return network.eval()


def read_reference_weights(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint under the reference's keys without prefix, memory-mapped where possible."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such weights file")
    try:
        if path.suffix == ".safetensors":
            return read_safetensors(path)
        return _strip(read_archive(path), path)
    except OSError as problem:
        raise CheckpointError(f"{path}: the weights file cannot be read ({problem})") from problem


def _strip(content: object, path: Path) -> dict[str, Tensor]:
    """The tensors that belong to the network, without their prefix."""
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: holds no state dictionary, so it is not a FluoroSAM checkpoint")
    tensors = {key: t for key, t in state.items() if isinstance(key, str) and isinstance(t, Tensor)}
    prefixed = {key[len(PREFIX) :]: t for key, t in tensors.items() if key.startswith(PREFIX)}
    return prefixed or tensors


def _configuration(path: Path, weights: Mapping[str, Tensor]) -> FluoroSAMConfig:
    beside = path.parent / "config.json"
    if path.suffix == ".safetensors" and beside.is_file():
        try:
            return FluoroSAMConfig.from_fixture(json.loads(beside.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, ModelError) as problem:
            raise CheckpointError(f"{beside}: {problem}") from problem
    patches = weights.get(f"{SWIN}.patch_embed.projection.weight")
    for name, (embed_dim, _) in PUBLISHED_SWIN.items():
        if patches is not None and patches.ndim == 4 and patches.shape[0] == embed_dim:
            return FluoroSAMConfig.published(name)
    raise CheckpointError(f"{path}: these are not the weights of a FluoroSAM model")


def _translate(
    weights: Mapping[str, Tensor], network: FluoroSAM, config: FluoroSAMConfig, path: Path
) -> dict[str, Tensor]:
    """The checkpoint's tensors under our keys; every disagreement is collected before any is reported."""
    state, used, missing, misshaped = {}, set(), set(), {}
    for key, own in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
            continue
        source, layout = reference_source(key, config.decoder.iou_depth)
        used.add(source)
        expected = layout.shape(tuple(own.shape))
        if source not in weights:
            missing.add(source)
        elif tuple(weights[source].shape) != expected:
            misshaped[source] = f"{source} (is {tuple(weights[source].shape)}, should be {expected})"
        else:
            state[key] = layout.convert(weights[source]).float()
    unexpected = {key for key in weights if key not in used and not UNUSED.fullmatch(key)}
    faults = [("missing", missing), ("mis-shaped", misshaped.values()), ("unexpected", unexpected)]
    if any(names for _, names in faults):
        told = "; ".join(f"{label}: {_some(names)}" for label, names in faults if names)
        raise CheckpointError(f"{path}: does not fit the {config.name} model; {told}")
    return state


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + rest
