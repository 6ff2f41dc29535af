"""From a typed name to the structure it means.

Exact names come first, whatever their word order, case, plural and short forms; then the readings that
need a guess (an added "bone", Roman numerals, words run together or apart, sides glued to them); then
what several names make
together (`within`, `union`); last a typo. A guess or a typo never touches a number, and the side is only ever
mended towards the one word it resembles.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

from .composition import Found, has_and, spanned, union, within
from .concept import SIDES
from .errors import AmbiguousName, NegatedName, UnknownName
from .index import Vocabulary, vocabulary
from .spelling import near_words, tolerance
from .structure import Match, Structure
from .wording import Reading

CAPITALS = re.compile(r"\b[A-Z]{2,}\b")
CLEAR_MARGIN = 2.0
CLEAR_RATIO = 2.4
MOST_COMBINATIONS = 400
NEAREST = 5
GLUED_WORD = 4
"""Letters of the shortest name that "l" or "r" may be glued to: "lulna", not "lrib"."""


def resolve(text: str) -> Structure:
    """The structure that ``text`` names.

    Raises:
        InvalidName: ``text`` is empty, longer than 200 characters or holds control characters.
        AmbiguousName: several structures fit; ``candidates`` ranks them.
        UnknownName: none does; ``nearest`` lists similar names.
    """
    return interpret(text).structure


def interpret(text: str) -> Match:
    """Like `resolve`, with the phrase that matched and the words that were corrected."""
    known = vocabulary()
    readings = known.grammar.readings(text)
    text = " ".join(text.split())
    capitals = frozenset(word.lower() for word in CAPITALS.findall(text))
    if has_and(text) and "between" not in text.lower():
        spanned(known, text, _find)  # "L4 and L5" are two vertebrae, "L4-L5" is a disc
    for attempt in (_exact, _foreign, _choices, _roman, _optional, _spacing):
        found = attempt(known, readings)
        if found:
            return _single(text, found, readings[0], choice=attempt is _choices)
    if known.grammar.negations.intersection(readings[0].words):
        raise _negated(text)
    found = {} if has_and(text) else within(known, readings, _find)
    if found:
        return _single(text, found, readings[0])
    together = union(known, text, _find)
    if together:
        return Match(together, 1.0, together.name)
    spanned(known, text, _find)
    match = _typo(known, known.grammar.readings(text.lower()), text, capitals)
    if match:
        return match
    raise _unknown(known, readings[0], text)


def _single(text: str, found: Found, reading: Reading, choice: bool = False) -> Match:
    """The one structure that was found; a ``choice`` is asked for even where there is but one."""
    score = 0.95 if reading.corrections else 1.0
    matches = [Match(s, score, phrase, reading.corrections) for s, phrase in found.values()]
    if len(matches) == 1 and not choice:
        return matches[0]
    raise AmbiguousName(text, tuple(sorted(matches, key=lambda match: match.structure.rank)))


def _exact(known: Vocabulary, readings: list[Reading]) -> Found:
    found: Found = {}
    for reading in readings:
        sides = SIDES if reading.side == "either" else (reading.side,)
        for side in sides:
            found.update(known.lookup(side, reading.key))
        if reading.side == "both" and not found:
            found.update(known.lookup("both", tuple(sorted(set(reading.words)))))
    return found


def _find(reading: Reading) -> Found:
    """The structures of a well-spelled name."""
    known = vocabulary()
    return _exact(known, [reading]) or _choices(known, [reading]) or _optional(known, [reading])


def _foreign(known: Vocabulary, readings: list[Reading]) -> Found:
    """What a word of another language means that is an English one too, where the side was typed in that language."""
    found: Found = {}
    for reading in readings:
        concept = known.foreign.get(reading.key) if reading.foreign else None
        structure = concept.on(reading.side) if concept else None
        if structure:
            found[structure.name] = (structure, structure.name)
    return found


def _choices(known: Vocabulary, readings: list[Reading]) -> Found:
    """The structures that a name of the vocabulary's ambiguous ones can mean, on the side that was typed."""
    found: Found = {}
    for reading in readings:
        side = reading.side if reading.side in SIDES else None
        for concept in known.ambiguous.get(reading.key, ()):
            structure = concept.on(side)
            if structure:
                found[structure.name] = (structure, structure.name)
    return found


def _roman(known: Vocabulary, readings: list[Reading]) -> Found:
    romans = [roman for reading in readings if (roman := known.grammar.roman(reading))]
    return _exact(known, romans)


def _optional(known: Vocabulary, readings: list[Reading]) -> Found:
    """Names with a word that only says the category ("bone", "muscle") left out or put in."""
    found: Found = {}
    for word, category in known.grammar.optional.items():
        changed: list[Reading] = []
        for reading in readings:
            if word not in reading.words and not known.grammar.elsewhere.issuperset(reading.words):
                changed.append(replace(reading, words=(*reading.words, word)))
            elif word in reading.words and len(reading.words) > 1:
                rest = list(reading.words)
                rest.remove(word)
                changed.append(replace(reading, words=tuple(rest)))
        hits = _exact(known, changed)
        found.update({name: hit for name, hit in hits.items() if hit[0].category == category})
    return found


def _spacing(known: Vocabulary, readings: list[Reading]) -> Found:
    """Names written together ("leftfemur", "kneecap") or apart ("meta carpals"); numbers stay whole."""
    found: Found = {}
    reading = readings[0]
    joined = _run_together(reading.words)
    for side, rest in ((reading.side, joined), *_side_within(joined, reading.side)):
        for key in known.joined.get(rest, ()):
            found.update(known.lookup(side, key))
    return found


def _run_together(words: tuple[str, ...]) -> str:
    return re.sub(r"(?<!\d) | (?!\d)", "", " ".join(words))


def _side_within(joined: str, side: str | None) -> list[tuple[str, str]]:
    if side is not None:
        return []
    starts = [(one, joined.removeprefix(one)) for one in SIDES if joined.startswith(one)]
    starts += [
        (SIDES[short[0] == "r"], joined.removeprefix(short))
        for short in ("l", "r", "lt", "rt")
        if joined.startswith(short) and len(joined) >= len(short) + GLUED_WORD
    ]
    ends = [(one, joined.removesuffix(one)) for one in SIDES if joined.endswith(one)]
    return starts + ends


def _typo(
    known: Vocabulary, readings: list[Reading], text: str, capitals: frozenset[str] = frozenset()
) -> Match | None:
    """The one structure that is clearly nearest in letters; None where nothing is near.

    Only words outside the vocabulary are mended, and none in ``capitals``, which are abbreviations.
    Any other structure must be `CLEAR_MARGIN` letters or
    `CLEAR_RATIO` times further away than the best, else the choice is the reader's.
    """
    candidates: dict[str, tuple[float, Match]] = {}
    for reading in readings:
        if capitals.intersection(reading.words) - known.words:
            continue
        for cost, side, words, corrections in _mended(known, reading):
            tried = Reading(side, words)
            found = _find(tried) or within(known, [tried], _find)
            for structure, phrase in found.values():
                score = max(0.0, 1.0 - cost / max(6, len(text)))
                match = Match(structure, score, phrase, (*reading.corrections, *corrections))
                if structure.name not in candidates or cost < candidates[structure.name][0]:
                    candidates[structure.name] = (cost, match)
    ranked = sorted(
        candidates.values(), key=lambda item: (item[0], item[1].structure.rank, item[1].structure.name)
    )
    if not ranked:
        return None
    best = ranked[0][0]
    clear = min(best + CLEAR_MARGIN, best * CLEAR_RATIO)
    near = [match for cost, match in ranked if cost == best or cost < clear]
    allowed = sum(tolerance(typed) for typed, _ in ranked[0][1].corrections)
    if len(near) == 1:
        return near[0] if best <= allowed else None
    raise AmbiguousName(text, tuple(near[:NEAREST]))


def _mended(known: Vocabulary, reading: Reading):
    """Yield (cost, side, words, corrections) for every way to mend the words outside the vocabulary.

    A word of anatomy that is well spelled ("axilla", "stapes") is no typo of one in the vocabulary.
    """
    options: list[list[tuple[float, str, str]]] = []
    for word in reading.words:
        if word in known.words or word in known.grammar.cardinals or not word.isalpha():
            options.append([(0, word, word)])
            continue
        if word in known.grammar.elsewhere:
            return
        near = near_words(known.spellings, word, known.grammar.singular)
        if not near:
            return
        options.append([(cost, word, meant) for cost, meant in near])
    count = 1
    for choice in options:
        count *= len(choice)
    if count > MOST_COMBINATIONS or count == 1 and all(choice[0][0] == 0 for choice in options):
        return
    for combination in product(*options):
        sides = {reading.side} - {None}
        words = []
        for cost, _, meant in combination:
            if cost and meant in ("left", "right"):
                sides.add(meant)
            else:
                words.append(meant)
        if len(sides) > 1 or not words:
            continue
        corrections = tuple((typed, meant) for cost, typed, meant in combination if cost)
        yield sum(item[0] for item in combination), next(iter(sides), None), tuple(words), corrections


def _negated(text: str) -> NegatedName:
    from .catalogue import nearest

    return NegatedName(text, nearest(text, NEAREST))


def _unknown(known: Vocabulary, reading: Reading, text: str) -> UnknownName:
    from .catalogue import nearest

    if not reading.words:
        if not reading.side:
            return UnknownName(text, (), f'"{text}" names no structure.')
        example = f"{reading.side} lung" if reading.side in SIDES else "both lungs"
        return UnknownName(
            text, (), f'"{text}" is a side alone; type a structure with it, such as "{example}".'
        )
    if reading.side in SIDES:
        middle = known.lookup(None, reading.key)
        if middle:
            name = next(iter(middle))
            structure = known[name]
            if structure.laterality in SIDES:
                return UnknownName(text, (name,), f'There is no {reading.side} one of "{name}".')
            return UnknownName(text, (name,), f'"{name}" has no left and right.')
    return UnknownName(text, nearest(text, NEAREST))
