"""Installing a published checkpoint, as a job of the same worker that segments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

INSTALL = "install"
LONGEST_NAME = 64


@dataclass(frozen=True)
class CheckpointRequest:
    """``path`` is the checkpoint's file, ``name`` what the model will be called."""

    path: Path
    name: str
    title: str
    replace: bool = False
    kind: str = INSTALL

    @property
    def slot(self) -> str:
        return f"{INSTALL} {self.name}"


def model_name(path: Path) -> str:
    """The name of a model that is installed from this file: that of the file, as far as models may be called so."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("._-")
    return name[:LONGEST_NAME].rstrip(".") or "fluorosam"


def work(compute: Callable) -> Callable:
    """What the worker does: ``compute(request, cancelled, progress)`` segments, a checkpoint is installed."""

    def do(request, cancelled: Callable[[], bool], progress: Callable[[float, str], None]):
        if request.kind != INSTALL:
            return compute(request, cancelled, progress)
        from ..model import install_checkpoint

        return install_checkpoint(
            request.path, request.name, replace=request.replace, progress=progress, cancelled=cancelled
        )

    return do
