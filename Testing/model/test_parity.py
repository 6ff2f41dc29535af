"""The network reproduces the published reference, stage by stage, on its parity fixture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from FluoroSAMSlicerLib.model import FluoroSAM, load_reference_checkpoint
from FluoroSAMSlicerLib.model.preprocess import InputFrame, network_input
from safetensors.torch import load_file

STAGE, TEXT, TOKEN, LOW_RES, SCORE, FINAL = 5e-5, 2e-5, 1e-5, 3e-4, 5e-5, 1e-4
"""Greatest absolute differences that a correct float32 implementation stays within."""

COMBINATIONS = (
    "text", "text_pos1", "text_pts3", "pts_only", "box", "text_mask", "text_box", "text_pts_box_mask",
    "pts_with_padding_label", "two_texts_one_image",
)  # fmt: skip


class Fixture:
    """The parity fixture's files and the network that its weights make."""

    def __init__(self, folder: Path) -> None:
        self.description = json.loads((folder / "config.json").read_text())
        self.inputs = load_file(folder / "inputs.safetensors")
        self.expected = load_file(folder / "expected.safetensors")
        self.e2e = load_file(folder / "e2e.safetensors")
        self.network: FluoroSAM = load_reference_checkpoint(folder / "weights.safetensors")

    def prompts(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.description["combos"][name]["text_rows"]
        text = None
        if rows is not None:
            text = self.network.encode_text(self.inputs["token_ids"].long()[rows]).code
        given = {
            ours: self.inputs.get(f"{name}.{theirs}")
            for ours, theirs in {
                "points": "points",
                "labels": "labels",
                "boxes": "boxes",
                "masks": "mask",
            }.items()
        }
        return self.network.encode_prompts(text=text, **given)


@pytest.fixture(scope="module")
def fixture(reference_fixture):
    with torch.inference_mode():
        yield Fixture(reference_fixture)


@pytest.fixture(scope="module")
def embedding(fixture):
    return fixture.network.encode_image(fixture.inputs["pixel_values"])


def assert_close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


def test_all_combinations_of_the_fixture_are_covered(fixture):
    assert set(fixture.description["combos"]) == set(COMBINATIONS)


def test_swin_stages(fixture):
    stages = fixture.network.image.stages(fixture.inputs["pixel_values"])
    for number, stage in enumerate(stages, start=1):
        assert_close(stage, fixture.expected[f"swin.stage{number}"], STAGE)


def test_neck_and_image_embedding(fixture, embedding):
    neck = fixture.network.image.neck(fixture.network.image.stages(fixture.inputs["pixel_values"]))
    assert_close(neck, fixture.expected["neck.sam_encoder_prenorm"], 2 * STAGE)
    assert_close(embedding, fixture.expected["image_embedding"], STAGE)


def test_text_path_up_to_the_codebook_row(fixture):
    text = fixture.network.encode_text(fixture.inputs["token_ids"].long())
    assert_close(text.projected, fixture.expected["text.clip_projected"], TEXT)
    assert_close(text.mlp, fixture.expected["text.mlp"], TEXT)
    assert torch.equal(text.index, fixture.expected["text.vq_index"])
    assert torch.equal(text.code, fixture.expected["text.vq"])


def test_codebook_decoys_of_cosine_and_dot_product_are_not_chosen(fixture):
    mlp = fixture.expected["text.mlp"]
    rows = fixture.network.text.codebook.rows
    chosen = fixture.network.encode_text(fixture.inputs["token_ids"].long()).index
    assert not torch.equal((mlp @ rows.T).argmax(1), chosen)
    assert not torch.equal((mlp @ torch.nn.functional.normalize(rows, dim=1).T).argmax(1), chosen)


def test_dense_position_grid(fixture):
    assert_close(fixture.network.prompts.grid(), fixture.expected["dense_pe"], TOKEN)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_prompt_tokens(fixture, name):
    sparse, dense = fixture.prompts(name)
    assert_close(sparse, fixture.expected[f"{name}.sparse"], TOKEN)
    if f"{name}.dense" in fixture.expected:
        assert_close(dense, fixture.expected[f"{name}.dense"], TOKEN)
    else:
        constant = fixture.expected[f"{name}.dense_channel_constant"]
        assert_close(dense, constant[:, :, None, None].expand_as(dense), TOKEN)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_low_resolution_logits_and_scores(fixture, embedding, name):
    low_res, scores = fixture.network.decode(embedding, *fixture.prompts(name))
    multi = low_res[:, 1:]
    if f"{name}.low_res_masks" in fixture.expected:
        assert_close(multi, fixture.expected[f"{name}.low_res_masks"], LOW_RES)
    else:
        assert_close(multi[..., ::2, ::2], fixture.expected[f"{name}.low_res_masks_every2"], LOW_RES)
    assert_close(scores[:, 1:], fixture.expected[f"{name}.iou"], SCORE)
    assert torch.equal(scores[:, 1:].argmax(dim=1), fixture.expected[f"{name}.best_index"])


@pytest.mark.parametrize("name", COMBINATIONS)
def test_single_mask_output(fixture, embedding, name):
    low_res, scores = fixture.network.decode(embedding, *fixture.prompts(name))
    assert_close(scores[:, :1], fixture.expected[f"{name}.single_mask_iou"], SCORE)
    if f"{name}.single_mask_low_res_every4" in fixture.expected:
        assert_close(
            low_res[:, :1, ::4, ::4], fixture.expected[f"{name}.single_mask_low_res_every4"], LOW_RES
        )


def test_final_logits_at_the_original_size(fixture, embedding):
    height, width = fixture.description["config"]["original_size"]
    size = fixture.network.config.image_size
    # The fixture's wrapper was told that the image fills the whole square.
    frame = InputFrame(1.0, height, width, size, size, size)
    compared = 0
    for name in COMBINATIONS:
        if f"{name}.final_logits_best" not in fixture.expected:
            continue
        low_res, scores = fixture.network.decode(embedding, *fixture.prompts(name))
        best = 1 + scores[:, 1:].argmax(dim=1)
        logits = frame.restore(low_res)[torch.arange(len(best)), best]
        assert_close(logits, fixture.expected[f"{name}.final_logits_best"], FINAL)
        compared += 1
    assert compared


@pytest.mark.parametrize(("row", "name"), [(0, "text"), (1, "text_point")])
def test_end_to_end_on_a_non_square_image_with_its_padding_removed(fixture, row, name):
    network, e2e = fixture.network, fixture.e2e
    pixels, frame = network_input(e2e["raw"].numpy(), network.config)
    embedding = network.encode_image(pixels)
    assert_close(embedding, e2e["image_embedding"], STAGE)
    text = network.encode_text(e2e["token_ids"].long()[row : row + 1]).code
    points, labels = e2e.get(f"{name}.points"), e2e.get(f"{name}.labels")
    low_res, scores = network.decode(embedding, *network.encode_prompts(text, points, labels))
    best = 1 + int(scores[0, 1:].argmax())
    assert_close(scores[0, best], e2e[f"{name}.iou"][0], SCORE)
    logits = frame.restore(low_res[:, best : best + 1])[0, 0]
    assert_close(logits, e2e[f"{name}.mask_logits_padding_removed"], FINAL)
    assert (logits - e2e[f"{name}.mask_logits"]).abs().max() > 0.1
