"""Files read or written, and code loaded, away from the main thread and beside the model's work."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

FILE = "file"
_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class FileJob:
    """``work()`` runs on the worker and touches neither Qt nor the scene; ``done(result)`` on the main thread."""

    title: str
    work: Callable[[], object]
    done: Callable[[object], None]
    kind: str = FILE
    slot: str = field(default_factory=lambda: f"{FILE} {next(_numbers)}")


def do(job: FileJob, _cancelled: Callable[[], bool], _progress: Callable[[float, str], None]) -> object:
    """What the worker does."""
    return job.work()


def warm_up() -> None:
    """Load what the first name, the first export and the Synthesize tab would else wait for; no Qt, no scene."""
    import importlib

    from ...anatomy import search

    for name in ("export", "synthesize.logic"):
        importlib.import_module(f"...mrml.{name}", __package__)
    search("heart", 1)
