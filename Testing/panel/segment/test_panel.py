"""The Segment tab, pressed as a user presses it."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from FluoroSAMSlicerLib.model import ModelError
from mrml.bench import drawn_by_hand, image_node, mask_of, replace_pixels
from panel.pythonqt import pythonqt
from PySide6 import QtWidgets

BUTTON = pythonqt(QtWidgets.QToolButton)


def chosen(bench) -> str | None:
    return bench.panel.context.segment


def test_a_name_and_enter_make_a_segment(bench, image):
    bench.ask("lt femur")

    assert bench.names() == ["left femur"]
    assert bench.panel.table.ids == [chosen(bench)]
    assert bench.ui.segmentTable.item(0, 1).text() == "0.90"
    assert mask_of(bench.logic, image, chosen(bench)).any()


def test_several_names_and_a_preset(bench, image):
    bench.ask("left femur, heart")
    assert bench.names() == ["left femur", "heart"]

    bench.ui.presetFrame.findChild(BUTTON, "pelvisPresetButton").click()
    bench.wait()
    assert bench.names() == [
        "left femur",
        "heart",
        "left hip bone",
        "right hip bone",
        "sacrum",
        "right femur",
    ]
    assert bench.panel.text.text == "left hip bone, right hip bone, sacrum, left femur, right femur"


def test_a_group_can_become_a_segment_for_each_member(bench, image):
    bench.ui.partsCheckBox.setChecked(True)
    bench.ask("lungs")
    assert bench.names() == ["left lung", "right lung"]


def test_a_name_with_two_meanings_waits_for_a_choice_of_one_click(bench, image):
    bench.ask("elbow")
    assert bench.names() == [] and "which one?" in bench.ui.meaningLabel.text

    (choice,) = bench.logic.alternatives("elbow")
    bench.ui.meaningLabel.linkActivated.emit("0:1")
    bench.wait()
    assert bench.names() == [choice.alternatives[1].name]


def test_what_a_name_was_taken_for_is_told_and_opens_its_alternatives(bench, image):
    bench.ask("lt femr, heart")
    assert bench.ui.meaningLabel.text == '\u2192 <a href="0">left femur</a>, <a href="1">heart</a>'

    bench.ui.meaningLabel.linkActivated.emit("0")
    assert "<b>left femur</b> or" in bench.ui.meaningLabel.text
    other = bench.logic.alternatives("lt femr")[0].alternatives[0].name
    bench.ui.meaningLabel.linkActivated.emit("0:0")
    bench.wait()
    assert bench.panel.text.text == f"{other}, heart" and other in bench.names()


def test_a_name_outside_the_vocabulary_goes_to_the_model_and_is_marked(bench, image, predictor):
    bench.ask("brown flurb")

    assert predictor.asked[-1][0] == "brown flurb"
    assert "as typed" in bench.ui.meaningLabel.text
    assert bench.ui.segmentTable.item(0, 2).text() == "unknown name"


def test_a_name_outside_the_vocabulary_is_asked_about_first(bench, image, predictor):
    bench.dialogs.yes = False
    bench.ask("frobnicator")
    assert "frobnicator" in bench.dialogs.asked[-1] and bench.names() == []
    assert not [asked for asked in predictor.asked if asked[0] == "frobnicator"]


@pytest.mark.parametrize("typed", ["no femur", "heart, without ribs"])
def test_a_negation_is_told_as_in_the_shell_and_nothing_is_asked_of_the_model(bench, image, predictor, typed):
    bench.ask(typed)
    assert "says what is not meant; type what is." in bench.ui.meaningLabel.text
    assert bench.dialogs.asked == [] and predictor.asked == [] and bench.names() == []
    bench.ask("heart")
    assert bench.names() == ["heart"]


def test_left_and_right_in_one_place_are_told(bench, image, predictor, monkeypatch):
    square = predictor.predict
    monkeypatch.setattr(
        predictor,
        "predict",
        lambda _embedding, _text, *more, **named: square(_embedding, "anything", *more, **named),
    )
    bench.ask("left femur")
    assert "same mask" not in bench.ui.messageLabel.text
    bench.ask("right femur, heart")
    assert bench.ui.messageLabel.text.startswith("right femur and left femur have one and the same mask")
    bench.ask("heart")
    assert bench.names() == ["left femur", "right femur", "heart"]


def test_a_click_where_the_picture_gives_no_hold_is_told(bench, image, monkeypatch):
    from FluoroSAMSlicerLib.segmentation import Prediction

    bench.ask("heart")
    monkeypatch.setattr(Prediction, "without_hold", (0,), raising=False)
    bench.ui.addButton.click()
    bench.red().click(bench.at(80, 110))
    bench.wait()
    assert "no hold at this click" in bench.ui.messageLabel.text
    bench.red().click(bench.at(40, 40))
    bench.wait()
    assert "no hold" not in bench.ui.messageLabel.text


def test_names_asked_for_before_are_one_click_away(bench, image):
    bench.ask("heart")
    bench.ask("left femur, heart")

    actions = bench.ui.recentButton.actions()
    assert [action.text for action in actions] == ["left femur, heart", "heart"]
    bench.ui.textEdit.setText("")
    actions[1].trigger()
    bench.wait()
    assert bench.panel.text.text == "heart"


def test_a_low_score_is_marked(bench, image, predictor):
    predictor.score = 0.3
    bench.ask("heart")
    assert "\u26a0" in bench.ui.segmentTable.item(0, 1).text()
    assert bench.ui.segmentTable.item(0, 2).text() == "unsure"


def test_candidates_are_stepped_through(bench, image):
    bench.ask("heart")
    assert bench.ui.candidateLabel.text == "1 of 3 (0.90)"
    first = mask_of(bench.logic, image, chosen(bench))

    bench.ui.nextCandidateButton.click()
    bench.wait()
    assert bench.ui.candidateLabel.text == "2 of 3 (0.80)"
    assert mask_of(bench.logic, image, chosen(bench)).sum() < first.sum()
    bench.ui.previousCandidateButton.click()
    bench.wait()
    assert np.array_equal(mask_of(bench.logic, image, chosen(bench)), first)


def test_the_threshold_follows_the_slider_and_is_one_step_of_undo(bench, image):
    bench.ask("heart")
    before = mask_of(bench.logic, image, chosen(bench))

    for value in (0.6, 0.8, 0.95):
        bench.ui.thresholdSlider.dragged(value)
        bench.wait()
    assert not mask_of(bench.logic, image, chosen(bench)).any()
    bench.ui.thresholdSlider.setValue(0.95)
    bench.wait()
    bench.ui.undoButton.click()
    bench.wait()
    assert bench.ui.thresholdSlider.value == 0.5
    assert np.array_equal(mask_of(bench.logic, image, chosen(bench)), before)


def test_undo_and_redo(bench, image):
    assert not bench.ui.undoButton.enabled
    bench.ask("heart")
    bench.ui.undoButton.click()
    bench.wait()
    assert bench.names() == [] and chosen(bench) is None and not bench.ui.undoButton.enabled

    bench.ui.redoButton.click()
    bench.wait()
    assert bench.names() == ["heart"] and not bench.ui.redoButton.enabled


def test_the_table_hides_renames_and_recolours(bench, image):
    bench.ask("heart, left lung")
    segmentation = bench.logic.segmentationFor(image)
    heart = bench.panel.table.ids[0]

    name = bench.ui.segmentTable.item(0, 0)
    name.setCheckState(type(name.checkState()).Unchecked)
    assert not segmentation.GetDisplayNode().GetSegmentVisibility(heart)
    name.setText("my heart")
    bench.until(lambda: bench.names()[0] == "my heart")
    from PySide6.QtGui import QColor

    bench.ui.colorButton.setColor(QColor(255, 0, 0))
    assert segmentation.GetSegmentation().GetSegment(heart).GetColor() == (1.0, 0.0, 0.0)

    segmentation.GetDisplayNode().SetSegmentVisibility(heart, True)
    bench.until(lambda: name.checkState() == type(name.checkState()).Checked)


def test_another_row_makes_another_segment_the_chosen_one(bench, image):
    bench.ask("heart, left lung")
    bench.ui.segmentTable.setCurrentCell(1, 0)
    assert chosen(bench) == bench.panel.table.ids[1]
    bench.panel.table.step(1)
    assert chosen(bench) == bench.panel.table.ids[0]


def test_a_segment_is_deleted_with_its_clicks(bench, image):
    bench.ask("heart")
    bench.panel.prompting.click(bench.at(20, 20), True)
    bench.wait()
    bench.ui.removeSegmentButton.click()
    bench.wait()
    assert bench.names() == []
    assert bench.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0


@pytest.mark.parametrize("agreed", [True, False])
def test_edits_by_hand_are_replaced_only_if_the_user_says_so(bench, image, agreed):
    bench.ask("heart")
    drawn_by_hand(bench.logic, image, chosen(bench), slice(100, 110), slice(0, 30))
    edited = mask_of(bench.logic, image, chosen(bench))
    bench.dialogs.yes = agreed

    bench.ask("heart")
    assert len(bench.dialogs.asked) == 1 and "press Start from mask" in bench.dialogs.asked[0]
    assert np.array_equal(mask_of(bench.logic, image, chosen(bench)), edited) is not agreed


def test_a_drawn_segment_can_be_the_start(bench, image):
    bench.ask("heart")
    drawn_by_hand(bench.logic, image, chosen(bench), slice(100, 110), slice(0, 30))
    bench.ui.startFromMaskButton.click()
    bench.wait()
    assert "what the model makes of it" in bench.dialogs.asked[0]
    assert bench.state().start and mask_of(bench.logic, image, chosen(bench))[104, 10]


def test_a_stack_is_refused_with_a_hint_and_one_slice_of_it_can_be_used(bench):
    stack = bench.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "ct")
    slicer.util.updateVolumeFromArray(stack, np.random.default_rng(0).random((5, 40, 30)).astype(np.float32))

    bench.ui.imageSelector.setCurrentNode(stack)
    assert "DRR tab" in bench.ui.messageLabel.text and not bench.ui.segmentButton.enabled
    bench.ui.takeSliceButton.click()
    bench.wait()
    assert bench.panel.context.volume.GetName().startswith("ct slice")
    bench.ask("heart")
    assert bench.names() == ["heart"]


def test_an_image_is_encoded_once_and_again_when_its_pixels_change(bench, image, predictor):
    assert len(predictor.encoded) == 1 and "ready" in bench.ui.imageInfoLabel.text
    bench.ask("heart")
    assert len(predictor.encoded) == 1

    replace_pixels(image, np.random.default_rng(9).random((120, 90)))
    image.InvokeEvent(slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
    bench.until(lambda: len(predictor.encoded) == 2)
    bench.wait()


def test_a_dropped_file_is_loaded_and_worked_on(bench, tmp_path):
    from PIL import Image
    from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
    from PySide6.QtGui import QDragEnterEvent, QDropEvent

    file = tmp_path / "hand.png"
    Image.fromarray((np.random.default_rng(0).random((60, 50)) * 255).astype(np.uint8)).save(file)
    content = QMimeData()
    content.setUrls([QUrl.fromLocalFile(str(file))])
    for event in (
        QDragEnterEvent(QPoint(5, 5), Qt.CopyAction, content, Qt.LeftButton, Qt.NoModifier),
        QDropEvent(QPoint(5, 5), Qt.CopyAction, content, Qt.LeftButton, Qt.NoModifier),
    ):
        bench.application.sendEvent(bench.ui.root, event)
    bench.wait()
    assert bench.panel.context.volume.GetName() == "hand"
    assert bench.red().mrmlSliceCompositeNode().GetBackgroundVolumeID() == bench.panel.context.volume.GetID()


def test_a_file_that_is_no_image_is_a_message(bench, tmp_path):
    (tmp_path / "notes.dcm").write_text("not an image")
    bench.panel.image.load(tmp_path / "notes.dcm")
    bench.wait()
    assert "\u26a0" in bench.ui.messageLabel.text and bench.panel.context.volume is None


def typed(bench, text: str):
    """A line, and the popup that it opened."""
    from PySide6.QtTest import QTest

    bench.ui.textEdit.clear()
    QTest.keyClicks(bench.ui.textEdit, text)
    popup = bench.panel.text._completer._completer.popup()
    bench.until(popup.isVisible)
    return popup


def test_enter_segments_what_was_typed_although_names_are_offered(bench, image):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    popup = typed(bench, "left lun")
    popup.setCurrentIndex(popup.model().index(0, 0))
    popup.selectionModel().clearSelection()
    bench.ui.textEdit.setText("5th rib right")
    QTest.keyClick(popup, Qt.Key_Return)
    bench.wait()
    assert bench.names() == ["right rib 5"]


def test_enter_takes_a_name_that_an_arrow_key_chose(bench, image):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    popup = typed(bench, "left lun")
    QTest.keyClick(popup, Qt.Key_Down)
    QTest.keyClick(popup, Qt.Key_Return)
    assert bench.ui.textEdit.text == "left lung" and bench.names() == []
    QTest.keyClick(bench.ui.textEdit, Qt.Key_Return)
    bench.wait()
    assert bench.names() == ["left lung"]


@pytest.mark.parametrize(("text", "explained"), [("a", False), ("ab", False), ("heart", True)])
def test_few_letters_are_not_explained(bench, image, text, explained):
    bench.ui.textEdit.setText(text)
    bench.panel.text.explain()
    assert bool(bench.ui.meaningLabel.text) == explained


def test_an_image_is_shown_without_the_layers_of_a_ct(bench):
    composite = bench.red().mrmlSliceCompositeNode()
    composite.SetLabelVolumeID("vtkMRMLLabelMapVolumeNode1")
    composite.SetForegroundVolumeID("vtkMRMLScalarVolumeNode9")
    bench.add_image()
    assert composite.GetBackgroundVolumeID() == bench.panel.context.volume.GetID()
    assert composite.GetLabelVolumeID() is None and composite.GetForegroundVolumeID() is None


def test_the_line_of_a_box_is_a_share_of_its_diagonal(bench):
    from FluoroSAMSlicerLib.panel.segment.box_outline import BoxOutline

    outline = BoxOutline(bench.scene)
    for size in (30.0, 300.0):
        outline.show([(0, 0, 0), (size, 0, 0), (size, 0, size), (0, 0, size)])
        display = outline._node.GetDisplayNode()
        assert display.GetCurveLineSizeMode() == display.UseLineDiameter
        assert 0.005 < display.GetLineDiameter() / (size * 2**0.5) < 0.02
    outline.remove()


def test_the_sample_is_one_click(bench):
    bench.ui.sampleButton.click()
    bench.wait()
    assert bench.panel.context.volume.GetName() == "chest_drr"
    assert bench.layout.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView


def test_an_image_deleted_during_the_work_takes_its_results_with_it(bench, image):
    bench.ui.textEdit.setText("heart")
    bench.ui.segmentButton.click()
    bench.scene.RemoveNode(image)
    bench.wait()
    assert bench.panel.context.volume is None and not bench.ui.segmentButton.enabled
    for number in range(bench.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
        node = bench.scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")
        assert node.GetSegmentation().GetNumberOfSegments() == 0


def test_undo_during_the_work_leaves_nothing_stale(bench, image):
    bench.ui.textEdit.setText("heart, left lung")
    bench.ui.segmentButton.click()
    bench.until(lambda: len(bench.logic.segments(image)) >= 1)
    bench.ui.undoButton.setEnabled(True)
    bench.ui.undoButton.click()
    bench.wait()
    assert bench.names() in ([], ["left lung"])


def test_a_model_that_fails_is_a_message_and_the_next_name_works(bench, image, predictor, monkeypatch):
    def fail(*_args, **_named):
        raise ModelError("the weights are damaged: install them again")

    monkeypatch.setattr(predictor, "predict", fail)
    bench.ask("heart")
    assert "the weights are damaged" in bench.ui.messageLabel.text and bench.names() == []
    monkeypatch.undo()
    bench.ask("heart")
    assert bench.names() == ["heart"] and bench.panel.context.status.text == ""


def test_what_nobody_foresaw_is_a_message_too(bench, image, predictor, monkeypatch):
    monkeypatch.setattr(predictor, "predict", lambda *_args, **_named: 1 / 0)
    bench.ask("heart")
    assert "not foreseen" in bench.ui.messageLabel.text and bench.ui.segmentButton.enabled


def test_two_images_keep_their_segments_apart(bench, image):
    bench.ask("heart")
    other = image_node(bench.scene, seed=3, name="pelvis")
    bench.ui.imageSelector.setCurrentNode(other)
    bench.wait()
    bench.ask("sacrum")
    assert bench.names() == ["sacrum"]
    bench.ui.imageSelector.setCurrentNode(image)
    bench.wait()
    assert bench.names() == ["heart"] and bench.panel.table.ids == [bench.state().id]


def test_masks_that_come_together_are_drawn_together(bench, image):
    drawn: list[str] = []
    segmentation = bench.logic.segmentationFor(image)
    segmentation.AddObserver(slicer.vtkSegmentation.SegmentAdded, lambda *_: drawn.append("added"))
    bench.ask("heart, left lung, right lung, liver")
    assert sorted(bench.names()) == ["heart", "left lung", "liver", "right lung"] and drawn == ["added"]


def test_an_unknown_word_among_others_is_an_outline_too(bench, image):
    bench.ask("heart, brown flurb, liver")
    display = bench.logic.segmentationFor(image).GetDisplayNode()
    filled = {
        state.name: display.GetSegmentVisibility2DFill(state.id) for state in bench.logic.segments(image)
    }
    assert filled == {"heart": True, "brown flurb": False, "liver": True}


def test_of_two_masks_that_come_together_only_the_edited_one_is_asked_about(bench, image):
    bench.ask("heart, liver")
    (heart, _liver) = bench.panel.table.ids
    drawn_by_hand(bench.logic, image, heart, slice(0, 9), slice(0, 9))
    edited = mask_of(bench.logic, image, heart)
    bench.dialogs.yes = False
    bench.ask("heart, liver, left lung")
    assert [question for question in bench.dialogs.asked if "by hand" in question] == bench.dialogs.asked[-1:]
    assert np.array_equal(mask_of(bench.logic, image, heart), edited)
    assert "left lung" in bench.names()


def test_fifty_segments(bench, image):
    ribs = ", ".join(f"{side} rib {number}" for side in ("left", "right") for number in range(1, 13))
    spine = ", ".join(
        [f"T{number} vertebra" for number in range(1, 13)] + [f"L{n} vertebra" for n in range(1, 6)]
    )
    bench.ask(
        f"{ribs}, {spine}, heart, left lung, right lung, sacrum, trachea, sternum, liver, spleen, aorta"
    )
    assert len(bench.names()) == bench.ui.segmentTable.rowCount == 50


@pytest.mark.parametrize(
    ("title", "name", "written"),
    [
        ("Slicer segmentation", "chest", "chest.seg.nrrd"),
        ("PNG masks", "", "chest_heart.png"),
        ("NIfTI", "", "chest_heart.nii.gz"),
        ("PNG overlay", "picture.png", "picture.png"),
        ("COCO", "chest.json", "chest.json"),
        ("Table", "areas", "areas.csv"),
    ],
)
def test_export(bench, image, tmp_path, title, name, written):
    assert not bench.ui.exportButton.enabled
    bench.ask("heart")
    box = bench.ui.formatComboBox
    box.setCurrentIndex(next(row for row in range(box.count) if box.itemText(row).startswith(title)))
    bench.dialogs.path = tmp_path / name if name else tmp_path
    bench.ui.exportButton.click()
    bench.wait()
    assert (tmp_path / written).stat().st_size > 0 and "Wrote" in bench.ui.messageLabel.text


def test_dicom_export_says_why_it_is_not_to_be_had(bench, image):
    bench.ask("heart")
    bench.ui.formatComboBox.setCurrentIndex(bench.ui.formatComboBox.count - 1)
    assert not bench.ui.exportButton.enabled and "DICOM" in bench.ui.exportButton.toolTip


def test_cancel_stops_the_work(bench, image, predictor, monkeypatch):
    answer = predictor.predict

    def slow(*args, **named):
        import time

        time.sleep(0.1)
        return answer(*args, **named)

    monkeypatch.setattr(predictor, "predict", slow)
    bench.ui.textEdit.setText("heart, left lung, right lung, sacrum")
    bench.ui.segmentButton.click()
    bench.until(lambda: len(bench.logic.segments(image)) == 1)
    bench.ui.cancelButton.click()
    bench.wait()
    assert len(bench.names()) < 4 and bench.ui.segmentButton.enabled


def test_every_tool_tells_its_key(bench):
    for button, key in (
        ("addButton", "A"),
        ("undoButton", "Z"),
        ("boxButton", "D"),
        ("nextCandidateButton", "C"),
    ):
        assert f"(key {key})" in getattr(bench.ui, button).toolTip
