"""The published size: files as published, installed and loaded within their memory, every key in its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from FluoroSAMSlicerLib.sat import load_sat_model

from .full_size import PUBLISHED, free_memory, lacking, random_state, write_published

LIMIT = 1.2
"""Peak memory of installing and of loading, as a multiple of the weights that are needed."""

STEP = """
import json, sys
from pathlib import Path
from FluoroSAMSlicerLib.sat import install_sat_checkpoint, load_sat_model
from FluoroSAMSlicerLib.sat.text import TextEncoder
import FluoroSAMSlicerLib.sat.checkpoint

def peak():
    status = Path("/proc/self/status").open()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

before = peak()
if sys.argv[1] == "install":
    installed = install_sat_checkpoint(*sys.argv[2:])
    print(json.dumps({"name": installed.name, "grown": peak() - before}))
else:
    weights = list(load_sat_model(sys.argv[2]).network.parameters())
    # Every value is looked at, so that what is mapped from the file counts in full.
    finite = all(bool(weight.sum().isfinite()) for weight in weights)
    print(json.dumps({"finite": finite, "grown": peak() - before, "bytes": sum(4 * w.numel() for w in weights)}))
"""


def carry_out(*arguments: str | Path) -> dict:
    path = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer"
    command = [sys.executable, "-W", "ignore", "-c", STEP, *map(str, arguments)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is measured as Linux reports it"
)
def test_nano_is_installed_and_loaded_within_its_memory(user_models, tmp_path):
    if lack := lacking(tmp_path):
        pytest.skip(lack)
    network, text = write_published(tmp_path, PUBLISHED["sat-nano"])
    installed = carry_out("install", network, text)
    network.unlink()
    loaded = carry_out("load", installed["name"])
    assert installed["name"] == "sat-nano" and loaded["finite"]
    assert loaded["bytes"] == pytest.approx(877e6, rel=0.01)
    assert max(installed["grown"], loaded["grown"]) <= LIMIT * loaded["bytes"], (installed, loaded)
    state = load_sat_model("sat-nano").network.state_dict()
    for key, tensor in random_state(PUBLISHED["sat-nano"]).items():
        assert torch.equal(state[key], tensor), key


def test_the_memory_of_a_container_counts_where_it_is_less(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n")
    assert free_memory(tmp_path) == 8_000_000 * 1024
    container = tmp_path / "sys/fs/cgroup"
    container.mkdir(parents=True)
    (container / "memory.max").write_text("max\n")
    (container / "memory.current").write_text("1000000\n")
    assert free_memory(tmp_path) == 8_000_000 * 1024
    (container / "memory.max").write_text("3000000\n")
    assert free_memory(tmp_path) == 2_000_000
