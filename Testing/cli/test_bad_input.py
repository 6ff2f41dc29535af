"""What cannot work: one clear line, exit code 1, nothing half-written."""

from __future__ import annotations

import os
import pickle
import shutil
import sys

import pytest
from PIL import Image


@pytest.fixture
def segment(fails, image, model_folder, tmp_path):
    """Run ``segment`` with these arguments added, expect failure, and return its line; nothing is left."""

    def check(*arguments: object, model=model_folder, output="out") -> str:
        before = set(tmp_path.rglob("*"))
        line = fails(
            "segment", image, "--model", model, "--output", output, "--overlay", "--json", *arguments
        )
        assert set(tmp_path.rglob("*")) == before
        return line

    return check


@pytest.mark.parametrize(
    "text", ["", "  ", "a" * 10_000, "left lung " * 1000, "\x00", "xyzzy", "phalanx", "🫁"]
)
def test_text_that_names_nothing(segment, text):
    assert len(segment("--text", text)) < 600


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--point", "patella:500,20,+"),
        ("--point", "patella:20,-3,-"),
        ("--point", "patella:nan,20,+"),
        ("--point", "patella:20,inf,+"),
        ("--point", "patella:1e308,1e308,+"),
        ("--point", "xyzzy:20,20,+"),
        ("--box", "patella:10,10,300,40"),
        ("--box", "patella:40,40,10,10"),
        ("--box", "patella:10,10,10,40"),
        ("--box", "patella:nan,10,20,40"),
    ],
)
def test_clicks_and_boxes_that_are_nowhere(segment, option, value):
    segment(option, value)


def test_a_click_outside_says_how_large_the_image_is(segment):
    line = segment("--point", "patella:500,20,+")
    assert "outside the image" in line and "0 to 119" in line and "0 to 89" in line


def test_an_output_folder_that_is_a_file(segment, tmp_path):
    (tmp_path / "taken").write_text("precious")
    assert "taken: is a file" in segment("--text", "patella", output="taken")
    assert "taken/inner" in segment("--text", "patella", output="taken/inner")
    assert (tmp_path / "taken").read_text() == "precious"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_without_permission(segment, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    assert "locked" in segment("--text", "patella", output="locked")


def test_a_folder_in_the_place_of_a_result(segment, tmp_path):
    (tmp_path / "out" / "knee.json").mkdir(parents=True)
    assert "knee.json" in segment("--text", "patella")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on file sizes")
@pytest.mark.parametrize("most", [400, 30_000])
def test_a_full_disk(start, model_folder, tmp_path, most):
    """No room for the segmentation; room for it, but not for the picture after it."""
    import resource

    size = 600
    photo = tmp_path / "noise.png"
    Image.frombytes("L", (size, size), os.urandom(size * size)).save(photo)
    process = start(
        "segment", photo, "--text", "patella", "--model", model_folder, "--overlay", "--json", "--output", "out",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )  # fmt: skip
    _, err = process.communicate(timeout=280)
    assert process.returncode == 1
    (line,) = err.splitlines()
    assert line.startswith("fluorosam: ") and "disk" in line and "unexpected" not in line
    assert "/." not in line
    assert not (tmp_path / "out").exists()


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("packed", [False, True])
def test_a_weights_file_that_is_a_program(segment, tmp_path, packed):
    import torch

    weights, marker = tmp_path / "weights.ckpt", tmp_path / "it-ran"
    bomb = {"state_dict": {}, "extra": Bomb(marker)}
    if packed:
        torch.save(bomb, weights)
    else:
        weights.write_bytes(pickle.dumps(bomb))
    assert "weights.ckpt" in segment("--text", "patella", model=weights)
    assert not marker.exists()


@pytest.mark.parametrize(
    "kind", ["truncated", "other", "empty", "altered", "no description", "no model at all"]
)
def test_a_model_folder_that_is_not_whole(segment, model_folder, tmp_path, kind):
    import torch
    from safetensors.torch import save_file

    folder = shutil.copytree(model_folder, tmp_path / "model")
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    if kind == "truncated":
        weights.write_bytes(content[: len(content) // 2])
    elif kind == "other":
        save_file({"conv.weight": torch.zeros(3, 3)}, weights)
    elif kind == "empty":
        weights.write_bytes(b"")
    elif kind == "altered":
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif kind == "no description":
        (folder / "config.json").unlink()
    else:
        shutil.rmtree(folder)
    assert str(folder) in segment("--text", "patella", model=folder)


@pytest.mark.parametrize("kind", ["truncated", "other", "text", "zip"])
def test_a_weights_file_that_is_no_model(segment, tmp_path, kind):
    import torch

    weights = tmp_path / "weights.pt"
    torch.save({"state_dict": {"conv.weight": torch.zeros(3, 3)}}, weights)
    if kind == "truncated":
        weights.write_bytes(weights.read_bytes()[:200])
    elif kind == "text":
        weights.write_text("not found\n" * 100)
    elif kind == "zip":
        weights.write_bytes(b"PK\x05\x06" + bytes(18))
    assert "weights.pt" in segment("--text", "patella", model=weights)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(40), bytes(128) + b"DICM" + bytes(20)]
)
def test_a_file_that_is_no_image(fails, model_folder, tmp_path, content):
    (tmp_path / "scan.dcm").write_bytes(content)
    line = fails("segment", "scan.dcm", "--text", "patella", "--model", model_folder, "--output", "out")
    assert "scan.dcm" in line and not (tmp_path / "out").exists()


def test_what_is_wrong_with_an_image_is_told_before_the_model_is_loaded(run, fails, image, no_model, tmp_path):
    (tmp_path / "torn.png").write_bytes(image.read_bytes()[:300])
    more = ("--text", "patella", "--output", "out")
    assert "frame 99" in fails("segment", image, "--frame", "99", *more)
    assert "torn.png" in fails("segment", "torn.png", *more)
    assert "outside the image" in fails("segment", image, "--point", "patella:500,20,+", *more)
    result = run("segment", "torn.png", image, "--frame", "99", *more)
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 2
    assert "0 of 2 images segmented" in result.stdout and not (tmp_path / "out").exists()


def test_names_that_mean_nothing_are_told_before_the_model_is_loaded(run, image, monkeypatch):
    from FluoroSAMSlicerLib.model import ModelError
    from FluoroSAMSlicerLib.segmentation import Predictor

    def load(*_arguments, **_settings):
        raise ModelError("no such model")

    monkeypatch.setattr(Predictor, "load", load)
    result = run("segment", image, "--text", "patella, xyzzy", "--output", "out")
    first, second = result.stderr.splitlines()
    assert result.exit_code == 1 and "xyzzy" in first and "no such model" in second


def test_a_device_that_is_not_there(segment, monkeypatch):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert "cuda" in segment("--text", "patella", "--device", "cuda")


def test_memory_that_runs_out_is_one_line(segment, monkeypatch):
    def exhausted(*_args, **_settings):
        raise MemoryError("Unable to allocate 40 GiB")

    monkeypatch.setattr("FluoroSAMSlicerLib.radiograph.read_radiograph", exhausted)
    assert "not enough memory" in segment("--text", "patella")
