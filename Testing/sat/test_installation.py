"""A user's SAT files become an installed model, whole or not at all."""

from __future__ import annotations

import json

import pytest
import torch
from FluoroSAMSlicerLib.sat import (
    CheckpointError,
    TextError,
    install_sat_checkpoint,
    installed_sat_models,
    load_sat_model,
    verify_sat_model,
)
from FluoroSAMSlicerLib.weights import InstallationCancelled, InstallationError, installed_models


def install(fixture, **settings):
    return install_sat_checkpoint(
        fixture.folder / "like_nano.pth",
        fixture.folder / "like_text_encoder.pth",
        tile=fixture.tile,
        heads=fixture.heads,
        **settings,
    )


def test_an_installed_model_has_the_checkpoint_s_weights_and_records_its_licence(fixture, installed, library):
    model = load_sat_model(installed)
    for key, tensor in fixture.network.state_dict().items():
        assert torch.equal(model.network.state_dict()[key], tensor)
    assert model.network.config == fixture.network.config
    assert model.provenance.licence == "none stated" and len(model.provenance.details["sha256"]) == 64
    assert "no licence stated by the authors" in (library / installed / "LICENCE.txt").read_text()
    verify_sat_model(installed)


def test_sat_models_are_not_taken_for_models_of_radiographs(installed):
    assert installed_sat_models() == (installed,) and installed not in installed_models()


def test_without_a_vocabulary_only_trained_names_can_be_asked_for(fixture, library, tmp_path):
    plain = tmp_path / "downloads"
    plain.mkdir()
    for name in ("like_nano.pth", "like_text_encoder.pth"):
        (plain / name).write_bytes((fixture.folder / name).read_bytes())
    result = install_sat_checkpoint(
        plain / "like_nano.pth",
        plain / "like_text_encoder.pth",
        "plain",
        tile=fixture.tile,
        heads=fixture.heads,
    )
    assert "vocabulary" in result.notes[0]
    with pytest.raises(TextError, match="vocab"):
        load_sat_model("plain").tokens("stapes")


def test_tokens_of_trained_names_need_no_vocabulary_at_the_published_size(installed):
    model = load_sat_model(installed)
    object.__setattr__(model.network.config, "words", 30527)
    assert model.tokens("liver") == (105, 11294, 106)


def test_installing_the_same_again_is_fine_and_another_needs_a_word(fixture, installed, library, tmp_path):
    assert install(fixture, name=installed).name == installed
    content = torch.load(fixture.folder / "like_nano.pth", weights_only=False)
    torch.save({"model_state_dict": content["model_state_dict"]}, tmp_path / "other.pth")
    arguments = (tmp_path / "other.pth", fixture.folder / "like_text_encoder.pth", installed)
    with pytest.raises(InstallationError, match="already"):
        install_sat_checkpoint(*arguments, tile=fixture.tile, heads=fixture.heads)
    install_sat_checkpoint(*arguments, replace=True, tile=fixture.tile, heads=fixture.heads)


@pytest.mark.parametrize("name", ["compact", "Compact"])
def test_the_name_of_a_bundled_model_is_taken(fixture, library, name):
    with pytest.raises(InstallationError, match="compact already"):
        install(fixture, name=name)
    assert not list(library.glob("*"))


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_a_cancelled_installation_leaves_nothing(fixture, library, calls):
    asked = iter([False] * calls + [True] * 1000)
    with pytest.raises(InstallationCancelled):
        install(fixture, name="small", cancelled=lambda: next(asked))
    assert not installed_sat_models() and not list(library.glob("*")) and not list(library.glob(".*"))


def test_a_vocabulary_of_another_model_is_refused_before_anything_is_written(fixture, library, tmp_path):
    words = fixture.words.words
    (tmp_path / "vocab.txt").write_text(
        "\n".join([*words[:-1], "surplus", words[-1]]) + "\n", encoding="utf-8"
    )
    with pytest.raises(TextError, match="another model"):
        install(fixture, name="small", vocabulary=tmp_path)
    (tmp_path / "vocab.txt").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(TextError, match="no vocabulary"):
        install(fixture, name="small", vocabulary=tmp_path)
    assert not list(library.glob("*"))


def test_altered_files_are_found_out(installed, library):
    weights = library / installed / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        verify_sat_model(installed)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_sat_model(installed)


def test_a_damaged_description_and_an_absent_model_are_explained(installed, library):
    with pytest.raises(CheckpointError, match="models install"):
        load_sat_model("sat-pro")
    path = library / installed / "config.json"
    content = json.loads(path.read_text())
    content["config"]["features"] = [1, 2]
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError):
        load_sat_model(installed)
