"""The backbone with fewer copies gives transformers' own maps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from FluoroSAMSlicerLib.model.config import SwinSettings
from FluoroSAMSlicerLib.model.image_encoder import ImageEncoder
from FluoroSAMSlicerLib.model.swin_stages import divides, stage_maps, windows_of
from small_networks import SMALL_SWIN

# Its last map is a single window, which is shifted all the same.
SMALL = replace(
    SMALL_SWIN,
    image_size=64,
    swin=SwinSettings(embed_dim=16, depths=(2, 3, 2, 2), heads=(1, 2, 4, 8), window=2, patch=4),
)


@pytest.fixture(scope="module", params=["small", "compact"])
def encoder(request) -> ImageEncoder:
    torch.manual_seed(3)
    config = SMALL if request.param == "small" else SMALL_SWIN
    encoder = ImageEncoder(config).eval()
    encoder.size = config.image_size
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            if "relative_position_bias" in name or weight.ndim == 1:
                weight.add_(torch.randn_like(weight) * 0.3)
    return encoder


@pytest.mark.parametrize("batch", [1, 3])
def test_every_stage_equals_transformers(encoder, batch):
    pixels = torch.randn(batch, 3, encoder.size, encoder.size)
    with torch.no_grad():
        expected = encoder.backbone(pixels).feature_maps
        for ours, theirs in zip(stage_maps(encoder.backbone, pixels), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-5)


def test_maps_that_are_no_whole_windows_are_left_to_transformers(encoder):
    side = encoder.size + 4
    assert divides(encoder.backbone, encoder.size, encoder.size)
    assert not divides(encoder.backbone, side, side)


def test_training_goes_through_transformers_and_gives_the_same(encoder):
    pixels = torch.randn(1, 3, encoder.size, encoder.size)
    with torch.no_grad():
        fast = encoder(pixels)
    slow = encoder(pixels)
    assert slow.requires_grad
    torch.testing.assert_close(slow.detach(), fast, rtol=1e-4, atol=1e-4)


def test_windows_are_cut_shifted_and_put_back():
    plan = windows_of(4, 6, 2, 1, torch.device("cpu"))
    pixels = torch.arange(24)
    cut = pixels[plan.order].view(-1, 2, 2)
    assert cut[0].tolist() == [[7, 8], [13, 14]]
    assert cut[-1].tolist() == [[23, 18], [5, 0]], "the last window meets across both seams"
    assert torch.equal(pixels[plan.order][plan.back], pixels)
    assert (plan.mask[0] == 0).all() and (plan.mask[-1, 0] < 0).sum() == 12
    assert windows_of(4, 6, 2, 0, torch.device("cpu")).mask is None
