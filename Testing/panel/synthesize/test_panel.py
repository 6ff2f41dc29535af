"""The Synthesize tab, pressed as a user presses it."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest
import slicer
from FluoroSAMSlicerLib.panel.requirements import Need
from FluoroSAMSlicerLib.panel.synthesize.install_box import SynthesizeRequirements
from mrml.bench import SquarePredictor
from mrml.synthesize.bench import COLORS, ct_node, label_map_node, phantom, put_under, segmentation_node
from panel.bench import MODULE
from panel.synthesize.bench import Parameters, new_drr_bench


@pytest.fixture
def bench(application, tmp_path):
    with new_drr_bench(application, tmp_path) as made:
        yield made


@pytest.fixture
def patient(bench):
    return bench.add_patient()


def rows(bench) -> list[tuple[str, ...]]:
    table = bench.ui.diceTable
    return [tuple(table.item(row, column).text() for column in range(4)) for row in range(table.rowCount)]


def rendered(bench):
    bench.ui.renderButton.click()
    bench.wait()
    return bench.panel.context.image


def test_a_ct_is_previewed_as_soon_as_it_is_chosen(bench):
    assert not bench.ui.renderButton.enabled and bench.ui.previewLabel.pixmap.isNull()
    bench.ui.ctSelector.setCurrentNode(ct_node(bench.scene))
    bench.wait()
    picture = bench.shown()
    assert picture.max() > 200 and picture.std() > 20
    assert bench.ui.renderButton.enabled and bench.message() == ""
    # About the middle of the CT.
    assert bench.panel.context.view.isocentre == pytest.approx((1.0, 18.8, 13.5), abs=0.2)


def test_the_preview_follows_a_slider_while_it_is_dragged(bench, patient):
    before = bench.shown()
    seen = []
    for degrees in (20, 40, 60):
        bench.ui.primarySlider.dragged(degrees)
        bench.wait()
        seen.append(bench.shown())
    assert bench.ui.primaryLabel.text == "LAO 60°"
    for one, other in zip([before, *seen[:-1]], seen, strict=True):
        assert np.abs(one.astype(float) - other).mean() > 2
    # The dragged slider itself is left alone.
    assert bench.ui.primarySlider.value != 60


def test_a_drag_never_waits_for_pictures_and_ends_with_the_last(bench, patient):
    spent = []
    for degrees in np.linspace(-80, 80, 60):
        # This thread's own time: the test machine may be busy with other things.
        begin = time.thread_time()
        bench.ui.primarySlider.dragged(float(degrees))
        spent.append(time.thread_time() - begin)
    bench.wait()
    dragged = bench.shown()
    bench.ui.primarySlider.dragged(80.0)
    bench.wait()
    assert np.array_equal(dragged, bench.shown())
    # The collector of garbage may come into one of them.
    assert sorted(spent)[-3] < 0.1


def test_angles_are_told_in_words_with_their_dicom_signs(bench, patient):
    for value, words in ((-30, "RAO 30°"), (0, "0° (PA)"), (12.5, "LAO 12.5°"), (180, "180° (AP)")):
        bench.ui.primarySlider.setValue(value)
        assert bench.ui.primaryLabel.text == words
    bench.ui.secondarySlider.setValue(-15)
    assert bench.ui.secondaryLabel.text == "CAU 15°"
    assert bench.panel.context.view.secondary_deg == -15


def test_a_preset_sets_distances_field_and_angles_and_keeps_the_isocentre(bench, patient):
    isocentre = bench.panel.context.view.isocentre
    box = bench.ui.presetComboBox
    box.setCurrentIndex(box.findData("chest lateral"))
    view = bench.panel.context.view
    assert (view.primary_deg, view.sdd_mm, view.sid_mm) == (90, 1800, 1600) and view.isocentre == isocentre
    assert bench.ui.sddSlider.value == 1800 and bench.ui.primaryLabel.text == "LAO 90°"
    assert view.size[1] > view.size[0]


def test_render_puts_image_masks_and_geometry_into_the_scene(bench, patient):
    bench.ui.primarySlider.setValue(30)
    image = rendered(bench)
    assert image.GetName() == "CT LAO 30°" and "3 masks" in bench.message()
    truth = bench.logic.truthFor(image)
    names = {truth.GetSegmentation().GetNthSegment(n).GetName() for n in range(3)}
    assert names == set(COLORS)
    assert json.loads(image.GetAttribute("FluoroSAM.geometry"))["primary_angle_deg"] == 30
    assert bench.ui.renderedLabel.text == image.GetName()
    bench.ui.openButton.click()
    assert bench.opened == [image]


def test_only_ticked_structures_get_masks(bench, patient):
    assert bench.ui.structuresInfoLabel.text == "3 of 3 structures"
    item = bench.ui.structuresTable.item(0, 0)
    item.setCheckState(type(item.checkState()).Unchecked)
    assert bench.ui.structuresInfoLabel.text == "2 of 3 structures"
    image = rendered(bench)
    assert bench.logic.truthFor(image).GetSegmentation().GetNumberOfSegments() == 2

    bench.ui.noneButton.click()
    bench.ui.renderButton.click()
    bench.wait()
    assert "Tick" in bench.message() and bench.panel.context.image is image
    bench.ui.allButton.click()
    assert bench.ui.structuresInfoLabel.text == "3 of 3 structures"


def test_a_label_map_can_be_chosen_too(bench):
    ct, labels = ct_node(bench.scene), label_map_node(bench.scene, phantom()[1])
    bench.ui.ctSelector.setCurrentNode(ct)
    bench.ui.labelsSelector.setCurrentNode(labels)
    bench.wait()
    table = bench.ui.structuresTable
    assert [table.item(row, 0).text() for row in range(table.rowCount)] == list(COLORS)


def test_dice_of_the_model_is_one_click(bench, patient):
    assert not bench.ui.diceButton.enabled
    image = rendered(bench)
    bench.ui.diceButton.click()
    bench.wait()
    found = rows(bench)
    assert {row[0] for row in found} == set(COLORS)
    values = [float(row[1]) for row in found]
    assert values == sorted(values) and all(row[2] == "0.90" for row in found)
    mean = np.mean([row.dice for row in bench.logic.dice(image)])
    assert bench.ui.meanLabel.text == f"Mean Dice of 3 structures: {mean:.2f}"
    # The model's masks are segments of the image, as in the Segment tab.
    assert {state.name for state in bench.logic.segmentLogic.segments(image)} == set(COLORS)


def test_another_image_empties_the_dice_table(bench, patient):
    rendered(bench)
    bench.ui.diceButton.click()
    bench.wait()
    assert rows(bench)
    rendered(bench)
    assert not rows(bench) and bench.ui.meanLabel.text == ""


def test_the_c_arm_in_the_3d_views_follows_and_its_points_can_be_dragged(bench, patient):
    cArm = bench.panel.cArm
    body, field = cArm.models
    assert body.GetDisplayNode().GetVisibility() and cArm.handles.GetNumberOfControlPoints() == 2
    before, after = np.zeros(6), np.zeros(6)
    field.GetRASBounds(before)
    bench.ui.primarySlider.setValue(90)
    field.GetRASBounds(after)
    assert np.abs(after - before).max() > 100

    cArm.handles.SetNthControlPointPositionWorld(0, 12.0, 34.0, -5.0)
    assert bench.panel.context.view.isocentre == (12.0, 34.0, -5.0)
    assert [bench.ui.isocentreRSpinBox.value, bench.ui.isocentreSSpinBox.value] == [12.0, -5.0]

    # The source goes to the patient's left: the detector is at the right then, RAO 90.
    cArm.handles.SetNthControlPointPositionWorld(1, 12.0 - 400, 34.0, -5.0)
    assert bench.panel.context.view.primary_deg == pytest.approx(-90)
    assert bench.ui.primaryLabel.text == "RAO 90°" and bench.ui.primarySlider.value == -90
    bench.wait()

    bench.ui.cArmCheckBox.setChecked(False)
    assert not body.GetDisplayNode().GetVisibility() and not cArm.handles.GetDisplayNode().GetVisibility()
    bench.ui.cArmCheckBox.setChecked(True)
    bench.panel.exit()
    assert not body.GetDisplayNode().GetVisibility()


@pytest.mark.parametrize(
    ("widget", "value", "message"),
    [
        ("sidSlider", 10.0, "inside the patient"),
        ("sidSlider", 2000.0, "in front of the isocentre"),
        ("isocentreRSpinBox", 4500.0, "No ray meets the CT"),
    ],
)
def test_a_view_that_cannot_be_is_a_message_and_the_next_one_clears_it(
    bench, patient, widget, value, message
):
    before = getattr(bench.ui, widget).value
    getattr(bench.ui, widget).setValue(value)
    bench.wait()
    assert message in bench.message()
    getattr(bench.ui, widget).setValue(before)
    bench.wait()
    assert bench.message() == ""


def test_what_is_no_ct_is_a_message(bench):
    flat = bench.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "radiograph")
    slicer.util.updateVolumeFromArray(flat, np.zeros((1, 20, 20), np.float32))
    bench.ui.ctSelector.setCurrentNode(flat)
    bench.wait()
    assert "single slice" in bench.message()
    bench.ui.ctSelector.setCurrentNode(ct_node(bench.scene, np.full((4, 5, 6), 7, np.int16), "constant"))
    bench.wait()
    assert "Every voxel" in bench.message()


def test_labels_of_another_patient_and_empty_ones_are_messages(bench, patient):
    ct, _labels = patient
    bench.ui.labelsSelector.setCurrentNode(bench.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty"))
    assert not bench.ui.generateButton.enabled
    bench.ui.renderButton.click()
    bench.wait()
    assert "holds no labels" in bench.message()
    far = segmentation_node(bench.scene, {"liver": phantom()[1]["liver"]}, "far")
    away = np.eye(4)
    away[0, 3] = 2000.0
    put_under(bench.scene, [far], away)
    bench.ui.labelsSelector.setCurrentNode(far)
    bench.ui.renderButton.click()
    bench.wait()
    assert "outside the CT" in bench.message()


def small_set(bench, folder, count=4) -> None:
    ui = bench.ui
    ui.countSpinBox.setValue(count)
    ui.sizeComboBox.setCurrentIndex(0)
    ui.folderEdit.setText(str(folder))
    ui.folderEdit.editingFinished.emit()


def test_samples_are_shown_before_the_long_run(bench, patient, tmp_path):
    small_set(bench, tmp_path / "set")
    bench.ui.samplesButton.click()
    bench.wait()
    picture = bench.ui.samplesLabel.pixmap
    assert bench.ui.samplesLabel.isVisibleTo(bench.ui.root) and picture.width() > picture.height() > 100
    assert bench.ui.samplesLabel.toolTip.count("kV") == 4
    assert not (tmp_path / "set").exists()


def test_a_set_is_written_in_the_background_and_says_so(bench, patient, tmp_path):
    from FluoroSAMSlicerLib.dataset import read_set

    small_set(bench, tmp_path / "set")
    bench.ui.generateButton.click()
    assert not bench.ui.generateButton.enabled and bench.ui.stopButton.isVisibleTo(bench.ui.setSectionButton)
    bench.wait()
    assert "Finished: 4 images" in bench.ui.setMessageLabel.text and bench.ui.generateButton.enabled
    images = read_set(tmp_path / "set")
    assert len(images) == 4 and set(images[0].names) <= set(COLORS)


def test_a_set_is_stopped_and_gone_on_with(bench, patient, tmp_path):
    small_set(bench, tmp_path / "set", 40)
    bench.ui.generateButton.click()
    bench.until(lambda: len(list((tmp_path / "set").glob("records/*/*.json"))) >= 2)
    bench.ui.stopButton.click()
    bench.wait()
    assert bench.ui.setMessageLabel.text.startswith("Stopped")
    done = len(list((tmp_path / "set").glob("records/*/*.json")))
    assert 2 <= done < 40 and bench.ui.generateButton.text == "Go on with this set"

    bench.ui.generateButton.click()
    bench.wait()
    assert (
        "40 images" in bench.ui.setMessageLabel.text
        and f"{40 - done} made now" in bench.ui.setMessageLabel.text
    )
    assert bench.ui.generateButton.text == "Generate"


def test_views_can_be_looked_at_while_a_set_is_written(bench, patient, tmp_path):
    small_set(bench, tmp_path / "set", 30)
    before = bench.shown()
    bench.ui.generateButton.click()
    bench.until(lambda: len(list((tmp_path / "set").glob("records/*/*.json"))) >= 1)
    bench.ui.primarySlider.dragged(70.0)
    bench.until(lambda: not bench.panel.jobs.busy)
    assert bench.panel.set.busy and not np.array_equal(before, bench.shown())
    bench.ui.stopButton.click()
    bench.wait()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ui: ui.laoHighSpinBox.setValue(-45), "no extent"),
        (lambda ui: ui.laoHighSpinBox.setValue(-60), "backwards"),
        (lambda ui: ui.sidHighSpinBox.setValue(1100), "isocentre"),
        (lambda ui: (ui.kilovoltsLowSpinBox.setValue(61), ui.kilovoltsHighSpinBox.setValue(62)), "spectrum"),
        (lambda ui: ui.folderEdit.setText(""), "Choose a folder"),
    ],
)
def test_a_set_that_cannot_be_is_a_message(bench, patient, tmp_path, change, message):
    small_set(bench, tmp_path / "set")
    change(bench.ui)
    bench.ui.generateButton.click()
    bench.wait()
    text = bench.ui.setMessageLabel.text
    assert message in text and "\u26a0" in text and not (tmp_path / "set").exists()


def test_an_unticked_row_keeps_its_first_number(bench, patient, tmp_path):
    from FluoroSAMSlicerLib.dataset import read_set

    small_set(bench, tmp_path / "set")
    bench.ui.laoCheckBox.setChecked(False)
    assert not bench.ui.laoHighSpinBox.enabled
    bench.ui.laoLowSpinBox.setValue(15)
    bench.ui.generateButton.click()
    bench.wait()
    assert {image.geometry["primary_angle_deg"] for image in read_set(tmp_path / "set")} == {15.0}


def test_a_folder_that_cannot_be_used_is_a_message(bench, patient, tmp_path):
    (tmp_path / "file").write_text("taken")
    small_set(bench, tmp_path / "file")
    bench.ui.generateButton.click()
    bench.wait()
    assert "folder" in bench.ui.setMessageLabel.text
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    small_set(bench, tmp_path / "other")
    bench.ui.generateButton.click()
    bench.wait()
    assert "holds other files" in bench.ui.setMessageLabel.text
    assert os.listdir(tmp_path / "other") == ["notes.txt"]


def test_names_with_slashes_are_kept_in_a_set(bench, tmp_path):
    ct = ct_node(bench.scene, name="2: Abd/Pelvis ..")
    labels = segmentation_node(bench.scene, {"liver/left": phantom()[1]["liver"]})
    bench.ui.ctSelector.setCurrentNode(ct)
    bench.ui.labelsSelector.setCurrentNode(labels)
    bench.wait()
    assert rendered(bench) is not None
    small_set(bench, tmp_path / "set")
    bench.ui.generateButton.click()
    bench.wait()
    assert "liver/left" in json.loads((tmp_path / "set" / "structures.json").read_text(encoding="utf-8"))


def test_the_scene_remembers_the_tab(bench, patient):
    parameters = Parameters(bench.scene)
    bench.panel.setParameters(parameters)
    bench.ui.ctSelector.setCurrentNode(patient[0])
    bench.ui.labelsSelector.setCurrentNode(patient[1])
    item = bench.ui.structuresTable.item(1, 0)
    item.setCheckState(type(item.checkState()).Unchecked)
    bench.ui.primarySlider.setValue(33)
    bench.ui.countSpinBox.setValue(77)
    image = rendered(bench)
    bench.panel.remember()

    bench.panel.setParameters(None)
    assert bench.panel.context.ct is None and bench.panel.context.image is None
    bench.panel.setParameters(Parameters(bench.scene))
    bench.wait()
    context = bench.panel.context
    assert (context.ct, context.labels, context.image) == (*patient, image)
    assert context.view.primary_deg == 33 and bench.ui.primarySlider.value == 33
    assert len(context.segments) == 2 and bench.ui.countSpinBox.value == 77


def test_a_parameter_that_cannot_be_read_is_no_trouble(bench, patient):
    parameters = Parameters(bench.scene)
    parameters.drrView, parameters.drrSet = "{broken", "[1"
    bench.panel.setParameters(parameters)
    bench.wait()
    assert bench.panel.context.view.sdd_mm == 1020


def test_deleted_nodes_are_let_go(bench, patient):
    image = rendered(bench)
    bench.scene.RemoveNode(image)
    assert bench.panel.context.image is None and not bench.ui.diceButton.enabled
    bench.scene.RemoveNode(patient[0])
    bench.wait()
    assert bench.panel.context.ct is None and not bench.ui.renderButton.enabled


class Missing:
    """Something is missing until it is installed."""

    def __init__(self) -> None:
        self.left, self.folders = [Need("numba>=0.61", "numba")], []

    def needs(self) -> list:
        return self.left

    def install(self, folder=None) -> bool:
        self.folders.append(folder)
        self.left = []
        return False


def test_what_is_missing_is_installed_by_a_click(application, tmp_path):
    installer = Missing()
    with new_drr_bench(application, tmp_path, installer=installer) as bench:
        frame = bench.ui.installFrame
        bench.ui.ctSelector.setCurrentNode(ct_node(bench.scene))
        bench.wait()
        assert frame.isVisibleTo(bench.ui.root) and "numba" in bench.ui.installLabel.text
        assert not bench.ui.renderButton.enabled and bench.ui.previewLabel.pixmap.isNull()
        bench.dialogs.path = tmp_path
        bench.ui.offlineButton.click()
        bench.wait()
        assert installer.folders == [tmp_path] and not frame.isVisibleTo(bench.ui.root)
        assert bench.ui.renderButton.enabled and not bench.ui.previewLabel.pixmap.isNull()


def test_nothing_is_missing_here_and_torch_is_not_asked_for():
    requirements = SynthesizeRequirements(MODULE / "Resources" / "requirements-synthesize.txt")
    assert requirements.missing() == [] and requirements.torch() is None
    assert any(line.startswith("numba") for line in requirements._lines())


def test_a_check_can_be_cancelled(application, tmp_path):
    predictor = SquarePredictor()
    answer = predictor.predict

    def slow(*args, **named):
        time.sleep(0.2)
        return answer(*args, **named)

    predictor.predict = slow
    with new_drr_bench(application, tmp_path, predictor) as bench:
        bench.add_patient()
        rendered(bench)
        bench.ui.diceButton.click()
        bench.until(lambda: predictor.asked)
        bench.ui.cancelButton.click()
        bench.wait()
        assert not rows(bench) and bench.message() == "\u26a0 Stopped."
