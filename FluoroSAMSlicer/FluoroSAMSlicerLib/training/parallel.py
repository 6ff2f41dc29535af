"""Training in several processes on one machine, which average their gradients after every step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import multiprocessing

from ..model import FluoroSAM
from ..model.tokens import CompactTokenizer
from .fit import Recipe, Trainer


def train(
    shards: Path | str,
    folder: Path | str,
    recipe: Recipe,
    network: FluoroSAM | None = None,
    tokenizer: CompactTokenizer | None = None,
    processes: int = 1,
    until: int | None = None,
    workers: int = 1,
    on_step: Callable[[int, dict], None] | None = None,
) -> Trainer:
    """Go on with the training in ``folder`` up to step ``until`` (default: the recipe's end).

    When the last step is done the text tower is taught the codes, if the recipe learned them. A step takes
    ``recipe.images`` images in each of ``processes``; two processes of one thread train faster
    than one process of two. ``workers`` make batches for each. An interrupted training is saved.
    """
    trainer = Trainer(shards, folder, recipe, network, tokenizer)
    if processes == 1:
        _run(trainer, until, workers, on_step)
        return _taught(trainer)
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // processes))
    with tempfile.TemporaryDirectory() as meeting:
        address = (Path(meeting) / "address").as_uri()
        # The network itself does not travel: transformers hangs functions on it that cannot be pickled.
        state = trainer.network.config, trainer.network.state_dict()
        rest = (address, processes, shards, folder, recipe, state, tokenizer, until, workers)
        others = multiprocessing.start_processes(
            _other, rest, nprocs=processes - 1, join=False, start_method="spawn"
        )
        dist.init_process_group("gloo", init_method=address, rank=0, world_size=processes)
        try:
            _run(trainer, until, workers, on_step)
            others.join()
        finally:
            for process in others.processes:
                process.terminate()
            dist.destroy_process_group()
            torch.set_num_threads(threads)
    return _taught(trainer)


def _taught(trainer: Trainer) -> Trainer:
    if trainer.recipe.language and trainer.step == trainer.recipe.steps:
        trainer.teach_names()
    return trainer


def _run(trainer: Trainer, until: int | None, workers: int, on_step) -> None:
    try:
        trainer.run(until, workers, on_step=on_step)
    except KeyboardInterrupt:
        trainer.save()
        raise


def _other(
    number: int, address: str, processes: int, shards, folder, recipe, state, tokenizer, until, workers
):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=number + 1, world_size=processes)
    config, weights = state
    network = FluoroSAM(config)
    network.load_state_dict(weights)
    try:
        Trainer(shards, folder, recipe, network, tokenizer).run(until, workers)
    except KeyboardInterrupt:
        pass
    finally:
        dist.destroy_process_group()
