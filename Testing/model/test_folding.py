"""Batch norms folded away: nothing changes but the time."""

from __future__ import annotations

import copy

import torch
from FluoroSAMSlicerLib.model import load_model
from FluoroSAMSlicerLib.model.folding import fold_norms
from torch import nn


@torch.inference_mode()
def test_a_folded_network_answers_as_before_and_has_no_norm_left():
    network, *_ = load_model("compact")
    folded = copy.deepcopy(network)
    fold_norms(folded)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    size = network.config.image_size
    values = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    features, quick = network.encode_image(values), folded.encode_image(values)
    for one, other in zip(features, quick, strict=True):
        torch.testing.assert_close(other, one, atol=1e-3, rtol=1e-3)
    prompts = network.encode_prompts(text=network.text.codebook.rows[:2], points=torch.rand(2, 1, 2) * size,
                                     labels=torch.ones(2, 1))  # fmt: skip
    masks, scores = network.decode(features, *prompts)
    again, rated = folded.decode(quick, *prompts)
    assert ((again > 0) != (masks > 0)).float().mean() < 1e-3
    torch.testing.assert_close(rated, scores, atol=1e-3, rtol=1e-3)
