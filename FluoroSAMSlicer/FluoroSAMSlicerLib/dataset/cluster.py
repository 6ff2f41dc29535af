"""Batches on the workers of a Dask cluster, which see the same folders as this machine."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from .batch import Batch, BatchResult, Job, make
from .engines import MOST_DEATHS, Engine
from .errors import DatasetError
from .labelled_ct import LabelledCT

CONNECT_S = 15
PATIENCE_S = 60
"""How long a run waits for a worker when the cluster has none."""

_TICK_S = 0.2


def dask_cluster(scheduler: str) -> Engine:
    """Engine over the cluster at ``scheduler`` ("tcp://host:8786").

    A worker that dies loses nothing but the image it was at: its batch goes to another one, which keeps what
    is written. Raises DatasetError without the package, the cluster or its workers.
    """
    try:
        import distributed
    except ImportError as error:
        raise DatasetError(
            "the dask engine needs the package distributed: pip install 'fluorosam-slicer[dask]'"
        ) from error

    def run(job: Job, todo: Iterator[Batch]) -> Iterator[BatchResult | int | None]:
        if any(isinstance(source, LabelledCT) for source in job.sources):
            raise DatasetError(
                "the workers of a cluster need CTs in files that they can read; save the CT first"
            )
        try:
            client = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise DatasetError(
                f"no Dask scheduler answers at {scheduler!r}; start one with: dask scheduler"
            ) from error
        prefix = f"fluorosam-{uuid.uuid4().hex[:8]}"
        running: dict = {}
        try:
            seen = time.monotonic()
            while True:
                threads = sum(client.nthreads().values())
                if threads:
                    seen = time.monotonic()
                elif time.monotonic() - seen > PATIENCE_S:
                    raise DatasetError(
                        f"the cluster at {scheduler} has no workers; start some, then run the same again: it goes on"
                    )
                while len(running) < 2 * max(threads, 1) and (batch := next(todo, None)) is not None:
                    key = f"{prefix}-{batch.ct}-{batch.first}"
                    future = client.submit(make, job, batch, key=key, pure=False, retries=MOST_DEATHS)
                    running[future] = batch
                if not running:
                    return
                finished = [one for one in running if one.done()]
                if not finished:
                    time.sleep(_TICK_S)
                for future in finished:
                    yield _result(future, running.pop(future))
                yield None
        except (distributed.comm.core.CommClosedError, OSError) as error:
            raise DatasetError(
                f"the connection to {scheduler} was lost; when it is back, run the same again: it goes on"
            ) from error
        finally:
            client.cancel(list(running))
            client.close(timeout=CONNECT_S)

    return run


def _result(future, batch: Batch) -> BatchResult:
    """What became of a batch; a future that failed did so outside of ``make``, which raises nothing."""
    try:
        return future.result()
    except Exception as error:
        return BatchResult(batch, failure=f"its worker failed ({type(error).__name__}: {error})")
