"""The vocabulary: every structure, and the index of all their names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache, cached_property, lru_cache
from pathlib import Path

from .concept import SIDES, Concept, Name
from .errors import AnatomyError
from .phrases import phrases
from .structure import Structure
from .wording import Grammar, Key, Reading, plain, unglued

_ROOM = Path(__file__).resolve().parent
VOCABULARY_FILE = next(
    (
        file
        for above in (_ROOM.parents[1], _ROOM.parent)
        if (file := above / "Resources/Anatomy/vocabulary.json").exists()
    ),
    _ROOM.parents[1] / "Resources/Anatomy/vocabulary.json",
)
"""Beside the package in the extension, inside it when installed from a wheel."""
HARMLESS = frozenset(("of", "the", "a", "an", "and", "s", "side", "sided", "number", "nr", "whole", "entire"))
"""Words that a label may hold without meaning something else; "in" and "segment" are none of them."""


class Vocabulary:
    """All structures by canonical name; iterates over them in the file's order."""

    def __init__(self, content: dict):
        self.sources: tuple[dict, ...] = tuple(content["sources"])
        self.grammar = Grammar(content["words"])
        self.concepts = tuple(Concept.of(entry) for entry in content["concepts"])
        self.structures: dict[str, Structure] = {
            one.name: one for concept in self.concepts for one in concept.structures.values()
        }
        self.concept_of = {s.name: c for c in self.concepts for s in c.structures.values()}
        self.index: dict[Key, list[Name]] = {}
        for concept, entry in zip(self.concepts, content["concepts"], strict=True):
            for phrase, key, side, spoken in entry["index"]:
                self.index.setdefault(tuple(key.split()), []).append(Name(phrase, concept, side, spoken))
        by_name = {name: c for c in self.concepts for name in (c.base, c.structures[None].name)}
        self.ambiguous: dict[Key, tuple[Concept, ...]] = {
            self.grammar.reading(text).key: tuple(by_name[name] for name in names)
            for text, names in content["ambiguous"].items()
        }
        self.foreign: dict[Key, Concept] = {
            self.grammar.reading(text).key: by_name[name] for text, name in content["foreign"].items()
        }
        self.unmended = frozenset(content["unmended"])
        self._label_rules = content["labels"]

    @classmethod
    def read(cls, path: Path = VOCABULARY_FILE) -> Vocabulary:
        try:
            return cls(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError) as error:
            raise AnatomyError(
                f"The vocabulary {path} cannot be read ({error}); install the package anew."
            ) from error

    def __iter__(self) -> Iterator[Structure]:
        return iter(self.structures.values())

    def __len__(self) -> int:
        return len(self.structures)

    def __contains__(self, name: str) -> bool:
        return name in self.structures

    def __getitem__(self, name: str) -> Structure:
        return self.structures[name]

    def lookup(self, side: str | None, key: Key) -> dict[str, tuple[Structure, str]]:
        """Structures with exactly this name: canonical name to (structure, matched phrase)."""
        found: dict[str, tuple[Structure, str]] = {}
        for name in self.index.get(key, ()):
            structure = name.structure(side)
            if structure is not None:
                found.setdefault(structure.name, (structure, name.phrase))
        return found

    def phrases(self) -> dict[str, list[str]]:
        """What people type for each structure: canonical name to phrases, the canonical one first."""
        return {
            structure.name: phrases(concept, side, self._means)
            for concept in self.concepts
            for side, structure in concept.structures.items()
        }

    def _means(self, text: str) -> set[str]:
        """The canonical names that a phrase has, read as `resolve` reads it but with nothing mended."""
        reading = self.grammar.reading(text)
        return set(self.lookup(reading.side, reading.key))

    def mirrored(self, name: str) -> str | None:
        """The canonical name of what ``name`` becomes in a mirror image; None where no such name exists.

        Midline structures and pairs keep their names; "right lung middle lobe" has no left one.
        """
        structure = self.structures[name]
        if structure.laterality is None:
            return name
        other = self.concept_of[name].on("right" if structure.laterality == "left" else "left")
        return other.name if other else None

    def constituents(self, name: str) -> tuple[str, ...]:
        """Canonical names whose labels lie within the structure ``name``, itself included.

        A label map may know the femurs apart or as one, the lungs whole or by lobes: whatever label is
        named here belongs to the mask of ``name``.
        """
        own = self._leaves(name)
        return tuple(other for other in self.structures if other == name or self._leaves(other) <= own)

    def united(self, names: Iterable[str]) -> str | None:
        """The canonical name of what ``names`` make up together, its members or parts; None if nothing."""
        leaves = frozenset().union(*(self._leaves(name) for name in names))
        whole = (one.name for one in self if one.members or one.parts)
        return next((name for name in whole if self._leaves(name) - {name} == leaves - {name}), None)

    @cache  # noqa: B019 - one vocabulary lives as long as the process
    def _leaves(self, name: str) -> frozenset[str]:
        structure = self.structures[name]
        inner = [self._leaves(member) for member in (*structure.members, *structure.parts)]
        return frozenset().union(*inner, () if structure.members else (name,))

    def named_structure(self, text: str) -> str | None:
        """The canonical name of the structure that a user's label names in full, whatever its word order and form.

        None for all else: nothing is mended, no word but small ones is left out, and what lies within a
        structure ("hippocampus") is not taken for the whole of it. Never raises.
        """
        try:
            own = self._canonical_lower.get(" ".join(text.lower().split()))
            if own:
                return own
            readings = [self.grammar.reading(one) for one in (text, unglued(text))]
            typed = {word for word in plain(text).split() if word in self.grammar.ignored}
        except (AnatomyError, AttributeError, TypeError):
            return None
        if typed - HARMLESS:
            return None
        found: dict[str, tuple[Structure, str]] = {}
        for reading in readings:
            if reading.side != "either" and not reading.corrections and reading.words and not found:
                found = self.lookup(reading.side, reading.key)
        return next(iter(found)) if len(found) == 1 else None

    def label_structure(self, text: str) -> str | None:
        """The canonical name for what a label map of the training bodies calls ``text``; None for what X-ray
        training leaves out. Its rules take parts for wholes; users' labels go through `named_structure`.
        """
        plain = " ".join(text.lower().split())
        own = self._ruled(plain, exact=True) or self._canonical_lower.get(plain)
        if own:
            return own
        reading: Reading = self.grammar.reading(text)
        found = self.lookup(reading.side, reading.key)
        for word, category in self.grammar.optional.items():
            if not found and word in reading.words and len(reading.words) > 1:
                rest = list(reading.words)
                rest.remove(word)
                hits = self.lookup(reading.side, tuple(sorted(rest)))
                found = {name: hit for name, hit in hits.items() if hit[0].category == category}
        return next(iter(found)) if len(found) == 1 else self._ruled(plain, exact=False)

    def _ruled(self, plain: str, exact: bool) -> str | None:
        for pattern, target in self._label_rules:
            if plain == pattern if exact else fnmatchcase(plain, pattern):
                side = next((side for side in SIDES if side in plain.split()), "")
                return target.replace("{side}", side).strip() or None
        return None

    @cached_property
    def _canonical_lower(self) -> dict[str, str]:
        return {name.lower(): name for name in self.structures}

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word that occurs in a name, in its common form."""
        return frozenset(word for key in (*self.index, *self.ambiguous) for word in key)

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """The words a typo can be mended to: those of the names, their plurals and the two sides."""
        plurals = self.grammar.singulars
        words = {word for word in self.words if word.isalpha() and len(word) > 2}
        words -= self.abbreviations | self.unmended
        words |= {plural for plural, singular in plurals.items() if singular in words}
        return tuple(sorted(words | set(SIDES)))

    @cached_property
    def abbreviations(self) -> frozenset[str]:
        """Words of up to five letters that names write in capitals alone ("SVC"), in lower case."""
        capital: set[str] = set()
        plain_ones: set[str] = set()
        for names in self.index.values():
            for name in names:
                for word in re.findall(r"[A-Za-z]+", name.phrase):
                    (capital if word.isupper() and 1 < len(word) < 6 else plain_ones).add(word.lower())
        return frozenset(capital - plain_ones)

    @cached_property
    def joined(self) -> dict[str, set[Key]]:
        """Names written without blanks, to their keys."""
        found: dict[str, set[Key]] = {}
        for key, names in self.index.items():
            for name in names:
                words = self.grammar.reading(name.phrase).words
                found.setdefault("".join(words), set()).add(key)
        return found


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The bundled vocabulary, read once."""
    return Vocabulary.read()
