"""Clicks, boxes, candidates, thresholds and their undo, on real nodes, with a stand-in model."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.mrml import SceneError
from FluoroSAMSlicerLib.mrml.segment.logic import NeedsConfirmation
from FluoroSAMSlicerLib.segmentation import Candidates, PromptError
from mrml.bench import (
    SquarePredictor,
    drawn_by_hand,
    image_node,
    mask_of,
    new_scene,
    place,
    segment_logic,
    transform_node,
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


def test_clicks_reach_the_model_as_pixels_wherever_the_image_lies(scene, logic, predictor):
    image = image_node(scene)
    place(image, ((0, 0, -1), (0.6, -0.8, 0), (0.8, 0.6, 0)), (30, -40, 50), (0.2, 0.3, 2.0))
    image.SetAndObserveTransformNodeID(transform_node(scene).GetID())
    (segment,) = logic.segmentByText(image, "left lung")

    beside_the_plane = np.add(logic.rasFromPixel(image, 61.25, 80.5), _normal(image, logic) * 3)
    logic.click(image, segment, ras=beside_the_plane)
    logic.click(image, segment, ij=(5, 6), positive=False)

    _, points, labels, _, _ = predictor.asked[-1]
    assert np.allclose(points, [(61.25, 80.5), (5, 6)], atol=0.005) and labels == (1, 0)
    mask = mask_of(logic, image, segment)
    assert mask[80, 61] and not mask[6, 5]
    state = logic.segmentState(image, segment)
    assert (state.positive, state.negative, state.missed) == (1, 1, ())


def test_points_are_markups_under_the_images_transform_with_the_sign_in_their_selection(scene, logic, image):
    image.SetAndObserveTransformNodeID(transform_node(scene).GetID())
    (segment,) = logic.segmentByText(image, "left lung")
    logic.addPoint(image, segment, ij=(10, 20))
    logic.addPoint(image, segment, ij=(30, 40), positive=False)

    points = logic.pointsNode(image, segment)
    assert points.GetTransformNodeID() == image.GetTransformNodeID()
    assert [points.GetNthControlPointSelected(n) for n in (0, 1)] == [True, False]
    assert [points.GetNthControlPointLabel(n) for n in (0, 1)] == ["+", "\N{MINUS SIGN}"]
    assert logic.segmentOfPoints(points) == (image, segment)
    points.SetNthControlPointSelected(1, True)
    assert logic.segmentState(image, segment).positive == 2


def test_a_point_that_follows_the_mouse_is_no_click_yet(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    points = logic.pointsNode(image, segment, create=True)
    points.AddControlPointWorld(*logic.rasFromPixel(image, 10, 10))
    points.UnsetNthControlPointPosition(0)

    assert logic.segmentState(image, segment).positive == 0


def test_a_drag_is_one_step_of_undo_and_its_requests_carry_the_points_as_they_are(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    logic.click(image, segment, ij=(20, 100))
    points = logic.pointsNode(image, segment)
    for x in (30, 40, 50):
        points.SetNthControlPointPositionWorld(0, *logic.rasFromPixel(image, x, 100))
        logic.run(logic.clickRequest(image, segment))
    logic.commit(image)

    assert mask_of(logic, image, segment)[100, 50] and not mask_of(logic, image, segment)[100, 20]
    logic.undoNow(image)
    assert mask_of(logic, image, segment)[100, 20] and not mask_of(logic, image, segment)[100, 50]
    logic.redoNow(image)
    assert mask_of(logic, image, segment)[100, 50]


def test_undo_goes_back_through_points_boxes_thresholds_and_candidates_to_the_same_masks(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    shown = [mask_of(logic, image, segment)]
    for change in (
        lambda: logic.click(image, segment, ij=(70, 100)),
        lambda: logic.click(image, segment, ij=(20, 100), positive=False),
        lambda: logic.nextCandidate(image, segment),
        lambda: logic.setThreshold(image, segment, probability=0.7),
        lambda: logic.box(image, segment, (50, 60, 80, 110)),
        lambda: logic.startFromSegment(image, segment),
        lambda: logic.click(image, segment, ij=(80, 10)),
    ):
        change()
        shown.append(mask_of(logic, image, segment))
    for expected in reversed(shown[:-1]):
        assert logic.undoNow(image)
        assert np.array_equal(mask_of(logic, image, segment), expected)
    for expected in shown[1:]:
        assert logic.redoNow(image)
        assert np.array_equal(mask_of(logic, image, segment), expected)
    assert not logic.redoNow(image)


def test_points_can_be_moved_turned_removed_and_cleared(logic, image):
    segment = logic.newSegment(image, "left lung")
    for x in (10, 30, 50):
        logic.addPoint(image, segment, ij=(x, 60))
    logic.movePoint(image, segment, 0, ij=(12, 61))
    logic.flipPoint(image, segment, 1)
    logic.removePoint(image, segment, 2)

    request = logic.clickRequest(image, segment)
    assert request.asked.prompt.points == ((12, 61), (30, 60)) and request.asked.prompt.labels == (1, 0)
    logic.run(request)
    logic.clearPoints(image, segment)
    assert logic.clickRequest(image, segment) is None
    assert not mask_of(logic, image, segment).any()
    assert logic.segmentState(image, segment).score is None


def test_a_click_beside_the_image_is_refused_and_changes_nothing(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    with pytest.raises(PromptError, match="outside the image"):
        logic.click(image, segment, ij=(90.5, 3))

    assert logic.segmentState(image, segment).positive == 0


def test_a_click_that_the_model_fails_on_is_taken_back(logic, image, predictor, monkeypatch):
    (segment,) = logic.segmentByText(image, "left lung")

    def fail(*_args, **_kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(predictor, "predict", fail)
    with pytest.raises(RuntimeError):
        logic.click(image, segment, ij=(9, 9))
    assert logic.segmentState(image, segment).positive == 0 and not logic.canRedo(image)


def test_the_three_candidates_can_be_stepped_through_and_the_next_click_goes_on_from_the_one_shown(
    logic, image, predictor
):
    (segment,) = logic.segmentByText(image, "left lung")
    sizes = [mask_of(logic, image, segment).sum()]
    for expected in (1, 2, 0, 1):
        logic.nextCandidate(image, segment)
        assert logic.segmentState(image, segment).chosen == expected
        sizes.append(mask_of(logic, image, segment).sum())
    assert sizes[0] > sizes[1] > sizes[2] and sizes[3] == sizes[0]

    logic.click(image, segment, ij=(5, 5))
    assert predictor.asked[-1][4].chosen == 1
    assert predictor.chosen == [1, 2, 0], "each is looked at once"


def test_a_threshold_is_a_probability_or_a_logit_and_stays_with_the_segment(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    half = mask_of(logic, image, segment)
    logic.setThreshold(image, segment, probability=0.8)
    strict = mask_of(logic, image, segment)
    logic.setThreshold(image, segment, logit=np.log(4.0))
    assert np.array_equal(mask_of(logic, image, segment), strict) and strict.sum() < half.sum()
    logic.click(image, segment, ij=(80, 110))
    assert logic.segmentState(image, segment).threshold == pytest.approx(0.8)


def test_drafts_of_a_threshold_are_drawn_from_few_logits_and_the_last_one_from_all(scene, monkeypatch):
    logic = segment_logic(scene)
    image = image_node(scene, 1500, 1100)
    (segment,) = logic.segmentByText(image, "left lung")
    logic.setThreshold(image, segment, 0.7)
    exact = mask_of(logic, image, segment)
    restored, logits = [], Candidates.logits
    monkeypatch.setattr(
        Candidates, "logits", lambda self, index: restored.append(index) or logits(self, index)
    )
    for probability in (0.4, 0.6, 0.7):
        logic.run(logic.thresholdRequest(image, segment, probability, draft=True))
    coarse = mask_of(logic, image, segment)
    assert len(restored) == 1
    # Off by no more than the distance of the logits that were used.
    assert not np.array_equal(coarse, exact)
    assert 2 * np.count_nonzero(coarse & exact) > 0.97 * (coarse.sum() + exact.sum())

    logic.run(logic.thresholdRequest(image, segment, 0.7))
    assert np.array_equal(mask_of(logic, image, segment), exact)


def test_a_box_may_come_from_two_corners_or_a_roi(scene, logic, image, predictor):
    segment = logic.newSegment(image)
    corners = [logic.rasFromPixel(image, *corner) for corner in ((70, 20), (10, 50))]
    logic.box(image, segment, logic.boxFromCorners(image, *corners))
    assert predictor.asked[-1][3] == pytest.approx((10, 20, 70, 50))

    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter(*logic.rasFromPixel(image, 40, 30))
    roi.SetSize(10 * 0.2, 20 * 0.3, 5)
    assert logic.boxFromRoi(image, roi) == pytest.approx((35, 20, 45, 40))
    roi.SetCenter(1000, 0, 0)
    with pytest.raises(SceneError, match="covers nothing"):
        logic.boxFromRoi(image, roi)


def test_a_segment_drawn_by_hand_can_be_started_from(logic, image, predictor):
    segmentation = logic.segmentationFor(image)
    drawn = segmentation.GetSegmentation().AddEmptySegment("", "my drawing")
    drawn_by_hand(logic, image, drawn, slice(20, 60), slice(30, 70))
    assert not logic.segmentState(image, drawn).ours and logic.isEdited(image, drawn)

    with pytest.raises(NeedsConfirmation):
        logic.startFromSegment(image, drawn)
    before = mask_of(logic, image, drawn)
    logic.startFromSegment(image, drawn, overwriteEdits=True)

    after = mask_of(logic, image, drawn)
    assert (before & after).sum() / (before | after).sum() > 0.9
    assert predictor.asked[-1][3] == (29.5, 19.5, 69.5, 59.5)
    assert logic.segmentState(image, drawn).name == "my drawing"


def test_points_of_the_active_segment_alone_can_be_seen_and_moved(scene, logic):
    one, two = image_node(scene, name="one"), image_node(scene, name="two")
    first, second = logic.segmentByText(one, "left lung, right lung")
    (other,) = logic.segmentByText(two, "heart")
    nodes = [logic.pointsNode(*place, create=True) for place in ((one, first), (one, second), (two, other))]
    logic.setActiveSegment(one, second)

    assert [bool(node.GetDisplayVisibility()) for node in nodes] == [False, True, False]
    assert [bool(node.GetLocked()) for node in nodes] == [True, False, True]
    logic.setActiveSegment(one, None)
    assert not any(node.GetDisplayVisibility() for node in nodes)


def _normal(image, logic) -> np.ndarray:
    origin, x, y = (np.array(logic.rasFromPixel(image, *at)) for at in ((0, 0), (1, 0), (0, 1)))
    normal = np.cross(x - origin, y - origin)
    return normal / np.linalg.norm(normal)
