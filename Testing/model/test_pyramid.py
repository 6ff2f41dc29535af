"""The compact network: fine maps beside the embedding, names in one pass, clicks that see the mask so far."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from FluoroSAMSlicerLib.model import FluoroSAM, FluoroSAMConfig, ModelError, PyramidFeatures, as_mask_prompt
from FluoroSAMSlicerLib.model.efficientnet import CHANNELS, EfficientNetLite0
from FluoroSAMSlicerLib.model.name_decoder import decidedness

COMPACT = FluoroSAMConfig.compact()
E, C, S = COMPACT.embedding_size, COMPACT.width, COMPACT.image_size


@pytest.fixture(scope="module")
def network() -> FluoroSAM:
    torch.manual_seed(0)
    return FluoroSAM(COMPACT).eval()


@pytest.fixture(scope="module")
def features(network) -> PyramidFeatures:
    with torch.inference_mode():
        return network.encode_image(torch.randn(2, 3, S, S))


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-4)


def test_weights_fit_into_twelve_megabytes_in_half_precision(network):
    assert 2 * sum(network.parameter_counts().values()) < 12e6
    assert set(network.parameter_counts()) == {"image", "text", "prompts", "masks", "names"}


def test_backbone_is_the_published_one_without_its_classifier():
    backbone = EfficientNetLite0().eval()
    assert sum(p.numel() for p in backbone.parameters()) == 4_652_008 - 1_281_000 - 412_160
    maps = backbone(torch.zeros(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (channels, 16 >> n, 16 >> n) for n, channels in enumerate(CHANNELS)
    ]


def test_backbone_refuses_weights_of_another_network():
    backbone = EfficientNetLite0()
    state = {key: torch.full_like(value, 2) for key, value in backbone.state_dict().items()}
    backbone.load_imagenet(state)
    assert bool((backbone._conv_stem.weight == 2).all())
    with pytest.raises(ModelError, match="_conv_stem.weight"):
        backbone.load_imagenet({**state, "_conv_stem.weight": torch.zeros(32, 3, 5, 5)})


def test_features_are_maps_at_three_scales(features):
    assert features.coarse.shape == (2, C, E, E)
    assert features.eighth.shape == (2, COMPACT.pyramid.eighth, 2 * E, 2 * E)
    assert features.quarter.shape == (2, COMPACT.pyramid.quarter, 4 * E, 4 * E)
    assert torch.equal(features.image(1).coarse, features.coarse[1:])


def test_what_a_name_gets_does_not_depend_on_the_others(network, features):
    codes = torch.randn(1, 5, C)
    with torch.inference_mode():
        together, scores = network.decode_names(features.image(0), codes)
        assert together.shape == (1, 5, 8 * E, 8 * E) and scores.shape == (1, 5)
        assert bool(((scores >= 0) & (scores <= 1)).all())
        for k in range(5):
            alone, score = network.decode_names(features.image(0), codes[:, k : k + 1])
            close(alone[0, 0], together[0, k])
            close(score[0, 0], scores[0, k])


def test_clicks_boxes_and_masks_each_change_the_answer(network, features):
    image = features.image(0)
    with torch.inference_mode():

        def answer(**prompt) -> torch.Tensor:
            return network.decode(image, *network.encode_prompts(**prompt))[0]

        plain = answer()
        assert plain.shape == (1, 4, 8 * E, 8 * E)
        point, label = torch.tensor([[[90.0, 40.0]]]), torch.ones(1, 1)
        inside = answer(points=point, labels=label)
        outside = answer(points=point, labels=label - 1)
        boxed = answer(boxes=torch.tensor([[40.0, 30.0, 200.0, 180.0]]))
        masked = answer(masks=as_mask_prompt(torch.randn(1, 1, 8 * E, 8 * E)))
    answers = [plain, inside, outside, boxed, masked]
    for number, one in enumerate(answers):
        for other in answers[number + 1 :]:
            assert (one - other).abs().max() > 1e-3


def test_padding_points_are_no_clicks(network, features):
    point = torch.tensor([[[90.0, 40.0]]])
    padded = torch.cat([point, torch.zeros(1, 1, 2)], 1)
    _, alone = network.encode_prompts(points=point, labels=torch.ones(1, 1))
    _, both = network.encode_prompts(points=padded, labels=torch.tensor([[1, -1]]))
    assert torch.equal(alone, both)
    assert alone[0, 2].flatten().argmax().item() == (40 // 4) * 4 * E + 90 // 4


def test_many_prompts_on_one_image_equal_one_at_a_time(network, features):
    points, labels = torch.rand(4, 2, 2) * S, torch.randint(0, 2, (4, 2))
    with torch.inference_mode():
        together, scores = network.decode(
            features.image(0), *network.encode_prompts(points=points, labels=labels)
        )
        for k in range(4):
            prompt = network.encode_prompts(points=points[k : k + 1], labels=labels[k : k + 1])
            alone, score = network.decode(features.image(0), *prompt)
            close(alone[0], together[k])
            close(score[0], scores[k])


def test_weights_serve_inputs_of_other_sizes(network):
    other = FluoroSAM(replace(COMPACT, image_size=192, embedding_size=12)).eval()
    other.load_state_dict(network.state_dict())
    with torch.inference_mode():
        logits, _ = other.decode_names(other.encode_image(torch.randn(1, 3, 192, 192)), torch.randn(1, 1, C))
    assert logits.shape[-1] == 96


def test_a_sure_mask_looks_surer_than_a_doubtful_one():
    sure, doubtful = torch.full((1, 1, 8, 8), -9.0), torch.full((1, 1, 8, 8), -0.5)
    sure[..., 2:6, 2:6], doubtful[..., 2:6, 2:6] = 9.0, 0.5
    assert bool((decidedness(sure)[..., [0, 2, 3]] > decidedness(doubtful)[..., [0, 2, 3]]).all())


@pytest.mark.parametrize(
    ("change", "cause"),
    [({"backbone": "resnet"}, "no backbone is called"), ({"embedding_size": 32}, "needs an input of 512")],
)
def test_configurations_that_cannot_be(change, cause):
    with pytest.raises(ModelError, match=cause):
        replace(COMPACT, **change)
