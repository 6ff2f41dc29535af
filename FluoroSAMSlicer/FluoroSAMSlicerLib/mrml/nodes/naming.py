"""What a line of typed names means for segments: structures, alternatives, names outside the vocabulary."""

from __future__ import annotations

import colorsys
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

from ...anatomy import (
    AmbiguousName,
    Code,
    NegatedName,
    Structure,
    UnknownName,
    interpret,
    search,
    vocabulary,
)

TISSUE = Code("SCT", "85756007", "Tissue")
ALTERNATIVES = 8


@dataclass(frozen=True)
class NameChoice:
    """One typed name. ``structure`` is what it was taken for, ``alternatives`` what else it may mean.

    ``known`` is False for a name outside the vocabulary, which the model gets as typed. ``ambiguous`` means
    that one of the alternatives has to be taken. ``corrections`` are (typed, meant) words.
    """

    typed: str
    structure: Structure | None
    alternatives: tuple[Structure, ...] = ()
    corrections: tuple[tuple[str, str], ...] = ()
    known: bool = True
    ambiguous: bool = False
    message: str = ""

    @property
    def title(self) -> str:
        return self.structure.name if self.structure else self.typed


@lru_cache(maxsize=256)
def name_choice(text: str) -> NameChoice:
    """What one name means, and what else it may mean; asked for again and again while a line is typed.

    Raises InvalidName for a text that cannot be a name, and NegatedName.
    """
    choice = meaning(text)
    if choice.structure is None:
        return choice
    others = (found.structure for found in search(text, ALTERNATIVES))
    return replace(choice, alternatives=tuple(other for other in others if other != choice.structure))


def meaning(text: str) -> NameChoice:
    """`name_choice` without the search for what else a name that was understood may mean.

    Raises NegatedName too: sent to the model as typed, it would be answered with what it denies.
    """
    typed = " ".join(text.split())
    try:
        match = interpret(text)
    except AmbiguousName as error:
        meant = tuple(match.structure for match in error.candidates)
        return NameChoice(typed, None, meant, ambiguous=True, message=str(error))
    except NegatedName:
        raise
    except UnknownName as error:
        known = vocabulary()
        near = tuple(known[name] for name in error.nearest if name in known)
        message = f'"{typed}" is not in the vocabulary; the model gets it as typed.'
        return NameChoice(typed, None, near, known=False, message=message)
    message = f'"{typed}" was read as "{match.structure.name}".' if match.corrected else ""
    return NameChoice(typed, match.structure, (), match.corrections, message=message)


def key_of(choice: NameChoice) -> str:
    """What the segment of a name is told by: see `structure_for`."""
    return choice.title.replace("|", "/")


def structure_for(key: str) -> Structure:
    """The vocabulary's structure of this canonical name, or one made up for a free name."""
    known = vocabulary()
    return known[key] if key in known else free_structure(key)


def free_structure(name: str) -> Structure:
    """A structure outside the vocabulary: coded as tissue, with a colour that its name decides."""
    hue = (zlib.crc32(name.encode()) % 360) / 360
    color = tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, 0.6, 0.95))
    return Structure(name, None, (), (), "other", color, TISSUE, None, TISSUE)


def leaves(structure: Structure) -> list[Structure]:
    """The structures that a group stands for, its members' members instead of them."""
    known = vocabulary()
    if not structure.is_group:
        return [structure]
    return [leaf for member in structure.members if member in known for leaf in leaves(known[member])]
