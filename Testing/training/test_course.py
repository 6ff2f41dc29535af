"""Exposures made on the fly, what a step asks of them, and a training that stops and goes on."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.anatomy import vocabulary
from FluoroSAMSlicerLib.dataset import DatasetError, open_training_images
from FluoroSAMSlicerLib.dataset.quick.packing import write
from FluoroSAMSlicerLib.model import Provenance, load_model
from FluoroSAMSlicerLib.training import exposures
from FluoroSAMSlicerLib.training.course import Course, Training
from FluoroSAMSlicerLib.training.exposures import ExposureStream
from FluoroSAMSlicerLib.training.fine_tune import FINE_COURSE
from FluoroSAMSlicerLib.training.implants import KINDS
from FluoroSAMSlicerLib.training.name_batch import CELL, FULL, PRESENT
from FluoroSAMSlicerLib.training.recipes import export_training, recipe_training
from FluoroSAMSlicerLib.training.rounds import (
    choose_prompts,
    first_clicks,
    loose_boxes,
    name_loss,
    wrong_masks,
)
from FluoroSAMSlicerLib.training.samples import SampleStream
from FluoroSAMSlicerLib.training.streams import MixedStream
from small_networks import small_compact

SIZE = 64


@pytest.fixture(scope="module")
def stream(packed_dolls):
    return ExposureStream(packed_dolls, SIZE, bodies=2, views=2, seed=4)


@pytest.mark.parametrize("complete", [False, ["bone"]])
def test_what_a_body_may_show_without_a_label_is_not_absent(packed_dolls, tmp_path, stream, complete):
    name = stream.packed.names[0]
    write(dataclasses.replace(stream.packed[0].body, name=name), tmp_path / f"{name}.npz", complete)
    for file in sorted(packed_dolls.glob("*.npz"))[1:]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    partly = ExposureStream(tmp_path, SIZE, bodies=2, views=2, seed=4)
    assert partly.packed.complete == [complete, *[True] * (len(partly.packed) - 1)]
    assert partly.names == stream.names
    prompts, present = stream.asking.prompts, stream.packed[0].body.structures.keys()
    elsewhere = {own for own in prompts.single if prompts.constituents[own].isdisjoint(present)}
    absent, all_absent = (
        elsewhere & {own for own, known in zip(one.names, one.asking.known[name], strict=True) if known}
        for one in (partly, stream)
    )
    assert absent == {own for own in all_absent if complete and vocabulary()[own].category in complete}
    assert len(absent) < len(all_absent)


@pytest.fixture
def luck():
    return torch.Generator().manual_seed(3)


def course(**more) -> Course:
    given = {"size": SIZE, "steps": 4, "warmup": 1, "fall": 1, "names_first": 1, "seed": 4}
    return Course(**(given | more))


def one_body(packed) -> ExposureStream:
    return ExposureStream(packed, SIZE, bodies=1, views=2, seed=4)


def disc(y: float, x: float, radius: float, side: int = 48) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return ((rows - y) ** 2 + (columns - x) ** 2 < radius**2).float()


def test_a_batch_depends_on_its_number_only_and_has_the_shapes_promised(stream, packed_dolls):
    one, again = stream[2], ExposureStream(packed_dolls, SIZE, bodies=2, views=2, seed=4)[2]
    assert all(torch.equal(a, b) for a, b in zip(vars(one).values(), vars(again).values(), strict=True))
    assert not torch.equal(one.pixel_values, stream[3].pixel_values)
    assert one.pixel_values.shape == (4, 3, SIZE, SIZE) and one.pixel_values.dtype == torch.float16
    assert one.covered.shape == (4, one.names.shape[1], SIZE // CELL, SIZE // CELL)
    assert 0 < one.covered.max() <= FULL and one.pixel_values.abs().max() <= 1


def test_panoramic_pictures_are_wide_and_show_the_jaw(packed_dolls, monkeypatch):
    monkeypatch.setattr(exposures, "BARRED", 0.0)
    stream = one_body(packed_dolls)
    stream.packed.places = [tuple(p for p in own if p.region.panoramic) for own in stream.packed.places]
    batch = stream[0]
    for pixels, covered, names in zip(batch.pixel_values, batch.covered, batch.names, strict=True):
        below = int(SIZE / 1.55)
        assert (pixels[:, below:] == pixels[0, -1, -1]).all() and pixels[0, :below].float().std() > 0.05
        (place,) = np.flatnonzero(names.numpy() == stream.names.index("mandible"))
        assert covered[place].any() and not covered[place, -(-below // CELL):].any()
    monkeypatch.setattr(exposures, "BARRED", 1.0)
    for pixels, covered, names in zip(*vars(stream[0]).values(), strict=True):
        (place,) = np.flatnonzero(names.numpy() == stream.names.index("mandible"))
        bars = SIZE // 8
        cells = bars // CELL
        assert (pixels[:, :bars] == pixels[:, :1, :1]).all() and (pixels[:, -bars:] == pixels[:, :1, :1]).all()
        assert not covered[place, :cells].any() and not covered[place, -cells:].any()
        assert covered[place].any()


def test_a_structure_of_which_too_little_is_seen_for_a_mask_is_not_absent(stream):
    body, own = stream.packed.names[0], stream.packed[0].body.structures
    hidden = next(name for name in own if name in stream.asking.position)

    def absent(traces) -> set[str]:
        found = set()
        for seed in range(60):
            names, _ = stream.asking.choose(body, {}, (SIZE, SIZE), np.random.default_rng(seed), traces)
            found |= {stream.names[n] for n in names[PRESENT:].tolist() if n >= 0}
        return found

    assert hidden in absent(()) and hidden not in absent({hidden})


def test_names_asked_for_are_what_the_body_shows_and_absent_ones_cover_nothing(stream):
    asked = set()
    for step in range(6):
        batch = stream[step]
        covered = batch.covered.float().sum((-1, -2))
        for names, area in zip(batch.names, covered, strict=True):
            present, absent = names[:PRESENT], names[PRESENT:]
            assert (area[:PRESENT][present < 0] == 0).all() and (area[PRESENT:] == 0).all()
            assert (area[:PRESENT][present >= 0] > 0).all()
            chosen = present[present >= 0].tolist()
            assert len(chosen) == len(set(chosen))
            shown = {stream.names[n] for n in chosen}
            opposite = {stream.asking.opposite.get(name) for name in shown}
            assert not (shown | opposite) & {stream.names[n] for n in absent[absent >= 0].tolist()}
            asked |= shown
    assert {"left lung", "L3 vertebra"} & asked and len(asked) > 20


def test_metal_is_all_metal_together(stream):
    metal = stream.names.index("metal")
    single = {stream.names.index(name) for name in stream.metal & set(stream.names)}
    shown = 0
    for step in range(12):
        batch = stream[step]
        for names, covered in zip(batch.names, batch.covered, strict=True):
            drawn = dict(zip(names.tolist(), covered, strict=True))
            parts = [drawn[n] for n in single & drawn.keys()]
            if metal in drawn and parts:
                assert (drawn[metal].int() >= torch.stack(parts).amax(0).int() - 1).all()
                shown += bool(drawn[metal].any())
    assert shown


def test_wrong_masks_are_of_every_kind(luck):
    targets = torch.stack([disc(24, 18, 9)] * 200)
    others = torch.stack([disc(8, 40, 5)] * 200)
    drawn = wrong_masks(targets, others, luck)
    assert drawn.shape == targets.shape and drawn.abs().max() <= 6
    area = (drawn > 0).sum((1, 2)).float() / targets[0].sum()
    shared = ((drawn > 0) & (targets > 0.5)).sum((1, 2)) / targets[0].sum()
    assert ((area > 1.5) & (shared > 0.99)).any(), "far too large"
    assert ((area < 0.95) & (area > 0.6) & (shared > 0.6)).any(), "too small"
    assert ((shared == 0) & (area < 0.5)).any(), "another structure"
    assert ((area > 0.4) & (area < 0.6) & (shared > 0.4)).any(), "half"
    assert (((drawn > 0) == (targets.flip(2) > 0.5)).float().mean((1, 2)) > 0.98).any(), "mirrored"


def test_boxes_hold_their_structure_about(luck):
    targets = torch.stack([disc(20, 30, 8)] * 300)
    boxes = loose_boxes(targets, CELL, luck)
    tight = torch.tensor([23, 13, 38, 28]) * CELL - 0.5
    off = (boxes - tight) / (15 * CELL)
    assert off.abs().max() <= 0.2 and off.abs().max() > 0.1
    assert off.abs().max(1).values.min() < 0.02 and off.mean().abs() < 0.02
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_first_clicks_have_either_sign_and_are_right(luck):
    targets = torch.stack([disc(24, 20, 9)] * 200)
    logits = torch.stack([disc(24, 30, 9) * 2 - 1] * 200) * 4
    points, labels = first_clicks(logits, targets, luck)
    assert 0.3 < labels.float().mean() < 0.7
    x, y = points[:, 0].long().T
    assert torch.equal(targets[torch.arange(200), y, x].long(), labels[:, 0])
    nothing = torch.full_like(logits, -4)
    assert first_clicks(nothing, targets, luck)[1].float().mean() > 0.9


def test_prompts_begin_with_the_name_with_mistakes_and_with_nothing(luck):
    covered = torch.stack([torch.stack([disc(20, 14, 7), disc(34, 36, 7), disc(0, 0, 0)])] * 40)
    asked = torch.ones(40, 3, dtype=torch.bool)
    codes = torch.arange(120.0).view(40, 3, 1)
    logits = covered * 20 - 10
    prompts = choose_prompts(covered, asked, codes, logits, 3, luck)
    names = prompts.codes[:, 0] - 3 * prompts.images
    assert set(names.tolist()) == {0, 1}
    assert torch.equal(prompts.targets, covered[prompts.images, names.long()])
    right = (prompts.before > 0) == (prompts.targets > 0.5)
    nothing = (prompts.before == -8).flatten(1).all(1)
    assert nothing.any() and right.flatten(1).all(1).float().mean() > 0.3
    assert not right[~nothing].flatten(1).all(1).all()
    assert choose_prompts(covered * 0, asked, codes, logits, 3, luck) is None


def test_names_that_are_not_there_cost_what_is_drawn_for_them():
    covered = torch.stack([disc(24, 24, 9), disc(0, 0, 0)])[None]
    asked = torch.tensor([[True, True]])
    right = torch.stack([disc(24, 24, 9) * 20 - 10, torch.full((48, 48), -10.0)])[None]
    both = torch.stack([disc(24, 24, 9) * 20 - 10] * 2)[None]
    score = torch.tensor([[1.0, 0.0]])
    good, dice = name_loss(right, score, covered, asked)
    bad, _ = name_loss(both, score, covered, asked)
    assert dice[0, 0] > 0.99 and torch.isnan(dice[0, 1]) and bad > good + 1
    unsure, _ = name_loss(right, torch.tensor([[1.0, 1.0]]), covered, asked)
    assert unsure > good + 0.5
    assert name_loss(both, score, covered, torch.tensor([[True, False]]))[0] < good + 0.01


def test_a_training_that_stops_goes_on_as_if_it_had_not(packed_dolls, tmp_path):
    whole = Training(one_body(packed_dolls), tmp_path / "whole", course(), start=small_compact(SIZE))
    whole.run(workers=0)
    first = Training(one_body(packed_dolls), tmp_path / "parts", course(), start=small_compact(SIZE))
    for number in range(2):
        first.train_step(first.stream[number])
    first.save()
    second = Training(one_body(packed_dolls), tmp_path / "parts", course(), start=small_compact(SIZE))
    assert second.step == 2
    steps = []
    second.run(workers=0, on_step=lambda step, figures: steps.append(step))
    assert steps == [3, 4] and whole.step == second.step == 4
    for name, value in whole.network.state_dict().items():
        assert torch.allclose(value.float(), second.network.state_dict()[name].float(), atol=1e-5), name
        assert torch.allclose(whole.average[name].float(), second.average[name].float(), atol=1e-5), name
    rows = list(csv.DictReader((tmp_path / "whole" / "log.csv").open()))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert not (tmp_path / "parts" / "state.partial").exists()
    assert any(row["box"] or row["round1"] for row in rows[1:]) and not rows[0]["round1"]


def test_each_of_many_rounds_is_a_column_of_the_log(packed_dolls, tmp_path):
    often = course(steps=2, names_first=0, more=2.0)
    Training(one_body(packed_dolls), tmp_path, often, start=small_compact(SIZE)).run(workers=0)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert len(rows) == 2 and all(row["round3"] for row in rows)


def test_a_few_steps_on_a_body_reduce_the_loss(packed_dolls, tmp_path):
    own = course(steps=1000, names_first=1000, rate=2e-3)
    training = Training(one_body(packed_dolls), tmp_path, own, start=small_compact(SIZE))
    training.network.train()
    batch = training.stream[0]
    losses = [training.train_step(batch)["loss"] for _ in range(14)]
    assert np.isfinite(losses).all() and np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_a_state_of_other_bodies_is_refused(packed_dolls, tmp_path):
    training = Training(one_body(packed_dolls), tmp_path, course(), start=small_compact(SIZE))
    training.order = ["spoon", *training.order[1:]]
    training.save()
    with pytest.raises(DatasetError, match="other bodies"):
        Training(one_body(packed_dolls), tmp_path, course(), start=small_compact(SIZE))


def test_names_that_came_since_begin_with_a_code_of_their_own(packed_dolls, tmp_path):
    training = Training(one_body(packed_dolls), tmp_path, course(), start=small_compact(SIZE))
    added = training.order[3], training.order[-1]
    training.order = [name for name in training.order if name not in added]
    known = len(training.order)
    training.step = 3
    training.save()
    before = training.network.text.codebook.rows.detach().clone()
    again = Training(one_body(packed_dolls), tmp_path, course(), start=small_compact(SIZE))
    rows = again.network.text.codebook.rows
    assert again.step == 3 and again.order == [*training.order, *added]
    assert [again.order[row] for row in again.rows] == again.stream.names
    assert torch.equal(rows[:known], before[:known]) and torch.equal(rows[known + 2 :], before[known + 2 :])
    assert not torch.equal(rows[known : known + 2], before[known : known + 2])
    assert torch.equal(again.average["text.codebook.rows"][known : known + 2], rows[known : known + 2])


def test_the_rate_rises_stays_and_falls():
    plan = Course(steps=100, warmup=10, fall=20, rate=1.0)
    assert plan.rate_at(0) == 0.1 and plan.rate_at(50) == 1.0
    assert 0 < plan.rate_at(99) < plan.rate_at(90) < 1


def made_set(folder):
    """A set of the images that another test of fine-tuning is about."""
    from training.test_fine_tuning import boxes, boxes_set

    return boxes_set(folder, boxes({"left femur": (1,), "sacrum": (2,)}, "ada"), size=48)


def test_a_set_is_a_stream_of_names_too(tmp_path):
    reader = open_training_images(made_set(tmp_path / "set"))
    stream = SampleStream(reader, SIZE, images=3, seed=2)
    batch = stream[0]
    assert batch.pixel_values.shape == (3, 3, SIZE, SIZE)
    asked = {stream.names[n] for n in batch.names[batch.names >= 0].tolist()}
    assert asked - KINDS.keys() and asked <= {"left femur", "sacrum", *KINDS}
    assert (batch.covered[batch.names < 0] == 0).all() and batch.covered.max() > 0
    same = SampleStream(reader, SIZE, images=3, seed=2, names=["liver", *reversed(stream.names)])
    assert {same.names[n] for n in same[0].names[same[0].names >= 0].tolist()} == asked


def test_two_streams_take_turns_by_their_share(packed_dolls, tmp_path):
    usual = one_body(packed_dolls)
    other = SampleStream(open_training_images(made_set(tmp_path / "set")), SIZE, 3, names=usual.names)
    images = [len(MixedStream(usual, other, 0.5)[step].pixel_values) for step in range(12)]
    assert set(images) == {2, 3}
    assert {len(MixedStream(usual, other, 0.0)[step].pixel_values) for step in range(3)} == {2}


def test_a_trained_model_learns_a_set_and_keeps_its_names(packed_dolls, tmp_path):
    own = course(steps=2, names_first=0, language=4)
    training = Training(one_body(packed_dolls), tmp_path / "first", own, start=small_compact(SIZE))
    training.run(workers=0)
    folder = export_training(training, tmp_path / "model", Provenance("tiny", "none", "a test"))
    model, tokenizer, _ = load_model(folder)
    stream = SampleStream(open_training_images(made_set(tmp_path / "set")), SIZE, 2)
    fine = dataclasses.replace(FINE_COURSE, size=SIZE, steps=3, warmup=1, fall=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tuned = Training(stream, tmp_path / "tuned", fine, start=model, tokenizer=tokenizer)
    tuned.run(workers=0)
    after = tuned.network.state_dict()
    assert torch.equal(after["text.codebook.rows"], before["text.codebook.rows"])
    assert torch.equal(after["image.backbone._bn0.running_mean"], before["image.backbone._bn0.running_mean"])
    assert not torch.equal(after["names.query.1.weight"], before["names.query.1.weight"])
    with torch.no_grad():
        code = model.text(tokenizer.encode(["left femur"])).index
    assert tuned.rows[stream.names.index("left femur")] == code


def test_recipes_take_labelled_cts_and_are_known_by_name(tmp_path):
    with pytest.raises(DatasetError, match="no recipe 'best'"):
        recipe_training("best", tmp_path, tmp_path / "work")
    with pytest.raises(DatasetError, match="holds no NAME_labels.nrrd"):
        recipe_training("compact", tmp_path, tmp_path / "work")
