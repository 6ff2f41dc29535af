"""Where weights come from, and where they were put."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Provenance:
    """Where weights come from: shown to the user and recorded with every segment they make."""

    name: str
    licence: str
    source: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InstalledModel:
    """A model in the user's folder: ``notes`` say what the user should know, such as a vocabulary to get."""

    name: str
    folder: Path
    provenance: Provenance
    notes: tuple[str, ...] = ()


def write_description(
    path: Path, format: str, provenance: Provenance, files: Mapping[str, str], config: str
) -> None:
    """Write what a model folder says of itself: ``files`` are SHA-256 by name, ``config`` is JSON text."""
    description = {
        "format": format,
        "provenance": asdict(provenance),
        "files": dict(files),
        "config": json.loads(config),
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(description, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
