"""What once went wrong in a real Slicer, one test each, by keys, mouse and views.

CTest runs this file in Slicer's test mode. What the model answers is not looked at, only what the panel does.
"""

import importlib.util
import sys
from pathlib import Path
from unittest import mock

import fluorosam_hands as hands
import numpy as np
import qt
import slicer
import slicer.util
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

BATCH = """
import slicer
from FluoroSAMSlicer import FluoroSAMSlicerLogic, sample
logic = FluoroSAMSlicerLogic()
image = logic.loadImage(sample())
logic.segmentByText(image, "heart")
widget = slicer.util.getModuleWidget("FluoroSAMSlicer")
widget.enter()
widget.panel.image.choose(image)
print("all is done")
slicer.app.quit()
"""

RENDER = """
import numpy as np
import slicer
slicer.util.selectModule("FluoroSAMSlicer")
slicer.app.processEvents()
from FluoroSAMSlicer import FluoroSAMSlicerLogic
hu, labels = np.full((20, 30, 30), -1000, np.int16), np.zeros((20, 30, 30), np.int16)
hu[2:-2, 4:-4, 4:-4], labels[6:14, 10:20, 10:20] = 40, 1
spacing = np.diag([-3.0, -3.0, 3.0, 1.0])
ct = slicer.util.addVolumeFromArray(hu, spacing, "CT")
labels = slicer.util.addVolumeFromArray(labels, spacing, "labels", "vtkMRMLLabelMapVolumeNode")
drr = FluoroSAMSlicerLogic().drrLogic
image = drr.render(ct, labels, drr.presetView("mobile C-arm", ct, labels))
slicer.util.setSliceViewerLayers(background=image, fit=True)
slicer.app.processEvents()
slicer.mrmlScene.Clear(0)
slicer.app.processEvents()
print("all is done")
slicer.util.exit(0)
"""


class FluoroSAMSlicerScenariosTest(ScriptedLoadableModuleTest):
    def setUp(self):
        slicer.mrmlScene.Clear(0)
        slicer.util.selectModule("FluoroSAMSlicer")
        self.widget = slicer.util.getModuleWidget("FluoroSAMSlicer")
        self.widget.enter()
        self.widget.tabs.setCurrentIndex(0)
        self.panel, self.ui = self.widget.panel, self.widget.panel.ui
        hands.settle()

    def tearDown(self):
        self.widget.exit()
        slicer.mrmlScene.Clear(0)

    def needModel(self):
        if not self.panel.context.ready:
            self.skipTest("Python packages of the model are missing")

    def needRenderer(self):
        if importlib.util.find_spec("numba") is None:
            self.skipTest("numba is missing")

    def open(self):
        """The sample radiograph, ready to be asked for names."""
        self.ui.sampleButton.click()
        self.assertTrue(
            hands.until(lambda: self.panel.context.volume is not None and not self.panel.jobs.busy)
        )
        self.panel.refresh()
        return self.panel.context.volume

    def ask(self, text):
        """Type a line and press Enter once."""
        hands.type_line(self.ui.textEdit, text)
        hands.press(self.ui.textEdit, qt.Qt.Key_Return)
        hands.until(lambda: not self.panel.jobs.busy)
        hands.settle()
        self.panel.refresh()
        return self.panel.context.logic.segments(self.panel.context.volume)

    def ctWithLabels(self, names=()):
        """A small CT and its label map, whose colour table has numbers for names it was not given."""
        hu, values = np.full((20, 30, 30), -1000, np.int16), np.zeros((20, 30, 30), np.int16)
        hu[2:-2, 4:-4, 4:-4] = 40
        values[6:14, 6:14, 10:20], values[6:14, 16:24, 10:20] = 1, 2
        spacing = np.diag([-3.0, -3.0, 3.0, 1.0])
        ct = slicer.util.addVolumeFromArray(hu, spacing, "CT")
        labels = slicer.util.addVolumeFromArray(values, spacing, "labels", "vtkMRMLLabelMapVolumeNode")
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", "names")
        table.SetTypeToUser()
        table.SetNumberOfColors(3)
        for value, name in enumerate(("background", *(names or ("1", "2")))):
            table.SetColor(value, name, value / 3, 0.5, 0.5, 1.0)
        labels.CreateDefaultDisplayNodes()
        labels.GetDisplayNode().SetAndObserveColorNodeID(table.GetID())
        return ct, labels

    def test_01_a_radiograph_is_seen_where_labels_of_a_ct_were(self):
        ct, labels = self.ctWithLabels(("liver", "spleen"))
        slicer.util.setSliceViewerLayers(background=ct, label=labels, fit=True)
        image = self.open()
        shown = hands.red().mrmlSliceCompositeNode()
        self.assertEqual(shown.GetBackgroundVolumeID(), image.GetID())
        self.assertFalse(shown.GetLabelVolumeID() or shown.GetForegroundVolumeID())

        self.widget.tabs.setCurrentIndex(1)
        hands.settle()
        self.assertEqual(shown.GetBackgroundVolumeID(), ct.GetID())
        self.assertEqual(shown.GetLabelVolumeID(), labels.GetID())

    def test_02_the_box_is_seen_while_it_is_drawn_and_afterwards(self):
        self.needModel()
        from FluoroSAMSlicerLib.panel.segment.box_outline import COLOR

        image = self.open()
        bounds = [0.0] * 6
        image.GetRASBounds(bounds)

        def at(x, y):
            return bounds[0] + x * (bounds[1] - bounds[0]), bounds[2] + y * (bounds[3] - bounds[2]), bounds[4]

        before = hands.pixels_of_color(hands.red(), COLOR)
        self.ui.boxButton.click()
        hands.drag(hands.red(), at(0.3, 0.3), at(0.7, 0.7))
        hands.until(lambda: not self.panel.jobs.busy)
        states = self.panel.context.logic.segments(image)
        self.assertEqual(len(states), 1)
        self.assertIsNotNone(states[0].box)
        self.assertGreater(hands.pixels_of_color(hands.red(), COLOR) - before, 200)

    def test_03_enter_is_pressed_once(self):
        self.needModel()
        self.open()
        states = self.ask("5th rib right")
        self.assertEqual([state.structure for state in states], ["right rib 5"])
        self.assertEqual(self.ui.textEdit.text, "5th rib right")

    def test_03_an_arrow_key_chooses_a_completion(self):
        self.needModel()
        self.open()
        hands.type_line(self.ui.textEdit, "left lun")
        hands.press(self.ui.textEdit, qt.Qt.Key_Down)
        hands.press(self.ui.textEdit, qt.Qt.Key_Return)
        hands.settle()
        self.assertIn("left lung", self.ui.textEdit.text)
        self.assertEqual(self.panel.context.logic.segments(self.panel.context.volume), [])

    def test_04_a_missing_package_is_told_as_missing(self):
        with mock.patch.dict(sys.modules, {"pydicom": None}):
            # As if it had never been imported.
            sys.modules.pop("FluoroSAMSlicerLib.radiograph.dicom", None)
            self.ui.sampleButton.click()
            self.assertTrue(hands.until(lambda: not self.panel.jobs.busy))
        told = self.panel.context.status.text
        self.assertIn("pydicom", told)
        self.assertNotIn("damaged", told)

    def test_05_a_slice_is_offered_only_where_there_is_a_volume(self):
        self.assertTrue(self.ui.takeSliceButton.isHidden())
        ct, _labels = self.ctWithLabels()
        self.ui.imageSelector.setCurrentNode(ct)
        hands.settle()
        self.assertFalse(self.ui.takeSliceButton.isHidden())
        self.ui.imageSelector.setCurrentNode(None)
        hands.settle()
        self.assertTrue(self.ui.takeSliceButton.isHidden())

    def test_06_table_and_details_tell_the_same_score(self):
        self.needModel()
        self.open()
        self.ask("heart")
        self.ui.segmentTable.setCurrentCell(0, 0)
        self.panel.refresh()
        score = self.ui.segmentTable.item(0, 1).text().split()[0]
        self.assertIn(score, self.ui.candidateLabel.text)

    def test_07_labels_without_names_are_no_structures_of_those_numbers(self):
        _ct, labels = self.ctWithLabels()
        names = [one.name for one in self.widget.logic.drrLogic.structures(labels)]
        self.assertEqual(len(names), 2)
        self.assertFalse({"1", "2"} & set(names))

    def test_08_rendering_and_closing_the_scene_print_no_complaints(self):
        self.needRenderer()
        folder = Path(slicer.util.tempDirectory("FluoroSAMRender"))
        code, printed = hands.another_slicer(RENDER, folder)
        self.assertIn("all is done", printed)
        self.assertNotIn("updateSegmentationOutlineFillButton", printed)
        self.assertNotIn("Unable to find subject hierarchy item", printed)
        self.assertEqual(code, 0)

    def test_09_a_scene_that_is_closed_during_the_work_leaves_no_word(self):
        self.needModel()
        self.open()
        self.panel.onAsk("heart, left lung, right lung")
        slicer.mrmlScene.Clear(0)
        hands.until(lambda: not self.panel.jobs.busy)
        hands.settle(20)
        self.assertEqual(self.panel.context.status.text, "")

    def test_10_a_batch_script_ends_well(self):
        self.needModel()
        code, printed = hands.another_slicer(BATCH, Path(slicer.util.tempDirectory("FluoroSAMBatch")))
        self.assertIn("all is done", printed)
        self.assertEqual(code, 0)

    def test_11_two_letters_are_not_explained(self):
        self.needModel()
        self.open()
        for text, explained in (("a", False), ("he", False), ("heart", True)):
            hands.type_line(self.ui.textEdit, text)
            hands.until(lambda: not self.panel.text.explaining, 5)
            self.assertEqual(not self.ui.meaningLabel.isHidden(), explained, text)

    def test_12_an_unknown_word_is_asked_about_and_drawn_as_an_outline(self):
        self.needModel()
        image = self.open()
        answers = []

        def confirm(question, *_, **__):
            answers.append(question)
            return len(answers) > 1

        with mock.patch.object(slicer.util, "confirmYesNoDisplay", confirm):
            self.assertEqual(self.ask("frobnicator"), [])
            (state,) = self.ask("frobnicator")
        self.assertIn("not a known structure", answers[0])
        display = self.panel.context.logic.segmentationFor(image).GetDisplayNode()
        self.assertFalse(display.GetSegmentVisibility2DFill(state.id))
        self.assertTrue(display.GetSegmentVisibility2DOutline(state.id))
