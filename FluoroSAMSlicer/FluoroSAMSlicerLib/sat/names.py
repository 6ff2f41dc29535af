"""What a typed name asks SAT for: one of its classes, the members of a group, or the words as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..anatomy import AnatomyError, Structure, UnknownName, interpret, is_known, names_in, vocabulary
from .classes import class_table
from .errors import TextError


@dataclass(frozen=True)
class AskedName:
    """One structure to look for.

    title: what to call it. prompt: the string that SAT gets. trained: whether SAT was trained on that string
    in such images. typed: what the user wrote. structure: the vocabulary's, if it is one.
    """

    title: str
    prompt: str
    trained: bool
    typed: str
    structure: Structure | None = None


@dataclass(frozen=True)
class Request:
    """All that is asked for, each prompt once, and ``notes`` for the user about how names were understood."""

    names: tuple[AskedName, ...]
    notes: tuple[str, ...] = ()

    @property
    def prompts(self) -> tuple[str, ...]:
        return tuple(name.prompt for name in self.names)


def request(texts: Iterable[str], modality: str = "ct") -> Request:
    """What ``texts`` ask for in images of this ``modality`` (``ct``, ``mri``, ``pet``, ``us``).

    A class string is that class. Another name goes through the vocabulary; a group whose members SAT knows
    becomes its members ("ribs", "lumbar spine", "kidneys"), and a side is never dropped: a left structure of which
    SAT knows only both together goes in as typed. So does what SAT was not trained on, marked so. A text may hold
    several names with commas, semicolons or "and" between.

    Raises :class:`TextError` without any name, and the vocabulary's AnatomyError for a text that
    cannot be a name (empty, too long) or may mean several structures.
    """
    found: dict[str, AskedName] = {}
    notes: dict[str, None] = {}
    for text in (name for line in texts for name in _parted(line, modality)):
        names, note = _understood(text, modality)
        for name in names:
            found.setdefault(name.prompt, name)
        notes.update(dict.fromkeys(note))
    if not found:
        raise TextError("give at least one name, such as liver")
    return Request(tuple(found.values()), tuple(notes))


def _parted(line: str, modality: str) -> list[str]:
    table = class_table()
    return names_in(line, lambda text: bool(table.trained(text.lower(), modality)) or is_known(text))


def _understood(text: str, modality: str) -> tuple[list[AskedName], list[str]]:
    typed = " ".join(text.split())
    table = class_table()
    if own := table.trained(typed.lower(), modality):
        return [_asked(own, typed)], []
    problem: AnatomyError | None = None
    try:
        match = interpret(text)
    except AnatomyError as error:
        match, problem = None, error
    if match:
        names, left_out = _members(match.structure, modality, typed)
        if names:
            notes = [f'"{typed}" was read as "{match.structure.name}"'] if match.corrected else []
            if left_out:
                notes.append(
                    f'"{typed}" without {_listed(left_out)}: SAT was not trained on '
                    f"{'it' if len(left_out) == 1 else 'them'}; ask by name to try"
                )
            return names, notes
    if spoken := table.spoken(text, modality):
        return [_asked(spoken, typed)], []
    if problem and not isinstance(problem, UnknownName):
        raise problem
    structure = match.structure if match and not match.corrected else None
    prompt = structure.name.lower() if structure else typed.lower()
    how = "as typed" if prompt == typed.lower() else f'as "{prompt}"'
    return [AskedName(structure.name if structure else typed, prompt, False, typed, structure)], [
        f'"{typed}" is asked for {how}: SAT was not trained on it'
    ]


def _members(structure: Structure, modality: str, typed: str) -> tuple[list[AskedName], list[str]]:
    """The classes that make up a structure, and those of its members that are none."""
    own = class_table().of_structure(structure.name, modality)
    if not structure.members:
        return ([_asked(own, typed)] if own else []), []
    names, left_out = [], []
    for member in _leaves(structure):
        inner = class_table().of_structure(member.name, modality)
        if inner:
            names.append(_asked(inner, typed))
        else:
            left_out.append(member.name)
    if own and (left_out or not names):
        return [_asked(own, typed)], []
    return names, left_out


def _leaves(structure: Structure) -> Iterator[Structure]:
    """The members of a group; of members that are groups, theirs."""
    known = vocabulary()
    for name in structure.members:
        member = known[name]
        if member.members:
            yield from _leaves(member)
        else:
            yield member


def _asked(own, typed: str) -> AskedName:
    structure = vocabulary()[own.structure] if own.structure else None
    title = own.name if structure is None or structure.is_group else structure.name
    return AskedName(title, own.name, True, typed, structure)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
