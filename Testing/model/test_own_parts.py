"""SAM's and CLIP's parts, written so that the compact model needs no transformers, compute what theirs do."""

from __future__ import annotations

import pytest
import torch
from FluoroSAMSlicerLib.model.clip_text import TextTower
from FluoroSAMSlicerLib.model.feed_forward import FeedForward
from FluoroSAMSlicerLib.model.two_way import TwoWayTransformer
from own_process import run
from small_networks import SMALL_SWIN as SMALL


def weighted(module: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """The module's state with every parameter drawn anew, norms and biases too."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return module.state_dict()


def test_feed_forward():
    from transformers.models.sam.modeling_sam import SamFeedForward

    theirs, ours = SamFeedForward(8, 16, 5, 4), FeedForward(8, 16, 5, 4)
    ours.load_state_dict(weighted(theirs, 1), strict=True)
    given = torch.randn(3, 2, 8)
    torch.testing.assert_close(ours(given), theirs(given))


def test_two_way_transformer():
    from transformers.models.sam.configuration_sam import SamMaskDecoderConfig
    from transformers.models.sam.modeling_sam import SamTwoWayTransformer

    width, decoder = SMALL.width, SMALL.decoder
    theirs = SamTwoWayTransformer(
        SamMaskDecoderConfig(
            hidden_size=width, hidden_act="relu", mlp_dim=decoder.mlp_width, num_hidden_layers=decoder.depth,
            num_attention_heads=decoder.heads, attention_downsample_rate=2, layer_norm_eps=1e-5,
        )
    )  # fmt: skip
    theirs.config._attn_implementation = "sdpa"
    ours = TwoWayTransformer(SMALL).double()
    ours.load_state_dict(weighted(theirs.double(), 2), strict=True)
    tokens, source, grid = torch.randn(2, 5, width), torch.randn(2, width, 4, 6), torch.randn(1, width, 4, 6)
    tokens, source, grid = tokens.double(), source.double(), grid.double()
    expected = theirs(
        point_embeddings=tokens[:, None], image_embeddings=source, image_positional_embeddings=grid,
        attention_similarity=None,
    )  # fmt: skip
    found = ours(tokens, *(t.flatten(2).transpose(1, 2) for t in (source, grid)))
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(own, other[:, 0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kinds", [("points",), ("boxes",), ("points", "boxes")])
def test_spatial_prompts(kinds):
    from FluoroSAMSlicerLib.model.prompt_encoder import PromptEncoder
    from transformers.models.sam.configuration_sam import SamConfig, SamPromptEncoderConfig, SamVisionConfig
    from transformers.models.sam.modeling_sam import SamPromptEncoder

    vision = SamVisionConfig(num_pos_feats=SMALL.width // 2)
    vision.scale = 1.0
    prompt = SamPromptEncoderConfig(
        hidden_size=SMALL.width, image_size=SMALL.image_size, mask_input_channels=SMALL.mask_channels,
        hidden_act="gelu", layer_norm_eps=1e-6,
    )  # fmt: skip
    prompt.image_embedding_size = SMALL.embedding_size
    theirs = SamPromptEncoder(SamConfig(vision_config=vision, prompt_encoder_config=prompt))
    encoder = PromptEncoder(SMALL)
    encoder.sam.load_state_dict(weighted(theirs, 3), strict=True)
    points = torch.rand(3, 4, 2) * SMALL.image_size if "points" in kinds else None
    labels = torch.tensor([[1, 0, 1, -1]] * 3) if "points" in kinds else None
    corners = torch.sort(torch.rand(3, 2, 2) * SMALL.image_size, dim=1).values.flatten(1)
    boxes = corners if "boxes" in kinds else None
    masks = (
        torch.randn(3, 1, 4 * SMALL.embedding_size, 4 * SMALL.embedding_size) if "boxes" in kinds else None
    )
    sparse, dense = encoder(points=points, labels=labels, boxes=boxes, masks=masks)
    expected = theirs(
        None if points is None else points[:, None], None if labels is None else labels.float()[:, None],
        None if boxes is None else boxes[:, None], masks,
    )  # fmt: skip
    torch.testing.assert_close(sparse, expected[0][:, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(dense, expected[1], rtol=0, atol=1e-5)


def test_text_tower():
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModelWithProjection

    text = SMALL.text
    theirs = CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=text.vocabulary, hidden_size=text.width, intermediate_size=4 * text.width,
            projection_dim=text.projection, num_hidden_layers=text.layers, num_attention_heads=text.heads,
            max_position_embeddings=text.context, hidden_act="quick_gelu", layer_norm_eps=1e-5, pad_token_id=0,
            bos_token_id=text.end_of_text - 1, eos_token_id=text.end_of_text,
        )
    ).eval()  # fmt: skip
    ours = TextTower(text)
    ours.load_state_dict(weighted(theirs, 4), strict=True)
    ids = torch.randint(0, text.vocabulary, (5, min(9, text.context)))
    ids[ids == text.end_of_text] = 0
    ids[torch.arange(5), torch.tensor([2, 3, 8, 4, 1])] = text.end_of_text
    torch.testing.assert_close(ours(ids), theirs(input_ids=ids).text_embeds, rtol=1e-4, atol=1e-4)


def test_the_compact_model_answers_without_transformers_and_without_torchs_compiler():
    code = (
        "import sys, numpy as np\n"
        "from FluoroSAMSlicerLib.radiograph import Radiograph\n"
        "from FluoroSAMSlicerLib.segmentation import Predictor\n"
        "p = Predictor.load('compact', device='cpu', threads=1)\n"
        "e = p.encode(Radiograph(np.random.default_rng(0).random((64, 48), np.float32)))\n"
        "p.predict(e, text='left lung', points=[(9, 9)], labels=[1])\n"
        "print([m for m in ('transformers', 'torch._dynamo', 'sympy') if m in sys.modules])"
    )
    assert run(code).strip() == "[]"
