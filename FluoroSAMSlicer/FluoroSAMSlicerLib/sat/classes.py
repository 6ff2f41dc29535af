"""What SAT was trained on: 451 class strings, and which structures of the vocabulary they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from ..anatomy import AnatomyError, vocabulary
from ..anatomy.index import VOCABULARY_FILE

TABLE_FILE = VOCABULARY_FILE.with_name("sat_classes.json")


@dataclass(frozen=True)
class SatClass:
    """One class: its string, the kinds of images it was trained in, its structure ("" if none) and tokens."""

    name: str
    modalities: tuple[str, ...]
    structure: str
    synonyms: tuple[str, ...]
    tokens: tuple[int, ...]


class ClassTable:
    """All classes by their strings. ``vocabulary_size`` is that of the text encoder whose ids ``tokens`` are."""

    def __init__(self, classes: tuple[SatClass, ...], vocabulary_size: int) -> None:
        self.classes = {one.name: one for one in classes}
        self.vocabulary_size = vocabulary_size

    @classmethod
    def read(cls, path: Path = TABLE_FILE) -> ClassTable:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            classes = tuple(
                SatClass(
                    entry["name"],
                    tuple(entry["modalities"]),
                    entry["structure"],
                    tuple(entry["synonyms"]),
                    tuple(entry["tokens"]),
                )
                for entry in content["classes"]
            )
            return cls(classes, int(content["vocabulary_size"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AnatomyError(
                f"The table of names {path} cannot be read ({error}); install the package anew."
            ) from error

    def trained(self, name: str, modality: str) -> SatClass | None:
        """The class with exactly this string or synonym, if SAT was trained on it in such images."""
        found = self.classes.get(self._synonyms.get(name, name))
        return found if found and modality in found.modalities else None

    def of_structure(self, structure: str, modality: str) -> SatClass | None:
        """The class that is this structure of the vocabulary."""
        found = self._by_structure.get((structure, modality))
        return self.classes[found] if found else None

    def spoken(self, text: str, modality: str) -> SatClass | None:
        """The class that ``text`` names in other words: their order, plurals, short forms of the side, synonyms."""
        try:
            keys = [(reading.side, reading.key) for reading in vocabulary().grammar.readings(text)]
        except AnatomyError:
            return None
        found = {
            self._spoken[modality, side, key] for side, key in keys if (modality, side, key) in self._spoken
        }
        return self.classes[found.pop()] if len(found) == 1 else None

    @cached_property
    def _synonyms(self) -> Mapping[str, str]:
        return {word: one.name for one in self.classes.values() for word in one.synonyms}

    @cached_property
    def _by_structure(self) -> Mapping[tuple[str, str], str]:
        return {
            (one.structure, modality): one.name
            for one in self.classes.values()
            for modality in one.modalities
            if one.structure
        }

    @cached_property
    def _spoken(self) -> Mapping[tuple, str]:
        grammar, index = vocabulary().grammar, {}
        for one in self.classes.values():
            for phrase in (one.name, *one.synonyms):
                reading = grammar.reading(phrase)
                for modality in one.modalities:
                    index.setdefault((modality, reading.side, reading.key), one.name)
        return index


@lru_cache(maxsize=1)
def class_table() -> ClassTable:
    """The bundled table, read once."""
    return ClassTable.read()
