"""A set made on a Dask cluster of two worker processes, one of which is killed on the way."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from FluoroSAMSlicerLib.dataset import DatasetError, dask_cluster, write_set

from .conftest import process_environment

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Address of a scheduler and its two worker processes, of which the tests leave fewer and fewer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("cluster")

    def start(*arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
        return subprocess.Popen(
            command,
            env=process_environment(),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    port = address.rpartition(":")[2]
    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    workers = [start("worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard") for _ in range(2)]
    try:
        with distributed.Client(address, timeout=120, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_with_a_worker_killed_on_the_way_nothing_is_lost_or_made_twice(
    cluster, sources, settings, contents, tmp_path
):
    address, workers = cluster
    many = dataclasses.replace(settings, count=30)
    told, killed = [], []

    def kill_one(progress):
        told.append(progress.done)
        there = len(list((tmp_path / "set").glob("records/*/*.json")))
        if there >= 2 and not killed:
            workers[0].send_signal(signal.SIGKILL)
            killed.append(there)

    report = write_set(
        sources, many, tmp_path / "set", dask_cluster(address), workers=2, on_progress=kill_one
    )
    assert killed and killed[0] < 30
    assert workers[0].wait(10) and workers[1].poll() is None
    assert report.complete and report.images == 30 == told[-1]
    assert write_set(sources, many, tmp_path / "whole", threads=None).complete
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_cluster_that_is_not_there_is_one_clear_message(sources, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("FluoroSAMSlicerLib.dataset.cluster.CONNECT_S", 1)
    with pytest.raises(DatasetError, match="no Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        write_set(sources, settings, tmp_path / "set", dask_cluster("tcp://127.0.0.1:9"))


def test_cts_in_memory_cannot_go_to_a_cluster(sources, settings, tmp_path):
    with pytest.raises(DatasetError, match="save the CT first"):
        write_set([sources[0].load()], settings, tmp_path / "set", dask_cluster("tcp://127.0.0.1:9"))


def test_a_cluster_without_workers_is_given_up(cluster, sources, settings, tmp_path, monkeypatch):
    address, workers = cluster
    for worker in workers:
        worker.terminate()
        worker.wait()
    time.sleep(0.5)
    monkeypatch.setattr("FluoroSAMSlicerLib.dataset.cluster.PATIENCE_S", 2)
    with pytest.raises(DatasetError, match="has no workers; start some"):
        write_set(sources, settings, tmp_path / "set", dask_cluster(address))
