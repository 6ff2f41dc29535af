"""A run in a scene: one frame's segments carried to all, in step with the browser, saved and corrected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slicer
from FluoroSAMSlicerLib.mrml import SceneError
from FluoroSAMSlicerLib.mrml.nodes.sequences import frame_segmentation, run_segmentation
from FluoroSAMSlicerLib.mrml.segment.logic import Logic
from mrml.bench import Film, SquarePredictor, image_node, mask_of, new_scene, segment_logic
from runs.made import sliding

COUNT = 5


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def film(scene) -> Film:
    return Film(scene, sliding(COUNT, (4, 0)))


def centres(film, logic) -> list[float]:
    """Where the first segment is in every frame, in columns."""
    found = []
    for number in range(COUNT):
        film.show(number)
        states = logic.segments(film.volume)
        mask = mask_of(logic, film.volume, states[0].id) if states else np.zeros((1, 1), bool)
        found.append(mask.nonzero()[1].mean() if mask.any() else np.nan)
    return found


def test_one_frames_segments_reach_all_frames_and_move_with_them(film, scene):
    logic = segment_logic(scene)
    film.show(2)
    segment = logic.segmentByText(film.volume, "heart")[0]
    logic.click(film.volume, segment, ij=(60, 60))
    assert logic.follow(film.volume) == [0, 1, 3, 4]
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    # The stand-in sees its square in the same place of every frame; the click and the mask move by 4 pixels.
    assert (np.diff(centres(film, logic)) > 0.5).all()
    for number in range(COUNT):
        film.show(number)
        mask = mask_of(logic, film.volume, logic.segments(film.volume)[0].id)
        assert mask[60, 60 + 4 * (number - 2)]


def test_what_is_out_of_view_in_this_frame_is_looked_for_by_its_name_in_others(film, scene):
    predictor = SquarePredictor()
    sees = predictor.predict
    predictor.predict = lambda *asked, **given: _nothing(sees(*asked, **given))
    logic = segment_logic(scene, predictor)
    logic.segmentByText(film.volume, "heart")
    predictor.predict = sees
    assert logic.follow(film.volume) == [1, 2, 3, 4]
    film.show(4)
    assert mask_of(logic, film.volume, logic.segments(film.volume)[0].id).any()


def _nothing(prediction):
    return replace(
        prediction, candidates=replace(prediction.candidates, low_res=prediction.candidates.low_res * 0 - 4)
    )


def test_the_segments_are_a_sequence_with_the_index_of_the_images(film, scene):
    logic = segment_logic(scene)
    logic.segmentByText(film.volume, "heart")
    proxy = run_segmentation(film.volume)
    sequence = film.browser.GetSequenceNode(proxy)
    assert sequence.GetIndexName() == "time"
    values = [sequence.GetNthIndexValue(number) for number in range(COUNT)]
    assert values == [film.sequence.GetNthIndexValue(number) for number in range(COUNT)]


def test_forwards_and_backwards_leave_the_other_side_alone(film, scene):
    logic = segment_logic(scene)
    film.show(2)
    logic.segmentByText(film.volume, "heart")
    assert logic.follow(film.volume, "forwards") == [3, 4]
    film.show(0)
    assert logic.segments(film.volume) == []
    film.show(2)
    assert logic.follow(film.volume, "backwards") == [0, 1]


def test_a_corrected_frame_is_kept_and_goes_on_from_its_mask(film, scene):
    logic = segment_logic(scene)
    logic.segmentByText(film.volume, "heart")
    logic.follow(film.volume)
    film.show(3)
    (state,) = logic.segments(film.volume)
    assert state.ours and state.start
    logic.click(film.volume, state.id, ij=(100, 100))
    corrected = mask_of(logic, film.volume, state.id)
    assert corrected[100, 100]
    film.show(0)
    assert logic.follow(film.volume) == [1, 2]
    film.show(3)
    np.testing.assert_array_equal(mask_of(logic, film.volume, logic.segments(film.volume)[0].id), corrected)
    assert logic.follow(film.volume, "forwards") == [4]
    film.show(4)
    last = mask_of(logic, film.volume, logic.segments(film.volume)[0].id)
    assert last[100, 104]


def test_what_was_drawn_by_hand_in_a_frame_stays(film, scene):
    from mrml.bench import drawn_by_hand

    logic = segment_logic(scene)
    logic.segmentByText(film.volume, "heart")
    logic.follow(film.volume)
    film.show(2)
    segment = logic.segments(film.volume)[0].id
    drawn_by_hand(logic, film.volume, segment, slice(100, 110), slice(100, 110))
    drawn = mask_of(logic, film.volume, segment)
    film.show(0)
    logic.follow(film.volume)
    film.show(2)
    np.testing.assert_array_equal(mask_of(logic, film.volume, segment), drawn)


class Wandering(SquarePredictor):
    """Sees its structure elsewhere from the third image on."""

    def predict(self, embedding, text=None, points=(), labels=(), box=None, previous=None, *more, **named):
        strange = len(set(self.encoded)) > 2
        answer = super().predict(embedding, "lung" if strange else "heart", (), (), None, None)
        return super().predict(embedding, None, (), (), (90, 90, 120, 120)) if strange else answer


def test_doubtful_frames_are_marked_until_they_are_corrected(film, scene):
    predictor = Wandering()
    logic = segment_logic(scene, predictor)
    logic.segmentByText(film.volume, "heart")
    logic.follow(film.volume)
    marked = logic.doubtfulFrames(film.volume)
    assert marked and 0 not in marked
    film.show(marked[0])
    (state,) = logic.segments(film.volume)
    assert state.low_confidence
    logic.click(film.volume, state.id, ij=(100, 100), overwriteEdits=True)
    assert logic.doubtfulFrames(film.volume) == marked[1:]


def test_called_off_what_is_done_is_put_into_the_scene(film, scene):
    logic = segment_logic(scene)
    logic.segmentByText(film.volume, "heart")
    request = logic.followRequest(film.volume, "forwards")
    told = []
    result = logic.compute(
        request, cancelled=lambda: len(told) > 3, progress=lambda fraction, text: told.append(text)
    )
    assert result.propagation.cancelled
    assert 0 < len(logic.applyRun(request, result)) < COUNT - 1


def masks(film, logic) -> list[np.ndarray | None]:
    """The first segment of every frame."""
    found = []
    for number in range(COUNT):
        film.show(number)
        states = logic.segments(film.volume)
        found.append(mask_of(logic, film.volume, states[0].id) if states else None)
    return found


def test_undo_takes_a_whole_propagation_back_and_redo_does_it_again(film, scene):
    logic = segment_logic(scene)
    film.show(2)
    logic.segmentByText(film.volume, "heart")
    logic.follow(film.volume)
    carried = masks(film, logic)
    film.show(4)
    assert logic.canUndo(film.volume) and logic.undoNow(film.volume)
    alone = masks(film, logic)
    np.testing.assert_array_equal(alone[2], carried[2])
    assert [one is None for one in alone] == [True, True, False, True, True]
    assert logic.canRedo(film.volume) and logic.redoNow(film.volume)
    for one, before in zip(masks(film, logic), carried, strict=True):
        np.testing.assert_array_equal(one, before)
    # The name itself is the step before that, in the frame where it was asked for.
    film.show(2)
    assert logic.undoNow(film.volume) and logic.undoNow(film.volume)
    assert masks(film, logic) == [None] * COUNT


def test_undo_brings_back_what_a_propagation_replaced(film, scene):
    logic = segment_logic(scene)
    logic.segmentByText(film.volume, "heart")
    logic.follow(film.volume)
    first = masks(film, logic)
    film.show(0)
    logic.click(film.volume, logic.segments(film.volume)[0].id, ij=(100, 100))
    logic.follow(film.volume)
    second = masks(film, logic)
    assert not np.array_equal(first[3], second[3])
    film.show(3)
    logic.undoNow(film.volume)
    for one, before in zip(masks(film, logic)[1:], first[1:], strict=True):
        np.testing.assert_array_equal(one, before)


def test_what_was_asked_in_a_frame_since_is_undone_before_the_propagation(film, scene):
    logic = segment_logic(scene)
    logic.segmentByText(film.volume, "heart")
    logic.follow(film.volume)
    film.show(3)
    segment = logic.segments(film.volume)[0].id
    logic.click(film.volume, segment, ij=(100, 100))
    logic.undoNow(film.volume)
    assert all(one is not None and one.any() for one in masks(film, logic))
    film.show(3)
    logic.undoNow(film.volume)
    assert [one is None for one in masks(film, logic)] == [False, True, True, True, True]


def test_undo_leaves_what_was_drawn_or_clicked_since(film, scene):
    from mrml.bench import drawn_by_hand

    logic = segment_logic(scene)
    logic.segmentByText(film.volume, "heart")
    logic.follow(film.volume)
    film.show(2)
    segment = logic.segments(film.volume)[0].id
    drawn_by_hand(logic, film.volume, segment, slice(100, 110), slice(100, 110))
    film.show(3)
    logic.click(film.volume, logic.segments(film.volume)[0].id, ij=(100, 100))
    film.show(0)
    logic.undoNow(film.volume)
    assert [one is None for one in masks(film, logic)] == [False, True, False, False, True]


def test_undo_takes_the_marks_of_a_propagation_along(film, scene):
    logic = segment_logic(scene, Wandering())
    logic.segmentByText(film.volume, "heart")
    logic.follow(film.volume)
    marked = logic.doubtfulFrames(film.volume)
    assert marked
    logic.undoNow(film.volume)
    assert logic.doubtfulFrames(film.volume) == []
    logic.redoNow(film.volume)
    assert logic.doubtfulFrames(film.volume) == marked


def test_a_start_that_the_model_is_unsure_of_is_marked_until_somebody_clicks(film, scene):
    predictor = SquarePredictor()
    predictor.score = 0.3
    logic = segment_logic(scene, predictor)
    segment = logic.segmentByText(film.volume, "heart")[0]
    logic.follow(film.volume)
    assert logic.doubtfulFrames(film.volume)[0] == 0
    logic.click(film.volume, segment, ij=(60, 60))
    logic.follow(film.volume)
    assert 0 not in logic.doubtfulFrames(film.volume)


def test_a_result_for_a_run_that_is_gone_is_dropped(film, scene):
    logic = segment_logic(scene)
    logic.segmentByText(film.volume, "heart")
    request = logic.followRequest(film.volume)
    result = logic.compute(request)
    scene.RemoveNode(film.volume)
    assert logic.applyRun(request, result) == []


def test_a_single_image_and_a_frame_without_segments_are_refused(film, scene):
    logic = segment_logic(scene)
    with pytest.raises(SceneError, match="one frame only"):
        logic.followRequest(image_node(scene))
    with pytest.raises(SceneError, match="no segments to carry on"):
        logic.followRequest(film.volume)
    assert logic.frameCount(film.volume) == COUNT


def test_a_saved_run_is_there_again_with_its_segments(film, scene, tmp_path):
    logic = segment_logic(scene)
    logic.segmentByText(film.volume, "heart")
    logic.follow(film.volume)
    before = centres(film, logic)
    proxy = run_segmentation(film.volume)
    sequence = film.browser.GetSequenceNode(proxy)
    storage = slicer.vtkMRMLSequenceStorageNode()
    path = tmp_path / "segments.seq.mrb"
    storage.SetFileName(str(path))
    scene.AddNode(storage)
    assert storage.WriteData(sequence) and path.stat().st_size > 0
    sequence.RemoveAllDataNodes()
    assert storage.ReadData(sequence)
    assert sequence.GetNumberOfDataNodes() == COUNT
    film.show(1)
    again = Logic(scene, lambda model, device: SquarePredictor())
    assert centres(film, again) == pytest.approx(before)


def test_late_answers_go_to_the_frame_they_were_asked_for(film, scene):
    logic = segment_logic(scene)
    (request,) = logic.textRequest(film.volume, "heart")
    result = logic.compute(request)
    film.show(3)
    logic.apply(request, result)
    assert logic.segments(film.volume) == []
    kept = frame_segmentation(run_segmentation(film.volume), 0)
    assert kept.GetSegmentation().GetNumberOfSegments() == 1
