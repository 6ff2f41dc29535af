"""Windows' features kept for the next names: on disk, where they also survive a cancel, or in memory."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from .errors import SatError
from .network import WindowFeatures
from .windows import Window

VOLUME, TOKENS = "volume", "tokens"
SUFFIX = ".pt"
MARGIN = 256 << 20
"""Bytes that stay free on the disk."""
BEGUN = ".part"


class FeatureStore:
    """Features by window of one scan under one model. ``folder`` None keeps them in memory.

    A folder holds one file a window, complete or not there; damaged ones count as not there. Writing takes no copy
    of a volume, and reading maps it, which safetensors' own functions would not do.
    ``kind`` is the number format that volumes are kept in, None for the one they come in.
    """

    def __init__(self, folder: Path | None = None, kind: torch.dtype | None = None) -> None:
        self.folder, self.kind = folder, kind
        self._memory: dict[Window, WindowFeatures] = {}

    def __contains__(self, window: Window) -> bool:
        if self.folder is None:
            return window in self._memory
        return self._read(window) is not None

    def put(self, window: Window, features: WindowFeatures) -> None:
        """Raises :class:`SatError` for a disk that is full or not writable."""
        volume = features.volume if self.kind is None else features.volume.to(self.kind)
        if self.folder is None:
            self._memory[window] = WindowFeatures(volume, features.tokens)
            return
        path = self._path(window)
        part = path.with_suffix(f".{os.getpid()}{BEGUN}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            torch.save({VOLUME: volume.cpu().contiguous(), TOKENS: features.tokens.cpu().contiguous()}, part)
            os.replace(part, path)
        # A disk that fills up makes a RuntimeError of torch's.
        except (OSError, RuntimeError) as problem:
            raise SatError(
                f"{self.folder}: the features of the CT cannot be kept there ({problem}); is the disk full?"
            ) from problem
        finally:
            with contextlib.suppress(OSError):
                part.unlink()

    def get(self, window: Window) -> WindowFeatures:
        """The volume is memory-mapped where it lies on disk. Raises KeyError for a window that is not there."""
        if self.folder is None:
            return self._memory[window]
        content = self._read(window)
        if content is None:
            raise KeyError(window)
        return WindowFeatures(content[VOLUME], content[TOKENS])

    def _read(self, window: Window) -> dict[str, Tensor] | None:
        path = self._path(window)
        if not zipfile.is_zipfile(path):
            return None
        try:
            content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
            return content if {VOLUME, TOKENS} <= content.keys() else None
        # A damaged file can fail in any way that torch knows.
        except Exception:
            return None

    def clear(self) -> None:
        self._memory.clear()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, window: Window) -> Path:
        return self.folder / ("_".join(map(str, (*window.start, *window.size))) + SUFFIX)


def require_room(folder: Path, size: int) -> None:
    """Raise :class:`SatError` if ``folder``, which need not exist, lies on a disk without ``size`` bytes free."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < size + MARGIN:
        raise SatError(
            f"{folder}: keeping the features of this CT takes {size / 2**30:.1f} GiB, "
            f"{free / 2**30:.1f} GiB are free: make room, take another folder, or label a region or by the fast plan"
        )


def own_folder() -> Path:
    """A new folder for features in the system's temporary one."""
    return Path(tempfile.mkdtemp(prefix="fluorosam-sat-"))
