"""CTs of a scene become X-ray images with masks, whatever their orientation, transforms and layers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import slicer
import vtk
from FluoroSAMSlicerLib.drr import CTVolume, GeometryError, VolumeError, project
from FluoroSAMSlicerLib.mrml import SceneError, segment_mask
from FluoroSAMSlicerLib.mrml.synthesize.logic import USER_ERRORS, Cancelled, Logic, ViewSettings
from FluoroSAMSlicerLib.mrml.synthesize.patient import take_patient
from FluoroSAMSlicerLib.mrml.synthesize.scene import true_masks
from mrml.bench import SquarePredictor, drawn_by_hand, mask_of, new_scene, segment_logic
from mrml.synthesize.bench import (
    COLORS,
    add_patient,
    ct_node,
    directions,
    label_map_node,
    labelled_ct,
    phantom,
    put_under,
    segmentation_node,
)

VIEW = ViewSettings(
    primary_deg=25, secondary_deg=-12, sdd_mm=1000, sid_mm=700, size=(48, 40), pixel_mm=3.0, dose_ugy=0
)


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def logic(scene):
    segments = segment_logic(scene)
    return Logic(scene, lambda: segments)


def rendered(logic, ct, labels, view=VIEW, segments=None):
    return logic.compute(logic.renderRequest(ct, labels, logic.centred(view, ct), segments))


def test_the_image_is_that_of_the_projector(logic, scene):
    ct, labels = labelled_ct(scene)
    made = rendered(logic, ct, labels, replace(VIEW, scatter=False, blur=False))
    hu, masks = phantom()
    # The same body written down by hand in LPS.
    volume = CTVolume(hu, (-40, -60, -30), (2, 2.5, 3))
    view = logic.centred(VIEW, ct)
    assert np.allclose(np.array(view.isocentre) * (-1, -1, 1), volume.centre, atol=0.05)
    density = project(volume, view.geometry(), materials=True).area_density
    attenuation = -np.log(view.exposure().beam.intensity(density))
    low, high = made.window
    assert np.allclose(made.pixels, ((attenuation - low) / (high - low)).clip(0, 1), atol=1e-3)
    assert set(made.masks) == set(masks)


@pytest.fixture(scope="module")
def upright():
    scene = new_scene()
    return rendered(Logic(scene), *labelled_ct(scene))


@pytest.mark.parametrize("order", sorted({order for order, _ in directions()}))
def test_all_48_axis_orders_and_flips_give_the_same_image_and_masks(order, upright):
    for found, signs in directions():
        if found != order:
            continue
        scene = new_scene()
        made = rendered(Logic(scene), *labelled_ct(scene, order, signs))
        assert np.abs(made.pixels - upright.pixels).max() < 1e-4, signs
        for name, one in upright.masks.items():
            assert np.count_nonzero(made.masks[name].mask != one.mask) <= 2, (signs, name)


def test_transforms_of_both_nodes_move_the_patient(logic, scene, upright):
    turn = vtk.vtkTransform()
    turn.Translate(120, -30, 55)
    turn.RotateWXYZ(40, 0, 0, 1)
    matrix = np.array([[turn.GetMatrix().GetElement(r, c) for c in range(4)] for r in range(4)])
    ct, labels = labelled_ct(scene)
    put_under(scene, [ct, labels], matrix)
    view = logic.centred(VIEW, ct)
    middle = matrix[:3, :3] @ logic.centred(VIEW, ct_node(scene)).isocentre + matrix[:3, 3]
    assert np.allclose(view.isocentre, middle, atol=0.2)
    view = replace(view, isocentre=tuple(middle.tolist()))
    # The patient was turned about its long axis: the C-arm is turned along.
    made = logic.compute(logic.renderRequest(ct, labels, replace(view, primary_deg=VIEW.primary_deg + 40)))
    assert np.abs(made.pixels - upright.pixels).max() < 1e-3
    assert made.notes == ()


def test_labels_on_another_grid_are_placed_where_they_are_and_the_user_is_told(logic, scene, upright):
    ct, labels = labelled_ct(scene)
    shift = np.eye(4)
    shift[:3, 3] = 0.7, 0.9, -0.8
    put_under(scene, [labels], shift)
    made = rendered(logic, ct, labels)
    assert "another grid" in made.notes[0]
    for name, one in upright.masks.items():
        mask = made.masks[name].mask
        assert 2 * np.count_nonzero(mask & one.mask) > 0.9 * (mask.sum() + one.mask.sum())


def test_labels_of_another_patient_are_refused(logic, scene):
    ct, labels = labelled_ct(scene)
    shift = np.eye(4)
    shift[:3, 3] = 900, 0, 0
    put_under(scene, [labels], shift)
    with pytest.raises(USER_ERRORS, match="outside the CT"):
        rendered(logic, ct, labels)


def test_a_warping_transform_is_refused(logic, scene):
    ct, labels = labelled_ct(scene)
    spline = vtk.vtkThinPlateSplineTransform()
    points = vtk.vtkPoints()
    for place in ((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50)):
        points.InsertNextPoint(place)
    moved = vtk.vtkPoints()
    for place in ((5, 0, 0), (50, 9, 0), (0, 50, 0), (0, 0, 58)):
        moved.InsertNextPoint(place)
    spline.SetBasisToR()
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(moved)
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(spline)
    ct.SetAndObserveTransformNodeID(node.GetID())
    with pytest.raises(SceneError, match="[Hh]arden"):
        logic.renderRequest(ct, labels, VIEW)


def test_overlapping_segments_each_keep_all_of_their_mask(logic, scene):
    hu, masks = phantom()
    both = {"liver": masks["liver"], "some box": np.zeros_like(masks["liver"])}
    both["some box"][5:25, 6:28, 6:34] = True
    together = rendered(logic, ct_node(scene, hu), segmentation_node(scene, both))
    alone = rendered(logic, ct_node(scene, hu), segmentation_node(scene, {"liver": masks["liver"]}))
    assert np.array_equal(together.masks["liver"].mask, alone.masks["liver"].mask)
    assert not (together.masks["liver"].mask & ~together.masks["some box"].mask).any()


def test_only_the_chosen_segments_are_projected(logic, scene):
    ct, labels = labelled_ct(scene)
    wanted = [one.id for one in logic.structures(labels) if one.name != "liver"]
    assert sorted(rendered(logic, ct, labels, segments=wanted).masks) == ["L3 vertebra", "left kidney"]
    with pytest.raises(SceneError, match="Tick"):
        logic.renderRequest(ct, labels, VIEW, [])


def test_a_label_map_works_like_a_segmentation(logic, scene, upright):
    ct = ct_node(scene)
    labels = label_map_node(scene, phantom()[1])
    assert [one.name for one in logic.structures(labels)] == list(COLORS)
    made = rendered(logic, ct, labels)
    for name, one in upright.masks.items():
        assert np.array_equal(made.masks[name].mask, one.mask)
        assert np.allclose(made.masks[name].color, COLORS[name], atol=1 / 255)


def test_edits_of_the_ct_and_of_the_segments_are_seen(logic, scene):
    ct, labels = labelled_ct(scene)
    before = rendered(logic, ct, labels)
    array = slicer.util.arrayFromVolume(ct)
    array[10:20, 8:14, 8:14] = 1500
    ct.GetImageData().Modified()
    labels.GetSegmentation().RemoveSegment(logic.structures(labels)[0].id)
    after = rendered(logic, ct, labels)
    assert np.abs(after.pixels - before.pixels).max() > 0.05
    assert len(after.masks) == len(before.masks) - 1


def test_an_image_comes_into_the_scene_with_masks_and_geometry(logic, scene):
    ct, labels = labelled_ct(scene)
    view = logic.centred(VIEW, ct)
    made = logic.compute(request := logic.renderRequest(ct, labels, view))
    image = logic.apply(request, made)
    assert image.GetName() == "CT LAO 25°, CAU 12°" and image.GetImageData().GetDimensions() == (48, 40, 1)
    assert np.allclose(image.GetSpacing()[:2], 3.0)

    truth = logic.truthFor(image)
    assert truth.GetNodeReference("referenceImageGeometryRef") is image
    for name, mask in true_masks(image).items():
        assert np.array_equal(mask, made.masks[name].mask) and mask.any()
    liver = truth.GetSegmentation().GetSegment(truth.GetSegmentation().GetSegmentIdBySegmentName("liver"))
    assert np.allclose(liver.GetColor(), COLORS["liver"], atol=1 / 255)

    geometry = logic.geometryOf(image)
    assert geometry["primary_angle_deg"] == 25 and geometry["secondary_angle_deg"] == -12
    assert np.allclose(geometry["projection_matrix"], view.geometry().projection_matrix(), atol=1e-6)
    assert json.loads(image.GetAttribute("FluoroSAM.physics"))["kilovolts"] == 90
    assert ViewSettings.from_json(json.loads(image.GetAttribute("FluoroSAM.view"))) == view


def test_the_segment_tab_takes_the_image_at_once(logic, scene):
    ct, labels = labelled_ct(scene)
    image = logic.render(ct, labels, logic.centred(VIEW, ct))
    segments = logic.segmentLogic
    segments.checkVolume(image)
    (found,) = segments.segmentByText(image, "liver")
    assert segments.segmentationFor(image) is not logic.truthFor(image)
    assert segments.segmentState(image, found).name == "liver"


def test_a_saved_scene_keeps_masks_and_geometry(logic, scene, tmp_path):
    image = logic.render(*labelled_ct(scene), logic.centred(VIEW, ct_node(scene)))
    name, masks, geometry = image.GetName(), true_masks(image), logic.geometryOf(image)
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"), None)
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    image = scene.GetFirstNodeByName(name)
    assert logic.geometryOf(image) == geometry
    loaded = true_masks(image)
    assert loaded.keys() == masks.keys()
    assert all(np.array_equal(loaded[one], masks[one]) for one in masks)


def test_dice_is_that_of_the_masks_in_the_scene(logic, scene):
    ct, labels = labelled_ct(scene)
    image = logic.render(ct, labels, logic.centred(VIEW, ct))
    rows = {row.structure: row for row in logic.dice(image)}
    assert set(rows) == {"liver", "left kidney", "L3 vertebra"}
    segments = logic.segmentLogic
    for state in segments.segments(image):
        drawn = segment_mask(segments.segmentationFor(image), state.id, image)
        true = true_masks(image)[state.name]
        expected = 2 * (drawn & true).sum() / (drawn.sum() + true.sum())
        assert rows[state.name].dice == pytest.approx(expected) and rows[state.name].score == 0.9
        assert rows[state.name].pixels == true.sum()
    assert segments.undoNow(image) and segments.segments(image) == [] and not segments.canUndo(image)


def test_clicks_made_in_the_segment_tab_count_and_drawings_stay(logic, scene):
    ct, labels = labelled_ct(scene)
    image = logic.render(ct, labels, logic.centred(VIEW, ct))
    logic.dice(image)
    segments = logic.segmentLogic
    ids = {state.name: state.id for state in segments.segments(image)}
    segments.click(image, ids["liver"], ij=(40, 35))
    drawn_by_hand(segments, image, ids["left kidney"], slice(0, 5), slice(0, 5))
    before = mask_of(segments, image, ids["left kidney"])
    rows = {row.structure: row for row in logic.dice(image)}
    clicked = mask_of(segments, image, ids["liver"])
    true = true_masks(image)["liver"]
    assert clicked[35, 40] and segments.segmentState(image, ids["liver"]).positive == 1
    assert rows["liver"].dice == pytest.approx(2 * (clicked & true).sum() / (clicked.sum() + true.sum()))
    assert np.array_equal(mask_of(segments, image, ids["left kidney"]), before)


def test_the_image_is_read_once_for_all_structures(scene):
    predictor = SquarePredictor()
    segments = segment_logic(scene, predictor)
    logic = Logic(scene, lambda: segments)
    ct, labels = labelled_ct(scene)
    logic.dice(logic.render(ct, labels, logic.centred(VIEW, ct)))
    assert len(predictor.encoded) == 1 and len(predictor.asked) == 3


def test_a_name_with_two_meanings_is_left_out_of_the_check_with_a_remark(logic, scene):
    hu, masks = phantom()
    ct = ct_node(scene, hu)
    labels = segmentation_node(scene, {"elbow": masks["liver"], "left kidney": masks["left kidney"]})
    rows = {row.structure: row for row in logic.dice(logic.render(ct, labels, logic.centred(VIEW, ct)))}
    assert rows["elbow"].dice is None and rows["elbow"].remark
    assert rows["left kidney"].dice is not None


def test_an_image_from_elsewhere_has_no_truth_to_check_against(logic, scene):
    from mrml.bench import image_node

    with pytest.raises(SceneError, match="Render it"):
        logic.dice(image_node(scene))


def test_a_ct_without_labels_gives_an_image_and_says_that_masks_are_missing(logic, scene):
    made = rendered(logic, ct_node(scene), None)
    assert made.masks == {} and "no masks" in made.notes[0] and made.pixels.max() > 0.5


def empty_segmentation(scene):
    return scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sid_mm": 20.0}, "inside the patient"),
        ({"sid_mm": 1200.0}, "in front of the isocentre"),
        ({"isocentre": (4000.0, 0.0, 0.0)}, "No ray meets the CT|behind the X-ray source"),
        ({"primary_deg": float("nan")}, "finite"),
        ({"size": (0, 40)}, "greater than zero"),
        ({"pixel_mm": 0.0}, "greater than zero"),
        ({"kilovolts": 77}, "no spectrum"),
        ({"dose_ugy": -1.0}, "dose"),
    ],
)
def test_a_view_that_cannot_be_is_a_message(logic, scene, change, message):
    ct, labels = labelled_ct(scene)
    view = replace(logic.centred(VIEW, ct), **change)
    with pytest.raises(USER_ERRORS, match=message):
        logic.compute(logic.renderRequest(ct, labels, view))


def test_what_is_no_ct_is_a_message(logic, scene):
    constant = ct_node(scene, np.full((4, 5, 6), 40, np.int16))
    with pytest.raises(VolumeError, match="every voxel"):
        logic.compute(logic.previewRequest(constant, VIEW))
    broken = ct_node(scene, np.full((4, 5, 6), np.nan, np.float32))
    with pytest.raises(VolumeError, match="not finite"):
        logic.compute(logic.previewRequest(broken, VIEW))
    flat = ct_node(scene, np.zeros((1, 20, 20), np.int16))
    with pytest.raises(SceneError, match="single slice"):
        logic.previewRequest(flat, VIEW)
    with pytest.raises(SceneError, match="holds no labels"):
        logic.renderRequest(ct_node(scene), empty_segmentation(scene), VIEW)
    with pytest.raises(SceneError, match="no voxels"):
        logic.previewRequest(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing"), VIEW)


def test_a_preview_looks_like_the_image(logic, scene):
    ct, labels = labelled_ct(scene)
    view = replace(logic.centred(VIEW, ct), size=(96, 80), pixel_mm=1.5, scatter=False, blur=False)
    preview = logic.compute(logic.previewRequest(ct, view))
    full = logic.compute(
        logic.renderRequest(ct, labels, replace(view, size=(256, 213), pixel_mm=1.5 * 96 / 256))
    )
    assert preview.grey.shape == full.pixels.shape and preview.note == ""
    assert np.corrcoef(preview.grey.ravel(), full.pixels.ravel())[0, 1] > 0.97


def test_a_real_ct_through_the_scene_is_the_ct_of_the_file(logic, scene, shared_data):
    from FluoroSAMSlicerLib.drr import LabelVolume

    files = [shared_data(f"ct/ts_real_abdopelvis_{part}.nrrd") for part in ("ct", "labels")]
    ct, labels = add_patient(scene, *files)
    view = replace(VIEW, size=(96, 96), pixel_mm=5.0, primary_deg=-35, sid_mm=650)
    view = logic.centred(view, ct)
    made = logic.compute(logic.renderRequest(ct, labels, view))
    volume, label_map = CTVolume.read(files[0]), LabelVolume.read(files[1])
    expected = project(volume, view.geometry(), labels=label_map, materials=True)
    names = {
        one["text"]: one["value"] for one in json.loads(files[1].with_suffix(".json").read_text())["labels"]
    }
    for name in ("liver", "left kidney", "L3 vertebra", "sacrum"):
        path = expected.label_path_mm[list(expected.label_values).index(names[name])]
        mask = path > min(2.0, 0.25 * path.max())
        assert mask.any() and np.array_equal(made.masks[name].mask, mask), name


def test_segments_that_are_surfaces_become_label_maps(logic, scene):
    ball = vtk.vtkSphereSource()
    ball.SetCenter(2.0, 18.0, 13.0)
    ball.SetRadius(12.0)
    ball.Update()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "surfaces")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.AddSegmentFromClosedSurfaceRepresentation(ball.GetOutput(), "ball", (1.0, 0.0, 0.0))
    made = rendered(logic, ct_node(scene), node)
    (mask,) = [one.mask for one in made.masks.values()]
    # A ball of 12 mm, magnified by 1000 / 700, on pixels of 3 mm.
    assert mask.sum() == pytest.approx(np.pi * (12 * 1000 / 700 / 3) ** 2, rel=0.15)


def test_large_cts_are_previewed_from_half_as_many_voxels_an_axis():
    from FluoroSAMSlicerLib.mrml.synthesize.store import halved

    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.add.outer(np.arange(21), np.arange(30)), np.arange(40)) * 10 - 900
    tilt = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    ct = CTVolume((smooth + rng.integers(-5, 5, smooth.shape)).astype(np.int16), (5, -7, 9), (1, 2, 3), tilt)
    small = halved(ct)
    assert small.hu.shape == (10, 15, 20) and np.allclose(small.spacing, (2, 4, 6))
    # A voxel of the small one lies in the middle of the eight that it stands for.
    for index in ((0, 0, 0), (3, 5, 7)):
        world = small.origin + small.grid.index_to_world @ np.array(index[::-1])
        assert np.allclose(ct.grid.world_to_index(world), 2 * np.array(index[::-1]) + 0.5)
        block = ct.hu[tuple(slice(2 * one, 2 * one + 2) for one in index)]
        assert abs(small.hu[index] - block.mean()) <= 1
    view = replace(VIEW, isocentre=tuple((ct.centre * (-1, -1, 1)).tolist())).geometry()
    one, other = (project(volume, view, projector="preview").line_integral for volume in (ct, small))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98


def test_a_cancelled_request_does_no_work(logic, scene):
    with pytest.raises(Cancelled):
        logic.compute(logic.previewRequest(ct_node(scene), VIEW), cancelled=lambda: True)


def test_presets_have_the_distances_of_the_engine_and_a_voltage_with_a_spectrum(logic, scene):
    from FluoroSAMSlicerLib.drr.presets import PRESETS
    from FluoroSAMSlicerLib.drr.presets import view as preset

    assert logic.presets() == tuple(PRESETS)
    ct = ct_node(scene)
    for name in logic.presets():
        made = logic.presetView(name, ct)
        expected = preset(
            name, made.geometry().source * 0 + np.array(made.isocentre) * (-1, -1, 1), pixels=768
        )
        geometry = made.geometry()
        assert np.allclose(geometry.source, expected.source) and np.allclose(
            geometry.row_axis, expected.row_axis
        )
        assert np.allclose(geometry.column_axis, expected.column_axis)
        assert np.allclose(geometry.pixel_mm, expected.pixel_mm, rtol=1e-3) and geometry.size == expected.size
        made.exposure()
    with pytest.raises(SceneError, match="choose one of"):
        logic.presetView("toe AP")


def test_angles_are_told_in_words():
    assert ViewSettings(30, -10).words == "LAO 30°, CAU 10°"
    assert ViewSettings(-15.5, 20).words == "RAO 15.5°, CRA 20°"
    assert ViewSettings(0, 0).words == "PA" and ViewSettings(180, 5).words == "AP, CRA 5°"


def test_geometry_errors_come_before_any_work(logic, scene):
    with pytest.raises(GeometryError):
        logic.previewRequest(ct_node(scene), replace(VIEW, sdd_mm=100.0))


def test_taking_a_patient_copies_nothing(scene):
    ct, _labels = labelled_ct(scene)
    taken = take_patient(ct)
    assert np.shares_memory(taken.hu, slicer.util.arrayFromVolume(ct))
