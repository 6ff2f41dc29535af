"""Models on disk: a folder of configuration, safetensors weights and tokenizer, bound by their SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from ..weights import Provenance, check_files, read_safetensors
from ..weights.library import (
    DESCRIPTION,
    FORMAT,
    installed_model_folder,
    installed_models,
    resource_folder,
)
from .clip_vocabulary import SIMPLE
from .config import FluoroSAMConfig
from .construction import empty_network, fill
from .errors import CheckpointError, ModelError
from .network import FluoroSAM
from .reference import load_reference_checkpoint
from .tokens import CompactTokenizer, PublishedTokenizer

CONFIG, WEIGHTS, TOKENIZER = DESCRIPTION, "model.safetensors", "tokenizer.json"
COMPANIONS = {TOKENIZER, "vocab.json", "merges.txt", SIMPLE, "LICENCE.txt"}
"""Files that a model may have beside its weights."""

Tokens = CompactTokenizer | PublishedTokenizer


def save_model(
    model: FluoroSAM,
    folder: str | Path,
    provenance: Provenance,
    tokenizer: CompactTokenizer | None = None,
    half: bool = True,
) -> Path:
    """Write ``model`` into ``folder``; with ``half`` its matrices in float16, vectors always in float32.

    The files take their places only when all of them are on disk, and ``config.json`` holds the others'
    SHA-256, so a failed save leaves the old model and a mixture never loads. Without ``tokenizer`` the model
    is read with CLIP's vocabulary from the same folder. Raises :class:`ModelError` if the folder cannot be
    written or weights cannot be stored.
    """
    folder = Path(folder)
    state = {
        k: _stored(k, t, half) for k, t in model.state_dict().items() if not k.endswith("num_batches_tracked")
    }
    contents = {WEIGHTS: save(state, metadata={"format": FORMAT})}
    if tokenizer is not None:
        _check_vocabulary(tokenizer, model.config)
        contents[TOKENIZER] = tokenizer.tokenizer.to_str(pretty=True).encode("utf-8")
    description = {
        "format": FORMAT,
        "provenance": asdict(provenance),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        "config": json.loads(model.config.to_json()),
    }
    contents[CONFIG] = (json.dumps(description, indent=2) + "\n").encode("utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, contents)
    except OSError as problem:
        raise ModelError(
            f"{folder}: the model cannot be written ({problem.strerror or problem})"
        ) from problem
    return folder


def load_model(path: str | Path = "compact") -> tuple[FluoroSAM, Tokens, Provenance]:
    """The network in evaluation mode (float32), its tokenizer and its provenance.

    ``path`` is the name of a bundled or installed model, a folder of :func:`save_model`, or a published
    checkpoint file (CLIP's vocabulary is then looked for beside it). Raises :class:`CheckpointError` for
    files that are absent, truncated, altered or of another model, :class:`TokenError` for a damaged tokenizer.
    """
    folder = locate_model(path)
    if folder.is_file():
        model = load_reference_checkpoint(folder)
        provenance = Provenance(f"FluoroSAM {model.config.name}", "CC BY-NC-SA 4.0", folder.name)
        return model, PublishedTokenizer(folder.parent, model.config.text.context), provenance
    description, config, provenance = read_description(folder)
    check_files(folder, description["files"])
    model = _network(folder / WEIGHTS, config)
    if TOKENIZER in description["files"]:
        tokenizer = CompactTokenizer.read(folder / TOKENIZER, config.text.context)
        _check_vocabulary(tokenizer, config)
    else:
        tokenizer = PublishedTokenizer(folder, config.text.context)
    return model, tokenizer, provenance


def verify_model(model: str | Path) -> None:
    """Check every file of a saved model against its SHA-256; :class:`CheckpointError` if one differs.

    ``model`` is the name of a bundled or installed model, or a folder.
    """
    folder = locate_model(model)
    description, _, _ = read_description(folder)
    check_files(folder, description["files"], all_of_them=True)


def locate_model(model: str | Path) -> Path:
    """The folder or file of a model, given by name or path; a name goes before a path of the same letters.

    Raises :class:`CheckpointError` if nothing is there.
    """
    if isinstance(model, str):
        if model in bundled_models():
            return bundled_model_folder(model)
        if model in installed_models():
            return installed_model_folder(model)
    if not Path(model).exists():
        names = ", ".join((*bundled_models(), *installed_models()))
        raise CheckpointError(
            f"{model}: there is no model here; give the path of one, or the name of one that is installed: {names}"
        )
    return Path(model)


def bundled_models() -> tuple[str, ...]:
    """Names of the models that come with the program."""
    return tuple(sorted(p.parent.name for p in _resources().glob(f"Models/*/{CONFIG}")) or ("compact",))


def bundled_model_folder(name: str) -> Path:
    """Where the bundled model ``name`` lies, whether or not it is there."""
    return _resources() / "Models" / name


def read_description(folder: Path) -> tuple[dict[str, Any], FluoroSAMConfig, Provenance]:
    """The parsed ``config.json`` of a saved model, with its configuration and provenance."""
    path = folder / CONFIG
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as problem:
        raise CheckpointError(f"{folder}: there is no model here ({CONFIG} is absent){_hint(folder)}") from problem
    except (OSError, ValueError) as problem:
        raise CheckpointError(f"{path}: the model's description cannot be read ({problem})") from problem
    try:
        if description["format"] != FORMAT:
            raise CheckpointError(f"{path}: of another format ({description['format']})")
        if WEIGHTS not in description["files"] or not set(description["files"]) <= {WEIGHTS, *COMPANIONS}:
            raise CheckpointError(f"{path}: the model's description lists other files than a model has")
        config = FluoroSAMConfig.from_json(json.dumps(description["config"]))
        return description, config, Provenance(**description["provenance"])
    except (KeyError, TypeError) as problem:
        raise CheckpointError(f"{path}: is not the description of a FluoroSAM model") from problem
    except ModelError as problem:
        raise (
            problem if isinstance(problem, CheckpointError) else CheckpointError(f"{path}: {problem}")
        ) from problem


def _network(path: Path, config: FluoroSAMConfig) -> FluoroSAM:
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such weights file")
    network = empty_network(config)
    found, state, wrong = read_safetensors(path), {}, []
    for key, own in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
            continue
        tensor = found.pop(key, None)
        if tensor is None or tensor.shape != own.shape:
            wrong.append(key)
        else:
            # A copy, also of what is float32 already, so that the file is free to be replaced.
            state[key] = tensor.to(torch.float32, copy=tensor.ndim < 2)
    wrong += found
    if wrong:
        raise CheckpointError(
            f"{path}: does not fit the {config.name} model (first at fault: {wrong[0]}, {len(wrong)} in all)"
        )
    fill(network, state)
    return network.eval()


def _stored(key: str, tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().float().cpu().contiguous()
    if not bool(torch.isfinite(tensor).all()):
        raise ModelError(f"{key} holds values that are not finite; the model was not saved")
    if not half or tensor.ndim < 2:
        return tensor
    if bool((tensor.abs() > torch.finfo(torch.float16).max).any()):
        raise ModelError(f"{key} holds values too large for half precision; the model was not saved")
    return tensor.half()


def _check_vocabulary(tokenizer: CompactTokenizer, config: FluoroSAMConfig) -> None:
    text = config.text
    if tokenizer.end_of_text != text.end_of_text or tokenizer.tokenizer.get_vocab_size() > text.vocabulary:
        raise CheckpointError("the tokenizer belongs to another model: its ids do not fit the text encoder")


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """All files go to disk under other names first; only when all are there do they take their places."""
    parts = {}
    try:
        for name, content in contents.items():
            handle, part = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            parts[name] = part
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(part, 0o644)
        for name, part in parts.items():
            os.replace(part, folder / name)
    finally:
        for part in parts.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)


def _resources() -> Path:
    return resource_folder()


def _hint(folder: Path) -> str:
    """What somebody meant who gave the folder of a training."""
    if (folder / "model" / CONFIG).is_file():
        return f"; did you mean {folder / 'model'}?"
    if (folder / "state.pt").is_file():
        return "; its training has not ended: go on with it first"
    return ""
