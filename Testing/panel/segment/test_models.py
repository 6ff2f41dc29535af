"""Choosing a model and a device, installing a checkpoint, and models that are not as they should be."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
from FluoroSAMSlicerLib import model
from FluoroSAMSlicerLib.panel.segment.checkpoint_request import model_name
from mrml.bench import image_node
from panel.bench import MODULE, new_bench

COMPACT = MODULE / "Resources" / "Models" / "compact"


@pytest.fixture
def library(tmp_path, monkeypatch):
    """The folder that installed models are in."""
    monkeypatch.setenv("FLUOROSAM_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def installing(library, monkeypatch):
    """Installations by a stand-in that copies the compact model; ``done`` are (path, name, replace)."""
    done = []

    def install(path, name=None, vocabulary=None, replace=False, progress=None, cancelled=None):
        progress(0.5, "Converting the weights")
        if path.read_text() == "broken":
            raise model.CheckpointError(f"{path.name}: is no FluoroSAM checkpoint")
        done.append((path, name, replace))
        shutil.copytree(COMPACT, library / name, dirs_exist_ok=True)
        return SimpleNamespace(name=name, notes=("CLIP's vocabulary is missing.",))

    monkeypatch.setattr(model, "install_checkpoint", install, raising=False)
    return done


def models(bench) -> list[str]:
    box = bench.ui.modelComboBox
    return [box.itemData(row) for row in range(box.count)]


def pick(bench, path) -> None:
    bench.dialogs.path = path
    bench.ui.installModelButton.click()
    bench.wait()


def test_a_checkpoint_is_installed_after_its_licence_was_accepted(bench, installing, tmp_path):
    assert models(bench) == ["compact"]
    file = tmp_path / "FluoroSAM (swin l).ckpt"
    file.write_text("weights")
    bench.dialogs.yes = False
    pick(bench, file)
    assert "CC BY-NC-SA 4.0" in bench.dialogs.asked[-1] and installing == []

    bench.dialogs.yes = True
    pick(bench, file)
    assert installing == [(file, "FluoroSAM-swin-l", False)]
    assert models(bench) == ["compact", "FluoroSAM-swin-l"] and bench.logic.model == "FluoroSAM-swin-l"
    assert "vocabulary is missing" in bench.ui.messageLabel.text

    pick(bench, file)
    assert "Replace it?" in bench.dialogs.asked[-2] and installing[-1][2] is True


def test_the_result_of_a_training_is_added_without_a_licence_of_others(bench, library, tmp_path):
    result = shutil.copytree(COMPACT, tmp_path / "my pelvis" / "model")
    pick(bench, result / "model.safetensors")
    assert models(bench) == ["compact", "my-pelvis"] and bench.logic.model == "my-pelvis"
    assert not any("CC BY" in asked for asked in bench.dialogs.asked)
    assert "my-pelvis is installed" in bench.ui.messageLabel.text
    assert (library / "my-pelvis" / "model.safetensors").is_file()


def test_a_file_that_is_no_checkpoint_is_a_message(bench, installing, tmp_path):
    (tmp_path / "x.ckpt").write_text("broken")
    pick(bench, tmp_path / "x.ckpt")
    assert "is no FluoroSAM checkpoint" in bench.ui.messageLabel.text and bench.logic.model == "compact"


def test_the_real_installation_refuses_what_is_no_checkpoint(bench, library, tmp_path):
    (tmp_path / "x.ckpt").write_text("something else")
    pick(bench, tmp_path / "x.ckpt")
    assert "x.ckpt" in bench.ui.messageLabel.text and not list(library.glob("*"))


@pytest.mark.parametrize(
    ("file", "name"), [("a b.ckpt", "a-b"), ("...ckpt", "fluorosam"), ("x" * 90 + ".pt", "x" * 64)]
)
def test_a_model_is_named_after_its_file(tmp_path, file, name):
    assert model_name(tmp_path / file) == name


def test_model_and_device_are_remembered_by_the_machine(application, tmp_path, library):
    shutil.copytree(COMPACT, library / "mine")
    with new_bench(application, tmp_path) as bench:
        bench.ui.modelComboBox.setCurrentIndex(1)
        bench.ui.deviceComboBox.setCurrentIndex(bench.ui.deviceComboBox.count - 1)
        assert (bench.logic.model, bench.logic.device) == ("mine", "cpu")
    with new_bench(application, tmp_path) as bench:
        assert (bench.logic.model, bench.logic.device) == ("mine", "cpu")
    shutil.rmtree(library / "mine")
    with new_bench(application, tmp_path) as bench:
        assert bench.logic.model == "compact"


def test_another_model_reads_the_image_anew(bench, image, predictor, library):
    shutil.copytree(COMPACT, library / "mine")
    bench.panel.model._list()
    bench.ui.modelComboBox.setCurrentIndex(1)
    bench.wait()
    assert len(predictor.encoded) == 2 and "ready" in bench.ui.imageInfoLabel.text


def spoil_config(folder) -> None:
    (folder / "config.json").write_text("{")


def spoil_weights(folder) -> None:
    description = json.loads((folder / "config.json").read_text())
    (name,) = [one for one in description["files"] if one.endswith(".safetensors")]
    (folder / name).write_bytes(b"\0" * 100)


def take_weights(folder) -> None:
    for file in folder.glob("*.safetensors"):
        file.unlink()


@pytest.mark.parametrize("spoil", [spoil_config, spoil_weights, take_weights, shutil.rmtree])
def test_a_damaged_or_missing_model_is_a_message_and_another_one_works(bench, library, monkeypatch, spoil):
    from FluoroSAMSlicerLib.segmentation import Predictor

    answer = bench.logic._engine._load
    real = lambda name, device: Predictor.load(name, device) if name == "mine" else answer(name, device)  # noqa: E731
    monkeypatch.setattr(bench.logic._engine, "_load", real)
    shutil.copytree(COMPACT, library / "mine")
    bench.panel.model._list()
    spoil(library / "mine")
    bench.ui.modelComboBox.setCurrentIndex(1)
    node = image_node(bench.scene)
    bench.ui.imageSelector.setCurrentNode(node)
    bench.wait(60)
    assert "\u26a0" in bench.ui.messageLabel.text and "not foreseen" not in bench.ui.messageLabel.text
    assert bench.ui.segmentButton.enabled

    bench.ui.modelComboBox.setCurrentIndex(0)
    bench.ask("heart")
    assert bench.names() == ["heart"]
