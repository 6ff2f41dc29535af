"""Where weights come from, and where they were put."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
