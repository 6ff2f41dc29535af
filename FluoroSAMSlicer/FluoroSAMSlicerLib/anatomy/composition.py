"""What several names make together: a structure and the place it is in, or the members of a group.

"fifth metatarsal of the left foot" says twice where to look; "carpal bones, metacarpals and phalanges of
the right hand" is the right hand. Only well-spelled names take part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from .errors import InvalidName, UnknownName
from .index import Vocabulary
from .structure import Structure
from .wording import Reading

Found = dict[str, tuple[Structure, str]]
Find = Callable[[Reading], Found]

MOST_WORDS = 10
BOTH_SIDES = re.compile(r"\b(?:(?:left|lt|l) and (?:right|rt|r)|(?:right|rt|r) and (?:left|lt|l))\b")
AND = re.compile(r"\band\b|\bplus\b|[&+]")
RANGE = re.compile(
    r"(.*?)((?:[ctls]|th)?)(\d{1,2})(?:st|nd|rd|th)?\s*"
    r"(-|\u2013|\bto\b|\bbis\b|\bthrough\b|\bthru\b|\band\b|\bund\b|[/,+&])\s*"
    r"((?:[ctls]|th)?)(\d{1,2})(?:st|nd|rd|th)?(.*)"
)
LEVELS_IN_ORDER = [
    f"{letter}{n}" for letter, count in (("c", 7), ("t", 12), ("l", 5), ("s", 1)) for n in range(1, count + 1)
]
MOST_MEMBERS = 24
PAIR = ("and", "und", "/", ",", "+", "&")
LIST = re.compile(rf"{AND.pattern}|[,;/]")


def within(known: Vocabulary, readings: list[Reading], find: Find) -> Found:
    """The structures that some words name and the other words locate: "lunate of the wrist"."""
    found: Found = {}
    for reading in readings:
        if reading.side == "either" or len(reading.words) > MOST_WORDS:
            continue
        for place, rest in _splits(reading.words):
            inside = _inside(known, reading.side, tuple(sorted(place)))
            if inside:
                hits = find(replace(reading, words=rest))
                found.update({name: hit for name, hit in hits.items() if name in inside})
    return found


def _splits(words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Neighbouring words, and those around them."""
    for start in range(len(words)):
        for end in range(start + 1, len(words) + (start > 0)):
            yield words[start:end], words[:start] + words[end:]


def _inside(known: Vocabulary, side: str | None, key: tuple[str, ...]) -> set[str]:
    """What lies within the place called ``key``; a joint or limb without one meaning is what it can mean."""
    places = known.lookup(side, key) or known.lookup(None, key)
    inside = {part for place in places for part in known.constituents(place)} - places.keys()
    for concept in known.ambiguous.get(key, ()):
        candidate = concept.on(side) or concept.on(None)
        if candidate:
            inside.update(known.constituents(candidate.name))
    return inside


def has_and(text: str) -> bool:
    """Whether ``text`` says itself that it lists several things."""
    return AND.search(BOTH_SIDES.sub("both", text.lower())) is not None


def union(known: Vocabulary, text: str, find: Find) -> Structure | None:
    """The group that the structures listed in ``text`` make up; None where it is no list of names.

    A side that only one of them has is meant for all. Raises :class:`UnknownName` for structures that have
    no name together.
    """
    readings = _listed(known, text)
    if not 2 <= len(readings) <= MOST_WORDS:
        return None
    sides = {reading.side for reading in readings} - {None}
    side = next(iter(sides)) if len(sides) == 1 else None
    names: list[str] = []
    for reading in readings:
        own = replace(reading, side=reading.side or side)
        found = find(own) or find(reading)
        if len(found) != 1:
            return None
        names += found
    together = known.united(names)
    if together is None:
        kinds = dict.fromkeys(names)
        raise UnknownName(text, tuple(kinds), f'"{text}" lists {len(kinds)} structures: type one at a time.')
    return known[together]


def spanned(known: Vocabulary, text: str, find: Find) -> None:
    """Raise :class:`UnknownName` with its members for several by number: "ribs 3-5", "C5-T2", "ribs 5 and 6"."""
    match = RANGE.fullmatch(text.lower())
    if not match:
        return
    before, letters, first, between, others, last, after = match.groups()
    ends = [f"{letters}{first}", f"{others or letters}{last}"]
    if between in PAIR:
        members = ends
    elif all(end in LEVELS_IN_ORDER for end in ends):
        start, end = map(LEVELS_IN_ORDER.index, ends)
        members = LEVELS_IN_ORDER[start : end + 1]
    elif (others or letters) == letters and int(first) < int(last) < 100:
        members = [f"{letters}{number}" for number in range(int(first), int(last) + 1)]
    else:
        return
    names: list[str] = []
    for member in members if 1 < len(members) <= MOST_MEMBERS else ():
        found = find(known.grammar.reading(f"{before}{member}{after}"))
        if len(found) != 1:
            return
        names += found
    if names:
        raise UnknownName(text, tuple(names), f'"{text}" lists {len(names)} structures: type one at a time.')


def _listed(known: Vocabulary, text: str) -> list[Reading]:
    readings = []
    for part in LIST.split(BOTH_SIDES.sub("both", text.lower())):
        try:
            reading = known.grammar.reading(part)
        except InvalidName:
            continue
        if reading.words:
            readings.append(reading)
    return readings
