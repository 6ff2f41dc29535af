"""What is asked of the model on a set of which nobody knows that all of a body is labelled."""

from __future__ import annotations

from ..dataset import SetReader
from .prompts import Prompts


class SetPrompts(Prompts):
    """Only names whose whole is labelled: with the left hip bone alone, neither "pelvis" nor "hip bones".

    So a set of a few structures teaches these, and nothing wrong about what lies beside them.
    """

    def __init__(self, reader: SetReader):
        super().__init__(reader)
        labelled = {name for n in range(len(reader)) for name, *_ in reader.entry(n)["masks"]}
        self.askable = {n: parts for n, parts in self.askable.items() if self._whole(n, labelled)}
        self.single = {name: words for name, words in self.single.items() if name in self.askable}

    def _whole(self, name: str, labelled: set[str]) -> bool:
        structure = self.anatomy[name]
        inner = (*structure.members, *structure.parts)
        return name in labelled or (bool(inner) and all(self._whole(part, labelled) for part in inner))
