"""A model's files come into the user's folder whole or not at all, and say how far they are."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import CheckpointError, InstallationCancelled, InstallationError
from .library import FOLDER_VARIABLE
from .writing import PIECE

MARGIN = 16 << 20
"""Bytes beyond the weights that must be free: vocabulary, description, and what the file system takes."""
ABANDONED = 3600.0
"""Seconds without a change after which the remains of an interrupted installation are removed."""
_BEGUN, _ASIDE = ".installing-", ".replaced-"
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}

Progress = Callable[[float, str], None]


class Watch:
    """How far the work is, in bytes; ends it where the user called it off."""

    def __init__(self, tell: Progress, cancelled: Callable[[], bool]) -> None:
        self.tell, self.cancelled, self.total, self.done, self.text = tell, cancelled, 0, 0, ""

    def report(self, text: str) -> None:
        self.text = text
        self.advance(0)

    def advance(self, count: int) -> None:
        self.done += count
        if self.cancelled():
            raise InstallationCancelled("the installation was called off; nothing was installed")
        self.tell(min(0.99, self.done / self.total) if self.total else 0.0, self.text)

    def finish(self) -> None:
        self.tell(1.0, "Installed")


def file_stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change, by which a file that changes while it is read is found out.

    Raises :class:`CheckpointError` where there is none.
    """
    try:
        facts = path.stat()
    except OSError as problem:
        raise CheckpointError(f"{path}: there is no such weights file") from problem
    return facts.st_size, facts.st_mtime_ns


def hash_source(path: Path, watch: Watch) -> str:
    """SHA-256 of a checkpoint, hexadecimal. Raises :class:`CheckpointError` for a file that cannot be read."""
    watch.report("Checking the checkpoint")
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                watch.advance(len(piece))
    except OSError as problem:
        raise CheckpointError(f"{path}: cannot be read ({problem.strerror or problem})") from problem
    watch.report("Converting the weights")
    return digest.hexdigest()


@contextmanager
def staged(folder: Path, size: int) -> Iterator[Path]:
    """A folder to build the model in, which takes the place of ``folder`` if nothing goes wrong inside."""
    library = folder.parent
    stage = library / f"{_BEGUN}{folder.name}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        library.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(library)
        free = shutil.disk_usage(library).free
        if free < size + MARGIN:
            raise InstallationError(_no_space(library, size + MARGIN, free))
        stage.mkdir()
        yield stage
        _exchange(stage, folder)
    except OSError as problem:
        if problem.errno in _FULL:
            raise InstallationError(_no_space(library, size + MARGIN)) from problem
        raise InstallationError(
            f"{problem.filename or library}: the model cannot be installed ({problem.strerror or problem}); "
            f"the environment variable {FOLDER_VARIABLE} can name another folder"
        ) from problem
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _exchange(stage: Path, folder: Path) -> None:
    """``stage`` becomes ``folder``; what was there goes only when the new one is in its place."""
    if not folder.exists():
        stage.rename(folder)
        return
    aside = folder.with_name(f"{_ASIDE}{folder.name}-{os.getpid()}-{secrets.token_hex(4)}")
    folder.rename(aside)
    try:
        stage.rename(folder)
    except BaseException:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _clear_abandoned(library: Path) -> None:
    """Remove what processes left that were killed while they installed; put back what they had set aside."""
    for remains in (*library.glob(f"{_BEGUN}*"), *library.glob(f"{_ASIDE}*")):
        with contextlib.suppress(OSError):
            changed = max(file.lstat().st_ctime for file in (remains, *remains.iterdir()))
            if time.time() - changed < ABANDONED:
                continue
            name = remains.name.removeprefix(_ASIDE).rsplit("-", 2)[0]
            if remains.name.startswith(_ASIDE) and not (library / name).exists():
                remains.rename(library / name)
            else:
                shutil.rmtree(remains, ignore_errors=True)


def _no_space(library: Path, needed: int, free: int | None = None) -> str:
    here = "" if free is None else f", {free / 2**20:.0f} MiB are free"
    return (
        f"{library}: the disk is full; the model needs {needed / 2**20:.0f} MiB{here}. Nothing was installed. Make "
        f"room, or name a folder on another disk in the environment variable {FOLDER_VARIABLE}"
    )
