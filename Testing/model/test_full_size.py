"""The published size: written as published, installed, loaded, run on a radiograph, within its memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from FluoroSAMSlicerLib.model import load_reference_checkpoint

from .full_size import published_state, write_checkpoint

LIMIT = 1.3
"""Peak memory of loading, as a multiple of the weights' own size."""

STEP = """
import json, resource, sys
from pathlib import Path
import numpy as np
from FluoroSAMSlicerLib.model import FluoroSAMConfig, install_checkpoint
from FluoroSAMSlicerLib.model.construction import empty_network
from FluoroSAMSlicerLib.radiograph import read_radiograph
from FluoroSAMSlicerLib.segmentation import Predictor

def peak():
    # Linux hands the parent's ru_maxrss down to a program that it starts; VmHWM is the program's own.
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.open() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

step, model, image = sys.argv[1:]
radiograph = read_radiograph(image)
# What the program itself needs, weights or not.
empty_network(FluoroSAMConfig.published("swin-s"))
before, told = peak(), {}
if step == "install":
    told["notes"] = install_checkpoint(model).notes
    told["grown"] = peak() - before
else:
    predictor = Predictor.load(model, device="cpu", threads=2)
    # Every value is looked at, so that what is mapped from the file counts in full.
    finite = [bool(np.isfinite(float(weight.detach().sum()))) for weight in predictor.network.parameters()]
    told["grown"] = peak() - before
    # Tied weights are one.
    own = {weight.data_ptr(): 4 * weight.numel() for weight in predictor.network.parameters()}
    told["bytes"] = sum(own.values())
    told["finite"] = all(finite)
if step == "run":
    embedding = predictor.encode(radiograph)
    first = predictor.predict(embedding, points=[(200, 300)], labels=[1])
    second = predictor.predict(embedding, points=[(200, 300), (9, 9)], labels=[1, 0], previous=first)
    told["finite"] &= bool(np.isfinite(first.logits).all() and np.isfinite(second.logits).all())
    told["mask"], told["image"] = second.mask.shape, radiograph.pixels.shape
    told["model"] = first.model, first.model_version
print(json.dumps(told))
"""


def carry_out(step: str, model: str | Path, image: Path, library: Path) -> dict:
    folder = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer"
    settings = {"PYTHONPATH": str(folder), "FLUOROSAM_MODELS": str(library), "FLUOROSAM_CLIP_VOCABULARY": ""}
    command = [sys.executable, "-W", "ignore", "-c", STEP, step, str(model), str(image)]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A folder for the checkpoint and its installation, 1.8 GB together, which go when the tests are done."""
    folder = tmp_path_factory.mktemp("full-size")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is measured as POSIX reports it")
def test_the_large_model_from_its_file_to_a_mask_within_its_memory(library, shared_data):
    image = next(iter(sorted(shared_data("xray/cxr_hannover/images").iterdir())))
    checkpoint = write_checkpoint(library / "published.ckpt", published_state("swin-l"))
    from_file = carry_out("load", checkpoint, image, library)
    installed = carry_out("install", checkpoint, image, library)
    checkpoint.unlink()
    run = carry_out("run", "swin-l", image, library)

    for told in (from_file, run):
        assert told["finite"] and told["grown"] <= LIMIT * told["bytes"], told
    assert run["mask"] == run["image"] and run["model"][0] == "FluoroSAM swin-l"
    assert run["bytes"] > 1.05e9, "the installed model has all its values"
    assert installed["grown"] <= LIMIT * from_file["bytes"], installed
    assert "vocab.json" in installed["notes"][0]


def test_the_small_published_model_loads_and_runs_like_the_large_one(library):
    checkpoint = write_checkpoint(library / "small.ckpt", published_state("swin-s", shared=False))
    network = load_reference_checkpoint(checkpoint)
    assert network.config.name == "swin-s"
    with torch.inference_mode():
        embedding = network.encode_image(torch.randn(1, 3, 448, 448))
        text = network.encode_text(torch.tensor([[49406, 320, 49407, *[0] * 74]]))
        low_res, scores = network.decode(embedding, *network.encode_prompts(text=text.code))
    assert embedding.shape == (1, 256, 64, 64) and low_res.shape == (1, 4, 512, 512)
    assert torch.isfinite(embedding).all() and torch.isfinite(low_res).all() and torch.isfinite(scores).all()
