"""What is asked of the model in training: names with their masks, balanced by structure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from ..anatomy import vocabulary
from ..dataset import ShardReader

VISIBILITY = {"bone": 1.0, "implant": 1.0, "tool": 1.0, "organ": 0.5, "vessel": 0.12, "muscle": 0.12}
"""How often a kind of structure is asked for, relative to bone: by how much of it an X-ray shows."""

LUNGS = 8.0
"""The lungs are the commonest wish in the commonest radiograph."""

ASKED = {1: 1.0, 2: 0.4, 3: 0.1}
"""How often a structure is asked for by the vocabulary's rank: often asked, now and then, rare."""

SMALL = 80
"""Pixels of a mask below which a structure is asked for less, in proportion: little can be learned of it."""


class Prompts:
    """Names that can be asked for, how often, and in which words."""

    def __init__(self, reader: ShardReader):
        anatomy = vocabulary()
        self.phrases = anatomy.phrases()
        seen = Counter(name for n in range(len(reader)) for name, *_ in reader.entry(n)["masks"])
        self.constituents = {
            structure.name: frozenset(anatomy.constituents(structure.name)) for structure in anatomy
        }
        self.askable = {
            name: parts for name, parts in self.constituents.items() if not parts.isdisjoint(seen)
        }
        self.weight = {}
        for name, parts in self.askable.items():
            structure = anatomy[name]
            frequency = sum(seen[part] for part in parts) / max(1, len(parts & seen.keys()))
            kind = LUNGS if name in ("left lung", "right lung") else VISIBILITY.get(structure.category, 0.3)
            shared = 0.35 if structure.members and structure.laterality is None else 1.0
            self.weight[name] = kind * shared * ASKED[structure.rank] / np.sqrt(max(frequency, 20.0))

    def masks(self, leaves: Mapping[str, np.ndarray]) -> dict[str, frozenset[str]]:
        """The names whose structure, or a part of it, is among the masks ``leaves`` of an image."""
        present = leaves.keys()
        return {
            name: parts & present for name, parts in self.askable.items() if not parts.isdisjoint(present)
        }

    def draw(
        self, leaves: Mapping[str, np.ndarray], count: int, rng: np.random.Generator
    ) -> list[tuple[str, np.ndarray]]:
        """``count`` names and bool (H, W) masks: structures of the image, now and then one that is absent."""
        found = self.masks(leaves)
        implants = [name for name in leaves if name not in self.askable and name in self.phrases]
        names = list(found) + implants
        shape = next(iter(leaves.values())).shape if leaves else None
        drawn: list[tuple[str, np.ndarray]] = []
        if names:
            area = [max(leaves[part].sum() for part in found.get(name, (name,))) for name in names]
            weight = np.array([self.weight.get(name, 0.05) for name in names]) * np.clip(
                np.array(area) / SMALL, 0.02, 1
            )
            for name in rng.choice(
                names, size=min(count, len(names)), replace=False, p=weight / weight.sum()
            ):
                parts = found.get(name, (name,))
                drawn.append((str(name), np.logical_or.reduce([leaves[part] for part in parts])))
        absent = [name for name in self.askable if name not in found]
        while shape is not None and absent and (len(drawn) < count or (rng.random() < 0.25 and drawn)):
            if len(drawn) >= count:
                drawn.pop(rng.integers(len(drawn)))
            drawn.append((str(rng.choice(absent)), np.zeros(shape, bool)))
            if len(drawn) >= count:
                break
        return drawn

    def say(self, name: str, rng: np.random.Generator) -> str:
        """The structure's name, or one of the other ways to type it."""
        phrases = self.phrases[name]
        return phrases[0] if rng.random() < 0.6 else str(rng.choice(phrases))
