"""Where each of our parameters stands in a published FluoroSAM checkpoint: the key map as data.

Every rule reads "our key, as a regular expression, comes from that key of theirs, by this change of layout".
Their keys are written without the ``sam.`` prefix of the published file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SWIN, CLIP, SAM = "image_encoder.backbone.swin", "prompt_encoder.text_model", "mask_decoder.transformer"


@dataclass(frozen=True)
class Layout:
    """How a tensor is laid out there: ``shape`` from our shape to theirs, ``convert`` from theirs to ours."""

    shape: Callable[[tuple[int, ...]], tuple[int, ...]]
    convert: Callable[[Tensor], Tensor]


def merging_order(width: int) -> Tensor:
    """Reference position of each of our patch-merging channels (``width`` = 4C of them).

    Ours runs through the four pixels in the order (0,0), (1,0), (0,1), (1,1) as (row, column), each with all
    its C channels; theirs through the channels, each with its pixels row by row.
    """
    pixel = torch.tensor([0, 2, 1, 3])
    return (4 * torch.arange(width // 4)[None, :] + pixel[:, None]).reshape(-1)


def _third(part: int) -> Layout:
    return Layout(lambda s: (3 * s[0], *s[1:]), lambda t: t.chunk(3)[part])


SAME = Layout(lambda s: s, lambda t: t)
TRANSPOSED = Layout(lambda s: s[::-1], lambda t: t.t().contiguous())
MERGING = Layout(lambda s: s, lambda t: t[..., merging_order(t.shape[-1])])
CODEBOOK = Layout(lambda s: (1, *s), lambda t: t[0])
# A transposed 2 x 2 convolution (inputs, outputs, 2, 2) is a linear layer to the four children of a pixel.
CHILDREN = Layout(
    lambda s: (s[1], s[0] // 4, 2, 2), lambda t: t.permute(2, 3, 1, 0).reshape(-1, t.shape[0]).contiguous()
)
Q, K, V = _third(0), _third(1), _third(2)

_SWIN_BLOCK = r"image\.backbone\.swin\.encoder\.layers\.(\d+)\.blocks\.(\d+)\."
_SWIN_BLOCK_THERE = SWIN + r".stages.\1.blocks.\2."
_MERGE = r"image\.backbone\.swin\.encoder\.layers\.(\d+)\.downsample\."
_CLIP_LAYER = r"text\.tower\.text_model\.encoder\.layers\.(\d+)\."
_CLIP_LAYER_THERE = CLIP + r".transformer.resblocks.\1."
_EMBEDDINGS = r"text\.tower\.text_model\.embeddings\."
_MASK_HEAD = r"mask_decoder.mask_output_hypernetworks_mlps.\1."
_STATISTIC = r"(weight|bias|running_mean|running_var)"

RULES: tuple[tuple[str, str, Layout], ...] = (
    (r"image\.backbone\.swin\.embeddings\.patch_embeddings\.projection\.(\w+)",
     SWIN + r".patch_embed.projection.\1", SAME),
    (r"image\.backbone\.swin\.embeddings\.norm\.(\w+)", SWIN + r".patch_embed.norm.\1", SAME),
    (_SWIN_BLOCK + r"layernorm_before\.(\w+)", _SWIN_BLOCK_THERE + r"norm1.\3", SAME),
    (_SWIN_BLOCK + r"layernorm_after\.(\w+)", _SWIN_BLOCK_THERE + r"norm2.\3", SAME),
    (_SWIN_BLOCK + r"attention\.q_proj\.(\w+)", _SWIN_BLOCK_THERE + r"attn.w_msa.qkv.\3", Q),
    (_SWIN_BLOCK + r"attention\.k_proj\.(\w+)", _SWIN_BLOCK_THERE + r"attn.w_msa.qkv.\3", K),
    (_SWIN_BLOCK + r"attention\.v_proj\.(\w+)", _SWIN_BLOCK_THERE + r"attn.w_msa.qkv.\3", V),
    (_SWIN_BLOCK + r"attention\.o_proj\.(\w+)", _SWIN_BLOCK_THERE + r"attn.w_msa.proj.\3", SAME),
    (_SWIN_BLOCK + r"attention\.relative_position_bias\.(\w+)", _SWIN_BLOCK_THERE + r"attn.w_msa.\3", SAME),
    (_SWIN_BLOCK + r"mlp\.fc1\.(\w+)", _SWIN_BLOCK_THERE + r"ffn.layers.0.0.\3", SAME),
    (_SWIN_BLOCK + r"mlp\.fc2\.(\w+)", _SWIN_BLOCK_THERE + r"ffn.layers.1.\3", SAME),
    (_MERGE + r"(norm\.\w+|reduction\.weight)", SWIN + r".stages.\1.downsample.\2", MERGING),
    (r"image\.backbone\.hidden_states_norms\.stage1\.(\w+)", SWIN + r".norm0.\1", SAME),
    (r"image\.backbone\.hidden_states_norms\.stage2\.(\w+)", SWIN + r".norm1.\1", SAME),
    (r"image\.backbone\.hidden_states_norms\.stage3\.(\w+)", SWIN + r".norm2.\1", SAME),
    (r"image\.backbone\.hidden_states_norms\.stage4\.(\w+)", SWIN + r".norm3.\1", SAME),
    (r"image\.neck\.inputs\.(\d)\.(conv\.weight|norm\." + _STATISTIC + ")",
     r"image_encoder.neck.input_ops.\1.op_list.0.\2", SAME),
    (r"image\.neck\.blocks\.(\d+)\.(spatial|point)\.(conv\.weight|norm\." + _STATISTIC + ")",
     r"image_encoder.neck.middle.op_list.\1.main.\2_conv.\3", SAME),
    (r"image\.neck\.output\.(\w+)", r"image_encoder.neck.output_ops.0.op_list.0.conv.\1", SAME),
    (r"image\.norm\.(\w+)", r"image_encoder.norm.\1", SAME),
    (_EMBEDDINGS + r"token_embedding\.weight", CLIP + ".token_embedding.weight", SAME),
    (_EMBEDDINGS + r"position_embedding\.weight", CLIP + ".positional_embedding", SAME),
    (_CLIP_LAYER + r"self_attn\.q_proj\.(\w+)", _CLIP_LAYER_THERE + r"attn.in_proj_\2", Q),
    (_CLIP_LAYER + r"self_attn\.k_proj\.(\w+)", _CLIP_LAYER_THERE + r"attn.in_proj_\2", K),
    (_CLIP_LAYER + r"self_attn\.v_proj\.(\w+)", _CLIP_LAYER_THERE + r"attn.in_proj_\2", V),
    (_CLIP_LAYER + r"self_attn\.out_proj\.(\w+)", _CLIP_LAYER_THERE + r"attn.out_proj.\2", SAME),
    (_CLIP_LAYER + r"layer_norm(\d)\.(\w+)", _CLIP_LAYER_THERE + r"ln_\2.\3", SAME),
    (_CLIP_LAYER + r"mlp\.fc1\.(\w+)", _CLIP_LAYER_THERE + r"mlp.c_fc.\2", SAME),
    (_CLIP_LAYER + r"mlp\.fc2\.(\w+)", _CLIP_LAYER_THERE + r"mlp.c_proj.\2", SAME),
    (r"text\.tower\.text_model\.final_layer_norm\.(\w+)", CLIP + r".ln_final.\1", SAME),
    (r"text\.tower\.text_projection\.weight", CLIP + ".text_projection", TRANSPOSED),
    (r"text\.mlp\.0\.(\w+)", r"prompt_encoder.clip_mlp.layers.0.\1", SAME),
    (r"text\.mlp\.2\.(\w+)", r"prompt_encoder.clip_mlp.layers.1.\1", SAME),
    (r"text\.codebook\.rows", "prompt_encoder.vq._codebook.embed", CODEBOOK),
    (r"prompts\.sam\.shared_embedding\.positional_embedding",
     "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", SAME),
    (r"prompts\.sam\.point_embed\.(\d)\.weight", r"prompt_encoder.point_embeddings.\1.weight", SAME),
    (r"prompts\.sam\.(not_a_point_embed|no_mask_embed)\.weight", r"prompt_encoder.\1.weight", SAME),
    (r"prompts\.sam\.mask_embed\.conv1\.(\w+)", r"prompt_encoder.mask_downscaling.0.\1", SAME),
    (r"prompts\.sam\.mask_embed\.layer_norm1\.(\w+)", r"prompt_encoder.mask_downscaling.1.\1", SAME),
    (r"prompts\.sam\.mask_embed\.conv2\.(\w+)", r"prompt_encoder.mask_downscaling.3.\1", SAME),
    (r"prompts\.sam\.mask_embed\.layer_norm2\.(\w+)", r"prompt_encoder.mask_downscaling.4.\1", SAME),
    (r"prompts\.sam\.mask_embed\.conv3\.(\w+)", r"prompt_encoder.mask_downscaling.6.\1", SAME),
    (r"masks\.transformer\.layers\.(\d+)\.layer_norm(\d)\.(\w+)", SAM + r".layers.\1.norm\2.\3", SAME),
    (r"masks\.transformer\.layers\.(\d+)\.(\w+\.\w+\.\w+)", SAM + r".layers.\1.\2", SAME),
    (r"masks\.transformer\.final_attn_token_to_image\.(\w+\.\w+)",
     SAM + r".final_attn_token_to_image.\1", SAME),
    (r"masks\.transformer\.layer_norm_final_attn\.(\w+)", SAM + r".norm_final_attn.\1", SAME),
    (r"masks\.(iou_token|mask_tokens)\.weight", r"mask_decoder.\1.weight", SAME),
    (r"masks\.upscaling\.steps\.0\.weight", "mask_decoder.output_upscaling.0.weight", CHILDREN),
    (r"masks\.upscaling\.steps\.1\.weight", "mask_decoder.output_upscaling.3.weight", CHILDREN),
    (r"masks\.upscaling\.steps\.2\.weight", "mask_decoder.output_upscaling.6.weight", CHILDREN),
    (r"masks\.upscaling\.steps\.0\.bias", "mask_decoder.output_upscaling.0.bias", SAME),
    (r"masks\.upscaling\.steps\.1\.bias", "mask_decoder.output_upscaling.3.bias", SAME),
    (r"masks\.upscaling\.steps\.2\.bias", "mask_decoder.output_upscaling.6.bias", SAME),
    (r"masks\.upscaling\.norms\.0\.(\w+)", r"mask_decoder.output_upscaling.1.\1", SAME),
    (r"masks\.upscaling\.norms\.1\.(\w+)", r"mask_decoder.output_upscaling.4.\1", SAME),
    (r"masks\.mask_heads\.(\d)\.proj_in\.(\w+)", _MASK_HEAD + r"layers.0.\2", SAME),
    (r"masks\.mask_heads\.(\d)\.layers\.0\.(\w+)", _MASK_HEAD + r"layers.1.\2", SAME),
    (r"masks\.mask_heads\.(\d)\.proj_out\.(\w+)", _MASK_HEAD + r"layers.2.\2", SAME),
)  # fmt: skip

UNUSED = re.compile(
    r"prompt_encoder\.text_model\.(visual\..*|logit_scale)"
    r"|prompt_encoder\.vq\._codebook\.(initted|cluster_size|embed_avg)"
    r"|mask_decoder\.travel_tokens\.weight"
    r"|image_encoder\.backbone\.swin\.stages\.\d+\.blocks\.\d+\.attn\.w_msa\.relative_position_index"
    r"|image_encoder\.neck\..*\.num_batches_tracked"
)
"""Keys of the published file that inference does not need."""

_COMPILED = tuple((re.compile(pattern), template, layout) for pattern, template, layout in RULES)


def reference_source(key: str, iou_depth: int) -> tuple[str, Layout]:
    """Their key and its layout for our parameter ``key``; ``iou_depth`` is the number of IoU layers."""
    head = re.fullmatch(r"masks\.iou_head\.(proj_in|layers\.(\d+)|proj_out)\.(\w+)", key)
    if head:
        place = {"proj_in": 0, "proj_out": iou_depth - 1}.get(head[1])
        place = int(head[2]) + 1 if place is None else place
        return f"mask_decoder.iou_prediction_head.layers.{place}.{head[3]}", SAME
    for pattern, template, layout in _COMPILED:
        match = pattern.fullmatch(key)
        if match:
            return match.expand(template), layout
    raise KeyError(key)
