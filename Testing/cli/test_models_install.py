"""``fluorosam models install``: the licence is shown and accepted, then the model is there by its name."""

from __future__ import annotations

import json
import shutil

import pytest
from FluoroSAMSlicerLib.model import clip_vocabulary, installed_models, load_model
from FluoroSAMSlicerLib.weights import file_sha256

LICENCE = "CC BY-NC-SA 4.0"


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUOROSAM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(clip_vocabulary, "_elsewhere", list)
    return tmp_path / "models"


@pytest.fixture
def published(reference_fixture, tmp_path):
    (tmp_path / "download").mkdir()
    for name in ("weights.safetensors", "config.json"):
        shutil.copyfile(reference_fixture / name, tmp_path / "download" / name)
    return tmp_path / "download" / "weights.safetensors"


@pytest.fixture
def installed(run, published):
    result = run("models", "install", published, "--name", "mine", "--accept-licence")
    assert result.exit_code == 0, result.output
    return result


def test_the_licence_is_shown_and_the_vocabulary_asked_for(installed, published):
    assert LICENCE in installed.stdout and "creativecommons.org" in installed.stdout
    assert "--model mine" in installed.stdout and file_sha256(published) in installed.stdout
    assert installed.stderr.startswith("note: ") and "vocab.json and merges.txt" in installed.stderr


def test_without_a_terminal_the_licence_must_be_accepted_by_an_option(run, published, library):
    result = run("models", "install", published)
    assert result.exit_code == 2 and "--accept-licence" in result.stderr and LICENCE in result.stdout
    assert not library.exists()


@pytest.mark.parametrize("answer", ["y", "n"])
def test_on_a_terminal_the_user_is_asked(run, published, monkeypatch, answer):
    monkeypatch.setattr("FluoroSAMSlicerLib.cli.models._on_terminal", lambda: True)
    monkeypatch.setattr("click.confirm", _confirm(answer))
    result = run("models", "install", published)
    assert result.exit_code == (0 if answer == "y" else 1)
    assert installed_models() == (("fixture",) if answer == "y" else ())


def _confirm(answer: str):
    import click

    def confirm(question: str, abort: bool) -> None:
        assert "licence" in question
        if answer != "y" and abort:
            raise click.Abort

    return confirm


def test_list_and_verify_know_it(run, installed, published, library):
    entry = json.loads(run("models", "list", "--json").stdout)[-1]
    assert (entry["name"], entry["origin"], entry["licence"]) == ("mine", "installed", LICENCE)
    assert entry["details"]["sha256"] == file_sha256(published)
    assert entry["parameters"] == sum(p.numel() for p in load_model("mine")[0].parameters())
    assert entry["bytes"] == sum(
        f.stat().st_size for f in (library / "mine").iterdir() if f.name != "config.json"
    )
    shown = run("models", "list").stdout
    assert "mine (installed)" in shown and LICENCE in shown and "compact (bundled)" in shown
    intact = run("models", "verify", "mine").stdout
    assert "mine: intact" in intact and "no text" in intact


def test_damage_is_found_among_all_models(fails, installed, library):
    weights = library / "mine" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert str(weights) in fails("models", "verify")


def test_a_wrong_file_is_one_line(run, published, library):
    published.write_bytes(published.read_bytes()[:-9])
    result = run("models", "install", published, "--accept-licence")
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1 and "not a complete safetensors file" in line and not library.exists()


def test_another_file_under_the_name_needs_replace(run, installed, published):
    from safetensors.torch import load_file, save_file

    state = load_file(published)
    state["image_encoder.norm.bias"] += 1
    save_file(state, published)
    again = ("models", "install", published, "--name", "mine", "--accept-licence")
    result = run(*again)
    assert result.exit_code == 1 and "mine already" in result.stderr
    assert run(*again, "--replace").exit_code == 0


def test_segment_takes_it_by_name_and_the_tags_name_its_weights(run, published, image, library, tmp_path):
    write_letters(published.parent)
    assert not run("models", "install", published, "--accept-licence").stderr
    result = run(
        "segment", image, "--text", "heart", "--model", "fixture", "--device", "cpu", "--output", "out"
    )
    assert result.exit_code == 0 and LICENCE in result.stdout
    version = file_sha256(library / "fixture" / "model.safetensors")[:12]
    header = (tmp_path / "out" / "knee.seg.nrrd").read_bytes().partition(b"\n\n")[0].decode()
    assert f"FluoroSAM.model:FluoroSAM fixture {version}" in header


def test_a_gpu_that_is_too_small_is_one_line_and_a_note_in_the_report(run, image, tmp_path, monkeypatch):
    """The GPU is pretended to be there and to be full; the CPU makes the masks."""
    import torch
    from FluoroSAMSlicerLib.model import FluoroSAM
    from FluoroSAMSlicerLib.segmentation import inference

    network_to = FluoroSAM.to

    def full(network, device=None, **how):
        if how:
            return network_to(network, **how)
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return network_to(network, device)

    monkeypatch.setattr(inference, "choose_device", torch.device)
    monkeypatch.setattr(FluoroSAM, "to", full)
    result = run("segment", image, "--text", "heart", "--device", "cuda", "--json", "--output", "out")
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert line == "fluorosam: the memory of cuda is full; going on with the CPU, which is slower"
    assert "note: the memory of cuda is full" in result.stdout
    summary = json.loads((tmp_path / "out" / "knee.json").read_text())
    assert summary["model"]["device"] == "cpu" and "memory of cuda" in summary["notes"][-1]


def write_letters(folder) -> None:
    """A vocabulary of CLIP's form for the fixture's text encoder of 256 entries: the letters and no merges."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    entries = [*letters, *(letter + "</w>" for letter in letters)]
    entries += [f"unused{n}" for n in range(254 - len(entries))] + ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({entry: n for n, entry in enumerate(entries)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")


def test_the_result_of_a_training_is_installed_under_its_name(run, tmp_path):
    from FluoroSAMSlicerLib.model import bundled_model_folder

    shutil.copytree(bundled_model_folder("compact"), tmp_path / "pelvis" / "model")
    result = run("models", "install", tmp_path / "pelvis" / "model")
    assert result.exit_code == 0, result.output
    assert LICENCE not in result.stdout and "--model pelvis" in result.stdout
    assert installed_models() == ("pelvis",)
