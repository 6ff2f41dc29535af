"""SAT models in the user's folder: description, weights of both networks, and the vocabulary if there is one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..weights import CheckpointError, Provenance, check_files, installed_model_folder
from ..weights.library import DESCRIPTION
from ..weights.reading import read_safetensors
from .checkpoint import network_of
from .classes import class_table
from .config import SatConfig
from .errors import TextError
from .library import FORMAT, HOW_TO_INSTALL, installed_sat_models
from .network import SAT
from .tokens import FILE as VOCABULARY
from .tokens import WordPieces

WEIGHTS = "model.safetensors"
LICENCE_FILE = "LICENCE.txt"


@dataclass(frozen=True, eq=False)
class SatModel:
    """A loaded model. ``version`` is the beginning of its weights' SHA-256; ``words`` is None without vocabulary."""

    network: SAT
    provenance: Provenance
    version: str
    words: WordPieces | None = None

    def tokens(self, prompt: str) -> tuple[int, ...]:
        """Token ids of a prompt. Raises :class:`TextError` where they need a vocabulary that is not installed."""
        known = class_table()
        size = self.network.config.words
        if size == known.vocabulary_size and prompt in known.classes:
            return known.classes[prompt].tokens
        if self.words is None:
            raise TextError(
                f'"{prompt}" is none of the names that SAT was trained on; to ask for it as typed, install the model '
                "again with --vocabulary and the vocab.txt of bert-base-uncased"
            )
        return tuple(self.words.encode(prompt))


def load_sat_model(model: str | Path) -> SatModel:
    """The installed model of a name, or the one in a folder; weights stay memory-mapped, float32.

    Raises :class:`CheckpointError` if there is none, or its files are truncated, altered or of another model.
    """
    folder = locate_sat_model(model)
    description, config, provenance = read_sat_description(folder)
    files = description["files"]
    check_files(folder, files)
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{folder / WEIGHTS}: there is no such weights file")
    network = network_of(read_safetensors(folder / WEIGHTS), config, folder / WEIGHTS)
    words = WordPieces.read(folder / VOCABULARY) if VOCABULARY in files else None
    if words is not None:
        require_fitting(words, config, folder / VOCABULARY)
    return SatModel(network, provenance, files[WEIGHTS][:12], words)


def verify_sat_model(model: str | Path) -> None:
    """Check every file against its SHA-256; :class:`CheckpointError` if one differs."""
    folder = locate_sat_model(model)
    description, _, _ = read_sat_description(folder)
    check_files(folder, description["files"], all_of_them=True)


def locate_sat_model(model: str | Path) -> Path:
    """The folder of a model given by name or path. Raises :class:`CheckpointError` if there is none."""
    names = installed_sat_models()
    if isinstance(model, str) and model in names:
        return installed_model_folder(model)
    if (Path(model) / DESCRIPTION).is_file():
        return Path(model)
    have = f"installed are {', '.join(names)}" if names else "none is installed"
    raise CheckpointError(f"{model}: there is no SAT model here ({have}). {HOW_TO_INSTALL}")


def read_sat_description(folder: Path) -> tuple[dict[str, Any], SatConfig, Provenance]:
    """The parsed description of a model with its configuration and provenance. Raises :class:`CheckpointError`."""
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise CheckpointError(f"{path}: is not the description of a SAT model")
        files = description["files"]
        if WEIGHTS not in files or not set(files) <= {WEIGHTS, VOCABULARY, LICENCE_FILE}:
            raise CheckpointError(f"{path}: the model's description lists other files than a model has")
        config = SatConfig.from_json(json.dumps(description["config"]))
        return description, config, Provenance(**description["provenance"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise CheckpointError(f"{path}: the model's description cannot be read ({problem})") from problem


def require_fitting(words: WordPieces, config: SatConfig, path: Path) -> None:
    """Raise :class:`TextError` where the vocabulary has another size than the text encoder."""
    if len(words.words) != config.words:
        raise TextError(
            f"{path}: this vocabulary has {len(words.words)} entries, the model {config.words}: it belongs to "
            "another model"
        )
