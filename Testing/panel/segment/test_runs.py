"""A run in the panel: its row, carrying segments on in the background, and the frames to look at."""

from __future__ import annotations

import threading

import pytest
from FluoroSAMSlicerLib.mrml.nodes.sequences import frame_segmentation, run_segmentation
from mrml.bench import Film, mask_of
from runs.made import sliding

COUNT = 6


@pytest.fixture
def film(bench) -> Film:
    """A run of six frames that the panel works on, with a heart in the first."""
    film = Film(bench.scene, sliding(COUNT, (3, 0)))
    bench.ui.imageSelector.setCurrentNode(film.volume)
    bench.wait()
    return film


def test_a_single_image_has_no_row_for_frames(bench, image):
    assert bench.ui.runFrame.isHidden()


def test_a_run_says_which_frame_is_shown(bench, film):
    assert not bench.ui.runFrame.isHidden() and bench.ui.runLabel.text == f"Frame 1 of {COUNT}"
    film.show(3)
    bench.until(lambda: bench.ui.runLabel.text == f"Frame 4 of {COUNT}")


def test_without_segments_nothing_can_be_carried_on(bench, film):
    for button in (bench.ui.allFramesButton, bench.ui.forwardsButton, bench.ui.nextDoubtButton):
        assert not button.enabled


def test_to_all_frames_and_the_masks_are_there_when_they_are_shown(bench, film):
    bench.ask("heart")
    assert bench.ui.allFramesButton.enabled and not bench.ui.backwardsButton.enabled
    bench.ui.allFramesButton.click()
    bench.wait()
    assert f"{COUNT - 1} frames done" in bench.ui.messageLabel.text
    for number in range(COUNT):
        film.show(number)
        (state,) = bench.logic.segments(film.volume)
        assert state.name == "heart" and mask_of(bench.logic, film.volume, state.id).any()


def test_forwards_from_the_frame_that_is_shown(bench, film):
    film.show(3)
    bench.until(lambda: bench.ui.runLabel.text.startswith("Frame 4"))
    bench.wait()
    bench.ask("heart")
    bench.ui.forwardsButton.click()
    bench.wait()
    film.show(1)
    assert bench.logic.segments(film.volume) == []
    film.show(5)
    assert [state.name for state in bench.logic.segments(film.volume)] == ["heart"]


def test_the_next_unsure_frame_is_shown_and_the_row_names_them(bench, film, predictor):
    bench.ask("heart")
    predictor.score = 0.3
    bench.ui.allFramesButton.click()
    bench.wait()
    doubtful = bench.logic.doubtfulFrames(film.volume)
    assert doubtful and "to look at" in bench.ui.messageLabel.text
    assert not bench.ui.doubtLabel.isHidden() and str(doubtful[0] + 1) in bench.ui.doubtLabel.text
    bench.ui.nextDoubtButton.click()
    film.logic.UpdateProxyNodesFromSequences(film.browser)
    bench.until(lambda: bench.ui.runLabel.text.startswith(f"Frame {doubtful[0] + 1} of"))
    assert "look here" in bench.ui.runLabel.text


def test_cancel_keeps_what_is_done(bench, film, predictor):
    bench.ask("heart")
    encode, seen = predictor.encode, []

    def slow(radiograph):
        seen.append(radiograph)
        if len(seen) == 3:
            bench.panel.jobs._background.cancel()
        return encode(radiograph)

    predictor.encode = slow
    bench.ui.allFramesButton.click()
    bench.wait()
    assert bench.ui.messageLabel.text.startswith("Stopped:")
    film.show(1)
    assert [state.name for state in bench.logic.segments(film.volume)] == ["heart"]
    film.show(COUNT - 1)
    assert bench.logic.segments(film.volume) == []


def held_back(predictor, at: int):
    """A predictor that waits before it encodes image number ``at``, until what is returned is set."""
    encode, seen, go = predictor.encode, [], threading.Event()

    def waiting(radiograph):
        seen.append(radiograph)
        if len(seen) == at:
            assert go.wait(20)
        return encode(radiograph)

    predictor.encode = waiting
    return go


def kept(film, number: int) -> list[str]:
    node = frame_segmentation(run_segmentation(film.volume), number)
    return list(node.GetSegmentation().GetSegmentIDs())


def test_masks_are_in_the_scene_while_others_are_still_computed(bench, film, predictor):
    bench.ask("heart")
    go = held_back(predictor, 4)
    bench.ui.allFramesButton.click()
    bench.until(lambda: kept(film, 2))
    assert bench.panel.jobs.busy and kept(film, 1) and not kept(film, 3)
    go.set()
    bench.wait()
    assert all(kept(film, number) for number in range(COUNT))


def test_a_propagation_is_one_step_of_undo_from_any_of_its_frames(bench, film):
    bench.ask("heart")
    bench.ui.allFramesButton.click()
    bench.wait()
    film.show(4)
    bench.until(lambda: bench.ui.runLabel.text.startswith("Frame 5"))
    bench.wait()
    assert bench.ui.undoButton.enabled
    bench.ui.undoButton.click()
    bench.wait()
    assert [bool(kept(film, number)) for number in range(COUNT)] == [True] + [False] * (COUNT - 1)
    assert bench.ui.redoButton.enabled
    bench.ui.redoButton.click()
    bench.wait()
    assert all(kept(film, number) for number in range(COUNT))


def test_a_cancelled_propagation_can_be_undone_too(bench, film, predictor):
    bench.ask("heart")
    go = held_back(predictor, 4)
    bench.ui.allFramesButton.click()
    bench.until(lambda: kept(film, 2))
    bench.panel.jobs.cancel()
    go.set()
    bench.wait()
    assert bench.ui.messageLabel.text.startswith("Stopped:") and kept(film, 1)
    bench.ui.undoButton.click()
    bench.wait()
    assert not kept(film, 1) and kept(film, 0)


def test_what_is_done_stays_where_the_rest_fails(bench, film, predictor):
    bench.ask("heart")
    encode, seen = predictor.encode, []

    def failing(radiograph):
        seen.append(radiograph)
        if len(seen) == 4:
            raise MemoryError
        return encode(radiograph)

    predictor.encode = failing
    bench.ui.allFramesButton.click()
    bench.wait()
    assert "memory" in bench.ui.messageLabel.text and kept(film, 2) and not kept(film, 4)
    bench.ui.undoButton.click()
    bench.wait()
    assert not kept(film, 2)


def test_one_frame_is_told_as_one(bench, film):
    film.show(COUNT - 2)
    bench.until(lambda: bench.ui.runLabel.text.startswith(f"Frame {COUNT - 1}"))
    bench.wait()
    bench.ask("heart")
    bench.ui.forwardsButton.click()
    bench.wait()
    assert bench.ui.messageLabel.text.startswith("1 frame done")
