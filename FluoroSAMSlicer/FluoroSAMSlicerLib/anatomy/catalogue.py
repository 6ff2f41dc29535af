"""Looking names up: completion while typing, and ranked search."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import cached_property, lru_cache

from .concept import SIDES, Concept
from .errors import InvalidName
from .index import Vocabulary, vocabulary
from .structure import Completion, Match
from .wording import plain

NEAR_ENOUGH = 0.58
ORDINALS = ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th", "11th", "12th")


class Catalogue:
    """All names without their side, sorted for prefixes of a whole name or of words within it."""

    def __init__(self, known: Vocabulary):
        self.known = known
        self.names: list[tuple[str, str, Concept, str | None]] = []
        for concept in known.concepts:
            own = concept.structures[None].name
            texts = dict.fromkeys((concept.base, own, *concept.synonyms))
            self.names += [(plain(text), text, concept, None) for text in texts]
            for side, phrases in concept.side_synonyms.items():
                self.names += [(plain(text), text, concept, side) for text in phrases]
        self.flat = [name[0] for name in self.names]
        starts: list[tuple[str, int]] = []
        for number, flat in enumerate(self.flat):
            starts.append((flat, number))
            blank = flat.find(" ")
            while blank >= 0:
                starts.append((flat[blank + 1 :], number))
                blank = flat.find(" ", blank + 1)
        starts.sort()
        self.starts = [text for text, _ in starts]
        self.owners = [number for _, number in starts]
        numbers = {word: str(digit) for word, digit in known.grammar.ordinals.items()}
        words = {digits: word for word, digits in reversed(numbers.items())}
        self.ordinal_words = {short: words[short[:-2]] for short in ORDINALS}

    @cached_property
    def usual_pairs(self) -> dict[int, bool]:
        """What a side alone is completed to: the paired structures that are asked for most."""
        return {
            number: True
            for number, (_, text, concept, _) in enumerate(self.names)
            if concept.sides == "paired" and concept.rank == 1 and text == concept.base
        }

    def starting(self, prefix: str) -> dict[int, bool]:
        """Names in which words start with ``prefix``: number to whether it is the beginning of the name."""
        if not prefix:
            return self.usual_pairs
        first = bisect_left(self.starts, prefix)
        last = bisect_left(self.starts, prefix + "~")
        found: dict[int, bool] = {}
        for place in range(first, last):
            number = self.owners[place]
            found[number] = found.get(number, False) or self.flat[number].startswith(prefix)
        return found


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    return Catalogue(vocabulary())


def complete(prefix: str, limit: int = 10) -> list[Completion]:
    """Names for what has been typed so far, the likeliest first, one a structure; none for no text.

    A side that is typed, in full or short ("lt fem"), keeps the other side out.
    """
    try:
        typed = plain(prefix)
    except InvalidName:
        return []
    listing = catalogue()
    found: dict[tuple[str, str | None], tuple] = {}
    for side, rest in _readings(typed, listing):
        for number, beginning in listing.starting(rest).items():
            flat, text, concept, fixed = listing.names[number]
            if fixed and side not in (None, fixed):
                continue
            own = text in (concept.base, concept.structures[None].name)
            order = (flat != rest, not own, not beginning, concept.rank, len(flat), flat)
            place = (concept.base, fixed or side)
            if place not in found or order < found[place][0]:
                found[place] = (order, text, own or bool(fixed), concept)
    completions: dict[str, Completion] = {}
    for (_, side), (_, text, own, concept) in sorted(found.items(), key=lambda item: item[1][0])[: 2 * limit]:
        for own_side, structure in concept.structures.items():
            if side is None or own_side == side:
                shown = structure.name if own else f"{own_side} {text}" if own_side else text
                completions.setdefault(structure.name, Completion(shown, structure))
    return list(completions.values())[:limit]


def _readings(typed: str, listing: Catalogue) -> list[tuple[str | None, str]]:
    """(side, remaining text) for every way to read ``typed``; its last word may be unfinished."""
    sides = listing.known.grammar.side_words
    words = [listing.ordinal_words.get(word, word) for word in typed.split()]
    readings: list[tuple[str | None, str]] = [(None, " ".join(words))]
    for position, word in enumerate(words):
        rest = " ".join(words[:position] + words[position + 1 :])
        last = position == len(words) - 1
        side = sides.get(word)
        if side in SIDES and (rest or word in SIDES):
            readings.append((side, rest))
        elif last and len(words) > 1:
            readings += [(one, rest) for one in SIDES if one.startswith(word)]
    return readings


def search(text: str, limit: int = 10) -> list[Match]:
    """Structures whose names resemble ``text``, best first; a typed side keeps the other side out.

    Raises:
        InvalidName: as `resolve`.
    """
    side, ranked = _ranked(text, limit)
    matches: list[Match] = []
    for match, concept in ranked:
        sided = [match.structure] if side else concept.structures.values()
        matches += [replace(match, structure=structure) for structure in sided]
    return matches[:limit]


def nearest(text: str, limit: int) -> tuple[str, ...]:
    """Canonical names that look most like ``text``."""
    return tuple(match.structure.name for match, _ in _ranked(text, limit)[1] if match.score >= NEAR_ENOUGH)


def _ranked(text: str, limit: int) -> tuple[str | None, list[tuple[Match, Concept]]]:
    """The side that was typed, and one match a concept, best first."""
    from rapidfuzz import fuzz, process

    listing = catalogue()
    known = listing.known
    readings = known.grammar.readings(text)
    side = readings[0].side if readings[0].side in SIDES else None
    typed = plain(text)
    rest = " ".join(word for word in typed.split() if word not in known.grammar.side_words) or typed
    best: dict[str, Match] = {}
    concepts: dict[str, Concept] = {}

    def offer(concept: Concept, score: float, phrase: str) -> None:
        structure = concept.on(side) or concept.on(None)
        if structure is None:
            return
        score -= 0.0 if concept.on(side) else 0.05
        concepts[structure.name] = concept
        if structure.name not in best or score > best[structure.name].score:
            best[structure.name] = Match(structure, round(score, 4), phrase)

    for reading in readings:
        for name, (_, phrase) in known.lookup(reading.side, reading.key).items():
            offer(known.concept_of[name], 1.0, phrase)
        for concept in known.ambiguous.get(reading.key, ()):
            offer(concept, 0.99, concept.base)
    for number, beginning in listing.starting(rest).items():
        flat, phrase, concept, fixed = listing.names[number]
        if fixed is None:
            offer(concept, (0.9 if beginning else 0.85) + 0.09 * len(rest) / len(flat), phrase)
    for scorer, weight in ((fuzz.ratio, 0.0092), (fuzz.token_set_ratio, 0.0084)):
        hits = process.extract(rest, listing.flat, scorer=scorer, limit=4 * limit, score_cutoff=55)
        for _, score, number in hits:
            _, phrase, concept, fixed = listing.names[number]
            if fixed is None:
                offer(concept, weight * score, phrase)
    order = sorted(best, key=lambda name: (-best[name].score, best[name].structure.rank, len(name), name))
    return side, [(best[name], concepts[name]) for name in order[:limit]]
