"""Published checkpoints load safely, completely, or not at all."""

from __future__ import annotations

import argparse
import collections
import functools
import json
import os
import pickle
import sys
import types
import zipfile
from pathlib import Path

import pytest
import torch
from FluoroSAMSlicerLib.model import CheckpointError, FluoroSAMConfig, load_reference_checkpoint
from FluoroSAMSlicerLib.model.construction import empty_network
from FluoroSAMSlicerLib.model.reference_keys import UNUSED, merging_order, reference_source
from FluoroSAMSlicerLib.weights.archive import read_archive
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def config(reference_fixture) -> FluoroSAMConfig:
    return FluoroSAMConfig.from_fixture(json.loads((reference_fixture / "config.json").read_text()))


@pytest.fixture
def weights(reference_fixture) -> dict[str, torch.Tensor]:
    return load_file(reference_fixture / "weights.safetensors")


@pytest.fixture
def state(weights) -> dict[str, torch.Tensor]:
    """The fixture's weights under the names of the published file."""
    return {f"sam.{key}": tensor for key, tensor in weights.items()} | {"cross_entropy.weight": torch.ones(2)}


def assert_same_weights(network, other) -> None:
    ours, theirs = network.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", ["swin-l", "swin-s"])
def test_every_parameter_of_the_published_models_has_its_key_and_shape(reference_fixture, name):
    manifest = json.loads((reference_fixture.parent / "checkpoint_manifest.json").read_text())
    published = manifest["models"][name]["state_dict"]
    used = set()
    config = FluoroSAMConfig.published(name)
    for key, own in empty_network(config).state_dict().items():
        if not key.endswith("num_batches_tracked"):
            source, layout = reference_source(key, config.decoder.iou_depth)
            assert list(layout.shape(tuple(own.shape))) == published[source][0], key
            used.add(source)
    left = {key for key in published if key not in used}
    assert left and all(UNUSED.fullmatch(key) for key in left)


def test_patch_merging_order():
    # Four pixels of two channels: ours by pixel (columns outside), theirs by channel.
    assert merging_order(8).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]


def test_training_checkpoint_equals_safetensors(tmp_path, state, config, reference_fixture):
    path = tmp_path / "published.ckpt"
    torch.save({"state_dict": state, "optimizer_states": [{"exp_avg": torch.ones(9)}], "epoch": 3}, path)
    network = load_reference_checkpoint(path, config)
    assert_same_weights(network, load_reference_checkpoint(reference_fixture / "weights.safetensors"))
    assert not network.training and next(network.parameters()).requires_grad


def test_bare_and_half_precision_state_dictionaries(tmp_path, state, config):
    path = tmp_path / "bare.pt"
    halved = {k: t.half() if "text_model.transformer" in k and "attn" in k else t for k, t in state.items()}
    torch.save(halved, path)
    network = load_reference_checkpoint(path, config)
    assert {p.dtype for p in network.parameters()} == {torch.float32}


class Settings(dict):
    """Stands for a hyper-parameter object of a training library that is not installed here."""


def foreign_objects() -> list:
    return [
        Settings(a=1),
        functools.partial(torch.optim.AdamW, lr=1e-3),
        collections.deque([1]),
        collections.defaultdict(list, {"a": [1]}),
        argparse.Namespace(a=1),
        Path("weights"),
        torch.float32,
        torch.tensor(1.0).numpy(),
        torch.nn.Parameter(torch.ones(2)),
    ]


def test_objects_of_training_libraries_are_passed_over(tmp_path, state, config, monkeypatch):
    library = types.ModuleType("pytorch_lightning")
    library.Settings = Settings
    monkeypatch.setattr(Settings, "__module__", "pytorch_lightning")
    monkeypatch.setitem(sys.modules, "pytorch_lightning", library)
    path = tmp_path / "published.ckpt"
    torch.save({"state_dict": state, "hyper_parameters": foreign_objects()}, path)
    monkeypatch.delitem(sys.modules, "pytorch_lightning")
    assert load_reference_checkpoint(path, config).config == config
    assert "pytorch_lightning" not in sys.modules


class Malicious:
    """Unpickling this calls a function of the attacker's choice."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "function", ["os.system", "os.mkdir", "builtins.exec", "builtins.getattr", "shutil.rmtree"]
)
def test_a_malicious_pickle_is_refused_before_anything_runs(tmp_path, state, config, function):
    trace = tmp_path / "it-ran"
    module, _, name = function.rpartition(".")
    arguments = {
        "os.system": (f"mkdir {trace}",),
        "os.mkdir": (os.fspath(trace),),
        "builtins.exec": (f"import os; os.mkdir({os.fspath(trace)!r})",),
        "builtins.getattr": (os.fspath(trace), "upper"),
        "shutil.rmtree": (os.fspath(tmp_path / "precious"),),
    }[function]
    (tmp_path / "precious").mkdir()
    path = tmp_path / "published.ckpt"
    # First in the file, so that a reader that runs as it reads would have run it before any weight.
    torch.save({"a": Malicious(getattr(__import__(module), name), *arguments), "state_dict": state}, path)
    with pytest.raises(CheckpointError, match=rf"refused.*{name}.*nothing of it was run"):
        load_reference_checkpoint(path, config)
    assert not trace.exists() and (tmp_path / "precious").exists()
    if function == "os.mkdir":
        with zipfile.ZipFile(path) as archive:
            pickled = archive.read(f"{path.stem}/data.pkl")
        with pytest.raises(pickle.UnpicklingError):
            pickle.loads(pickled)
        assert trace.exists(), "the payload is harmless in itself, so this test would prove nothing"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.9999])
def test_truncated_files_are_refused(tmp_path, state, config, reference_fixture, share):
    path = tmp_path / "published.ckpt"
    torch.save({"state_dict": state}, path)
    tensors = tmp_path / "weights.safetensors"
    tensors.write_bytes((reference_fixture / "weights.safetensors").read_bytes())
    for file in (path, tensors):
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
        with pytest.raises(CheckpointError, match=f"{file.name}: not a complete"):
            load_reference_checkpoint(file, config)


def test_damage_inside_the_archive_is_an_error_of_ours(tmp_path, state, config):
    path = tmp_path / "published.ckpt"
    torch.save({"state_dict": state}, path)
    content = bytearray(path.read_bytes())
    for start in range(100, 3000, 250):
        damaged = content.copy()
        damaged[start : start + 8] = b"\x00\xff" * 4
        path.write_bytes(damaged)
        try:
            read_archive(path)
        except CheckpointError as refused:
            assert path.name in str(refused)


@pytest.mark.parametrize("content", [b"", b"not a model at all", pickle.dumps({"a": 1})])
def test_other_files_are_refused(tmp_path, config, content):
    path = tmp_path / "weights.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        load_reference_checkpoint(path, config)
    with pytest.raises(CheckpointError, match="no such weights file"):
        load_reference_checkpoint(tmp_path / "absent.ckpt", config)


def test_another_network_is_refused(tmp_path):
    path = tmp_path / "resnet.pt"
    torch.save({"conv1.weight": torch.ones(2, 2)}, path)
    with pytest.raises(CheckpointError, match="not the weights of a FluoroSAM model"):
        load_reference_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="no state dictionary"):
        load_reference_checkpoint(path)


def test_every_disagreement_is_named(tmp_path, weights, config):
    del weights["mask_decoder.iou_token.weight"]
    weights["image_encoder.norm.bias"] = torch.zeros(3)
    weights["image_encoder.extra"] = torch.zeros(1)
    path = tmp_path / "w.safetensors"
    save_file(weights, path)
    with pytest.raises(CheckpointError) as caught:
        load_reference_checkpoint(path, config)
    width = config.width
    assert "missing: mask_decoder.iou_token.weight" in str(caught.value)
    assert f"mis-shaped: image_encoder.norm.bias (is (3,), should be ({width},))" in str(caught.value)
    assert "unexpected: image_encoder.extra" in str(caught.value)


def test_a_long_list_of_faults_is_cut(tmp_path, weights, config):
    path = tmp_path / "w.safetensors"
    save_file({key: t for key, t in weights.items() if "mask_decoder" not in key}, path)
    with pytest.raises(CheckpointError, match=r"and \d+ more") as caught:
        load_reference_checkpoint(path, config)
    assert len(str(caught.value)) < 1500
