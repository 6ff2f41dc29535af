"""The published network through `Predictor`: the reference's own masks, on a non-square image."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.model import ModelError
from FluoroSAMSlicerLib.segmentation import Predictor
from safetensors.torch import load_file

from .conftest import Image

pytestmark = pytest.mark.filterwarnings("ignore:the published model needs CLIP")

FINAL, SCORE = 1e-4, 5e-5
"""Greatest absolute differences in logits and scores that a correct float32 implementation stays within."""


@pytest.fixture(scope="module")
def reference(reference_fixture):
    return load_file(reference_fixture / "e2e.safetensors")


@pytest.fixture(scope="module")
def published(reference_fixture):
    return Predictor.load(reference_fixture / "weights.safetensors", device="cpu", threads=1, half=False)


class RecordedTokens:
    """CLIP's vocabulary is not bundled, so the recorded ids of the reference stand for a phrase."""

    def __init__(self, ids: torch.Tensor) -> None:
        self.ids = ids

    def encode(self, phrases: list[str]) -> torch.Tensor:
        assert len(phrases) == 1
        return self.ids


@pytest.mark.parametrize(("row", "name"), [(0, "text"), (1, "text_point")])
def test_end_to_end_with_the_padding_removed(published, reference, monkeypatch, row, name):
    """The reference's front end reads bone dark; a radiograph is bone bright, in 0 to 1."""
    monkeypatch.setattr(published, "tokenizer", RecordedTokens(reference["token_ids"].long()[row : row + 1]))
    raw = reference["raw"].numpy().astype(np.float64)
    bone_bright = 1 - (raw - raw.min()) / np.ptp(raw)
    embedding = published.encode(Image(bone_bright.astype(np.float32)))
    prompts = {"text": "left femur"}
    if f"{name}.points" in reference:
        frame_points = reference[f"{name}.points"][0].double().numpy()
        prompts["points"] = frame_points / embedding.frame.scale
        prompts["labels"] = reference[f"{name}.labels"][0].numpy()
    result = published.predict(embedding, **prompts)
    expected = reference[f"{name}.mask_logits_padding_removed"].squeeze().numpy()
    assert result.logits.shape == raw.shape == expected.shape and raw.shape[0] != raw.shape[1]
    best = int(np.argmax(result.candidates.scores))
    np.testing.assert_allclose(result.candidates.logits(best), expected, rtol=0, atol=FINAL)
    assert result.candidates.scores[best] == pytest.approx(float(reference[f"{name}.iou"][0]), abs=SCORE)


def test_a_file_is_recorded_by_name_and_asks_for_clips_vocabulary(published, reference_fixture, monkeypatch):
    monkeypatch.setattr("FluoroSAMSlicerLib.model.clip_vocabulary._elsewhere", list)
    assert "FluoroSAM" in published.provenance.name and published.version == "weights.safetensors"
    size = json.loads((reference_fixture / "config.json").read_text())["config"]["original_size"]
    embedding = published.encode(Image(np.random.default_rng(0).random(size, dtype=np.float32)))
    clicked = published.predict(embedding, points=[(5, 5)], labels=[1])
    assert clicked.mask.shape == tuple(size) and clicked.model == published.provenance.name
    with pytest.raises(ModelError, match="CLIP"):
        published.predict(embedding, text="right femur")
    with pytest.warns(UserWarning, match="vocab.json and merges.txt"):
        again = Predictor.load(reference_fixture / "weights.safetensors", device="cpu", threads=1)
    assert "clicks and boxes work" in again.notes[0]
