"""Sizes are data: presets, JSON, and the messages for what does not fit."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
from FluoroSAMSlicerLib.model import FluoroSAMConfig, ModelError
from small_networks import SMALL_SWIN


@pytest.mark.parametrize(
    "config",
    [
        FluoroSAMConfig.compact(),
        SMALL_SWIN,
        FluoroSAMConfig.published("swin-l"),
        FluoroSAMConfig.published("swin-s"),
    ],
)
def test_json_round_trip(config, tmp_path):
    assert FluoroSAMConfig.from_json(config.to_json()) == config
    (tmp_path / "config.json").write_text(config.to_json())
    assert FluoroSAMConfig.from_json(tmp_path / "config.json") == config


def test_a_model_folder_from_before_there_were_closer_looks_has_none():
    values = json.loads(SMALL_SWIN.to_json())
    del values["close_ups"]
    expected = dataclasses.replace(SMALL_SWIN, close_ups=False)
    assert FluoroSAMConfig.from_json(json.dumps(values)) == expected


def test_fixture_configuration_keeps_every_size(reference_fixture):
    description = json.loads((reference_fixture / "config.json").read_text())
    config, given = FluoroSAMConfig.from_fixture(description), description["config"]
    assert config.embedding_size == given["image_embedding_size"]
    assert config.text.codebook == given["codebook_size"]
    assert config.text.projection == given["clip_text"]["projection_dim"]
    assert config.decoder.iou_width == given["mask_decoder"]["iou_head_hidden_dim"]
    assert FluoroSAMConfig.from_json(config.to_json()) == config


def changed(**changes) -> str:
    values = json.loads(SMALL_SWIN.to_json())
    for path, value in changes.items():
        *parents, name = path.split("__")
        part = values
        for parent in parents:
            part = part[parent]
        if value is None:
            del part[name]
        else:
            part[name] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        (changed(width=None), "lacks width"),
        (changed(colour=1), "unknown colour"),
        (changed(image_size="224"), "image_size must be of type int"),
        (changed(image_size=True), "image_size must be of type int"),
        (changed(swin__depths=[2, 2, 2]), "four stages"),
        (changed(swin__depths=[2, 2, 2, 0]), "positive whole numbers"),
        (changed(swin__heads=[5, 6, 12, 24]), "cannot be split"),
        (changed(text__codebook=0), "must be positive"),
        (changed(text__end_of_text=9999), "outside the vocabulary"),
        (changed(decoder__heads=7), "does not fit 7 heads"),
    ],
)
def test_wrong_configurations_are_told_apart(text, cause):
    with pytest.raises(ModelError, match=cause):
        FluoroSAMConfig.from_json(text)


def test_unknown_published_name():
    with pytest.raises(ModelError, match="swin-l"):
        FluoroSAMConfig.published("swin-xl")


def test_the_room_opens_without_torch():
    code = (
        "import sys; import FluoroSAMSlicerLib.model as m; m.FluoroSAMConfig.compact(); m.CheckpointError;"
        "print([n for n in ('torch', 'transformers', 'tokenizers', 'safetensors') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
