"""From ``--text``, ``--point`` and ``--box`` to what is asked of the model, structure by structure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import click

from ..anatomy import AnatomyError, InvalidName, Match, Structure, interpret

LONGEST_LIST = 4000
"""Characters of one ``--text``; more is no list of names that anybody typed."""

OTHER_SEPARATORS = re.compile(r"[;|/\n]|\s(?:and|und|et|y|e)\s")
"""What people put between names where commas belong."""

SIGNS = {"+": 1, "-": 0}


@dataclass(frozen=True)
class StructurePrompts:
    """What is known about one structure: ``typed`` is the name as given first, ``corrections`` the (typed, meant)
    words that were mended in any of its names.

    ``points`` are (x, y) in image pixels, ``labels`` 1 for inside and 0 for outside, ``box`` is
    (x1, y1, x2, y2).
    """

    typed: str
    structure: Structure
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None
    corrections: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """What the mask is called in lines and pictures: of a part whose whole is found for it, both names."""
        structure = self.structure
        return f"{structure.name} (as {structure.part_of})" if structure.part_of else structure.name

    @property
    def understood(self) -> list[str]:
        """What was read otherwise than typed."""
        return [f'"{typed}" was read as "{meant}"' for typed, meant in self.corrections]


def read_prompts(
    texts: Sequence[str],
    points: Sequence[str],
    boxes: Sequence[str],
    faults: list[AnatomyError] | None = None,
) -> list[StructurePrompts]:
    """One entry a structure, in the order in which they are first named.

    Raises AnatomyError for a name that means nothing, or adds it to ``faults`` and goes on where that is given;
    click.UsageError for what is not of the form ``NAME:x,y,+`` or ``NAME:x1,y1,x2,y2``.
    """
    found: dict[str, StructurePrompts] = {}
    refused: list[AnatomyError] = []

    def entry(typed: str, match: Match) -> StructurePrompts:
        name = match.structure.name
        one = found.get(name) or StructurePrompts(typed.strip(), match.structure)
        corrections = tuple(dict.fromkeys((*one.corrections, *match.corrections)))
        found[name] = replace(one, corrections=corrections)
        return found[name]

    def meant(typed: str) -> StructurePrompts | None:
        try:
            return entry(typed, interpret(typed))
        except AnatomyError as error:
            refused.append(error)
            return None

    for text in texts:
        for typed, match in read_names(text, refused):
            entry(typed, match)
    for text in points:
        typed, numbers = _parts(text, "--point", "NAME:x,y,+", 3)
        if numbers[2].strip() not in SIGNS:
            raise click.UsageError(f"--point {text!r} must end in + (inside) or - (outside)")
        x, y = _floats(numbers[:2], text, "--point")
        if (one := meant(typed)) is None:
            continue
        found[one.structure.name] = replace(
            one, points=(*one.points, (x, y)), labels=(*one.labels, SIGNS[numbers[2].strip()])
        )
    for text in boxes:
        typed, numbers = _parts(text, "--box", "NAME:x1,y1,x2,y2", 4)
        x1, y1, x2, y2 = _floats(numbers, text, "--box")
        if (one := meant(typed)) is None:
            continue
        if one.box is not None:
            raise click.UsageError(f"--box: {one.structure.name} has two boxes; one is used")
        found[one.structure.name] = replace(one, box=(x1, y1, x2, y2))
    if refused and faults is None:
        raise refused[0]
    if faults is not None:
        faults += {str(error): error for error in refused}.values()
    return list(found.values())


def read_names(text: str, refused: list[AnatomyError]) -> list[tuple[str, Match]]:
    """The structures of one ``--text``: a name, or several with commas between ("lungs, left femur").

    A name may itself hold a comma ("femur, left"). What means nothing is added to ``refused``.
    """
    names = [name for name in text.split(",") if name.strip()]
    if len(names) < 2 or len(text) > LONGEST_LIST:
        names = [names[0] if len(names) == 1 and len(text) <= LONGEST_LIST else text]
    found: list[tuple[str, Match]] = []
    faults: list[AnatomyError] = []
    for name in names:
        try:
            found.append((name, interpret(name)))
        except AnatomyError as error:
            faults.append(_separated(name, error))
    if faults and len(names) > 1:
        try:
            return [(text, interpret(text))]
        except AnatomyError:
            pass
    refused += faults
    return found


def _separated(text: str, error: AnatomyError) -> AnatomyError:
    """``error``, or, where ``text`` is several names with something else than commas between, one that says so."""
    parts = [part.strip() for part in OTHER_SEPARATORS.split(text) if part.strip()]
    if len(parts) < 2 or len(text) > LONGEST_LIST:
        return error
    try:
        for part in parts:
            interpret(part)
    except AnatomyError:
        return error if isinstance(error, InvalidName) else AnatomyError(f"{error} Commas separate names.")
    return AnatomyError(f'"{text.strip()}" is {len(parts)} names; separate them by commas: "{", ".join(parts)}".')


def _parts(text: str, option: str, form: str, count: int) -> tuple[str, list[str]]:
    name, colon, values = text.rpartition(":")
    parts = values.split(",")
    if not colon or len(parts) != count:
        raise click.UsageError(f"{option} {text!r} is not of the form {form!r}")
    return name, parts


def _floats(parts: Sequence[str], text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in parts]
    except ValueError:
        raise click.UsageError(f"{option} {text!r} holds something else than numbers") from None
