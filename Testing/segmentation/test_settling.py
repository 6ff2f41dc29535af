"""One more click: it changes the mask around it, and what is far from it settles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.model import InputFrame
from FluoroSAMSlicerLib.segmentation import Prediction, Predictor, Prompt, PromptError
from FluoroSAMSlicerLib.segmentation.candidates import Candidates
from FluoroSAMSlicerLib.segmentation.close_up import CloseUp, Window
from FluoroSAMSlicerLib.segmentation.drawn import drawn
from FluoroSAMSlicerLib.segmentation.settling import FINEST, KEPT

from .conftest import blob_image

SIDE, SIZE = 128, 256
WIDE = (900, 1500)


def disc(x: float, y: float, radius: float, shape=WIDE) -> torch.Tensor:
    """Low-resolution logits (h, h) of a disc, in pixels of an image of ``shape``: positive inside."""
    frame = InputFrame.of(*shape, SIZE)
    steps = (torch.arange(SIDE) + 0.5) * SIZE / SIDE / frame.scale - 0.5
    return (radius - ((steps[None] - x) ** 2 + (steps[:, None] - y) ** 2).sqrt()) / radius * 4


def shown(low_res: torch.Tensor, points=(), labels=(), shape=WIDE, score=0.5, **more) -> Prediction:
    candidates = Candidates(low_res[None], (score,), InputFrame.of(*shape, SIZE))
    return Prediction(Prompt.of("left lung", points, labels), None, candidates, 0, "image", "model", "1", **more)


@pytest.fixture(scope="module")
def looker():
    return Predictor.load("compact", device="cpu", threads=1)


def test_the_mask_is_new_at_the_click_and_mostly_old_far_from_it():
    old = shown(disc(300, 450, 200))
    click = (1200, 450)
    new = shown(disc(1200, 450, 200), [click], [1], before=old.settled)
    fresh = replace(new, before=None).logits
    assert new.logits[450, 1200] == pytest.approx(fresh[450, 1200], abs=1e-3)
    far = slice(0, 900), slice(0, 700)
    expected = KEPT * old.logits + (1 - KEPT) * fresh
    np.testing.assert_allclose(new.logits[far], expected[far], atol=0.05)
    np.testing.assert_array_equal(new.mask, new.logits > 0)


def test_what_the_model_doubts_is_kept_less():
    click, rows = (1200, 450), slice(0, 700)
    for score, kept in ((0.9, KEPT), (0.25, KEPT / 2), (0.0, 0.0), (-0.1, 0.0)):
        old = shown(disc(300, 450, 200), score=score)
        new = shown(disc(1200, 450, 200), [click], [1], before=old.settled)
        expected = kept * old.logits + (1 - kept) * replace(new, before=None).logits
        np.testing.assert_allclose(new.logits[:, rows], expected[:, rows], atol=0.05)


def test_clicks_make_a_score_surer():
    old = shown(disc(300, 450, 200), score=0.9)
    scores = [
        shown(disc(300, 450, 200), [(300, 450)] * clicks, [1] * clicks, before=old.settled).score
        for clicks in (1, 3, 8)
    ]
    assert 0.5 < scores[0] < scores[1] < scores[2] < 1
    assert shown(disc(300, 450, 200), [(300, 450)], [1]).score == 0.5


def test_the_larger_the_mask_the_farther_a_click_reaches():
    small, large = (shown(disc(700, 450, radius)).settled for radius in (50, 400))
    nothing = torch.full((SIDE, SIDE), -5.0)
    assert large.reach(nothing) > 6 * small.reach(nothing)
    assert small.reach(disc(700, 450, 400)) == pytest.approx(large.reach(nothing), rel=0.05)
    assert shown(nothing).settled.reach(nothing) > 0


@pytest.mark.parametrize("shape", [WIDE, (300, 200), (2600, 2100), (5, 3)])
def test_what_is_missed_is_told_without_the_full_mask_as_the_mask_has_it(shape):
    height, width = shape
    generator = np.random.default_rng(1)
    points = [tuple(map(float, generator.uniform((0, 0), (width - 1, height - 1)))) for _ in range(20)]
    old = shown(disc(0.3 * width, 0.5 * height, 0.3 * height, shape), shape=shape)
    labels = [1] * len(points)
    new = shown(
        disc(0.6 * width, 0.5 * height, 0.4 * height, shape), points, labels, shape, before=old.settled
    )
    held = [bool(new.mask[int(y + 0.5), int(x + 0.5)]) for x, y in points]
    assert [number not in new.missed for number in range(len(points))] == held


def test_a_shrunk_answer_is_the_answer_with_its_close_ups():
    window = Window(200, 300, 800, 700)
    near = Candidates(disc(300, 200, 150, (400, 600))[None], (0.5,), InputFrame.of(400, 600, SIZE))
    one = shown(disc(500, 500, 100), close_ups=(CloseUp(window, near),))
    scale = FINEST / max(WIDE)
    small = one.shrunk(scale)
    assert small.shape == (round(900 * scale), FINEST)
    rows, columns = ((np.arange(n) + 0.5) / scale - 0.5 for n in small.shape)
    seen = one.logits[np.ix_(rows.round().astype(int), columns.round().astype(int))]
    assert np.abs(small - seen).mean() < 0.02
    assert ((small > 0) == (seen > 0)).mean() > 0.998


def test_what_was_shown_is_remembered_small_and_becomes_the_mask_prompt():
    window = Window(200, 300, 800, 700)
    near = Candidates(torch.full((1, SIDE, SIDE), 6.0), (0.5,), InputFrame.of(400, 600, SIZE))
    plain, looked = shown(disc(500, 500, 100)), shown(disc(500, 500, 100), close_ups=(CloseUp(window, near),))
    assert (plain.settled.low_res - plain.low_res).abs().mean() < 0.02
    settled = looked.settled
    cells = SIDE / max(WIDE)
    row, column = int(400 * cells), int(700 * cells)
    assert settled.low_res[row, column] > 0 > looked.low_res[row, column]
    assert torch.equal(settled.low_res[-1], looked.low_res[-1])
    assert settled.logits.nbytes + settled.low_res.nbytes < 1e6


def test_only_the_answer_to_all_but_the_newest_click_is_kept(looker, predictor):
    image = blob_image(300, 420, seed=5)
    embedding = looker.encode(image)
    named = looker.predict(embedding, text="left lung")
    first = looker.predict(embedding, "left lung", [(126, 168)], [1], previous=named)
    second = looker.predict(embedding, "left lung", [(126, 168), (200, 90)], [1, 0], previous=first)
    assert named.before is None and first.before is not None and second.before is not None
    assert looker.predict(embedding, "lt lung", [(126, 168)], [1], previous=named).before is not None
    with pytest.raises(PromptError, match="is of left lung, not of right lung: start without it"):
        looker.predict(embedding, "right lung", [(126, 168)], [1], previous=named)
    for previous, text, points in (
        (named, None, [(126, 168)]),
        (named, "left lung", [(126, 168), (200, 90)]),
        (first, "left lung", [(126, 168)]),
    ):
        asked = looker.predict(embedding, text, points, [1] * len(points), previous=previous)
        assert asked.before is None, (text, points)
    again, other = (looker.choose(embedding, second, (second.chosen + step) % 3) for step in (0, 1))
    assert np.array_equal(again.mask, second.mask) and again.score == second.score and other.before is None
    own = predictor.encode(image)
    found = predictor.predict(own, text="left lung")
    assert predictor.predict(own, "left lung", [(126, 168)], [1], previous=found).before is None


def test_every_click_of_a_row_of_them_is_obeyed(looker):
    generator = np.random.default_rng(7)
    embedding = looker.encode(blob_image(1300, 1000, seed=2))
    points, labels, result = [], [], looker.predict(embedding, text="left lung")
    for number in range(8):
        points.append((100 + 250 * (number % 4) + float(generator.uniform(-60, 60)), 300 + 500 * (number // 4)))
        labels.append(int(generator.integers(0, 2)))
        result = looker.predict(embedding, "left lung", points, labels, previous=result)
        held = [bool(result.mask[int(y + 0.5), int(x + 0.5)]) for x, y in points]
        assert held == [bool(label) for label in labels] and result.missed == (), number


@pytest.mark.parametrize("shape", [(300, 420), (1300, 1000), (20, 30)])
def test_what_was_drawn_by_hand_stays_where_nobody_clicks(looker, shape):
    height, width = shape
    embedding = looker.encode(blob_image(*shape, seed=5))
    mask = np.zeros(shape, bool)
    mask[height // 2 : height // 2 + max(1, height // 10), width // 8 : width // 2] = True
    start = drawn(embedding, mask)
    assert np.array_equal(start.mask, mask)
    assert np.mean(looker.predict(embedding, "left lung", previous=start).mask == mask) > 0.995

    for text in (None, "left lung"):
        for label, x, y in ((1, 0.8 * width, 0.1 * height), (0, 0.3 * width, 0.53 * height)):
            place = round(x) + 0.4, round(y) - 0.4
            found = looker.predict(embedding, text, [place], [label], previous=start)
            assert bool(found.mask[round(y), round(x)]) == bool(label) and not found.missed
            far = np.hypot(*np.ogrid[-round(y) : height - round(y), -round(x) : width - round(x)]) > width / 3
            assert np.mean(found.mask[far] == mask[far]) > 0.98


def test_a_box_around_what_was_drawn_asks_the_model_for_its_own_outline(looker):
    embedding = looker.encode(blob_image(300, 420, seed=5))
    mask = np.zeros((300, 420), bool)
    mask[100:150, 60:200] = True
    start = drawn(embedding, mask)
    assert looker.predict(embedding, box=(60, 100, 199, 149), previous=start).before is None
    assert looker.predict(embedding, None, [(80, 120), (90, 120)], [1, 1], previous=start).before is None
