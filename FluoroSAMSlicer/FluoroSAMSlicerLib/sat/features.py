"""Windows' features kept for the next names: on disk, where they also survive a cancel, or in memory."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
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
TEMPORARY = "fluorosam-sat-"
"""Beginning of the names of temporary folders, before the process that made them."""
FORGOTTEN = 7 * 86400.0
"""Seconds after which such a folder is no longer needed, on systems where processes are not asked for."""


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
    """Raise :class:`SatError` if ``folder``, which need not exist, lies on a disk without ``size`` bytes free, or
    cannot be written to."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        what = "cannot be written to" if place.is_dir() else "is a file"
        raise SatError(f"{place}: {what}; name another folder for the features of the CT")
    free = shutil.disk_usage(place).free
    if free < size + MARGIN:
        raise SatError(
            f"{folder}: keeping the features of this CT takes {size / 2**30:.1f} GiB, "
            f"{free / 2**30:.1f} GiB are free: make room, take another folder, or label a region or by the fast plan"
        )


def own_folder() -> Path:
    """A new folder for features in the system's temporary one; what killed processes left there goes."""
    for folder in Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError, ValueError):
            if not _in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-"))


def _in_use(folder: Path) -> bool:
    """Whether the process that made the folder lives, or, where that cannot be asked, may live."""
    if os.name != "posix":
        return time.time() - folder.stat().st_mtime < FORGOTTEN
    try:
        os.kill(int(folder.name.removeprefix(TEMPORARY).split("-")[0]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
