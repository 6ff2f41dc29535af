"""Names: what people type, resolved to structures.

>>> from FluoroSAMSlicerLib.anatomy import resolve
>>> resolve("lt femur").name
'left femur'
"""

from __future__ import annotations

from .catalogue import complete, search
from .errors import AmbiguousName, AnatomyError, InvalidName, NegatedName, UnknownName
from .index import Vocabulary, vocabulary
from .listing import is_known, names_in
from .resolution import interpret, resolve
from .structure import Code, Completion, Match, Structure

__all__ = [
    "AmbiguousName",
    "AnatomyError",
    "Code",
    "Completion",
    "InvalidName",
    "Match",
    "NegatedName",
    "Structure",
    "UnknownName",
    "Vocabulary",
    "complete",
    "interpret",
    "is_known",
    "label_structure",
    "named_structure",
    "names_in",
    "resolve",
    "search",
    "vocabulary",
]


def label_structure(text: str) -> str | None:
    """The canonical name for what a label map of the training bodies calls ``text``; None for what is left out."""
    return vocabulary().label_structure(text)


def named_structure(text: str) -> str | None:
    """The canonical name of the structure that a user's label names; None where the label keeps its own name."""
    return vocabulary().named_structure(text)
