"""Input files are looked at before anything slow is loaded: whether they are there and can be read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .failures import Failure


def require(*paths: Path | None) -> None:
    """Raise Failure for the first of the files and folders that cannot be read; None is no input."""
    for path in paths:
        found = None if path is None else fault(path)
        if found:
            raise Failure(found)


def fault(path: Path) -> str | None:
    """What keeps a file, or a folder, from being read, as a line that names it; None if nothing does."""
    try:
        if path.is_dir():
            with os.scandir(path):
                return None
        if path.exists() and not path.is_file():
            return f"{path}: is not a regular file"
        with path.open("rb") as file:
            return None if file.read(1) else f"{path}: the file is empty"
    except OSError as error:
        return f"{path}: cannot be opened ({error.strerror or error})"
    except ValueError as error:
        return f"{str(path)!r}: is no file name ({error})"


def image_fault(path: Path) -> str | None:
    """Like `fault`, for an X-ray image: also what is a folder, or no kind of file that images are read from."""
    from ..radiograph import RadiographError, check_kind

    try:
        check_kind(path)
    except RadiographError as error:
        return str(error)
    return None


def without_repeats(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files in the order given, each once, and those given again, under whatever spelling of their path."""
    first: dict[str, Path] = {}
    again: dict[Path, None] = {}
    for path in paths:
        try:
            real = os.path.realpath(path)
        except ValueError:
            real = str(path)
        if real in first:
            again[path] = None
        else:
            first[real] = path
    return list(first.values()), list(again)
