"""The Swin backbone for inference: transformers' layers, called with fewer copies of the image between them.

transformers rolls the map, cuts it into windows, glues them and rolls back, each a copy, turns every stage's
map twice, and makes the masks of shifted windows anew in every layer. Here a window is one selection of rows,
the masks are kept, and the maps stay as the layers leave them. The numbers are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from transformers.models.swin.modeling_swin import SwinBackbone, SwinLayer

SEPARATE = -100.0
"""Added to the score of two pixels that are neighbours only because the map was rolled."""


@dataclass(frozen=True, eq=False)
class Windows:
    """How a map of H * W pixels is cut: ``order`` (H * W,) takes them to windows, ``back`` returns them.

    ``mask`` (windows, 1, p, p) separates the regions of shifted windows of p pixels; None without a shift.
    """

    order: Tensor
    back: Tensor
    mask: Tensor | None


@lru_cache(maxsize=32)
def windows_of(height: int, width: int, side: int, shift: int, device: torch.device) -> Windows:
    """The windows of ``side`` pixels on a map that ``side`` divides, shifted up and left by ``shift``."""

    def cut(plane: Tensor) -> Tensor:
        parts = plane.view(height // side, side, width // side, side).transpose(1, 2)
        return parts.reshape(-1, side * side)

    pixels = torch.arange(height * width, device=device).view(height, width)
    order = cut(pixels.roll((-shift, -shift), (0, 1))).flatten()
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=device)
    if shift == 0:
        return Windows(order, back, None)
    rows, columns = (_regions(length, side, shift, device) for length in (height, width))
    region = cut(3 * rows[:, None] + columns[None])
    apart = region[:, :, None] != region[:, None, :]
    return Windows(order, back, SEPARATE * apart[:, None].float())


def _regions(length: int, side: int, shift: int, device: torch.device) -> Tensor:
    """Along one axis of the rolled map: 0 in whole windows, 1 before the seam, 2 behind it."""
    place = torch.arange(length, device=device)
    return (place >= length - side).long() + (place >= length - shift).long()


def divides(backbone: SwinBackbone, height: int, width: int) -> bool:
    """Whether maps of an image of this size are whole windows at every stage."""
    config = backbone.config
    step = config.patch_size * config.window_size << (len(config.depths) - 1)
    return height % step == 0 and width % step == 0


def stage_maps(backbone: SwinBackbone, pixel_values: Tensor) -> tuple[Tensor, ...]:
    """What ``backbone(pixel_values).feature_maps`` is, the channels of a pixel side by side in memory."""
    states, (height, width) = backbone.swin.embeddings(pixel_values)
    maps = []
    for number, stage in enumerate(backbone.swin.encoder.layers, start=1):
        for block in stage.blocks:
            states = _block(block, states, height, width)
        normed = backbone.hidden_states_norms[f"stage{number}"](states)
        maps.append(normed.unflatten(1, (height, width)).permute(0, 3, 1, 2))
        if stage.downsample is not None:
            states = stage.downsample(states, (height, width))
            height, width = height // 2, width // 2
    return tuple(maps)


def _block(block: SwinLayer, states: Tensor, height: int, width: int) -> Tensor:
    """One layer on (B, H * W, C)."""
    side, attention = block.window_size, block.attention
    plan = windows_of(height, width, side, block.shift_size, states.device)
    cut = _rows(block.layernorm_before(states), plan.order).unflatten(1, (-1, side * side)).flatten(0, 1)
    heads = (*cut.shape[:2], attention.num_attention_heads, attention.head_dim)
    query, key, value = (
        projection(cut).view(heads).transpose(1, 2)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    mask = attention.relative_position_bias()
    if plan.mask is not None:
        mask = (mask + plan.mask).repeat(states.shape[0], 1, 1, 1)
    seen = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask.to(query.dtype), scale=attention.scaling
    )
    answer = attention.o_proj(seen.transpose(1, 2).flatten(2))
    states = states + _rows(answer.view(states.shape), plan.back)
    return states + block.mlp(block.layernorm_after(states))


def _rows(states: Tensor, order: Tensor) -> Tensor:
    return states[0].index_select(0, order)[None] if len(states) == 1 else states.index_select(1, order)
