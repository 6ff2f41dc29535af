"""Closer looks at what was found: where they look, what they are asked, and how the answers come together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.model import InputFrame
from FluoroSAMSlicerLib.segmentation import Predictor, Prompt
from FluoroSAMSlicerLib.segmentation.close_up import LOOKS, Look, Window, window_of

from .conftest import blob_image

SIDE, SIZE = 128, 256
LOOK = Look(1.5, 0.2)


def bump(x: float, y: float, radius: float, shape=(400, 400), window: Window | None = None) -> torch.Tensor:
    """Low-resolution logits of a disc on an image of ``shape``, or on a window of it: positive inside."""
    left, top = (window.left, window.top) if window else (0, 0)
    if window:
        shape = (window.bottom - window.top, window.right - window.left)
    frame = InputFrame.of(*shape, SIZE)
    steps = (torch.arange(SIDE) + 0.5) * SIZE / SIDE / frame.scale - 0.5
    return (
        radius - ((steps[None] + left - x) ** 2 + (steps[:, None] + top - y) ** 2).sqrt()
    ) / radius  # fmt: skip


BOX = (60, 90, 200, 250)


@pytest.fixture(scope="module")
def looker():
    return Predictor.load("compact", device="cpu", threads=1)


@pytest.mark.parametrize("shape", [(400, 400), (250, 400), (3000, 2400), (64, 40)])
@pytest.mark.parametrize("place", [(0.5, 0.5), (0.05, 0.9), (0.97, 0.03)])
def test_a_window_holds_the_mask_and_the_clicks_and_lies_in_the_image(shape, place):
    height, width = shape
    frame, long = InputFrame.of(height, width, SIZE), max(shape)
    x, y, radius = place[0] * width, place[1] * height, 0.06 * long
    mask = bump(x, y, radius, shape)
    there = (0.5 * width, 0.4 * height)
    window = window_of(LOOK, mask, Prompt.of(points=[there, (0, 0)], labels=[1, 0]), frame)
    assert 0 <= window.left < window.right <= width and 0 <= window.top < window.bottom <= height
    assert window.holds(*there)
    for ends, middle, limit in (
        ((window.left, window.right), x, width),
        ((window.top, window.bottom), y, height),
    ):
        assert ends[0] <= max(0, middle - radius) + 1 and ends[1] >= min(limit, middle + radius) - 1
        assert ends[1] - ends[0] >= 0.1 * long or ends[1] in (0, limit) or ends[0] == 0


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 4)])
def test_an_image_of_a_few_pixels_is_not_looked_at_closer_than_a_pixel(looker, shape):
    embedding = looker.encode(blob_image(*shape))
    for box in ((-0.4, -0.4, 0.4, 0.4), (0.1, -0.1, 0.4, 0.2)):
        answer = looker.predict(embedding, text="left lung", points=[(0, 0)], labels=[1], box=box)
        assert answer.mask.shape == shape


def test_a_window_is_no_smaller_than_its_least_and_holds_the_box():
    frame = InputFrame.of(400, 400, SIZE)
    small = bump(200, 200, 8)
    window = window_of(LOOK, small, Prompt(text="left lung"), frame)
    assert 80 <= window.right - window.left <= 130 and 80 <= window.bottom - window.top <= 130
    window = window_of(LOOK, small, Prompt(box=(120, 150, 210, 330)), frame)
    assert window.left <= 120 and window.top <= 150 and window.right >= 210 and window.bottom >= 330


def test_small_changes_of_the_mask_leave_the_window_where_it_is():
    frame = InputFrame.of(400, 400, SIZE)
    windows = {window_of(LOOK, bump(201 + d, 199, 40 + d), Prompt(), frame) for d in (0.0, 0.5, 1.0)}
    assert len(windows) == 1


def test_an_island_far_away_does_not_widen_the_window():
    frame = InputFrame.of(400, 400, SIZE)
    mask = bump(120, 120, 40)
    window = window_of(LOOK, mask, Prompt(), frame)
    mask[125, 125] = 1.0
    assert window_of(LOOK, mask, Prompt(), frame) == window


@pytest.mark.parametrize("mask", [bump(0, 0, -5), bump(200, 200, 190)])
def test_nothing_and_nearly_everything_are_not_looked_at_closer(mask):
    assert window_of(LOOK, mask, Prompt(), InputFrame.of(400, 400, SIZE)) is None


def test_prompts_move_with_the_window():
    window = Window(100, 50, 300, 250)
    prompt = Prompt.of("left lung", [(150, 60), (99.6, 49.5), (99.4, 100), (299.4, 249)], [1, 0, 1, 0])
    inside = window.prompt(replace(prompt, box=(110, 70, 200, 240)))
    assert inside.text == "left lung" and inside.box == (10, 20, 100, 190)
    np.testing.assert_allclose(inside.points, [(50, 10), (-0.4, -0.5), (199.4, 199)])
    assert inside.labels == (1, 0, 0)
    assert window.prompt(Prompt.of(points=[(10, 10)], labels=[1])).is_empty


@pytest.mark.parametrize(
    "window", [Window(100, 50, 300, 250), Window(0, 200, 400, 300), Window(225, 0, 300, 175)]
)
def test_the_mask_prompt_is_the_mask_seen_through_the_window(window):
    shape = (window.bottom - window.top, window.right - window.left)
    frame = InputFrame.of(*shape, SIZE)
    seen = window.mask_prompt(bump(220, 160, 60), InputFrame.of(400, 400, SIZE), frame)
    height, width = (round(SIDE * side / max(shape)) for side in shape)
    expected = bump(220, 160, 60, window=window)
    error = (seen - expected)[1 : height - 1, 1 : width - 1].abs()
    assert error.max() < 0.05 and (seen[height + 1 :] < -5).all() and (seen[:, width + 1 :] < -5).all()


def test_every_look_is_asked_with_the_prompt_moved_and_all_answers_count(looker, monkeypatch):
    embedding = looker.encode(blob_image(400, 400))
    asked = []

    def decide(near, prompt, phrase, mask):
        asked.append((near.frame.height, prompt, phrase, mask))
        value = 1.0 if near is embedding else 0.25 * len(asked)
        logits = bump(150, 180, 60) if near is embedding else torch.full((SIDE, SIDE), value)
        return type(found.candidates)(logits[None].expand(3, -1, -1), (0.2, value, 0.1), near.frame)

    found = looker.predict(embedding, text="left lung")
    monkeypatch.setattr(looker.inference, "decode", decide)
    points, labels = [(150, 180), (160, 170)], [1, 1]
    result = looker.predict(embedding, text="left lung", points=points, labels=labels, previous=found)
    assert len(asked) == 1 + len(LOOKS) and {phrase for _, _, phrase, _ in asked} == {"left lung"}
    for look, close_up, (_, prompt, _, mask) in zip(LOOKS, result.close_ups, asked[1:], strict=True):
        window = close_up.window
        np.testing.assert_allclose(prompt.points, np.subtract(points, (window.left, window.top)))
        assert (mask is None) == look.free
    assert result.score == pytest.approx(np.mean([1.0, 0.5, 0.75, 1.0]))
    own = result.corrected.logits(1)
    assert result.logits[180, 150] == pytest.approx((own[180, 150] + 0.5 + 0.75 + 1.0) / 4, abs=1e-5)
    assert result.logits[399, 399] == own[399, 399]
    assert torch.equal(result.low_res, result.corrected.low_res[1])


def test_another_candidate_is_looked_at_as_closely(looker):
    embedding = looker.encode(blob_image(300, 420, seed=6))
    first = looker.predict(embedding, points=[(126, 168)], labels=[1])
    for candidate in range(3):
        other = looker.choose(embedding, first, candidate)
        low_res = first.corrected.low_res[candidate]
        windows = [window_of(look, low_res, first.prompt, embedding.frame) for look in LOOKS]
        assert other.chosen == candidate and torch.equal(other.low_res, low_res)
        assert [look.window for look in other.close_ups] == [window for window in windows if window]
        assert other.mask[168, 126] and other.missed == ()
    same = looker.choose(embedding, other, first.chosen)
    np.testing.assert_array_equal(same.logits, first.logits)
    assert same.score == first.score


def test_a_part_of_the_image_is_encoded_once(looker, monkeypatch):
    encoded = []
    encode = looker.network.encode_image
    monkeypatch.setattr(
        looker.network, "encode_image", lambda values: encoded.append(values.shape) or encode(values)
    )
    embedding = looker.encode(blob_image(300, 420, seed=15))
    asked = {"points": [(126, 168)], "labels": [1], "box": BOX}
    first = looker.predict(embedding, **asked)
    before = len(encoded)
    assert sum(shape[0] for shape in encoded) == 1 + len({look.window for look in first.close_ups}) > 1
    again = looker.predict(embedding, **asked)
    assert [look.window for look in again.close_ups] == [look.window for look in first.close_ups]
    assert len(encoded) == before


def test_all_clicks_are_obeyed_by_the_mask_that_is_shown(looker):
    generator = np.random.default_rng(3)
    embedding = looker.encode(blob_image(310, 250, seed=2))
    looks = 0
    for _ in range(6):
        points = [(float(x), float(y)) for x, y in generator.uniform((0, 0), (249, 309), (4, 2))]
        labels = [1, *generator.integers(0, 2, 3).tolist()]
        result = looker.predict(embedding, points=points, labels=labels)
        looks += len(result.close_ups)
        held = [bool(result.mask[int(y + 0.5), int(x + 0.5)]) for x, y in points]
        wrong = [n for n, label in enumerate(labels) if held[n] != bool(label)]
        assert list(result.missed) == wrong
    assert looks


def test_negative_clicks_alone_are_not_looked_at_closer(looker):
    embedding = looker.encode(blob_image(300, 420, seed=5))
    found = looker.predict(embedding, points=[(126, 168)], labels=[1], box=BOX)
    after = looker.predict(embedding, text="left lung", points=[(126, 150)], labels=[0], previous=found)
    assert found.close_ups and after.close_ups == () and after.mask.any() and not after.mask[150, 126]


def test_a_model_that_does_not_look_closer_keeps_no_pixels(predictor):
    embedding = predictor.encode(blob_image(200, 200))
    assert embedding.pixels is None and predictor.predict(embedding, text="left lung").close_ups == ()


def test_fewer_looks_can_be_asked_for(looker):
    embedding = looker.encode(blob_image(300, 420, seed=15))
    asked = {"points": [(126, 168)], "labels": [1], "box": BOX}
    assert len(looker.predict(embedding, **asked, looks=LOOKS[:1]).close_ups) == 1
    assert looker.predict(embedding, **asked, looks=()).close_ups == ()
