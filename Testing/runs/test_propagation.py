"""Segments carried through a run: by name and by clicks, both ways, until cancelled or the picture changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from FluoroSAMSlicerLib.radiograph import Radiograph, RadiographError, read_radiograph
from FluoroSAMSlicerLib.runs import Followed, Run, RunError, propagate
from FluoroSAMSlicerLib.runs.anchor import Anchor
from FluoroSAMSlicerLib.runs.following import Held, carried
from FluoroSAMSlicerLib.runs.motion import motion, small
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.segmentation.overlap import dice
from PIL import Image
from runs.made import run_of, scene

SAMPLE = Path(__file__).parents[2] / "FluoroSAMSlicer" / "Resources" / "SampleData" / "chest_drr.dcm"
STEP = 3


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load("compact", device="cpu")


@pytest.fixture(scope="module")
def frames():
    """A chest on a table that moves to the right."""
    whole = np.asarray(Image.fromarray(read_radiograph(SAMPLE).pixels).resize((300, 300)))
    return [whole[20:276, 24 - STEP * k : 280 - STEP * k] for k in range(6)]


@pytest.fixture(scope="module")
def run(frames):
    return run_of(frames)


def test_a_name_is_followed_to_every_frame_in_both_directions(run, predictor):
    seen = []
    result = propagate(run, predictor, 2, [Followed("left lung", "left lung")], on_frame=seen.append)
    assert [one.frame for one in seen] == [2, 3, 4, 5, 1, 0]
    assert sorted(result.frames) == list(range(6)) and result.stops == [] and not result.unsure
    centres = [result.frames[k].masks[0].centroid[0] for k in range(6)]
    assert np.diff(centres) == pytest.approx([STEP] * 5, abs=1.5)


def test_clicks_move_along_with_what_they_are_on(run, predictor):
    clicked = Followed("spot", None, ((90.0, 120.0), (200.0, 40.0)), (1, 0))
    result = propagate(run, predictor, 0, [clicked], "forwards")
    last = result.frames[5].masks[0]
    assert last.points == (
        pytest.approx((90 + 5 * STEP, 120), abs=3),
        pytest.approx((200 + 5 * STEP, 40), abs=3),
    )
    x, y = (round(value) for value in last.points[0])
    assert last.mask[y, x]


def test_a_mask_changed_by_hand_is_carried_where_the_name_alone_would_lose_it(run, predictor):
    by_name = propagate(run, predictor, 0, [Followed("left lung", "left lung")], "forwards")
    half = by_name.frames[0].masks[0].mask.copy()
    rows = half.nonzero()[0]
    half[int(rows.mean()) :] = False
    edited = Followed("left lung", "left lung", mask=half, drawn=True)
    carried = propagate(run, predictor, 0, [edited], "forwards")
    last = carried.frames[5].masks[0]
    moved = np.roll(half, 5 * STEP, 1)
    assert dice(last.mask, moved) > 0.7 > dice(by_name.frames[5].masks[0].mask, moved)


def test_a_direction_a_range_and_corrected_frames_bound_what_is_done(run, predictor):
    lung = [Followed("left lung", "left lung")]
    assert sorted(propagate(run, predictor, 3, lung, "backwards").frames) == [0, 1, 2, 3]
    assert sorted(propagate(run, predictor, 1, lung, "both", frames=range(1, 4)).frames) == [1, 2, 3]
    assert sorted(propagate(run, predictor, 1, lung, "forwards", keep=[4]).frames) == [1, 2, 3]


def test_following_stops_where_the_picture_changes_and_says_so(frames, predictor):
    changed = run_of([*frames[:3], scene(256, 256, 3), scene(256, 256, 4)])
    result = propagate(changed, predictor, 0, [Followed("left lung", "left lung")])
    assert sorted(result.frames) == [0, 1, 2]
    assert result.stops == [
        "Stopped at frame 4: the picture changes there. Segment that frame to go on from it."
    ]


def test_a_frame_of_another_size_is_another_picture(frames, predictor):
    result = propagate(
        run_of([*frames[:2], frames[2][:200]]), predictor, 0, [Followed("left lung", "left lung")]
    )
    assert sorted(result.frames) == [0, 1] and "frame 3" in result.stops[0]


def test_a_damaged_frame_ends_following_and_keeps_what_is_done(frames, predictor):
    def read(number: int) -> Radiograph:
        if number == 2:
            raise RadiographError("run.dcm: is truncated")
        return Radiograph(frames[number].copy())

    result = propagate(Run("damaged", 6, read), predictor, 0, [Followed("left lung", "left lung")])
    assert sorted(result.frames) == [0, 1] and "frame 3" in result.stops[0] and "truncated" in result.stops[0]


def test_called_off_what_is_done_stays(run, predictor):
    done = []
    result = propagate(
        run,
        predictor,
        0,
        [Followed("left lung", "left lung")],
        on_frame=done.append,
        cancelled=lambda: len(done) >= 3,
    )
    assert result.cancelled and sorted(result.frames) == [0, 1, 2]
    assert all(result.frames[k].masks[0].area > 0 for k in range(3))


def test_a_structure_that_vanishes_is_marked(frames, predictor):
    empty = np.zeros((256, 256), bool)
    empty[5:9, 5:9] = True
    corner = Followed("corner", None, mask=empty, drawn=True)
    away = [np.roll(frames[0], 0, 1), np.asarray(frames[0]), np.asarray(frames[0])]
    result = propagate(run_of(away), predictor, 0, [corner], "forwards")
    assert set(result.frames) == {0, 1, 2}
    # A four-pixel square that no structure answers to: the model's answer differs, and the frame says so.
    assert result.unsure and result.unsure[0].doubts[0].startswith("corner: ")


def test_what_was_lost_is_found_again_by_its_name(frames, predictor):
    embedding = predictor.encode(Radiograph(frames[0]))
    nothing, clicks = np.zeros(frames[0].shape, bool), (((90.0, 120.0),), (1,))
    still = motion(small(frames[0]), small(frames[0]), frames[0].shape)
    clicked = Held(Followed("left lung", "left lung", *clicks), Anchor.of(nothing), nothing, *clicks, 0.8)
    erased = replace(clicked, followed=replace(clicked.followed, drawn=True))
    (found, _), (left, _) = carried(predictor, embedding, [clicked, erased], still, still)
    by_name = predictor.predict(embedding, "left lung").mask
    assert dice(found.mask, by_name) > 0.9 and not left.mask.any()


def test_what_was_not_in_view_at_first_is_found_by_its_name_later(run, predictor):
    nothing = np.zeros((256, 256), bool)
    result = propagate(run, predictor, 0, [Followed("left lung", "left lung", mask=nothing)])
    assert result.frames[0].doubts == ("left lung: nothing found",)
    by_name = predictor.predict(predictor.encode(run.radiograph(4)), "left lung").mask
    assert dice(result.frames[4].masks[0].mask, by_name) > 0.9


def test_a_corrected_mask_keeps_its_correction_through_a_run_that_goes_and_returns(frames, predictor):
    there_and_back = run_of([frames[k] for k in [0, 1, 2, 3, 4, 5, 4, 3, 2, 1] * 2] + [frames[0]])
    by_name = predictor.predict(predictor.encode(Radiograph(frames[0].copy())), "left lung").mask
    corrected = by_name.copy()
    rows = np.flatnonzero(by_name.any(1))
    corrected[: int(rows[0] + 0.15 * len(rows))] = False
    known = Followed("left lung", "left lung", mask=corrected, score=0.8)
    last = propagate(there_and_back, predictor, 0, [known]).frames[20].masks[0].mask
    assert dice(last, corrected) > dice(by_name, corrected)


def test_a_mask_that_no_frame_confirms_gives_way_to_the_name_and_is_marked(run, predictor):
    wrong = np.zeros((256, 256), bool)
    wrong[225:250, 5:30] = True
    result = propagate(run, predictor, 0, [Followed("left lung", "left lung", mask=wrong, score=0.6)])
    by_name = predictor.predict(predictor.encode(run.radiograph(5)), "left lung").mask
    assert dice(result.frames[5].masks[0].mask, by_name) > 0.9
    assert "otherwise than in the frame it was carried from" in result.frames[5].masks[0].doubt


def test_a_low_score_is_no_news_where_the_start_was_as_low_and_a_fall_is(run, predictor):
    shown = predictor.predict(predictor.encode(run.radiograph(0)), "left lung")
    scores = [
        propagate(run, predictor, 0, [Followed("left lung", "left lung", mask=shown.mask, score=score)])
        for score in (0.3, shown.score + 0.3)
    ]
    assert not any(scores[0].frames[k].doubts for k in range(1, 6))
    assert all("less sure" in scores[1].frames[k].masks[0].doubt for k in range(1, 6))


def test_a_start_that_the_model_is_unsure_of_is_marked(run, predictor, frames):
    mask = np.zeros((256, 256), bool)
    mask[100:140, 100:140] = True
    unsure = propagate(run, predictor, 0, [Followed("spot", mask=mask, score=0.3)], frames=[0])
    assert [one.frame for one in unsure.unsure] == [0] and "less sure (0.30)" in unsure.unsure[0].doubts[0]
    assert not propagate(run, predictor, 0, [Followed("spot", mask=mask, score=0.8)], frames=[0]).unsure
    # A mask without a score was drawn by somebody.
    assert not propagate(run, predictor, 0, [Followed("spot", mask=mask)], frames=[0]).unsure


def test_nothing_to_follow_and_masks_of_another_size_are_refused(run, predictor):
    with pytest.raises(RunError, match="segment a structure"):
        propagate(run, predictor, 0, [])
    with pytest.raises(RunError, match="nothing is known"):
        propagate(run, predictor, 0, [Followed("unnamed")])
    with pytest.raises(RunError, match="mask is 5 x 4"):
        propagate(run, predictor, 0, [Followed("bone", mask=np.ones((4, 5), bool))])
    with pytest.raises(RunError, match="no frame 10"):
        propagate(run, predictor, 9, [Followed("bone", "left lung")])
