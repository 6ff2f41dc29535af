"""Published SAT checkpoints: read without running anything of them, and checked key by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..weights import read_archive, read_safetensors
from .config import HEADS, TILE, TOWER, SatConfig
from .errors import CheckpointError
from .network import SAT

TEXT = "text_encoder."
"""Before the text encoder's keys where both networks are in one file, as in the network here."""
WRAPPER = "module."
"""Before every key of a model that was saved inside DistributedDataParallel."""
ALIASES = ((".all_modules.0.", ".conv."), (".all_modules.1.", ".norm."))
"""Published files hold each parameter of the U-Net's blocks under two names."""
UNUSED = re.compile(
    r"mid_mask_embed_proj\..*"
    r"|transformer_decoder\.layers\.\d+\.norm1\.(weight|bias)"
    r"|text_encoder\.text_tower\.biolord\.(pooler\..*|embeddings\.position_ids)"
    r"|text_encoder\.(.*\.)?(atlas_tower\..*|temperature)"
)
"""Keys of published files that no inference needs: deep supervision, a norm that is never applied, pooling,
and what the pre-training leaves in the file of a text encoder."""
PRE_TRAINING = re.compile(r"(.*\.)?(atlas_tower\..*|temperature)")
NAMED = 8
"""Keys that an error message names before it only counts."""
ANOTHER_TEXT_ENCODER = (
    "this is the text encoder of another model: each SAT model needs the one that was published with it"
)


def load_published(
    path: str | Path,
    text: str | Path | None = None,
    tile: tuple[int, int, int] = TILE,
    heads: int = HEADS,
) -> SAT:
    """The network of a published checkpoint and of its text encoder's, in evaluation mode, float32.

    ``path`` and ``text`` are ``torch.save`` archives (of what they hold beside the weights, such as an
    optimiser's state, nothing is read) or safetensors files. Without ``text``, ``path`` holds both. Weights stay
    memory-mapped: the files must remain in place while the network lives.

    Raises :class:`CheckpointError` for a file that is absent, damaged, holds code, belongs to the pre-training
    or to another network; missing, unexpected and mis-shaped keys are named.
    """
    path = Path(path)
    state = read_tensors(path)
    words = {key[len(TEXT) :]: state.pop(key) for key in list(state) if key.startswith(TEXT)}
    text_path = Path(text) if text is not None else path
    if text is not None:
        words = read_tensors(text_path)
    _refuse_others(path, state, text_path, words)
    config = _config(path, state, text_path, words, tile, heads)
    return network_of({**state, **{TEXT + key: t for key, t in words.items()}}, config, path)


def network_of(state: Mapping[str, Tensor], config: SatConfig, path: Path) -> SAT:
    """The network that adopts ``state`` without copying. Raises :class:`CheckpointError`, naming the keys."""
    with torch.device("meta"):
        network = SAT(config)
    own = network.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own and not UNUSED.fullmatch(key)]
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    faults = [
        f"{len(keys)} {what} ({', '.join(keys[:NAMED])}{', ...' if len(keys) > NAMED else ''})"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if keys
    ]
    if faults:
        raise CheckpointError(f"{path}: does not fit a {config.name} network: {'; '.join(faults)}")
    network.load_state_dict({key: state[key].to(torch.float32) for key in own}, assign=True)
    tower = network.text_encoder.text_tower.biolord
    tower.embeddings.position_ids = torch.arange(config.positions)[None]
    return network.eval().requires_grad_(False)


def is_published(path: str | Path) -> bool:
    """Whether the file holds a SAT network or text encoder. Raises :class:`CheckpointError` for no checkpoint."""
    keys = read_tensors(Path(path)).keys()
    return any(
        key.startswith(("backbone.encoder.stages.", "text_tower.", "transformer_decoder.layers.", TEXT))
        or PRE_TRAINING.fullmatch(key)
        for key in keys
    )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint by their keys without the wrapper's prefix and without second names."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder: give the checkpoint file itself")
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such weights file")
    if path.suffix == ".safetensors":
        found = read_safetensors(path)
    else:
        content = read_archive(path)
        state = content.get("model_state_dict", content) if isinstance(content, Mapping) else None
        if not isinstance(state, Mapping):
            raise CheckpointError(f"{path}: holds no state dictionary, so it is no SAT checkpoint")
        found = {key: t for key, t in state.items() if isinstance(key, str) and isinstance(t, Tensor)}
    tensors = {key.removeprefix(WRAPPER): tensor for key, tensor in found.items()}
    for key in list(tensors):
        name = key
        for alias, meant in ALIASES:
            name = name.replace(alias, meant)
        if name == key:
            continue
        tensor = tensors.pop(key)
        first = tensors.setdefault(name, tensor)
        if first.data_ptr() != tensor.data_ptr() and not torch.equal(first, tensor):
            raise CheckpointError(f"{path}: holds two different values of {name}; the file is damaged")
    return tensors


def _refuse_others(path: Path, state: Mapping, text_path: Path, words: Mapping) -> None:
    """Raise for files of the pre-training, files taken for each other, and networks of other kinds."""
    decoder = any(key.startswith("transformer_decoder.") for key in state)
    if not decoder and any(key.startswith("text_tower.") for key in state):
        if any(PRE_TRAINING.fullmatch(key) for key in state):
            raise CheckpointError(_pre_training(path))
        raise CheckpointError(f"{path}: is a text encoder; give the file of the network first")
    if not decoder or any(PRE_TRAINING.fullmatch(key) for key in state):
        raise CheckpointError(
            _pre_training(path) if _looks_like_sat(state) else f"{path}: is no SAT checkpoint"
        )
    foreign = [key for key in state if key.startswith("transformer_decoder.") and "self_attn" in key]
    if foreign or "query_proj.weight" in state:
        raise CheckpointError(
            f"{path}: is a SAT network of a kind that is not known here ({(foreign or ['query_proj.weight'])[0]})"
        )
    if not words:
        raise CheckpointError(f"{path}: its text encoder is needed too; it is published beside the network")
    if any(key.startswith("transformer_decoder.") for key in words):
        raise CheckpointError(f"{text_path}: is a network, not a text encoder")
    if not any(key.startswith(f"{TOWER}.") for key in words):
        raise CheckpointError(f"{text_path}: {ANOTHER_TEXT_ENCODER}")
    if "modality_embed.weight" not in words or "projection_layer.0.weight" not in words:
        raise CheckpointError(_pre_training(text_path))


def _looks_like_sat(state: Mapping) -> bool:
    return any(key.startswith("backbone.") or PRE_TRAINING.fullmatch(key) for key in state)


def _pre_training(path: Path) -> str:
    return (
        f"{path}: holds weights of the pre-training only, which find nothing; "
        "get the file of a SAT model (such as Nano/nano.pth) and its text encoder"
    )


def _config(path, state, text_path, words, tile, heads) -> SatConfig:
    try:
        config = SatConfig.of(state, words, tile, heads)
    except CheckpointError as problem:
        raise CheckpointError(f"{path} with {text_path.name}: {problem}") from problem
    if words[f"{TOWER}.embeddings.word_embeddings.weight"].shape[1] != config.width:
        raise CheckpointError(f"{text_path}: {ANOTHER_TEXT_ENCODER}")
    return config
