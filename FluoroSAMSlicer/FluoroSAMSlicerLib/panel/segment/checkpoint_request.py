"""Installing a published checkpoint or a training's result, as a job of the same worker that segments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...model import saved_model_folder, saved_model_name

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
    """The name of a model that is installed from this file, as far as models may be called so: that of the file,
    or of the training that wrote it."""
    trained = saved_model_folder(path)
    name = saved_model_name(trained) if trained else path.stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")
    return name[:LONGEST_NAME].rstrip(".") or "fluorosam"


def work(compute: Callable) -> Callable:
    """What the worker does: ``compute(request, cancelled, progress)`` segments, a checkpoint is installed."""

    def do(request, cancelled: Callable[[], bool], progress: Callable[[float, str], None]):
        if request.kind != INSTALL:
            return compute(request, cancelled, progress)
        from ...model import install_checkpoint

        return install_checkpoint(
            request.path, request.name, replace=request.replace, progress=progress, cancelled=cancelled
        )

    return do
