"""A model with random weights, small images, and two ways to run the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from FluoroSAMSlicerLib.cli import main
from PIL import Image


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    import torch
    from FluoroSAMSlicerLib.model import (
        CompactTokenizer,
        FluoroSAM,
        Provenance,
        save_model,
        train_tokenizer,
    )
    from small_networks import SMALL_SWIN

    torch.manual_seed(7)
    config = SMALL_SWIN
    tokenizer = CompactTokenizer(train_tokenizer(["left femur", "right lung"], 200), config.text.context)
    provenance = Provenance("random", "Apache-2.0", "made by a test")
    folder = tmp_path_factory.mktemp("model") / "random"
    return save_model(FluoroSAM(config).eval(), folder, provenance, tokenizer)


@pytest.fixture
def no_model(monkeypatch) -> None:
    """Whoever loads a model fails the test."""
    from FluoroSAMSlicerLib.segmentation import Predictor

    def load(*_arguments, **_settings):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(Predictor, "load", load)


@pytest.fixture
def image(tmp_path) -> Path:
    """A grey PNG of 120 x 90 pixels: a bright disc on a ramp."""
    y, x = np.mgrid[:90, :120]
    grey = x + np.where((x - 60) ** 2 + (y - 45) ** 2 < 900, 130, 0)
    path = tmp_path / "knee.png"
    Image.fromarray(grey.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the program in this process, in an empty folder; returns click's result."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def start(tmp_path):
    """Start the program as a process of its own, in an empty folder."""
    folder = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer"

    def popen(*arguments: object, **settings) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "FluoroSAMSlicerLib", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # A shell's background job ignores Ctrl-C, and would hand that down.
        if os.name == "posix":
            settings.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        return subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes, **settings)

    return popen


@pytest.fixture
def fails(run):
    """Run the program, expect one line on stderr and exit code 1, and return the line."""

    def check(*arguments: object) -> str:
        result = run(*arguments)
        assert result.exit_code == 1, result.output
        (line,) = result.stderr.splitlines()
        assert line.startswith("fluorosam: ")
        assert "unexpected fault" not in line and "Traceback" not in result.output
        return line

    return check
