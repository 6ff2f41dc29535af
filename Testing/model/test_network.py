"""The network as trainers and predictors use it."""

from __future__ import annotations

import pytest
import torch
from FluoroSAMSlicerLib.model import FluoroSAM, ModelError, as_mask_prompt
from FluoroSAMSlicerLib.model.mask_decoder import Upscaling
from small_networks import SMALL_SWIN
from torch.nn import functional as F

COMPACT = SMALL_SWIN
E, C, S = COMPACT.embedding_size, COMPACT.width, COMPACT.image_size


@pytest.fixture(scope="module")
def compact() -> FluoroSAM:
    torch.manual_seed(0)
    return FluoroSAM(COMPACT).eval()


@pytest.fixture(scope="module")
def embedding(compact) -> torch.Tensor:
    with torch.inference_mode():
        return compact.encode_image(torch.randn(2, 3, S, S))


def token_ids(*rows: list[int]) -> torch.Tensor:
    length = max(map(len, rows)) + 2
    end = COMPACT.text.end_of_text
    return torch.tensor([[2, *row, end, *[0] * (length - 2 - len(row))] for row in rows])


def test_compact_model_stays_within_its_budget(compact):
    counts = compact.parameter_counts()
    assert sum(counts.values()) == sum(p.numel() for p in compact.parameters()) <= 7_000_000
    assert set(counts) == {"image", "text", "prompts", "masks"}


def test_shapes(compact, embedding):
    with torch.inference_mode():
        assert embedding.shape == (2, C, E, E)
        text = compact.encode_text(token_ids([7, 8], [9]))
        assert text.code.shape == (2, C) and text.index.shape == (2,) and text.loss == 0
        points, labels = torch.full((2, 3, 2), 50.0), torch.ones(2, 3)
        sparse, dense = compact.encode_prompts(text.code, points, labels)
        assert sparse.shape == (2, 1 + 3 + 1, C) and dense.shape == (2, C, E, E)
        low_res, scores = compact.decode(embedding, sparse, dense)
        assert low_res.shape == (2, 4, 8 * E, 8 * E) and scores.shape == (2, 4)


def test_many_prompts_on_one_image_equal_one_prompt_at_a_time(compact, embedding):
    torch.manual_seed(1)
    points, labels = torch.rand(5, 2, 2) * S, torch.randint(0, 2, (5, 2))
    with torch.inference_mode():
        together, scores = compact.decode(
            embedding[:1], *compact.encode_prompts(points=points, labels=labels)
        )
        for k in range(5):
            prompt = compact.encode_prompts(points=points[k : k + 1], labels=labels[k : k + 1])
            alone, score = compact.decode(embedding[:1], *prompt)
            torch.testing.assert_close(alone[0], together[k], atol=2e-4, rtol=1e-4)
            torch.testing.assert_close(score[0], scores[k], atol=1e-4, rtol=1e-4)


def test_embeddings_are_taken_prompt_by_prompt_when_there_are_as_many(compact, embedding):
    sparse, dense = compact.encode_prompts(points=torch.full((2, 1, 2), 30.0), labels=torch.ones(2, 1))
    with torch.inference_mode():
        both, _ = compact.decode(embedding, sparse, dense)
        second, _ = compact.decode(embedding[1:], sparse[1:], dense[1:])
    torch.testing.assert_close(both[1], second[0], atol=2e-4, rtol=1e-4)


def test_order_of_points_does_not_matter_but_labels_do(compact, embedding):
    points, labels = torch.tensor([[[20.0, 30.0], [150.0, 90.0]]]), torch.tensor([[1, 0]])
    with torch.inference_mode():
        first, _ = compact.decode(embedding[:1], *compact.encode_prompts(points=points, labels=labels))
        turned = compact.encode_prompts(points=points.flip(1), labels=labels.flip(1))
        swapped = compact.encode_prompts(points=points, labels=labels.flip(1))
        torch.testing.assert_close(compact.decode(embedding[:1], *turned)[0], first, atol=2e-4, rtol=1e-4)
        assert (compact.decode(embedding[:1], *swapped)[0] - first).abs().max() > 1e-3


def test_no_prompt_at_all_is_a_prompt(compact, embedding):
    sparse, dense = compact.encode_prompts()
    assert sparse.shape == (1, 0, C)
    assert torch.isfinite(compact.decode(embedding[:1], sparse, dense)[0]).all()


def test_a_previous_mask_can_be_fed_back(compact, embedding):
    with torch.inference_mode():
        low_res, _ = compact.decode(embedding[:1], *compact.encode_prompts())
        prompt = as_mask_prompt(low_res[:, 1:2])
        torch.testing.assert_close(prompt, F.interpolate(low_res[:, 1:2], scale_factor=0.5, mode="bilinear"))
        sparse, dense = compact.encode_prompts(masks=prompt)
        assert dense.shape == (1, C, E, E)
        assert (compact.decode(embedding[:1], sparse, dense)[0] - low_res).abs().max() > 1e-3


def test_upscaling_equals_transposed_convolutions():
    torch.manual_seed(2)
    upscaling = Upscaling(32).double()
    features, weights = (
        torch.randn(2, 5, 5, 32, dtype=torch.float64),
        torch.randn(2, 4, 4, dtype=torch.float64),
    )
    expected = features.permute(0, 3, 1, 2)
    for number, step in enumerate(upscaling.steps):
        inputs, outputs = step.weight.shape[1], step.bias.shape[0]
        weight = step.weight.reshape(2, 2, outputs, inputs).permute(3, 2, 0, 1)
        expected = F.conv_transpose2d(expected, weight, step.bias, stride=2)
        if number < 2:
            expected = upscaling.norms[number](expected.movedim(1, -1)).movedim(-1, 1)
        expected = F.gelu(expected)
    expected = torch.einsum("bmc,bchw->bmhw", weights, expected).float()
    torch.testing.assert_close(upscaling(features, weights), expected)


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"points": torch.zeros(1, 2, 2)}, "belong together"),
        ({"points": torch.zeros(1, 2, 2), "labels": torch.ones(1, 3)}, "labels has shape"),
        ({"text": torch.zeros(2, C), "boxes": torch.zeros(1, 4)}, "boxes has shape"),
        ({"masks": torch.zeros(1, 1, 8 * E, 8 * E)}, "masks has shape"),
    ],
)
def test_prompts_of_wrong_shape_are_named(compact, given, cause):
    with pytest.raises(ModelError, match=cause):
        compact.encode_prompts(**given)


def test_embeddings_that_do_not_fit_the_prompts_are_refused(compact, embedding):
    sparse, dense = compact.encode_prompts(points=torch.zeros(3, 1, 2), labels=torch.ones(3, 1))
    with pytest.raises(ModelError, match="3 prompts"):
        compact.decode(embedding, sparse, dense)


def test_too_many_token_ids_are_refused(compact):
    with pytest.raises(ModelError, match=str(COMPACT.text.context)):
        compact.encode_text(torch.zeros(1, COMPACT.text.context + 1, dtype=torch.int64))


def test_every_part_learns_under_bfloat16_autocast():
    torch.manual_seed(0)
    network = FluoroSAM(COMPACT).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embedding = network.encode_image(torch.randn(2, 3, S, S))
        text = network.encode_text(token_ids([7, 8], [9]))
        sparse, dense = network.encode_prompts(
            text=text.code,
            points=torch.rand(2, 2, 2) * S,
            labels=torch.tensor([[1, 0], [1, -1]]),
            boxes=torch.tensor([[10.0, 10.0, 90.0, 90.0]] * 2),
            masks=torch.randn(2, 1, 4 * E, 4 * E),
        )
        low_res, scores = network.decode(embedding, sparse, dense)
    assert low_res.dtype == scores.dtype == torch.float32
    (low_res.square().mean() + scores.square().mean() + text.loss).backward()
    asleep = {name for name, p in network.named_parameters() if p.requires_grad and p.grad is None}
    assert asleep == {"prompts.sam.no_mask_embed.weight"}
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_bfloat16_autocast_keeps_prompt_positions_exact(compact):
    points, labels = torch.tensor([[[100.25, 33.5]]]), torch.ones(1, 1)
    plain, _ = compact.encode_prompts(points=points, labels=labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed, _ = compact.encode_prompts(points=points, labels=labels)
    assert torch.equal(plain, mixed)


def test_codebook_in_training_and_evaluation():
    torch.manual_seed(0)
    network = FluoroSAM(COMPACT)
    ids = token_ids([7, 8], [9], [10, 11, 12])
    mlp = network.eval().encode_text(ids).mlp.detach()
    network.text.set_codebook(mlp + 0.01)

    evaluated = network.encode_text(ids)
    assert evaluated.index.tolist() == [0, 1, 2]
    assert torch.equal(evaluated.code, network.text.codebook.rows[evaluated.index])

    trained = network.train().encode_text(ids)
    assert trained.loss > 0
    torch.testing.assert_close(trained.code, evaluated.code)
    trained.code.sum().backward()
    assert network.text.mlp[2].weight.grad.abs().sum() > 0
    assert network.text.codebook.rows.grad is None or not network.text.codebook.rows.grad.any()
    trained = network.encode_text(ids)
    trained.loss.backward()
    assert network.text.codebook.rows.grad[:3].abs().sum() > 0


def test_codebook_refuses_rows_that_do_not_fit(compact):
    with pytest.raises(ModelError, match="cannot take rows"):
        compact.text.set_codebook(torch.zeros(COMPACT.text.codebook + 1, C))


def test_padding_after_the_end_of_text_changes_nothing(compact):
    short, long = token_ids([7, 8]), token_ids([7, 8], [9, 10, 11, 12, 13])[:1]
    with torch.inference_mode():
        torch.testing.assert_close(compact.encode_text(short).projected, compact.encode_text(long).projected)


def test_training_and_evaluation_attention_agree():
    torch.manual_seed(0)
    network, pixels = FluoroSAM(COMPACT), torch.randn(1, 3, S, S)
    kinds = {}
    with torch.no_grad():
        for mode in (True, False):
            network.train(mode)
            stages = network.image.stages(pixels)
            decoded = network.masks(torch.ones(1, C, E, E), network.prompts.grid(), *network.encode_prompts())
            kinds[mode] = [*stages, *decoded]
    for trained, evaluated in zip(kinds[True], kinds[False], strict=True):
        torch.testing.assert_close(trained, evaluated, atol=2e-4, rtol=1e-4)
