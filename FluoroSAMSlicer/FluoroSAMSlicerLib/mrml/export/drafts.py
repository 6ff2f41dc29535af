"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import SceneError


class ExportError(SceneError):
    """A file cannot be written in the format that was asked for."""


@contextmanager
def draft(path: str | os.PathLike) -> Iterator[Path]:
    """A name beside ``path`` to write to; the file gets its own name at the end, if all went well.

    Raises ExportError where the folder is missing or not writable, or the disk full.
    """
    target = Path(path)
    suffixes = "".join(target.suffixes[-2:]) if target.name.endswith(".gz") else target.suffix
    unfinished = target.with_name(f".{secrets.token_hex(6)}{suffixes}")
    try:
        unfinished.touch(exist_ok=False)
        yield unfinished
        with unfinished.open("rb+") as file:
            # A full disk may only be noticed now, and must be before the old file is gone.
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except OSError as error:
        raise ExportError(f"{target}: cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def folder(path: str | os.PathLike) -> Path:
    """The folder, made if it is not there."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{path}: is no folder to write to: {error.strerror or error}.") from error
    return Path(path)
