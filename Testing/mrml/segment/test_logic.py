"""Text and clicks to segments, on real nodes, with a stand-in model whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.anatomy import AmbiguousName
from FluoroSAMSlicerLib.mrml import load_segmentation, save_segmentation
from FluoroSAMSlicerLib.mrml.segment.logic import NeedsConfirmation
from mrml.bench import (
    SquarePredictor,
    drawn_by_hand,
    image_node,
    mask_of,
    new_scene,
    noise,
    replace_pixels,
    segment_logic,
)


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def predictor():
    return SquarePredictor()


@pytest.fixture
def logic(scene, predictor):
    return segment_logic(scene, predictor)


@pytest.fixture
def image(scene):
    return image_node(scene)


def test_a_typed_name_becomes_a_segment_with_name_colour_terminology_and_tags(logic, image):
    (segment,) = logic.segmentByText(image, "lt femur")

    state = logic.segmentState(image, segment)
    assert (state.name, state.structure, state.typed, state.score) == (
        "left femur",
        "left femur",
        "lt femur",
        0.9,
    )
    assert mask_of(logic, image, segment).any()
    node = logic.segmentationFor(image).GetSegmentation().GetSegment(segment)
    tags = {name: _tag(node, name) for name in ("TerminologyEntry", "FluoroSAM.model", "FluoroSAM.prompt")}
    assert "71341001^Femur" in tags["TerminologyEntry"] and "7771000^Left" in tags["TerminologyEntry"]
    assert tags["FluoroSAM.model"] == "squares 1" and tags["FluoroSAM.prompt"] == "lt femur"
    assert _tag(node, "FluoroSAM.score") == "0.9000" and _tag(node, "FluoroSAM.date")


def test_several_names_at_once_are_one_step_of_undo(logic, image):
    segments = logic.segmentByText(image, "left femur, right femur and heart")

    assert [logic.segmentState(image, one).name for one in segments] == ["left femur", "right femur", "heart"]
    assert logic.undoNow(image) and logic.segments(image) == [] and not logic.canUndo(image)
    assert logic.redoNow(image) and [state.id for state in logic.segments(image)] == segments


def test_a_group_is_one_segment_or_one_for_each_member(logic, image):
    (together,) = logic.segmentByText(image, "lungs")
    members = logic.segmentByText(image, "lungs", members=True)

    assert logic.segmentState(image, together).structure == "lungs"
    assert [logic.segmentState(image, one).structure for one in members] == ["left lung", "right lung"]


def test_a_text_outside_the_vocabulary_goes_to_the_model_as_typed_and_is_marked(logic, image, predictor):
    (segment,) = logic.segmentByText(image, "Brown | Flurb")

    assert predictor.asked[-1][0] == "Brown | Flurb"
    assert not logic.segmentState(image, segment).known
    assert logic.segmentState(image, segment).name == "Brown / Flurb"


def test_the_mask_of_an_unknown_word_is_an_outline_and_no_surface(logic, image):
    (known,), (unknown,) = logic.segmentByText(image, "heart"), logic.segmentByText(image, "frobnicator")
    display = logic.segmentationFor(image).GetDisplayNode()
    assert display.GetSegmentVisibility2DFill(known) and display.GetSegmentVisibility2DOutline(known)
    assert not display.GetSegmentVisibility2DFill(unknown)
    assert display.GetSegmentVisibility2DOutline(unknown)


def test_an_ambiguous_name_asks_which_one_is_meant(logic, image):
    (choice,) = logic.alternatives("elbow")

    assert choice.ambiguous and choice.structure is None and len(choice.alternatives) > 1
    with pytest.raises(AmbiguousName) as raised:
        logic.textRequest(image, "elbow")
    assert {one.structure for one in raised.value.candidates} == set(choice.alternatives)
    assert logic.segments(image) == []


def test_what_a_text_was_taken_for_is_told_with_alternatives(logic):
    femur, unknown = logic.alternatives("lt femr; flurb")

    assert femur.structure.name == "left femur" and ("femr", "femur") in femur.corrections
    assert femur.alternatives and femur.structure not in femur.alternatives
    assert not unknown.known and unknown.title == "flurb"


def test_edits_by_hand_are_only_replaced_when_told_so(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    assert not logic.isEdited(image, segment)
    drawn_by_hand(logic, image, segment, slice(100, 110), slice(0, 30))
    edited = mask_of(logic, image, segment)
    assert logic.isEdited(image, segment)

    with pytest.raises(NeedsConfirmation) as raised:
        logic.click(image, segment, ij=(80, 20))
    assert raised.value.segmentId == segment and "left lung" in str(raised.value)
    with pytest.raises(NeedsConfirmation):
        logic.segmentByText(image, "left lung")
    (request,) = logic.textRequest(image, "left lung")
    result = logic.compute(request)
    with pytest.raises(NeedsConfirmation):
        logic.apply(request, result)
    assert np.array_equal(mask_of(logic, image, segment), edited)
    assert logic.segmentState(image, segment).positive == 0

    assert logic.apply(request, result, overwriteEdits=True) == segment
    assert not logic.isEdited(image, segment)


def test_undo_does_not_remove_a_segment_that_was_edited_by_hand(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    drawn_by_hand(logic, image, segment, slice(100, 110), slice(0, 30))
    edited = mask_of(logic, image, segment)

    assert logic.undoNow(image)
    assert np.array_equal(mask_of(logic, image, segment), edited)


def test_overlapping_segments_leave_each_other_alone(logic, image):
    first, second = logic.segmentByText(image, "left lung, right lung")
    logic.click(image, first, ij=(60, 60))
    whole = mask_of(logic, image, first)
    logic.click(image, second, ij=(60, 60))

    assert np.array_equal(mask_of(logic, image, first), whole)
    assert (whole & mask_of(logic, image, second)).any()


def test_a_low_score_or_an_unsatisfied_click_marks_the_segment_as_uncertain(logic, image, predictor):
    predictor.score = 0.3
    (segment,) = logic.segmentByText(image, "left lung")
    assert logic.segmentState(image, segment).low_confidence
    predictor.score = 0.9
    (other,) = logic.segmentByText(image, "right lung")
    assert not logic.segmentState(image, other).low_confidence


def test_an_image_is_read_by_the_model_once_and_again_after_it_changed(logic, image, predictor):
    logic.run(logic.encodeRequest(image))
    assert logic.isEncoded(image)
    logic.segmentByText(image, "left lung, right lung")
    assert len(predictor.encoded) == 1

    replace_pixels(image, noise(seed=5))
    assert not logic.isEncoded(image)
    logic.segmentByText(image, "heart")
    assert len(set(predictor.encoded)) == 2
    replace_pixels(image, noise(seed=5))
    assert logic.isEncoded(image)


def test_several_images_have_segmentations_prompts_and_undo_of_their_own(scene, logic):
    one, two = image_node(scene, name="one"), image_node(scene, 64, 200, seed=1, name="two")
    (left,) = logic.segmentByText(one, "left lung")
    (right,) = logic.segmentByText(two, "left lung")
    logic.click(two, right, ij=(180, 60))

    assert logic.segmentationFor(one) is not logic.segmentationFor(two)
    assert mask_of(logic, two, right).shape == (64, 200) and mask_of(logic, two, right)[60, 180]
    assert logic.undoNow(one) and logic.segments(one) == []
    assert logic.segmentState(two, right).positive == 1
    assert left == right


def test_spacing_entered_afterwards_takes_segments_and_points_along(scene, logic):
    image = image_node(scene, spacing=None)
    (segment,) = logic.segmentByText(image, "left lung")
    logic.click(image, segment, ij=(60, 100))
    before = mask_of(logic, image, segment)

    image.SetSpacing(0.143, 0.143, 1.0)
    assert logic.segmentState(image, segment).positive == 1
    assert logic.clickRequest(image, segment).asked.prompt.points == ((60, 100),)
    assert np.array_equal(mask_of(logic, image, segment), before)
    assert not logic.isEdited(image, segment)


def test_work_goes_on_in_a_loaded_segmentation_file(scene, logic, image, tmp_path):
    (segment,) = logic.segmentByText(image, "left lung")
    save_segmentation(logic.segmentationFor(image), tmp_path / "chest.seg.nrrd")
    fresh = new_scene()
    again, other = segment_logic(fresh), image_node(fresh)
    again.useSegmentation(other, load_segmentation(fresh, tmp_path / "chest.seg.nrrd", other))

    assert not again.isEdited(other, segment)
    again.click(other, segment, ij=(70, 100))
    assert mask_of(again, other, segment)[100, 70]
    assert len(again.segments(other)) == 1


def test_removing_a_segment_can_be_undone(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    logic.click(image, segment, ij=(70, 100))
    before = mask_of(logic, image, segment)
    logic.removeSegment(image, segment)
    assert logic.segments(image) == [] and logic.segmentationFor(image) is not None

    logic.undoNow(image)
    (state,) = logic.segments(image)
    assert np.array_equal(mask_of(logic, image, state.id), before)


def test_removing_what_was_drawn_by_hand_asks_first(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    drawn_by_hand(logic, image, segment, slice(100, 110), slice(0, 30))
    with pytest.raises(NeedsConfirmation, match="Remove it"):
        logic.removeSegment(image, segment)
    logic.removeSegment(image, segment, overwriteEdits=True)
    assert logic.segments(image) == []


def _tag(segment, name: str) -> str:
    import vtk

    value = vtk.reference("")
    assert segment.GetTag(name, value), name
    return str(value)
