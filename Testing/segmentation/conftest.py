"""A compact model with random weights, and images for it; what is right about it is everything but the masks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.model import (
    CompactTokenizer,
    FluoroSAM,
    Provenance,
    save_model,
    train_tokenizer,
)
from FluoroSAMSlicerLib.segmentation import Predictor
from small_networks import SMALL_SWIN


@dataclass(frozen=True)
class Image:
    """All that a predictor wants of a radiograph."""

    pixels: np.ndarray


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    torch.manual_seed(0)
    config = replace(SMALL_SWIN, close_ups=False)
    phrases = ["left lung", "right lung", "lungs", "left femur", "right rib 5", "T12 vertebra"]
    tokenizer = CompactTokenizer(train_tokenizer(phrases, 300), config.text.context)
    network = FluoroSAM(config).eval()
    with torch.no_grad():
        # Random text layers say nearly the same of every phrase; every phrase shall have a code of its own.
        for layer in network.text.mlp[::2]:
            layer.weight.mul_(20)
        network.text.set_codebook(network.encode_text(tokenizer.encode(phrases)).mlp)
    provenance = Provenance("random", "Apache-2.0", "made by a test")
    return save_model(network, tmp_path_factory.mktemp("model") / "random", provenance, tokenizer)


@pytest.fixture(scope="session")
def predictor(model_folder):
    return Predictor.load(model_folder, device="cpu", threads=1)


@pytest.fixture(scope="session")
def image():
    return blob_image(300, 200)


def blob_image(height: int, width: int, seed: int = 0) -> Image:
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    noise = np.random.default_rng(seed).random((height, width)) * 0.1
    bright = 0.8 * np.exp(-((rows - 0.4) ** 2 + (columns - 0.3) ** 2) / 0.03)
    return Image((bright + noise).astype(np.float32))


class ScriptedDecoder:
    """Stands in for ``network.decode``: answers with given logits, and remembers what it was asked.

    ``script`` maps (text given, mask prompt given) to three candidates, each a (logits (h, h), score) pair.
    """

    def __init__(self, network, script):
        self.network, self.script, self.asked = network, script, []
        self._prompts = {}

    def encode_prompts(self, **given):
        self._prompts = given
        self.asked.append(tuple(sorted(given)))
        return torch.zeros(1, 1, 1), torch.zeros(1, 1, 1, 1)

    def decode(self, _features, _sparse, _dense):
        candidates = self.script["text" in self._prompts, "masks" in self._prompts]
        single = torch.zeros_like(candidates[0][0])
        low_res = torch.stack([single, *(logits for logits, _ in candidates)])
        return low_res[None], torch.tensor([[9.0, *(score for _, score in candidates)]])


@pytest.fixture
def scripted(predictor, monkeypatch):
    """Let the model of `predictor` answer from a script; returns the decoder that remembers."""

    def install(script) -> ScriptedDecoder:
        decoder = ScriptedDecoder(predictor.network, script)
        monkeypatch.setattr(predictor.network, "encode_prompts", decoder.encode_prompts)
        monkeypatch.setattr(predictor.network, "decode", decoder.decode)
        return decoder

    return install
