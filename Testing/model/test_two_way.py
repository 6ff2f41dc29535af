"""The reordered two-way attention and the decoder in strips equal the plain ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from FluoroSAMSlicerLib.model import FluoroSAM, mask_decoder
from small_networks import SMALL_SWIN

SMALL = replace(SMALL_SWIN, decoder=replace(SMALL_SWIN.decoder, depth=3))


@pytest.fixture(scope="module")
def network() -> FluoroSAM:
    torch.manual_seed(0)
    network = FluoroSAM(SMALL).eval()
    with torch.no_grad():
        for parameter in network.masks.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return network


def plain(network: FluoroSAM, *given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the plain form computes; with gradients the reordered one is not used."""
    with torch.enable_grad():
        low_res, scores = network.decode(*given)
    return low_res.detach(), scores.detach()


@pytest.mark.parametrize(("tokens", "batch"), [(0, 1), (1, 1), (3, 2), (7, 1), (40, 1)])
def test_a_prompt_of_any_length_gives_the_same_masks(network, tokens, batch):
    torch.manual_seed(tokens)
    size, width = SMALL.embedding_size, SMALL.width
    embedding, dense = torch.randn(1, width, size, size), torch.randn(batch, width, size, size) * 0.1
    sparse = torch.randn(batch, tokens, width)
    with torch.no_grad():
        low_res, scores = network.decode(embedding, sparse, dense)
    expected_masks, expected_scores = plain(network, embedding, sparse, dense)
    torch.testing.assert_close(low_res, expected_masks, rtol=1e-4, atol=2e-4)
    torch.testing.assert_close(scores, expected_scores, rtol=1e-4, atol=1e-4)


def test_the_reordered_form_agrees_to_rounding_in_double_precision(network):
    transformer = network.masks.transformer.double()
    tokens, pixels, grid = (torch.randn(2, n, SMALL.width, dtype=torch.float64) for n in (6, 50, 50))
    with torch.no_grad():
        queries, keys = transformer.reordered(tokens, pixels, grid[:1])
        expected = transformer(tokens, pixels, grid[:1])
    torch.testing.assert_close(queries, expected[0], rtol=0, atol=1e-11)
    torch.testing.assert_close(keys, expected[1], rtol=0, atol=1e-11)
    network.masks.transformer.float()


def test_it_is_used_where_it_is_cheaper(network):
    attention = network.masks.transformer.final_attn_token_to_image
    limit = attention.inner // attention.heads
    assert network.masks.transformer.pays(limit) and not network.masks.transformer.pays(limit + 1)
    assert limit >= 8, "own tokens, a text and two clicks"


@pytest.mark.parametrize("strip", [1, 20_000, 1 << 30])
def test_strips_of_the_map_give_the_same_masks(network, monkeypatch, strip):
    monkeypatch.setattr(mask_decoder, "STRIP", strip)
    features, weights = torch.randn(2, 5, 7, SMALL.width), torch.randn(2, 4, SMALL.width // 8)
    whole = network.masks.upscaling(features, weights).detach()
    with torch.no_grad():
        torch.testing.assert_close(network.masks.upscaling(features, weights), whole, rtol=0, atol=1e-5)


def test_positions_follow_the_weights(network):
    with torch.no_grad():
        first = network.prompts.grid()
        assert network.prompts.grid() is first
        matrix = network.prompts.sam.shared_embedding.positional_embedding
        matrix.mul_(2)
        second = network.prompts.grid()
        matrix.div_(2)
        assert not torch.equal(second, first) and torch.equal(network.prompts.grid(), first)
    assert torch.equal(network.prompts.grid(), first)
