"""Augmentation, names, losses and evaluation."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.dataset import DatasetError, Sample, ShardReader, ShardWriter
from FluoroSAMSlicerLib.training.augment import TrainingImage, augment
from FluoroSAMSlicerLib.training.evaluation import evaluate, next_click
from FluoroSAMSlicerLib.training.implants import KINDS, draw_implants
from FluoroSAMSlicerLib.training.losses import clicks_from_error, mask_losses, prompt_loss, true_iou
from FluoroSAMSlicerLib.training.plates import Plates
from FluoroSAMSlicerLib.training.prompts import Prompts
from PIL import Image


def make_sample(seed: int = 0, size: int = 96) -> Sample:
    """Two lungs (dark) in tissue and a spine: area densities in g/cm2."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    soft, bone = np.full((size, size), 20.0), np.zeros((size, size))
    shift = rng.normal(0, 0.02)
    lobes = {
        "right lung upper lobe": np.hypot((x - 0.28 - shift) / 0.16, (y - 0.35) / 0.2) < 1,
        "right lung lower lobe": np.hypot((x - 0.28 - shift) / 0.16, (y - 0.62) / 0.22) < 1,
        "left lung upper lobe": np.hypot((x - 0.72 - shift) / 0.16, (y - 0.35) / 0.2) < 1,
        "left lung lower lobe": np.hypot((x - 0.72 - shift) / 0.16, (y - 0.62) / 0.22) < 1,
        "T7 vertebra": (abs(x - 0.5) < 0.06) & (abs(y - 0.5) < 0.05),
    }
    for name, mask in lobes.items():
        if "lung" in name:
            soft[mask] = 6.0
        else:
            bone[mask] = 4.0
    density = np.stack([soft, bone]).astype(np.float32)
    return Sample(density, lobes, "chest", "chest frontal", {})


def pixels_of(image: TrainingImage) -> np.ndarray:
    """Its picture (h, w), [0, 1], bone bright."""
    height, width = image.shape
    levels = Plates.stacked([image.plates]).developed(torch.device("cpu"))[0, :height, :width]
    return (255 - levels).numpy() / 255


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    for number in range(2):
        samples = [make_sample(4 * number + n) for n in range(4)]
        ShardWriter(folder).write(f"{number:05d}-chest", samples)
    return folder


def test_augmented_pictures_are_in_range_and_keep_masks_in_place():
    sample, dark = make_sample(), []
    for seed in range(30):
        image = augment(sample, 96, np.random.default_rng(seed))
        pixels = pixels_of(image)
        assert max(pixels.shape) == 96
        assert 0 <= pixels.min() and pixels.max() <= 1
        assert all(mask.shape == pixels.shape for mask in image.masks.values())
        lung = image.masks.get("left lung lower lobe")
        spine = image.masks.get("T7 vertebra")
        if lung is not None and spine is not None:
            dark.append(pixels[lung].mean() < pixels[spine].mean())
    assert np.mean(dark) > 0.8


def test_augmentation_depends_on_the_seed_only():
    one, two = (augment(make_sample(), 96, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(pixels_of(one), pixels_of(two))


@pytest.mark.parametrize("kind", KINDS)
def test_every_implant_has_metal_where_its_mask_is(kind):
    from FluoroSAMSlicerLib.anatomy import vocabulary
    from FluoroSAMSlicerLib.training.implants import Drawing

    assert kind in vocabulary()
    drawing = Drawing(np.zeros((120, 160), np.float32))
    for seed in range(20):
        KINDS[kind](drawing, np.random.default_rng(seed))
    assert drawing.masks[kind].any() and all(name in vocabulary() for name in drawing.masks)
    assert np.array_equal(drawing.metal > 0, np.logical_or.reduce(list(drawing.masks.values())))
    assert draw_implants((60, 80), np.random.default_rng(1)).metal.shape == (60, 80)


def test_lobes_make_up_lungs(shards):
    prompts, leaves = Prompts(ShardReader(shards)), make_sample().masks
    parts = prompts.masks(leaves)
    assert {"left lung", "right lung", "lungs", "T7 vertebra"} <= set(parts) and "left femur" not in parts
    assert parts["left lung"] == {"left lung upper lobe", "left lung lower lobe"}
    absent = prompts.absent(leaves)
    assert not any("lung" in name or "vertebra" in name for name in absent)


def test_losses_prefer_the_right_mask_and_scores_learn_the_true_iou():
    target = torch.zeros(1, 16, 16)
    target[:, 4:12, 4:12] = 1
    right, wrong = (target * 20 - 10)[:, None], (10 - target * 20)[:, None]
    both = torch.cat([right, wrong], 1)
    losses = mask_losses(both, target)
    assert losses[0, 0] < 0.05 and losses[0, 1] > 1
    assert torch.allclose(true_iou(both, target), torch.tensor([[1.0, 0.0]]))
    loss, best = prompt_loss(both, torch.tensor([[1.0, 0.0]]), target, torch.ones(1))
    worse, _ = prompt_loss(both, torch.tensor([[0.0, 1.0]]), target, torch.ones(1))
    assert best.item() == 0 and worse > loss


def test_an_absent_structure_should_score_zero():
    empty = torch.zeros(1, 8, 8)
    assert true_iou(torch.full((1, 1, 8, 8), -5.0), empty).item() == 0


def test_clicks_fall_on_errors_with_the_right_label():
    generator = torch.Generator().manual_seed(0)
    target = torch.zeros(2, 32, 32)
    target[:, 8:24, 8:24] = 1
    logits = torch.full((2, 32, 32), -5.0)
    logits[1, 8:24, 8:24] = 5
    logits[1, :6, :6] = 5
    points, labels = clicks_from_error(logits, target, 6, generator)
    for number in range(2):
        for (x, y), label in zip(points[number].long(), labels[number], strict=True):
            assert (logits[number, y, x] > 0) != (target[number, y, x] > 0.5)
            assert label == target[number, y, x]


def test_next_click_is_the_middle_of_the_largest_error():
    wanted, drawn = np.zeros((50, 60), bool), np.zeros((50, 60), bool)
    wanted[10:31, 20:41] = True
    assert next_click(drawn, wanted) == ((30, 20), 1)
    drawn[10:31, 20:41] = True
    drawn[40:49, 2:11] = True
    assert next_click(drawn, wanted) == ((6, 44), 0)
    (x, y), label = next_click(wanted, wanted)
    assert label == 1 and wanted[y, x]


def test_what_is_absent_is_known_only_where_nothing_like_it_is_labelled(shards):
    reader = ShardReader(shards)
    prompts = Prompts(reader)
    known = dict(zip(prompts.names, prompts.known(reader)["chest"], strict=True))
    assert known["left lung"] and known["T7 vertebra"] and not known["catheter"]
    assert "left femur" not in known


def test_evaluation_counts_clicks_and_ignores_what_it_is_told(tmp_path):
    wanted = np.zeros((40, 50), bool)
    wanted[10:30, 10:30] = True
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(wanted.astype(np.uint8) * 255).save(tmp_path / "m.png")
    Image.fromarray(np.eye(40, 50).astype(np.uint8) * 255).save(tmp_path / "i.png")
    structure = {"text": "left lung", "mask": "m.png", "ignore": "i.png"}
    (tmp_path / "set.jsonl").write_text(json.dumps({"image": "a.png", "structures": [structure]}) + "\n\n")

    class Student:
        """Draws a bit more of the square with each click; never the diagonal."""

        name = "student"

        def encode(self, radiograph):
            return radiograph

        def predict(self, embedding, text, points, labels, previous):
            mask = np.zeros((40, 50), bool)
            mask[10:30, 10 : 14 + 4 * len(points)] = True
            mask[np.eye(40, 50, dtype=bool)] = False
            return SimpleNamespace(mask=mask, score=0.2 * len(points))

    result = evaluate(tmp_path / "set.jsonl", Student(), clicks=(0, 1, 4))
    assert [round(row.dice, 2) for row in result.rows] == [0.33, 0.57, 1.0]
    assert result.mean(4) == 1.0 and result.calibration() == pytest.approx(1.0)
    assert "left lung" in result.table() and result.to_dict()["mean_dice"]["4"] == 1.0


@pytest.mark.parametrize("content", ["", "{}\n", "not json\n", '{"image": "a.png", "structures": [{}]}\n'])
def test_faulty_manifest_is_refused(tmp_path, content):
    (tmp_path / "set.jsonl").write_text(content)
    with pytest.raises(DatasetError, match="set.jsonl"):
        evaluate(tmp_path / "set.jsonl", None)
