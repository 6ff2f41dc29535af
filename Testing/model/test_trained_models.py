"""The result of a training is installed under a name, as it is or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from FluoroSAMSlicerLib.model import (
    CheckpointError,
    InstallationCancelled,
    InstallationError,
    bundled_model_folder,
    install_checkpoint,
    installed_models,
    saved_model_folder,
    saved_model_name,
    verify_model,
)


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FLUOROSAM_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def trained(tmp_path) -> Path:
    """A training in ``pelvis``, whose result is ``pelvis/model``."""
    return Path(shutil.copytree(bundled_model_folder("compact"), tmp_path / "pelvis" / "model"))


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "README.md"}


@pytest.mark.parametrize("file", ["", "model.safetensors", "config.json"])
def test_a_result_is_copied_and_named_after_its_training(trained, library, file):
    heard = []
    installed = install_checkpoint(trained / file, progress=lambda part, text: heard.append(part))
    assert installed.name == "pelvis" and installed_models() == ("pelvis",)
    assert files(library / "pelvis") == files(trained)
    assert heard == sorted(heard) and heard[-1] == 1.0
    verify_model("pelvis")


def test_what_is_no_saved_model_is_not_taken_for_one(trained, tmp_path):
    assert saved_model_folder(trained) == trained and saved_model_name(trained) == "pelvis"
    assert saved_model_name(tmp_path / "hips") == "hips"
    (trained / "other.ckpt").write_text("weights")
    assert saved_model_folder(trained / "other.ckpt") is None and saved_model_folder(tmp_path) is None
    for content in ("", "[]", "{}"):
        (tmp_path / "config.json").write_text(content)
        assert saved_model_folder(tmp_path) is None
    with pytest.raises(InstallationError, match="is a folder"):
        install_checkpoint(tmp_path)


def test_a_damaged_result_installs_nothing(trained, library):
    weights = trained / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="SHA-256"):
        install_checkpoint(trained)
    assert not library.exists()


def test_another_result_under_the_same_name_needs_a_word(trained, library):
    install_checkpoint(trained, "mine")
    install_checkpoint(trained, "mine")
    weights = library / "mine" / "config.json"
    weights.write_text(weights.read_text().replace('model.safetensors": "', 'model.safetensors": "0'))
    with pytest.raises(InstallationError, match="already"):
        install_checkpoint(trained, "mine")
    install_checkpoint(trained, "mine", replace=True)
    verify_model("mine")
    with pytest.raises(InstallationError, match="compact already"):
        install_checkpoint(trained, "compact")


def test_a_copy_that_is_called_off_leaves_nothing(trained, library):
    with pytest.raises(InstallationCancelled):
        install_checkpoint(trained, cancelled=lambda: (library / ".").exists())
    assert installed_models() == () and not list(library.iterdir())
