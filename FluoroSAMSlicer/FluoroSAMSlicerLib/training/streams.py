"""Endless batches to train on, each by its number, and how they come to a device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ..drr.projectors import processors
from .name_batch import NameBatch, TakenBatch


class Stream(Dataset):
    """Item ``n`` is the batch of step ``n``: the pictures that :meth:`taken` leaves to be developed, developed here.

    ``names`` are all that it can ask for, ``asking`` (:class:`~.name_batch.Asking`) knows them.
    """

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, step: int) -> NameBatch:
        return self.taken(step).developed(torch.device("cpu"))

    def taken(self, step: int) -> TakenBatch:
        raise NotImplementedError


class Undeveloped(Dataset):
    """The batches of a stream with their pictures left to be developed."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __getitem__(self, step: int) -> TakenBatch:
        return self.stream.taken(step)


class MixedStream(Stream):
    """The batches of ``usual``, and in a ``share`` of the steps those of ``other``, of the same names."""

    def __init__(self, usual: Stream, other: Stream, share: float, seed: int = 1):
        self.usual, self.other, self.share, self.seed = usual, other, share, seed
        self.names, self.asking = usual.names, usual.asking

    def taken(self, step: int) -> TakenBatch:
        drawn = np.random.default_rng([self.seed, step, 5]).random()
        return (self.other if drawn < self.share else self.usual).taken(step)


def batches(
    stream: Stream, steps: Sequence[int], device: torch.device, workers: int | None = None
) -> Iterator[NameBatch]:
    """The batches of ``steps`` on ``device``, made ahead by ``workers`` processes (0: by this one).

    Processes develop the pictures where the network is a processor's too; a GPU develops its own.
    """
    own = device.type == "cpu"
    workers = usual_workers(device) if workers is None else workers
    loader = DataLoader(
        stream if own else Undeveloped(stream), batch_size=None, sampler=steps, num_workers=workers,
        prefetch_factor=3 if workers else None, pin_memory=device.type == "cuda",
    )  # fmt: skip
    for batch in loader:
        yield batch if own else batch.developed(device)


def usual_workers(device: torch.device) -> int:
    """Processes that make images: one beside a network on a processor, one on every processor but one for a GPU."""
    return 1 if device.type == "cpu" else max(1, processors() - 1)
