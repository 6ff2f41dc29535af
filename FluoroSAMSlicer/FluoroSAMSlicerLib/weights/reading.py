"""Safetensors files read, and files known again by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


HASHED_AT_LOAD = 64 << 20
"""Files up to this size (bytes) are checked against their SHA-256 at every load, larger ones when asked to."""


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file by its key; :class:`CheckpointError` if it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as problem:
        raise CheckpointError(f"{path}: not a complete safetensors file ({problem})") from problem


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def check_sha256(path: Path, expected: str) -> None:
    """Raise :class:`CheckpointError` for a file that is absent or whose SHA-256 is not the ``expected`` one."""
    try:
        digest = file_sha256(path)
    except OSError as problem:
        raise CheckpointError(f"{path}: cannot be read ({problem.strerror or problem})") from problem
    if digest != expected:
        raise CheckpointError(
            f"{path}: truncated, altered, or of another model (its SHA-256 is not the recorded one)"
        )


def check_files(folder: Path, files: Mapping[str, str], all_of_them: bool = False) -> None:
    """Check a model's files, SHA-256 by name: those that are there and small, or with ``all_of_them`` every one.

    Raises :class:`CheckpointError` for one that differs.
    """
    for name, digest in files.items():
        path = folder / name
        if all_of_them or (path.is_file() and path.stat().st_size <= HASHED_AT_LOAD):
            check_sha256(path, digest)
