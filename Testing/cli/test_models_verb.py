"""``fluorosam models``."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def bundled(model_folder, tmp_path, monkeypatch):
    """The random model in the place of the bundled ones."""
    resources = tmp_path / "Resources"
    shutil.copytree(model_folder, resources / "Models" / "compact")
    monkeypatch.setattr("FluoroSAMSlicerLib.model.storage._resources", lambda: resources)
    monkeypatch.setenv("FLUOROSAM_MODELS", str(tmp_path / "none"))
    return resources / "Models" / "compact"


def test_list_tells_size_licence_and_hash(run, bundled):
    from FluoroSAMSlicerLib.model import load_model
    from FluoroSAMSlicerLib.weights import file_sha256

    (entry,) = json.loads(run("models", "list", "--json").stdout)
    assert entry["name"] == "compact" and entry["licence"] == "Apache-2.0"
    assert entry["sha256"] == file_sha256(bundled / "model.safetensors")
    network, _, _ = load_model(bundled)
    assert entry["parameters"] == pytest.approx(sum(p.numel() for p in network.parameters()), rel=0.01)
    shown = run("models", "list").stdout
    assert entry["sha256"] in shown and "Apache-2.0" in shown
    assert f"{entry['parameters'] / 1e6:.2f} M" in shown


def test_verify_finds_a_whole_model_whole(run, bundled, model_folder):
    assert "compact: intact" in run("models", "verify").stdout
    assert "intact" in run("models", "verify", model_folder).stdout


def test_verify_finds_damage(fails, bundled):
    weights = bundled / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert "model.safetensors" in fails("models", "verify")


def test_a_model_that_is_absent(fails, bundled):
    assert "nowhere" in fails("models", "verify", "nowhere")
    (bundled / "model.safetensors").unlink()
    assert "model.safetensors" in fails("models", "list")
