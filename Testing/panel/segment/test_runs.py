"""A run in the panel: its row, carrying segments on in the background, and the frames to look at."""

from __future__ import annotations

import pytest
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
