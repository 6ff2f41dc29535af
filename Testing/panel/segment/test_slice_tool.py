"""Clicks, drags and boxes in the slice views."""

from __future__ import annotations

import numpy as np
import slicer
from mrml.bench import mask_of


def points(bench):
    return bench.logic.pointsNode(bench.panel.context.volume, bench.panel.context.segment)


def test_a_click_adds_and_ctrl_or_shift_removes(bench, image):
    bench.ask("heart")
    bench.ui.addButton.click()
    bench.red().click(bench.at(60, 100))
    bench.wait()
    assert (bench.state().positive, bench.state().negative) == (1, 0)
    assert mask_of(bench.logic, image, bench.panel.context.segment)[100, 60]

    bench.red().click(bench.at(30, 40), control=True)
    bench.red().click(bench.at(70, 20), shift=True)
    bench.wait()
    assert (bench.state().positive, bench.state().negative) == (1, 2)


def test_the_outside_tool_removes(bench, image):
    bench.ask("heart")
    bench.ui.removeButton.click()
    assert not bench.ui.addButton.checked
    bench.red().click(bench.at(60, 100))
    bench.wait()
    assert (bench.state().positive, bench.state().negative) == (0, 1)


def test_a_click_without_a_segment_makes_one(bench, image):
    bench.ui.addButton.click()
    bench.red().click(bench.at(60, 100))
    bench.wait()
    assert bench.names() == ["Segment 1"] and bench.state().positive == 1


def test_the_place_of_a_click_is_the_pixel_under_the_mouse(bench, image):
    bench.ui.addButton.click()
    bench.red().click(bench.at(61.2, 97.8))
    bench.wait()
    place = [0.0, 0.0, 0.0]
    points(bench).GetNthControlPointPositionWorld(0, place)
    x, y = bench.logic.pixelFromRas(image, place)
    assert abs(x - 61.2) < 0.5 and abs(y - 97.8) < 0.5


def test_the_views_keep_the_mouse_while_no_tool_is_on(bench, image):
    assert bench.red().click(bench.at(60, 100)) == [True, True]
    bench.ui.addButton.click()
    assert bench.red().sliceView().cursor is not None
    assert bench.red().click(bench.at(60, 100)) == [False, False]
    assert bench.red().click(bench.at(-40, 100)) == [True, True]
    bench.ui.addButton.click()
    assert bench.red().click(bench.at(60, 100)) == [True, True] and bench.red().sliceView().cursor is None
    bench.wait()


def test_leaving_the_module_gives_the_mouse_back(bench, image):
    bench.ui.addButton.click()
    bench.panel.exit()
    assert bench.red().click(bench.at(60, 100)) == [True, True]
    assert not bench.ui.addButton.checked


def test_a_view_along_the_image_plane_takes_no_clicks(bench, image):
    bench.ui.addButton.click()
    assert bench.layout.sliceWidget("Green").click(bench.at(60, 100)) == [True, True]


def test_a_mouse_that_moved_did_not_click(bench, image):
    bench.ask("heart")
    bench.ui.addButton.click()
    bench.red().mouse(bench.at(60, 100), "LeftButtonPressEvent")
    bench.red().mouse(bench.at(20, 40), "MouseMoveEvent", "LeftButtonReleaseEvent")
    bench.wait()
    assert bench.state().positive == 0


def test_a_press_on_a_point_is_left_to_the_point(bench, image):
    bench.ask("heart")
    bench.ui.addButton.click()
    bench.red().click(bench.at(60, 100))
    bench.wait()
    assert bench.red().mouse(bench.at(60, 100), "LeftButtonPressEvent") == [True]
    assert bench.state().positive == 1


def test_a_dragged_point_takes_the_mask_with_it_and_is_one_step_of_undo(bench, image):
    bench.ask("heart")
    bench.ui.addButton.click()
    bench.red().click(bench.at(60, 100))
    bench.wait()
    node, kind = points(bench), slicer.vtkMRMLMarkupsNode
    node.InvokeEvent(kind.PointStartInteractionEvent)
    for x in (50, 40, 30, 20):
        node.SetNthControlPointPositionWorld(0, *bench.at(x, 100))
    node.InvokeEvent(kind.PointEndInteractionEvent)
    bench.wait()
    mask = mask_of(bench.logic, image, bench.panel.context.segment)
    assert mask[100, 20] and not mask[100, 60]

    bench.ui.undoButton.click()
    bench.wait()
    mask = mask_of(bench.logic, image, bench.panel.context.segment)
    assert mask[100, 60] and not mask[100, 20] and bench.state().positive == 1


def test_a_drag_is_coalesced(bench, image, predictor, monkeypatch):
    import time

    bench.ask("heart")
    bench.ui.addButton.click()
    bench.red().click(bench.at(60, 100))
    bench.wait()
    answer = predictor.predict

    def slow(*args, **named):
        time.sleep(0.02)
        return answer(*args, **named)

    monkeypatch.setattr(predictor, "predict", slow)
    before = len(predictor.asked)
    node, kind = points(bench), slicer.vtkMRMLMarkupsNode
    node.InvokeEvent(kind.PointStartInteractionEvent)
    for x in np.linspace(60, 20, 60):
        node.SetNthControlPointPositionWorld(0, *bench.at(x, 100))
    node.InvokeEvent(kind.PointEndInteractionEvent)
    bench.wait()
    assert len(predictor.asked) - before < 20
    assert mask_of(bench.logic, image, bench.panel.context.segment)[100, 20]


def test_a_point_deleted_in_the_view_is_taken_back(bench, image):
    bench.ask("heart")
    before = mask_of(bench.logic, image, bench.panel.context.segment)
    bench.ui.addButton.click()
    bench.red().click(bench.at(60, 100))
    bench.wait()
    points(bench).RemoveNthControlPoint(0)
    bench.wait()
    assert bench.state().positive == 0
    assert np.array_equal(mask_of(bench.logic, image, bench.panel.context.segment), before)


def test_only_the_points_of_the_chosen_segment_are_shown(bench, image):
    bench.ask("heart, left lung")
    bench.ui.addButton.click()
    bench.red().click(bench.at(60, 100))
    bench.wait()
    heart = points(bench)
    bench.ui.segmentTable.setCurrentCell(1, 0)
    assert not heart.GetDisplayVisibility() and heart.GetLocked()
    bench.ui.segmentTable.setCurrentCell(0, 0)
    assert heart.GetDisplayVisibility() and not heart.GetLocked()


def test_a_box_is_drawn(bench, image):
    bench.ui.boxButton.click()
    red = bench.red()
    red.mouse(bench.at(20, 30), "LeftButtonPressEvent")
    red.mouse(bench.at(50, 60), "MouseMoveEvent")
    curve = bench.scene.GetFirstNodeByClass("vtkMRMLMarkupsClosedCurveNode")
    assert (
        curve.GetNumberOfControlPoints() == 4
        and curve.GetDisplayVisibility()
        and not curve.GetSaveWithScene()
    )
    red.mouse(bench.at(70, 80), "MouseMoveEvent", "LeftButtonReleaseEvent")
    bench.wait()
    assert np.allclose(bench.state().box, (20, 30, 70, 80), atol=1)
    mask = mask_of(bench.logic, image, bench.panel.context.segment)
    assert mask[50, 50] and not mask[100, 50]

    bench.ui.clearClicksButton.click()
    bench.wait()
    assert bench.state().box is None and not curve.GetDisplayVisibility()


def test_the_tool_survives_a_change_of_the_layout(bench, image):
    bench.ask("heart")
    bench.ui.addButton.click()
    bench.layout.setLayout(3)
    bench.red().click(bench.at(60, 100))
    bench.wait()
    assert bench.state().positive == 1


def test_the_second_of_two_quick_clicks_counts_and_enlarges_no_view(bench, image):
    bench.ask("heart")
    bench.ui.addButton.click()
    red = bench.red()
    assert red.click(bench.at(60, 100)) == [False, False]
    events = "LeftButtonDoubleClickEvent", "LeftButtonReleaseEvent"
    assert red.mouse(bench.at(20, 20), *events) == [False, False]
    bench.wait()
    assert bench.state().positive == 2


def test_alt_is_left_to_slicer(bench, image):
    bench.ui.addButton.click()
    bench.red().sliceView().interactor().SetAltKey(1)
    assert bench.red().click(bench.at(60, 100)) == [True, True]


def test_a_view_that_shows_another_image_takes_no_clicks(bench, image):
    other = bench.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    bench.ui.addButton.click()
    composite = bench.red().mrmlSliceCompositeNode()
    composite.SetBackgroundVolumeID(other.GetID())
    assert bench.red().click(bench.at(60, 100)) == [True, True]
    composite.SetBackgroundVolumeID(image.GetID())
    assert bench.red().click(bench.at(60, 100)) == [False, False]
    bench.wait()


def test_a_tool_brings_an_image_into_view_that_is_shown_nowhere(bench, image):
    for name in bench.layout.sliceViewNames():
        bench.layout.sliceWidget(name).mrmlSliceCompositeNode().SetBackgroundVolumeID(None)
    bench.ui.addButton.click()
    assert bench.red().click(bench.at(60, 100)) == [False, False]
    bench.wait()
    assert bench.names() == ["Segment 1"]


def test_markups_of_the_user_go_first(bench, image):
    bench.ui.addButton.click()
    interaction = bench.scene.GetFirstNodeByClass("vtkMRMLInteractionNode")
    interaction.SetCurrentInteractionMode(slicer.vtkMRMLInteractionNode.Place)
    assert bench.red().click(bench.at(60, 100)) == [True, True]
