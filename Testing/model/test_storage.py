"""Models are saved whole, found again, and refused when anything about them is wrong."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from FluoroSAMSlicerLib.model import (
    CheckpointError,
    CompactTokenizer,
    FluoroSAM,
    ModelError,
    Provenance,
    PublishedTokenizer,
    TokenError,
    bundled_model_folder,
    load_model,
    save_model,
    train_tokenizer,
    verify_model,
)
from small_networks import SMALL_SWIN

COMPACT = SMALL_SWIN
PROVENANCE = Provenance("compact", "Apache-2.0", "trained by a test", {"images": 3})


@pytest.fixture(scope="module")
def model() -> FluoroSAM:
    torch.manual_seed(0)
    return FluoroSAM(COMPACT).eval()


@pytest.fixture(scope="module")
def saved_once(model, tmp_path_factory):
    tokenizer = CompactTokenizer(train_tokenizer(["left femur", "right lung"], 200), COMPACT.text.context)
    return save_model(model, tmp_path_factory.mktemp("saved") / "compact", PROVENANCE, tokenizer)


@pytest.fixture
def saved(saved_once, tmp_path):
    return shutil.copytree(saved_once, tmp_path / "model")


def test_round_trip(model, saved):
    again, tokenizer, provenance = load_model(saved)
    assert again.config == COMPACT and provenance == PROVENANCE and not again.training
    assert tokenizer.encode(["left femur"])[0, -1] == COMPACT.text.end_of_text
    pixels = torch.randn(1, 3, COMPACT.image_size, COMPACT.image_size)
    with torch.inference_mode():
        embedding, expected = again.encode_image(pixels), model.encode_image(pixels)
        assert (embedding - expected).abs().max() < 0.02
        text = again.encode_text(tokenizer.encode(["left femur"]))
        assert torch.isfinite(again.decode(embedding, *again.encode_prompts(text.code))[0]).all()


def test_size_on_disk_stays_within_its_budget(saved):
    assert sum(file.stat().st_size for file in saved.iterdir()) <= 15_000_000


def test_full_precision_is_exact(model, tmp_path, monkeypatch):
    monkeypatch.setattr("FluoroSAMSlicerLib.model.clip_vocabulary._elsewhere", list)
    folder = save_model(model, tmp_path / "exact", PROVENANCE, half=False)
    again, tokenizer, _ = load_model(folder)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert isinstance(tokenizer, PublishedTokenizer)
    with pytest.raises(TokenError, match="CLIP's vocabulary"):
        tokenizer.encode(["femur"])


def test_a_loaded_model_can_be_trained_and_saved_over_itself(saved):
    model, tokenizer, provenance = load_model(saved)
    with torch.no_grad():
        model.image.norm.bias.add_(1.0)
    save_model(model, saved, provenance, tokenizer)
    again, _, _ = load_model(saved)
    assert torch.equal(again.image.norm.bias, model.image.norm.bias)
    verify_model(saved)
    assert sorted(os.listdir(saved)) == ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_truncated_files_are_refused(saved, name):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=name):
        load_model(saved)
    with pytest.raises(CheckpointError, match=name):
        verify_model(saved)


def test_absent_files_are_named(saved):
    (saved / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no such weights file"):
        load_model(saved)
    (saved / "config.json").unlink()
    with pytest.raises(CheckpointError, match="there is no model here"):
        load_model(saved)


def rewrite(folder, change) -> None:
    description = json.loads((folder / "config.json").read_text())
    change(description)
    (folder / "config.json").write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda d: d.update(format="something else"), "another format"),
        (lambda d: d.pop("config"), "not the description"),
        (lambda d: d.update(provenance={}), "not the description"),
        (lambda d: d["files"].update({"../../x": ""}), "other files"),
        (lambda d: d["config"].update(width=256), "does not fit"),
        (lambda d: d["config"]["text"].update(end_of_text=7), "tokenizer belongs to another model"),
        (lambda d: d["config"]["swin"].pop("patch"), "lacks patch"),
    ],
)
def test_descriptions_of_another_model_are_refused(saved, change, cause):
    rewrite(saved, change)
    with pytest.raises(CheckpointError, match=cause):
        load_model(saved)


def test_a_pickle_in_place_of_the_weights_is_refused(saved):
    torch.save({"a": 1}, saved / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_model(saved)
    with pytest.raises(CheckpointError, match="not a complete safetensors"):
        load_model(saved / "model.safetensors")


def test_a_published_checkpoint_file_loads_by_its_path(reference_fixture):
    model, tokenizer, provenance = load_model(reference_fixture / "weights.safetensors")
    assert model.config.name == "fixture" and "NC" in provenance.licence
    assert tokenizer.context == model.config.text.context


@pytest.mark.parametrize("failing", [1, 2])
def test_interrupted_writing_leaves_the_old_model(saved, model, monkeypatch, failing):
    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    written = []

    def full_disk(handle) -> None:
        written.append(handle)
        if len(written) == failing:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ModelError, match="No space left on device"):
        save_model(model, saved, PROVENANCE)
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = FluoroSAM(COMPACT)
    with torch.no_grad():
        model.image.norm.bias[0] = float("nan")
    with pytest.raises(ModelError, match="image.norm.bias"):
        save_model(model, tmp_path / "m", PROVENANCE)
    assert not (tmp_path / "m").exists()


def test_an_unwritable_folder_is_named(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        save_model(model, tmp_path / "file" / "model", PROVENANCE)


def test_the_bundled_model_is_found_beside_the_package():
    folder = bundled_model_folder("compact")
    assert folder.parts[-3:] == ("Resources", "Models", "compact")
    if not (folder / "config.json").is_file():
        with pytest.raises(CheckpointError, match="there is no model here"):
            load_model("compact")
    else:
        model, tokenizer, provenance = load_model("compact")
        assert sum(p.numel() for p in model.parameters()) <= 7_000_000
        assert tokenizer.encode(["left lung"]).shape[0] == 1 and provenance.licence


def test_the_folder_of_a_training_is_told_from_its_model(tmp_path):
    (tmp_path / "state.pt").touch()
    with pytest.raises(CheckpointError, match="has not ended: go on with it first"):
        load_model(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    with pytest.raises(CheckpointError, match=r"did you mean .*model\?"):
        load_model(tmp_path)
