"""Clicks take effect: the answer is chosen so that they do, and gives way where none does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.model import InputFrame
from FluoroSAMSlicerLib.segmentation import Candidates, Prediction, Predictor, Prompt
from FluoroSAMSlicerLib.segmentation.clicks import OUTLASTING, obeying, outlasting

from .conftest import blob_image

SIDE = 160
"""Width of the compact model's low-resolution logits."""


def disc(x: float, y: float, radius: float) -> torch.Tensor:
    """Logits of a disc on an image of 200 x 200 pixels: positive inside."""
    rows, columns = torch.meshgrid(*[(torch.arange(SIDE) + 0.5) * 200 / SIDE - 0.5] * 2, indexing="ij")
    return radius - ((columns - x) ** 2 + (rows - y) ** 2).sqrt()


@pytest.fixture(scope="module")
def embedding(predictor):
    return predictor.encode(blob_image(200, 200))


NOTHING = [(disc(0, 0, -5), 0.1)] * 3
SMALL, MIDDLE, LARGE = (disc(80, 80, 20), 0.9), (disc(80, 80, 45), 0.6), (disc(80, 80, 70), 0.7)


def test_without_clicks_the_score_alone_decides(predictor, embedding, scripted):
    decoder = scripted({(True, False): [MIDDLE, SMALL, LARGE]})
    result = predictor.predict(embedding, text="left lung")
    assert result.chosen == 1 and result.score == pytest.approx(0.9) and result.missed == ()
    assert decoder.asked == [("text",)]


def test_a_positive_click_outside_the_best_scoring_mask_chooses_one_that_contains_it(
    predictor, embedding, scripted
):
    scripted({(True, False): [SMALL, MIDDLE, LARGE]})
    result = predictor.predict(embedding, text="left lung", points=[(110, 80)], labels=[1])
    assert result.mask[80, 110] and result.score == pytest.approx(0.7) and result.missed == ()


def test_a_negative_click_inside_the_best_scoring_mask_chooses_one_without_it(predictor, embedding, scripted):
    scripted({(True, False): [LARGE, MIDDLE, (SMALL[0], 0.2)]})
    result = predictor.predict(embedding, text="left lung", points=[(80, 110)], labels=[0])
    assert not result.mask[110, 80] and result.score == pytest.approx(0.2)


def test_all_clicks_are_satisfied_together(predictor, embedding, scripted):
    decoder = scripted({(True, False): [SMALL, MIDDLE, LARGE]})
    points, labels = [(110, 80), (80, 140)], [1, 0]
    result = predictor.predict(embedding, text="left lung", points=points, labels=labels)
    assert result.chosen == 1 and result.mask[80, 110] and not result.mask[140, 80]
    assert len(decoder.asked) == 1


def test_the_model_is_asked_once_with_all_prompts(predictor, embedding, scripted):
    """Without the name, a negative click is satisfied by an empty mask: the name always stays."""
    decoder = scripted({(True, False): [SMALL, MIDDLE, LARGE], (True, True): [LARGE, LARGE, LARGE]})
    previous = predictor.predict(embedding, text="left lung")
    result = predictor.predict(embedding, text="left lung", points=[(80, 145)], labels=[0], previous=previous)
    assert decoder.asked[1:] == [("labels", "masks", "points", "text")]
    assert result.missed == () and not result.mask[145, 80]


def test_between_equals_the_newest_click_counts(predictor, embedding, scripted):
    far = (disc(160, 160, 20), 0.3)
    scripted({(True, False): [SMALL, far, SMALL], (False, False): NOTHING})
    result = predictor.predict(embedding, text="left lung", points=[(80, 80), (160, 160)], labels=[1, 1])
    assert result.chosen == 1 and result.mask[160, 160] and result.mask[80, 80]


def test_a_mask_gives_way_around_a_click_that_it_contradicts_and_nowhere_else(predictor, embedding, scripted):
    scripted({(True, False): [MIDDLE, MIDDLE, MIDDLE]})
    before = predictor.predict(embedding, text="left lung").mask
    points, labels = [(80, 80), (100, 80), (170, 80), (80, 170)], [1, 0, 1, 0]
    result = predictor.predict(embedding, text="left lung", points=points, labels=labels)
    assert result.missed == ()
    y, x = np.mgrid[:200, :200]
    near = np.minimum(np.hypot(x - 100, y - 80), np.hypot(x - 170, y - 80)) < 24
    assert 10 < np.count_nonzero(result.mask != before) < 800
    np.testing.assert_array_equal(result.mask[~near], before[~near])
    np.testing.assert_array_equal(result.candidates.mask(result.chosen), before)


def test_a_mask_that_obeys_all_clicks_is_not_touched(predictor, embedding, scripted):
    scripted({(True, False): [MIDDLE, MIDDLE, MIDDLE]})
    before = predictor.predict(embedding, text="left lung").low_res
    after = predictor.predict(embedding, text="left lung", points=[(80, 80), (180, 80)], labels=[1, 0])
    assert torch.equal(before, after.low_res)


def test_of_clicks_that_contradict_each_other_one_is_told(predictor, embedding, scripted):
    scripted({(True, False): [LARGE, MIDDLE, SMALL]})
    points, labels = [(80, 80), (110, 80), (80, 80)], [1, 1, 0]
    result = predictor.predict(embedding, text="left lung", points=points, labels=labels)
    assert len(result.missed) == 1 and result.mask[80, 110]


@pytest.mark.parametrize("shape", [(200, 200), (57, 200), (900, 1300)])
def test_any_clicks_apart_from_each_other_are_obeyed(shape):
    generator = np.random.default_rng(9)
    low_res = torch.from_numpy(generator.normal(0, 6, (3, 128, 128)).astype(np.float32))
    low_res = torch.nn.functional.avg_pool2d(low_res[None], 9, 1, 4)[0] * 6
    candidates = Candidates(low_res, (0.1, 0.2, 0.3), InputFrame.of(*shape, 256))
    step = max(shape) / 16
    places = [(x, y) for x in np.arange(0, shape[1], step) for y in np.arange(0, shape[0], step)]
    points = [places[n] for n in generator.permutation(len(places))[:9]]
    prompt = Prompt.of(points=points, labels=[n % 2 for n in range(len(points))])
    assert not candidates.honours(prompt).all(1).any()
    assert obeying(candidates, prompt).honours(prompt).all()


@pytest.mark.parametrize("size", [(200, 200), (57, 200), (300, 120), (900, 1300), (1, 40)])
def test_logits_at_points_are_those_of_the_restored_image(size):
    height, width = size
    generator = np.random.default_rng(4)
    low_res = torch.from_numpy(generator.normal(size=(3, SIDE, SIDE)).astype(np.float32))
    candidates = Candidates(low_res, (0.1, 0.2, 0.3), InputFrame.of(height, width, 224))
    x, y = generator.integers(0, width, 50), generator.integers(0, height, 50)
    shift = generator.uniform(-0.49, 0.49, (2, 50))
    corners = [(-0.5, -0.5), (width - 0.5, height - 0.5), (0.0, height - 1.0)]
    points = (*zip((x + shift[0]).tolist(), (y + shift[1]).tolist(), strict=True), *corners)
    x, y = np.append(x, [0, width - 1, 0]), np.append(y, [0, height - 1, height - 1])
    for index in range(3):
        restored = candidates.logits(index)[y, x]
        np.testing.assert_allclose(candidates.at(points)[index].numpy(), restored, rtol=0, atol=2e-4)


def test_a_click_is_honoured_by_containing_or_leaving_out_its_pixel():
    low_res = torch.stack([disc(80, 80, 20), disc(80, 80, 40), disc(0, 0, -5)])
    candidates = Candidates(low_res, (0.0, 0.0, 0.0), InputFrame.of(200, 200, 224))
    prompt = Prompt.of(points=[(80, 80), (80, 110), (110, 80)], labels=[1, 1, 0])
    assert candidates.honours(prompt).tolist() == [
        [True, False, True],
        [True, True, False],
        [False, False, True],
    ]


NEGATIVE = Prompt.of("left lung", [(150, 150)], [0])


def test_a_negative_click_does_not_empty_a_mask(predictor, embedding, scripted):
    faint = disc(80, 80, 45) - 60
    scripted({(True, False): [MIDDLE] * 3, (True, True): [(faint, 0.5)] * 3})
    before = predictor.predict(embedding, text="left lung")
    after = predictor.predict(embedding, "left lung", NEGATIVE.points, NEGATIVE.labels, previous=before)
    assert not after.candidates.mask(after.chosen).any()
    assert after.mask.sum() == pytest.approx(OUTLASTING * before.mask.sum(), rel=0.05)
    assert after.mask[80, 80] and not after.mask[150, 150] and after.missed == ()


def test_a_mask_that_a_negative_click_makes_smaller_is_left_as_it_is():
    frame = InputFrame.of(200, 200, 224)
    before, after = disc(80, 80, 70), disc(60, 60, 45)
    candidates = Candidates(torch.stack([after, before, after]), (0.1, 0.2, 0.3), frame)
    assert torch.equal(outlasting(candidates, NEGATIVE, before).low_res, candidates.low_res)


@pytest.mark.parametrize(
    ("prompt", "before"),
    [
        (Prompt.of("left lung", [(150, 150), (80, 80)], [0, 1]), disc(80, 80, 70)),
        (Prompt.of("left lung"), disc(80, 80, 70)),
        (NEGATIVE, None),
        (NEGATIVE, disc(80, 80, -5)),
    ],
)
def test_only_what_negative_clicks_alone_removed_outlasts_them(prompt, before):
    candidates = Candidates(
        torch.stack([disc(80, 80, -5)] * 3), (0.1, 0.2, 0.3), InputFrame.of(200, 200, 224)
    )
    assert torch.equal(outlasting(candidates, prompt, before).low_res, candidates.low_res)


def clicked(candidates: Candidates, *points: tuple[float, float], labels=None) -> Prediction:
    """The prediction for clicks that the candidates were made to obey."""
    prompt = Prompt.of("left lung", points, labels or [1] * len(points))
    corrected = obeying(candidates, prompt)
    changed = None if corrected is candidates else corrected
    return Prediction(prompt, None, candidates, 0, "image", "model", "1", corrected=changed)


@pytest.mark.parametrize(
    ("points", "alone"),
    [
        ([(80, 80)], ()),  # the model's own mask
        ([(103, 80)], ()),  # beside it, and joined to it
        ([(180, 20)], (0,)),
        ([(80, 80), (180, 20)], (1,)),
        ([(180, 20), (20, 180)], (0, 1)),
        ([(199.4, 199.4)], (0,)),
    ],
)
def test_a_click_whose_mask_is_a_disc_of_its_own_has_no_hold(points, alone):
    frame = InputFrame.of(200, 200, 640)
    candidates = Candidates(torch.stack([SMALL[0]] * 3), (0.9, 0.8, 0.7), frame)
    assert clicked(candidates, *points).without_hold == alone


def test_a_click_outside_has_nothing_to_hold_on_to():
    frame = InputFrame.of(200, 200, 640)
    candidates = Candidates(torch.stack([SMALL[0]] * 3), (0.9, 0.8, 0.7), frame)
    assert clicked(candidates, (80, 80), (180, 20), labels=[0, 0]).without_hold == ()


@pytest.mark.parametrize("shape", [(900, 1500), (40, 30)])
@pytest.mark.parametrize("last", [0, 1])
def test_of_opposite_clicks_at_one_place_the_newest_counts(shape, last):
    looker = Predictor.load("compact", device="cpu", threads=1)
    embedding = looker.encode(blob_image(*shape))
    place = [0.3 * shape[1], 0.3 * shape[0]]
    points, labels, result = [(2.0, 2.0), place, place], [0, 1 - last, last], None
    for count in (1, 2, 3):
        result = looker.predict(embedding, "left lung", points[:count], labels[:count], previous=result)
    assert bool(result.mask[int(place[1] + 0.5), int(place[0] + 0.5)]) == bool(last)
    assert result.missed == (1,)


def test_what_was_clicked_before_stays_unless_a_click_of_the_other_sign_is_as_near_as_the_model_can_see():
    points, near, far = [(100.0, 100.0)], (101.5, 100.0), (103.0, 100.0)
    for point, label, kept in ((near, 0, 1), (near, 1, 2), (far, 0, 2), ((100.4, 99.6), 0, 1)):
        asked = Prompt.of(None, [*points, point], [1, label]).for_image(1024, 512)
        assert len(asked.points) == kept and asked.points[-1] == point and asked.labels[-1] == label
    again = Prompt.of(None, [(5, 5)] * 3, [1, 0, 1]).for_image(100, 100)
    assert again.points == ((5.0, 5.0),) and again.labels == (1,)


def test_a_click_on_the_far_edge_is_in_the_last_pixel():
    looker = Predictor.load("compact", device="cpu", threads=1)
    embedding = looker.encode(blob_image(300, 420))
    named = looker.predict(embedding, "left lung")
    for x, y in ((419.5, 150), (200, 299.5), (419.5, 299.5), (-0.5, -0.5)):
        for box in (None, (-0.5, -0.5, 419.5, 299.5)):
            found = looker.predict(embedding, "left lung", [(x, y)], [1], box, None if box else named)
            assert found.mask[min(int(y + 0.5), 299), min(int(x + 0.5), 419)] and found.missed == ()
