"""Batches of training images and prompts; batch ``n`` depends on the seed and on ``n`` only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from ..dataset import SetReader, ShardReader
from ..model import FluoroSAMConfig
from ..model.windowing import window
from .augment import augment
from .prompts import Prompts
from .set_prompts import SetPrompts

SHOWN = {"chest frontal": 2.0, "radiograph": 180.0}
"""How much oftener a view is shown than its frequency says: a frontal chest, since it is the commonest in any
hospital, and real radiographs, since there are few."""


@dataclass(frozen=True)
class Batch:
    """N images with K prompts each; K is 0 while only places are learned.

    ``pixel_values`` (N, 3, S, S); ``targets`` uint8 (N * K, 8E, 8E); ``names`` int64 (N * K): what is asked for,
    as a position in the names that can be asked for, and ``wrong`` bool (N * K): whether it is something else than
    the target. ``coverage`` float16 (N, M, E, E): how much of each place of each image each of the M names covers;
    ``known`` bool (N, M): whether it is sure to be absent where it covers nothing.
    """

    pixel_values: Tensor
    targets: Tensor
    names: Tensor
    wrong: Tensor
    coverage: Tensor
    known: Tensor


class BatchStream(Dataset):
    """Item ``n`` is the batch of step ``n``: of the first ``places`` steps ``place_images`` without prompts, then
    ``images`` with ``prompts`` each. Views are shown by the square root of how many there are of them, images by the
    square root of how many structures they show."""

    def __init__(
        self, reader: ShardReader | SetReader, config: FluoroSAMConfig, images: int, prompts: int, seed: int,
        places: int = 0, place_images: int = 0,
    ):  # fmt: skip
        self.reader, self.config, self.images, self.prompts, self.seed = reader, config, images, prompts, seed
        self.places, self.place_images = places, place_images
        self.source = SetPrompts(reader) if isinstance(reader, SetReader) else Prompts(reader)
        self.names = self.source.names
        self.known = self.source.known(reader)
        views = [reader.entry(n)["view"] for n in range(len(reader))]
        count = Counter(views)
        shows = np.array([len(reader.entry(n)["masks"]) for n in range(len(reader))])
        weight = np.array([SHOWN.get(view, 1.0) / count[view] ** 0.5 for view in views]) * shows**0.5
        self.edges = np.cumsum(weight / weight.sum())

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, step: int) -> Batch:
        torch.set_num_threads(1)
        rng = np.random.default_rng([self.seed, step])
        prompts, images = (0, self.place_images) if step < self.places else (self.prompts, self.images)
        parts = [self._image(prompts, rng) for _ in range(images)]
        return Batch(*(join([part[k] for part in parts]) for k, join in enumerate(JOINS)))

    def _image(self, prompts: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        size, cells = self.config.image_size, self.config.embedding_size
        for _ in range(20):
            number = min(int(np.searchsorted(self.edges, rng.random())), len(self.reader) - 1)
            sample = self.reader.read(number)
            offered = self.source.offer(sample.masks, 3 * prompts, rng) if prompts else {}
            wanted = frozenset().union(*offered.values())
            image = augment(sample, size, rng, wanted, cells)
            complete = self.reader.entry(number).get("complete", True)
            drawn = (
                self.source.draw(image.masks, offered, sample.masks, prompts, rng, complete)
                if prompts
                else []
            )
            if len(drawn) == prompts:
                break
        height, width = image.pixels.shape
        margin = (0, size - width, 0, size - height)
        pixel_values = F.pad((torch.from_numpy(window(1 - image.pixels)) - 0.5) / 0.5, margin)
        targets = torch.zeros(0, 8 * cells, 8 * cells, dtype=torch.uint8)
        if drawn:
            masks = torch.from_numpy(np.stack([mask for _, mask in drawn])).float()
            masks = F.interpolate(F.pad(masks, margin)[None], targets.shape[1:], mode="area")[0]
            targets = (masks >= 0.5).to(torch.uint8)
        asked, wrong = [], []
        for name, mask in drawn:
            other = rng.random() < 0.05 and mask.any()
            asked.append(int(rng.integers(len(self.names))) if other else self.names.index(name))
            wrong.append(other and self.names[asked[-1]] != name)
        names, wrong = torch.tensor(asked, dtype=torch.int64), torch.tensor(wrong, dtype=torch.bool)
        known = torch.from_numpy(self.known[sample.body])
        return pixel_values, targets, names, wrong, self._coverage(image.coverage), known

    def _coverage(self, coverage: dict[str, np.ndarray]) -> Tensor:
        cells = self.config.embedding_size
        covered = np.zeros((len(self.names), cells, cells), np.float16)
        number = {part: number for number, part in enumerate(coverage)}
        rows, starts, order = [], [], []
        for row, name in enumerate(self.names):
            parts = [number[part] for part in self.source.askable.get(name, ()) if part in number]
            if parts:
                rows.append(row)
                starts.append(len(order))
                order += parts
        if rows:
            covered[rows] = np.maximum.reduceat(np.stack(list(coverage.values()))[order], starts, axis=0)
        return torch.from_numpy(covered)


JOINS = (torch.stack, torch.cat, torch.cat, torch.cat, torch.stack, torch.stack)
"""How the parts of a batch are put together from those of its images."""


def batches(stream: BatchStream, first: int, last: int, workers: int) -> DataLoader:
    """Batches of steps ``first`` to ``last`` - 1, made ahead in ``workers`` processes."""
    return DataLoader(
        stream,
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
