"""Who makes the batches: this process, processes of this machine, or the workers of a Dask cluster.

An engine is a generator. It takes batches from an iterator as it has room for them, and yields BatchResults,
a whole number (images made in batches that are under way) or nothing, at least a few times a second.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from multiprocessing.sharedctypes import RawArray

from .batch import Batch, BatchResult, Job, make

Engine = Callable[[Job, Iterator[Batch]], Iterator["BatchResult | int | None"]]

TICK_S = 0.2
MOST_DEATHS = 3
"""Times that a batch's worker may die before its CT is given up."""


def in_this_process(job: Job, todo: Iterator[Batch]) -> Iterator[BatchResult | int | None]:
    """One image after the other, in a thread of this process."""
    with ThreadPoolExecutor(1) as pool:
        for batch in todo:
            steps = [0]
            future = pool.submit(make, job, batch, steps.append)
            while not future.done():
                wait([future], timeout=TICK_S)
                yield steps[-1]
            yield future.result()


def local_processes(workers: int) -> Engine:
    """``workers`` processes of this machine, each with one thread. One that dies is replaced."""

    def run(job: Job, todo: Iterator[Batch]) -> Iterator[BatchResult | int | None]:
        context = multiprocessing.get_context("spawn")
        # Without a lock, which a worker that is killed would leave closed; each slot has one writer.
        progress = RawArray("q", workers + 1)
        free = list(range(workers + 1))
        waiting: list[Batch] = []
        deaths: dict[Batch, int] = {}

        def next_batch() -> Batch | None:
            return waiting.pop(0) if waiting else next(todo, None)

        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(job, progress))
        running: dict = {}
        try:
            while True:
                while free and (batch := next_batch()) is not None:
                    slot = free.pop()
                    progress[slot] = 0
                    try:
                        running[pool.submit(_make_in_pool, batch, slot)] = (batch, slot)
                    except BrokenProcessPool:
                        free.append(slot)
                        waiting.append(batch)
                        break
                if not running and not waiting:
                    return
                finished = wait(running, timeout=TICK_S, return_when=FIRST_COMPLETED).done
                broken = not running
                for future in finished:
                    batch, slot = running.pop(future)
                    free.append(slot)
                    progress[slot], made = 0, progress[slot]
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        broken = True
                        deaths[batch] = deaths.get(batch, 0) + 1
                        if deaths[batch] < MOST_DEATHS:
                            waiting.append(batch)
                        else:
                            yield BatchResult(
                                batch, made, failure=f"its worker process died {MOST_DEATHS} times (killed, or out of"
                                " memory); use fewer workers"
                            )  # fmt: skip
                if broken:
                    pool.shutdown(wait=True, cancel_futures=True)
                    for batch, slot in running.values():
                        waiting.append(batch)
                        free.append(slot)
                    running.clear()
                    pool = ProcessPoolExecutor(
                        workers, mp_context=context, initializer=_begin, initargs=(job, progress)
                    )
                yield sum(progress)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return run


_job: Job | None = None
_progress = None


def _begin(job: Job, progress) -> None:
    """Make this process a worker: it leaves Ctrl-C to its parent, and ends when the parent is gone."""
    global _job, _progress
    _job, _progress = job, progress
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.formatwarning = lambda message, *_, **__: f"fluorosam: {message}\n"
    parent = multiprocessing.parent_process()

    def follow() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _make_in_pool(batch: Batch, slot: int) -> BatchResult:
    def on_image(made: int) -> None:
        _progress[slot] = made

    return make(_job, batch, on_image)
