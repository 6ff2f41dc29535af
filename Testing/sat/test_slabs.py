"""A network that computes in slabs and in place gives what the plain one gives."""

from __future__ import annotations

import pytest
import torch
from FluoroSAMSlicerLib.sat import SAT, SatConfig, slabs

from .plain import plain_features

SIZES = {
    "words": 9,
    "positions": 20,
    "text_layers": 1,
    "text_heads": 2,
    "text_feed_forward": 8,
    "modalities": 4,
}


@pytest.mark.parametrize("budget", [1, 60_000, 400_000, 96 << 20])
@pytest.mark.parametrize("convolutions", [1, 2, 3])
@torch.inference_mode()
def test_slabs_of_any_height_give_the_plain_network_s_features(monkeypatch, budget, convolutions):
    torch.manual_seed(3)
    sizes = {"width": 16, "projection": 12, "layers": 1, "feed_forward": 8, "mask_hidden": 8, **SIZES}
    config = SatConfig((4, 6, 6, 8, 8, 10), convolutions, tile=(64, 32, 96), **sizes)
    network = SAT(config).eval()
    window = torch.randn(config.tile)
    plain = plain_features(network, window)
    monkeypatch.setattr(slabs, "SLAB_BYTES", {"cpu": budget})
    ours = network.encode(window)
    torch.testing.assert_close(ours.volume, plain.volume, rtol=0, atol=2e-4)
    torch.testing.assert_close(ours.tokens, plain.tokens, rtol=0, atol=2e-5)


@torch.inference_mode()
def test_norms_of_values_far_from_zero_keep_their_precision(monkeypatch):
    monkeypatch.setattr(slabs, "SLAB_BYTES", {"cpu": 1})
    volume = torch.randn(3, 40, 16, 16) + 300
    exact = volume.double()
    mean, variance = exact.mean((1, 2, 3), keepdim=True), exact.var((1, 2, 3), correction=0, keepdim=True)
    exact = torch.nn.functional.leaky_relu((exact - mean) / (variance + 1e-5).sqrt(), 0.01)
    ours = slabs.normalise(volume, torch.ones(3), torch.zeros(3), lambda _: None)
    torch.testing.assert_close(ours.double(), exact, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_every_layer_can_be_stopped_between_slabs(monkeypatch):
    monkeypatch.setattr(slabs, "SLAB_BYTES", {"cpu": 1})

    class Stop(Exception):
        pass

    seen = []

    def tick(work: float) -> None:
        seen.append(work)
        if len(seen) == 3:
            raise Stop

    with pytest.raises(Stop):
        slabs.convolve(torch.zeros(2, 40, 8, 8), torch.zeros(2, 2, 3, 3, 3), torch.zeros(2), tick)
    assert len(seen) == 3
