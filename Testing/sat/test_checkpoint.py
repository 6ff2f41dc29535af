"""Published SAT checkpoints load safely, completely, or not at all."""

from __future__ import annotations

import json
from collections import OrderedDict

import pytest
import torch
from FluoroSAMSlicerLib.sat import SAT, CheckpointError, SatConfig, load_published
from FluoroSAMSlicerLib.sat.checkpoint import TEXT, UNUSED, is_published
from safetensors.torch import load_file, save_file


class Bomb:
    def __reduce__(self):
        return (__import__("os").system, ("touch never",))


@pytest.fixture(scope="module")
def files(fixture):
    return fixture.folder / "like_nano.pth", fixture.folder / "like_text_encoder.pth"


@pytest.fixture
def altered(files, tmp_path):
    """Writes a checkpoint of the published form whose keys a function has changed."""

    def write(change, text=False):
        content = torch.load(files[text], weights_only=False)
        state = OrderedDict(content["model_state_dict"])
        change(state)
        path = tmp_path / "altered.pth"
        torch.save({"step": 1, "model_state_dict": state}, path)
        return path

    return write


def load(fixture, network, text):
    return load_published(network, text, fixture.tile, fixture.heads)


def test_the_published_form_gives_the_same_weights_as_safetensors(fixture, files):
    network = load(fixture, *files)
    for key, tensor in fixture.network.state_dict().items():
        assert torch.equal(network.state_dict()[key], tensor), key


def test_optimiser_state_is_not_read(fixture, files):
    from FluoroSAMSlicerLib.sat.checkpoint import read_tensors

    keys = read_tensors(files[0])
    assert not any("exp_avg" in key or "optimizer" in key or ".all_modules." in key for key in keys)


@pytest.mark.parametrize("size", ["sat_nano", "sat_pro"])
def test_the_network_has_every_key_of_the_published_files_and_no_other(sat_spec, size):
    manifest = json.loads((sat_spec / "checkpoint_manifest.json").read_text())
    published = {key: tuple(shape) for key, shape in manifest[size]["keys"].items()}
    text = {key: tuple(shape) for key, shape in manifest["text_encoder"]["keys"].items()}
    shaped = [
        {key: torch.empty(shape, device="meta") for key, shape in own.items()} for own in (published, text)
    ]
    config = SatConfig.of(*shaped)
    assert config.name == size.replace("_", "-")
    with torch.device("meta"):
        own = {key: tuple(tensor.shape) for key, tensor in SAT(config).state_dict().items()}
    both = published | {TEXT + key: shape for key, shape in text.items()}
    assert own == {key: shape for key, shape in both.items() if not UNUSED.fullmatch(key)}


def test_the_work_of_a_window_is_that_of_the_published_networks(sat_spec):
    manifest = json.loads((sat_spec / "checkpoint_manifest.json").read_text())
    text = {key: torch.empty(shape, device="meta") for key, shape in manifest["text_encoder"]["keys"].items()}
    for size, tera in (("sat_nano", 4.60), ("sat_pro", 27.0)):
        shaped = {key: torch.empty(shape, device="meta") for key, shape in manifest[size]["keys"].items()}
        assert SatConfig.of(shaped, text).work / 1e12 == pytest.approx(tera, rel=0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("module.projection_layer.2.bias"), ("1 missing", "projection_layer.2.bias")),
        (
            lambda s: s.update({"module.transformer_decoder.extra": torch.zeros(2)}),
            ("1 unexpected", "transformer_decoder.extra"),
        ),
        (
            lambda s: s.update({"module.transformer_decoder.norm.weight": torch.zeros(3)}),
            ("another shape", "transformer_decoder.norm.weight (3,)"),
        ),
        (
            lambda s: s.update({"module.transformer_decoder.layers.0.self_attn.in_proj_bias": torch.zeros(2)}),
            ("not known", "self_attn"),
        ),
        (lambda s: s.update({"module.query_proj.weight": torch.zeros(2, 2)}), ("not known", "query_proj")),
        (lambda s: [s.pop(k) for k in list(s) if "transformer_decoder" in k], ("pre-training",)),
        (lambda s: s.update({"module.temperature": torch.zeros(1)}), ("pre-training",)),
        (
            lambda s: s.update(
                {k: torch.ones_like(s[k]) for k in list(s) if k.endswith("stages.0.0.convs.0.all_modules.1.weight")}
                | {k: torch.zeros_like(s[k]) for k in list(s) if k.endswith("stages.0.0.convs.0.norm.weight")}
            ),
            ("two different values",),
        ),
    ],
)  # fmt: skip
def test_networks_that_do_not_fit_are_refused_by_name(fixture, files, altered, change, words):
    with pytest.raises(CheckpointError) as error:
        load(fixture, altered(change), files[1])
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("module.modality_embed.weight"), "pre-training"),
        (
            lambda s: [s.update({k.replace("biolord", "bert"): s.pop(k)}) for k in list(s) if "biolord" in k],
            "another model",
        ),
        (
            lambda s: s.update(
                {
                    "module.text_tower.biolord.embeddings.word_embeddings.weight": torch.zeros(575, 24),
                }
            ),
            "another model",
        ),
    ],
)
def test_text_encoders_of_other_models_and_of_the_pre_training_are_refused(
    fixture, files, altered, change, words
):
    with pytest.raises(CheckpointError, match=words):
        load(fixture, files[0], altered(change, text=True))


def test_what_the_pre_training_leaves_in_a_text_encoder_is_ignored(fixture, files, altered):
    path = altered(
        lambda s: s.update({"module.atlas_tower.x": torch.zeros(1), "module.temperature": torch.zeros(1)}),
        text=True,
    )
    assert load(fixture, files[0], path).config == fixture.network.config


def test_files_taken_for_each_other_are_told_apart(fixture, files):
    with pytest.raises(CheckpointError, match="is a text encoder"):
        load(fixture, files[1], files[0])
    with pytest.raises(CheckpointError, match="not a text encoder"):
        load(fixture, files[0], files[0])
    with pytest.raises(CheckpointError, match="text encoder is needed"):
        load(fixture, files[0], None)


def test_code_in_a_checkpoint_is_refused_and_not_run(fixture, files, tmp_path):
    torch.save({"model_state_dict": {"module.backbone.x": Bomb()}}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match="refused"):
        load(fixture, tmp_path / "bad.pth", files[1])


def test_truncated_and_absent_files_are_refused(fixture, files, tmp_path):
    half = tmp_path / "half.pth"
    half.write_bytes(files[0].read_bytes()[: files[0].stat().st_size // 2])
    for path in (half, tmp_path / "absent.pth", tmp_path):
        with pytest.raises(CheckpointError):
            load(fixture, path, files[1])


def test_sat_s_files_are_known_from_fluorosam_s(fixture, files, tmp_path):
    assert is_published(files[0]) and is_published(files[1])
    assert is_published(fixture.folder / "weights.safetensors")
    save_file({"image_encoder.x": torch.zeros(1)}, tmp_path / "other.safetensors")
    assert not is_published(tmp_path / "other.safetensors")
    assert load_file(tmp_path / "other.safetensors")
