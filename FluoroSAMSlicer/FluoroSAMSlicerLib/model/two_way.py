"""SAM's two-way transformer between tokens and an image, and a reordered form in which the tokens do the work.

After Kirillov et al. 2023 (arXiv:2304.02643), with the parameter names of transformers' ``SamTwoWayTransformer``.
Attention between T tokens and N pixels projects every pixel into each head's small space, which costs N
matrix rows, although only T of the other side ever meet them. Matrix products are associative: carrying the
tokens through a head's two projections instead gives the same scores and values, and leaves only products of
the pixels with h * T rows (h heads). It also needs no copy of the pixels by heads. Results agree to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import Attention
from .config import FluoroSAMConfig

NARROWED = 2
"""By how much attention between tokens and image is narrower than the model."""


class Perceptron(nn.Module):
    """Two linear layers with a ReLU between them."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin2(F.relu(self.lin1(x)))


class TwoWayLayer(nn.Module):
    """Tokens among themselves, tokens to image, each token for itself, image to tokens."""

    def __init__(self, width: int, heads: int, inner: int, first: bool) -> None:
        super().__init__()
        self.first = first
        # In this order the parameters stand in the state of a training.
        self.self_attn = Attention(width, width, heads)
        self.layer_norm1 = nn.LayerNorm(width, eps=1e-5)
        self.cross_attn_token_to_image = Attention(width, width // NARROWED, heads)
        self.layer_norm2 = nn.LayerNorm(width, eps=1e-5)
        self.mlp = Perceptron(width, inner)
        self.layer_norm3 = nn.LayerNorm(width, eps=1e-5)
        self.layer_norm4 = nn.LayerNorm(width, eps=1e-5)
        self.cross_attn_image_to_token = Attention(width, width // NARROWED, heads)

    def forward(
        self, queries: Tensor, pixels: Tensor, tokens: Tensor, grid: Tensor, ways
    ) -> tuple[Tensor, Tensor]:
        """``ways``: the two cross attentions, as functions of an :class:`Attention`, queries, keys and values."""
        to_image, to_tokens = ways
        if self.first:
            queries = self.self_attn(queries, queries, queries)
        else:
            placed = queries + tokens
            queries = queries + self.self_attn(placed, placed, queries)
        queries = self.layer_norm1(queries)
        placed = pixels + grid
        queries = queries + to_image(self.cross_attn_token_to_image, queries + tokens, placed, pixels)
        queries = self.layer_norm2(queries)
        queries = self.layer_norm3(queries + self.mlp(queries))
        answer = to_tokens(self.cross_attn_image_to_token, placed, queries + tokens, queries)
        return queries, self.layer_norm4(pixels + answer)


class TwoWayTransformer(nn.Module):
    """Tokens (B, T, C), ``pixels`` (B, N, C) and their positions ``grid`` (1, N, C) to tokens and pixels."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        width, settings = config.width, config.decoder
        self.layers = nn.ModuleList(
            TwoWayLayer(width, settings.heads, settings.mlp_width, number == 0)
            for number in range(settings.depth)
        )
        self.final_attn_token_to_image = Attention(width, width // NARROWED, settings.heads)
        self.layer_norm_final_attn = nn.LayerNorm(width, eps=1e-5)

    def forward(self, tokens: Tensor, pixels: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        return self._between(tokens, pixels, grid, (_plain, _plain))

    def reordered(self, tokens: Tensor, pixels: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """The same, for inference, where :meth:`pays`."""
        return self._between(tokens, pixels, grid, (tokens_to_image, image_to_tokens))

    def pays(self, tokens: int) -> bool:
        """Whether ``tokens`` are few enough for the reordered form to be the cheaper one."""
        attention = self.final_attn_token_to_image
        return attention.heads * tokens <= attention.inner

    def _between(self, tokens: Tensor, pixels: Tensor, grid: Tensor, ways) -> tuple[Tensor, Tensor]:
        queries = tokens
        for layer in self.layers:
            queries, pixels = layer(queries, pixels, tokens, grid, ways)
        answer = ways[0](self.final_attn_token_to_image, queries + tokens, pixels + grid, pixels)
        return self.layer_norm_final_attn(queries + answer), pixels


def _plain(attention: Attention, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return attention(queries, keys, values)


def tokens_to_image(attention: Attention, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Tokens ``queries`` (B, T, C) look at pixels ``keys`` and ``values`` (B, N, C); the answer is (B, T, C)."""
    own = attention.by_heads(attention.q_proj(queries))
    # The bias of the keys shifts all scores of a token alike, which softmax does not see.
    carried = own @ _by_head(attention, attention.k_proj.weight)
    scores = carried.flatten(1, 2) @ keys.transpose(1, 2)
    seen = (scores * attention.scaling).softmax(-1) @ values
    seen = seen.unflatten(1, own.shape[1:3]) @ _by_head(attention, attention.v_proj.weight).transpose(-1, -2)
    seen = seen.transpose(1, 2).flatten(2) + attention.v_proj.bias
    return attention.out_proj(seen)


def image_to_tokens(attention: Attention, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Pixels ``queries`` (B, N, C) look at tokens ``keys`` and ``values`` (B, T, C); the answer is (B, N, C)."""
    own = attention.by_heads(attention.k_proj(keys)) * attention.scaling
    carried = (own @ _by_head(attention, attention.q_proj.weight)).flatten(1, 2)
    bias = attention.q_proj.bias.view(attention.heads, -1, 1)
    scores = torch.baddbmm((own @ bias).flatten(1, 2), carried, queries.transpose(1, 2))
    # Pixels last: softmax over a handful of neighbouring numbers is several times slower.
    weights = scores.unflatten(1, own.shape[1:3]).softmax(2).flatten(1, 2).transpose(1, 2)
    out = attention.out_proj.weight.t().unflatten(0, (attention.heads, -1))
    offered = (attention.by_heads(attention.v_proj(values)) @ out).flatten(1, 2)
    return torch.baddbmm(attention.out_proj.bias, weights, offered)


def _by_head(attention: Attention, weight: Tensor) -> Tensor:
    """A projection (h * d, C) as (h, d, C)."""
    return weight.unflatten(0, (attention.heads, -1))
