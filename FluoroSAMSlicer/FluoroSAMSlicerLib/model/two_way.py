"""SAM's two-way transformer between a few tokens and a whole image, reordered so that the tokens do the work.

Attention between T tokens and N pixels projects every pixel into each head's small space, which costs N
matrix rows, although only T of the other side ever meet them. Matrix products are associative: carrying the
tokens through a head's two projections instead gives the same scores and values, and leaves only products of
the pixels with h * T rows (h heads). It also needs no copy of the pixels by heads. Results agree to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.models.sam.configuration_sam import SamMaskDecoderConfig
from transformers.models.sam.modeling_sam import SamAttention, SamTwoWayTransformer

from .config import FluoroSAMConfig


def two_way_transformer(config: FluoroSAMConfig) -> SamTwoWayTransformer:
    """The transformer of a mask decoder, as ``config`` wants it."""
    settings = config.decoder
    return SamTwoWayTransformer(
        SamMaskDecoderConfig(
            hidden_size=config.width,
            hidden_act="relu",
            mlp_dim=settings.mlp_width,
            num_hidden_layers=settings.depth,
            num_attention_heads=settings.heads,
            attention_downsample_rate=2,
            layer_norm_eps=1e-5,
            attn_implementation="sdpa",
        )
    )


def pays(transformer: SamTwoWayTransformer, tokens: int) -> bool:
    """Whether ``tokens`` are few enough for the reordered form to be the cheaper one."""
    attention = transformer.final_attn_token_to_image
    return attention.num_attention_heads * tokens <= attention.internal_dim


def two_way(
    transformer: SamTwoWayTransformer, tokens: Tensor, pixels: Tensor, grid: Tensor
) -> tuple[Tensor, Tensor]:
    """Tokens (B, T, C), ``pixels`` (B, N, C) and their positions ``grid`` (1, N, C) to tokens and pixels.

    The same as ``transformer``'s own forward, for inference.
    """
    queries = tokens
    for layer in transformer.layers:
        if layer.skip_first_layer_pe:
            queries = _among(layer.self_attn, queries, queries)
        else:
            queries = queries + _among(layer.self_attn, queries + tokens, queries)
        queries = layer.layer_norm1(queries)
        placed = pixels + grid
        queries = queries + tokens_to_image(layer.cross_attn_token_to_image, queries + tokens, placed, pixels)
        queries = layer.layer_norm2(queries)
        queries = layer.layer_norm3(queries + layer.mlp(queries))
        answer = image_to_tokens(layer.cross_attn_image_to_token, placed, queries + tokens, queries)
        pixels = layer.layer_norm4(pixels + answer)
    queries = queries + tokens_to_image(
        transformer.final_attn_token_to_image, queries + tokens, pixels + grid, pixels
    )
    return transformer.layer_norm_final_attn(queries), pixels


def tokens_to_image(attention: SamAttention, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Tokens ``queries`` (B, T, C) look at pixels ``keys`` and ``values`` (B, N, C); the answer is (B, T, C)."""
    own = _heads(attention, attention.q_proj(queries))
    # The bias of the keys shifts all scores of a token alike, which softmax does not see.
    carried = own @ _by_head(attention, attention.k_proj.weight)
    scores = carried.flatten(1, 2) @ keys.transpose(1, 2)
    seen = (scores * attention.scaling).softmax(-1) @ values
    seen = seen.unflatten(1, own.shape[1:3]) @ _by_head(attention, attention.v_proj.weight).transpose(-1, -2)
    seen = seen.transpose(1, 2).flatten(2) + attention.v_proj.bias
    return attention.out_proj(seen)


def image_to_tokens(attention: SamAttention, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Pixels ``queries`` (B, N, C) look at tokens ``keys`` and ``values`` (B, T, C); the answer is (B, N, C)."""
    own = _heads(attention, attention.k_proj(keys)) * attention.scaling
    carried = (own @ _by_head(attention, attention.q_proj.weight)).flatten(1, 2)
    bias = attention.q_proj.bias.view(attention.num_attention_heads, -1, 1)
    scores = torch.baddbmm((own @ bias).flatten(1, 2), carried, queries.transpose(1, 2))
    # Pixels last: softmax over a handful of neighbouring numbers is several times slower.
    weights = scores.unflatten(1, own.shape[1:3]).softmax(2).flatten(1, 2).transpose(1, 2)
    out = attention.out_proj.weight.t().unflatten(0, (attention.num_attention_heads, -1))
    offered = (_heads(attention, attention.v_proj(values)) @ out).flatten(1, 2)
    return torch.baddbmm(attention.out_proj.bias, weights, offered)


def _among(attention: SamAttention, queries: Tensor, values: Tensor) -> Tensor:
    return attention(query=queries[:, None], key=queries[:, None], value=values[:, None])[0][:, 0]


def _heads(attention: SamAttention, projected: Tensor) -> Tensor:
    """(B, T, h * d) as (B, h, T, d)."""
    return projected.unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2)


def _by_head(attention: SamAttention, weight: Tensor) -> Tensor:
    """A projection (h * d, C) as (h, d, C)."""
    return weight.unflatten(0, (attention.num_attention_heads, -1))
