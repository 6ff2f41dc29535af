"""Images that lie on disk as batches of names: of a set, of shards, or real radiographs with masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..dataset import SetReader
from .augment import augment
from .name_batch import Asking, TakenBatch, covered_cells
from .plates import Plates
from .prompts import Prompts
from .set_prompts import SetPrompts
from .streams import Stream

TRIES = 20
"""Images that are drawn until one of them shows something."""


class SampleStream(Stream):
    """Item ``n`` is the batch of step ``n``: ``images`` images of ``reader``, varied; it depends on the seed and n.

    ``names`` fixes the list of names, which else is what the reader's images can be asked for.
    """

    def __init__(self, reader, size: int, images: int, seed: int = 1, names: Sequence[str] | None = None):
        self.reader, self.size, self.images, self.seed = reader, size, images, seed
        self.asking = Asking(SetPrompts(reader) if isinstance(reader, SetReader) else Prompts(reader), reader)
        self.names = list(names or self.asking.names)
        position = {name: number for number, name in enumerate(self.names)}
        self._places = np.array([*(position.get(name, -1) for name in self.asking.names), -1])

    def taken(self, step: int) -> TakenBatch:
        torch.set_num_threads(1)
        rng = np.random.default_rng([self.seed, step])
        return TakenBatch.of([self._image(rng) for _ in range(self.images)])

    def _image(self, rng: np.random.Generator) -> tuple[Plates, Tensor, Tensor]:
        for _ in range(TRIES):
            sample = self.reader.read(int(rng.integers(len(self.reader))))
            image = augment(sample, self.size, rng)
            if image.masks:
                break
        names, drawn = self.asking.choose(sample.body, image.masks, image.shape, rng)
        return image.plates, covered_cells(drawn, self.size), torch.from_numpy(self._places[names.numpy()])
