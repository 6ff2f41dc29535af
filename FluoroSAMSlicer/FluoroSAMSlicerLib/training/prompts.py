"""What is asked of the model in training: names with their masks, balanced by structure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np

from ..anatomy import vocabulary
from ..dataset import ShardReader
from .implants import KINDS as IMPLANTS

VISIBILITY = {"bone": 1.0, "implant": 1.0, "tool": 1.0, "organ": 0.5, "vessel": 0.25, "muscle": 0.3}
"""How often a kind of structure is asked for, relative to bone: by how much of it an X-ray shows."""

LUNGS = 6.0
"""The lungs are the commonest wish in the commonest radiograph."""

ASKED = {1: 1.0, 2: 0.4, 3: 0.1}
"""How often a structure is asked for by the vocabulary's rank: often asked, now and then, rare."""

SMALL = 1 / 256
"""Share of the picture below which a structure is asked for less, in proportion: little can be learned of it."""


class Prompts:
    """Names that can be asked for, how often, and in which words."""

    def __init__(self, reader: ShardReader):
        anatomy = self.anatomy = vocabulary()
        self.phrases = anatomy.phrases()
        seen = Counter(name for n in range(len(reader)) for name, *_ in reader.entry(n)["masks"])
        self.constituents = {
            structure.name: frozenset(anatomy.constituents(structure.name)) for structure in anatomy
        }
        self.askable = {
            name: parts for name, parts in self.constituents.items() if not parts.isdisjoint(seen)
        }
        self.single = {name: name.split() for name in self.askable if not anatomy[name].is_group}
        self.weight = {}
        for name, parts in self.askable.items():
            structure = anatomy[name]
            frequency = sum(seen[part] for part in parts) / max(1, len(parts & seen.keys()))
            kind = LUNGS if name in ("left lung", "right lung") else VISIBILITY.get(structure.category, 0.3)
            shared = 0.35 if structure.members and structure.laterality is None else 1.0
            self.weight[name] = kind * shared * ASKED[structure.rank] / np.sqrt(max(frequency, 20.0))

    def masks(self, present: Collection[str]) -> dict[str, frozenset[str]]:
        """The names whose structure, or a part of it, is among ``present``, with those parts."""
        present = frozenset(present)
        return {
            name: parts & present for name, parts in self.askable.items() if not parts.isdisjoint(present)
        }

    @property
    def names(self) -> list[str]:
        """All that can be asked for, implants last."""
        return [*self.askable, *(name for name in IMPLANTS if name not in self.askable)]

    def known(self, reader: ShardReader) -> dict[str, np.ndarray]:
        """By body, bool (names,): is a name, where it is not to be seen in a view, really not there?

        Not if the body shows things of which it may be a part or a neighbour without a label of its own, and not
        where only other categories are ``complete``.
        """
        labelled: dict[str, set[str]] = {}
        complete: dict[str, bool | Collection[str]] = {}
        for number in range(len(reader)):
            entry = reader.entry(number)
            labelled.setdefault(entry["body"], set()).update(name for name, *_ in entry["masks"])
            if (own := entry.get("complete", True)) is not True:
                complete[entry["body"]] = own
        known = {}
        for body, present in labelled.items():
            absent = set(self.absent(present)) - IMPLANTS.keys()
            if body in complete:
                kinds = complete[body] or ()
                absent = {name for name in absent if self.anatomy[name].category in kinds}
            known[body] = np.array(
                [
                    name in absent or not self.askable.get(name, frozenset()).isdisjoint(present)
                    for name in self.names
                ]
            )
        return known

    def absent(self, present: Collection[str]) -> list[str]:
        """Names that have no word in common with what is there: a body may show more than is labelled."""
        words = {word for name in present for word in name.split()} - {"left", "right", "of", "bone"}
        return [name for name, split in self.single.items() if words.isdisjoint(split)]
