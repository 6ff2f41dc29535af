"""Sets whose making was broken off: by a signal nobody can catch, to the run or to one of its workers."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest
from FluoroSAMSlicerLib.dataset import local_processes, write_set

from .conftest import process_environment

psutil = pytest.importorskip("psutil")

RUN = """
import sys
from pathlib import Path
from FluoroSAMSlicerLib.dataset import CTSource, SetSettings, local_processes, write_set
if __name__ == "__main__":
    folder, form, *cts = sys.argv[1:]
    sources = [CTSource(ct, Path(ct).with_name(Path(ct).stem + "_labels.seg.nrrd"), source="made by a test",
                        licence="CC0-1.0") for ct in cts]
    settings = SetSettings(count=24, seed=5, size=48, detector_mm=300.0, validation=0.4, form=form, shard_images=2)
    write_set(sources, settings, folder, local_processes(2), workers=2)
"""


def images(folder) -> int:
    return len(list(folder.glob("records/*/*.json"))) + 2 * len(list(folder.glob("*.tar")))


@pytest.fixture
def many(settings):
    return dataclasses.replace(settings, count=24, shard_images=2)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("form", ["files", "webdataset"])
def test_killed_and_continued_it_ends_byte_identical(sources, many, contents, tmp_path, form):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    arguments = [sys.executable, script, tmp_path / "set", form, *(source.ct for source in sources)]
    run = subprocess.Popen(
        [str(one) for one in arguments], env=process_environment(), stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 250
    while images(tmp_path / "set") < 4:
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    workers = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGKILL)
    run.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive, "workers must end when their parent is gone"
    there = images(tmp_path / "set")
    assert 4 <= there < 24
    settings = dataclasses.replace(many, form=form)
    report = write_set(sources, settings, tmp_path / "set", threads=None)
    assert report.complete and report.images == 24 and 0 < report.made <= 24 - there
    assert write_set(sources, settings, tmp_path / "whole", threads=None).complete
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_worker_is_replaced_and_nothing_lost(sources, many, contents, tmp_path):
    killed = []

    def kill_one(progress):
        if progress.done >= 2 and not killed:
            workers = [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]
            workers[0].send_signal(signal.SIGKILL)
            killed.append(workers[0].pid)

    engine = local_processes(2)
    report = write_set(sources, many, tmp_path / "set", engine, workers=2, on_progress=kill_one)
    assert killed and report.complete and report.images == 24
    assert write_set(sources, many, tmp_path / "whole", threads=None).complete
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")
