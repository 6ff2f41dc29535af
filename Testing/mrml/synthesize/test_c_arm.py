"""The C-arm that is drawn in the 3-D views stands where the rays start and end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import GeometryError
from FluoroSAMSlicerLib.mrml.synthesize.c_arm import ISOCENTRE, SOURCE, CArm
from FluoroSAMSlicerLib.mrml.synthesize.view import ViewSettings
from mrml.bench import new_scene

VIEW = ViewSettings(30, 20, 0, 1000, 600, (10.0, -20.0, 30.0), size=(200, 100), pixel_mm=2.0)


@pytest.fixture
def arm():
    return CArm(new_scene())


def points(model) -> np.ndarray:
    """A model's points in the world, mm."""
    from vtkmodules.vtkCommonTransforms import vtkGeneralTransform

    surface, world = model.GetPolyData(), vtkGeneralTransform()
    model.GetParentTransformNode().GetTransformToWorld(world)
    return np.array([world.TransformPoint(surface.GetPoint(n)) for n in range(surface.GetNumberOfPoints())])


def test_the_field_is_a_pyramid_from_the_source_to_the_detectors_corners(arm):
    arm.show(VIEW)
    source, *corners = points(arm.models[1])
    corners = np.array(corners)
    middle = corners.mean(0)
    assert np.linalg.norm(middle - source) == pytest.approx(1000, abs=1e-3)
    assert np.linalg.norm(np.array(VIEW.isocentre) - source) == pytest.approx(600, abs=1e-3)
    sides = sorted(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1))
    assert sides == pytest.approx([200, 200, 400, 400], abs=1e-2)
    # LAO 30 CRA 20: the detector goes to the patient's left (-R), to the front (A) and towards the head (S).
    right, anterior, superior = (middle - VIEW.isocentre) / np.linalg.norm(middle - VIEW.isocentre)
    assert (right, anterior, superior) == pytest.approx((-0.470, 0.814, 0.342), abs=1e-3)


def test_the_nodes_are_made_once_follow_and_are_not_saved(arm):
    arm.show(VIEW)
    body, field = arm.models
    before = points(field)
    arm.show(replace(VIEW, primary_deg=-60))
    assert arm.models == (body, field)
    assert np.abs(points(field) - before).max() > 100
    for node in (body, field, arm.handles, field.GetParentTransformNode()):
        assert not node.GetSaveWithScene()
    for node in (body, field, arm.handles):
        assert not node.GetSaveWithScene() and node.GetDisplayNode().GetVisibility()
    assert arm.handles.GetNthControlPointLabel(ISOCENTRE) == "Isocentre"
    arm.hide()
    assert not body.GetDisplayNode().GetVisibility()
    arm.remove()
    assert arm.models == () and arm.handles is None


@pytest.mark.parametrize("angles", [(0, 0, 0), (180, 0, 15), (150, -20, 0), (-90, 45, -30)])
def test_the_drawn_detector_is_where_the_rays_end(arm, angles):
    primary, secondary, rotation = angles
    view = replace(VIEW, primary_deg=primary, secondary_deg=secondary, rotation_deg=rotation)
    arm.show(VIEW)
    arm.show(view)
    source, *corners = points(arm.models[1])
    geometry = view.geometry()
    width, height = view.size
    ends = np.array([(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)])
    expected = geometry.pixel_positions(ends) * (-1, -1, 1)
    for one in expected:
        assert np.linalg.norm(np.array(corners) - one, axis=1).min() < 0.01
    assert np.linalg.norm(source - geometry.source * (-1, -1, 1)) < 0.01


def test_turning_moves_the_models_and_makes_no_new_ones(arm):
    arm.show(VIEW)
    surfaces, events = [model.GetPolyData() for model in arm.models], []
    for model in arm.models:
        model.AddObserver(model.PolyDataModifiedEvent, lambda *_: events.append(1))
    for degrees in range(0, 90, 5):
        arm.show(replace(VIEW, primary_deg=degrees, isocentre=(degrees, 0, 0)), moving=True)
    assert [model.GetPolyData() for model in arm.models] == surfaces and events == []
    arm.show(replace(VIEW, sdd_mm=1200.0))
    assert arm.models[1].GetPolyData() is not surfaces[1], "another distance is another shape"


def test_the_field_is_left_out_while_something_moves(arm):
    arm.show(VIEW)
    body, field = arm.models
    arm.show(VIEW, moving=True)
    assert body.GetDisplayNode().GetVisibility() and not field.GetDisplayNode().GetVisibility()
    arm.show(VIEW)
    assert field.GetDisplayNode().GetVisibility()


def test_the_body_holds_source_and_detector(arm):
    arm.show(VIEW)
    body = points(arm.models[0])
    geometry = VIEW.geometry()
    for position in (geometry.source, geometry.detector_centre):
        assert np.linalg.norm(body - position * (-1, -1, 1), axis=1).min() < 20


def test_dragging_the_isocentre_takes_the_c_arm_along(arm):
    arm.show(VIEW)
    arm.handles.SetNthControlPointPositionWorld(ISOCENTRE, 50.0, 60.0, 70.0)
    moved = arm.dragged(VIEW)
    assert moved == replace(VIEW, isocentre=(50.0, 60.0, 70.0))


@pytest.mark.parametrize("angles", [(0, 0), (45, -30), (-90, 10), (170, 60), (-120, -75)])
def test_dragging_the_source_turns_the_c_arm_and_keeps_its_distances(arm, angles):
    wanted = replace(VIEW, primary_deg=angles[0], secondary_deg=angles[1])
    source = wanted.geometry().source * (-1, -1, 1)
    arm.show(VIEW)
    # Dragged further out than the source can be: only the direction counts.
    away = np.array(VIEW.isocentre) + 1.7 * (source - VIEW.isocentre)
    arm.handles.SetNthControlPointPositionWorld(SOURCE, *away.tolist())
    turned = arm.dragged(VIEW)
    assert (turned.primary_deg, turned.secondary_deg) == pytest.approx(angles, abs=0.06)
    assert (turned.sid_mm, turned.sdd_mm, turned.isocentre) == (VIEW.sid_mm, VIEW.sdd_mm, VIEW.isocentre)
    arm.show(turned)
    assert np.linalg.norm(np.array(arm.handles.GetNthControlPointPositionWorld(SOURCE)) - source) < 3


def test_handles_that_nobody_moved_change_nothing(arm):
    assert arm.dragged(VIEW) is VIEW
    arm.show(VIEW)
    assert arm.dragged(VIEW) is VIEW


def test_a_view_that_cannot_be_draws_nothing(arm):
    with pytest.raises(GeometryError):
        arm.show(replace(VIEW, sid_mm=2000.0))
    assert arm.models == ()
