"""Batches of training images and prompts; batch ``n`` depends on the seed and on ``n`` only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from ..dataset import ShardReader
from ..model import FluoroSAMConfig
from ..model.windowing import window
from .augment import augment
from .prompts import Prompts

CHEST = 7.0
"""How much oftener a frontal chest is shown than any other view: so it is in any hospital."""


GUIDE = 96
"""Names of a batch whose place in every image is learned beside the prompts."""


@dataclass(frozen=True)
class Batch:
    """N images with K prompts each.

    ``pixel_values`` (N, 3, S, S); ``targets`` uint8 (N * K, 8E, 8E); ``phrases`` and ``wrong`` (N * K):
    what is typed, and whether it names something else than the target. ``guide_names`` M more phrases with
    their ``coverage`` (N, M, E, E) of the places of each image.
    """

    pixel_values: Tensor
    targets: Tensor
    phrases: list[str]
    wrong: Tensor
    guide_names: list[str]
    coverage: Tensor


class BatchStream(Dataset):
    """Item ``n`` is the batch of step ``n``."""

    def __init__(self, reader: ShardReader, config: FluoroSAMConfig, images: int, prompts: int, seed: int):
        self.reader, self.config, self.images, self.prompts, self.seed = reader, config, images, prompts, seed
        self.source = Prompts(reader)
        weight = np.array(
            [CHEST if reader.entry(n)["view"] == "chest frontal" else 1.0 for n in range(len(reader))]
        )
        self.edges = np.cumsum(weight / weight.sum())

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, step: int) -> Batch:
        torch.set_num_threads(1)
        rng = np.random.default_rng([self.seed, step])
        parts = [self._image(rng) for _ in range(self.images)]
        coverages = [part[4] for part in parts]
        names = self._guide_names(coverages, rng)
        coverage = [[self._coverage(name, one) for name in names] for one in coverages]
        return Batch(
            torch.stack([part[0] for part in parts]),
            torch.cat([part[1] for part in parts]),
            [phrase for part in parts for phrase in part[2]],
            torch.tensor([wrong for part in parts for wrong in part[3]]),
            [self.source.say(name, rng) for name in names],
            torch.from_numpy(np.array(coverage, np.float32)),
        )

    def _guide_names(self, coverages: list[dict[str, np.ndarray]], rng: np.random.Generator) -> list[str]:
        """Up to ``GUIDE`` names, those of the images of the batch in turn."""
        names: dict[str, None] = {}
        for coverage in coverages:
            found = list(self.source.masks(coverage))
            if found:
                weight = np.array([self.source.weight[name] for name in found])
                count = min(GUIDE // len(coverages), len(found))
                chosen = rng.choice(found, size=count, replace=False, p=weight / weight.sum())
                names |= dict.fromkeys(map(str, chosen))
        return list(names)

    def _coverage(self, name: str, coverage: dict[str, np.ndarray]) -> np.ndarray:
        parts = [coverage[part] for part in self.source.askable[name] if part in coverage]
        side = self.config.embedding_size
        return np.max(parts, axis=0) if parts else np.zeros((side, side), np.float32)

    def _image(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, list[str], list[bool], dict]:
        size, low_res = self.config.image_size, 8 * self.config.embedding_size
        for _ in range(20):
            number = int(np.searchsorted(self.edges, rng.random()))
            sample = self.reader.read(min(number, len(self.reader) - 1))
            offered = self.source.offer(sample.masks, 3 * self.prompts, rng)
            wanted = frozenset().union(*offered.values())
            image = augment(sample, size, rng, wanted, self.config.embedding_size)
            drawn = self.source.draw(image.masks, offered, sample.masks, self.prompts, rng)
            if len(drawn) == self.prompts:
                break
        height, width = image.pixels.shape
        margin = (0, size - width, 0, size - height)
        pixel_values = F.pad((torch.from_numpy(window(1 - image.pixels)) - 0.5) / 0.5, margin)
        masks = torch.from_numpy(np.stack([mask for _, mask in drawn])).float()
        targets = F.interpolate(F.pad(masks, margin)[None], (low_res, low_res), mode="area")[0] >= 0.5
        phrases, wrong = [], []
        for name, mask in drawn:
            other = rng.random() < 0.05 and mask.any()
            typed = str(rng.choice(list(self.source.askable))) if other else name
            phrases.append(self.source.say(typed, rng))
            wrong.append(bool(other and typed != name))
        return pixel_values, targets.to(torch.uint8), phrases, wrong, image.coverage


def batches(stream: BatchStream, first: int, last: int, workers: int) -> DataLoader:
    """Batches of steps ``first`` to ``last`` - 1, made ahead in ``workers`` processes."""
    return DataLoader(
        stream,
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
