"""Several names in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from .errors import AnatomyError, InvalidName, UnknownName
from .resolution import interpret


@lru_cache(maxsize=1000)
def is_known(text: str) -> bool:
    """Whether the vocabulary has a structure, or several, for ``text``."""
    try:
        interpret(text)
    except (UnknownName, InvalidName):
        return False
    except AnatomyError:
        return True
    return True


def names_in(text: str, known: Callable[[str], bool] = is_known) -> list[str]:
    """The names in a line, parted by semicolons, line ends, commas and "and".

    A comma or "and" within a name parts nothing: "femur, left" and "nasal cavity and sinuses" are one. ``known``
    tells what is a name.
    """
    found: list[str] = []
    for part in re.split(r"[;\n]", text):
        names: list[str] = []
        for piece in filter(None, (piece.strip() for piece in part.split(","))):
            if names and not known(piece) and known(f"{names[-1]}, {piece}"):
                names[-1] = f"{names[-1]}, {piece}"
            else:
                names.append(piece)
        found += [name for whole in names for name in _parted_by_and(whole, known)]
    return found or [text]


def _parted_by_and(text: str, known: Callable[[str], bool]) -> list[str]:
    pieces = re.split(r"\s+(?:and|&|\+)\s+", text)
    return pieces if not known(text) and all(map(known, pieces)) else [text]
