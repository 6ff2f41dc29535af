"""FluoroSAM in 3D Slicer: the module, its widget, its logic for scripts and its test. All work is done in
FluoroSAMSlicerLib, which is imported when the module is first opened."""

import importlib.util
import os
import sys
import time
from pathlib import Path

import slicer
import slicer.util
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

LIBRARY = "FluoroSAMSlicerLib"
OLDEST_SLICER = (5, 10)
RESOURCES = Path(os.path.dirname(os.path.abspath(__file__))) / "Resources"


def slicerIsTooOld():
    return (slicer.app.majorVersion, slicer.app.minorVersion) < OLDEST_SLICER


class FluoroSAMSlicer(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("FluoroSAM")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = ["FluoroSAMSlicer maintainers"]
        parent.helpText = _("""
<p>Segments X-ray images by the name of an anatomical structure, and by clicks.</p>
<p><b>1.</b> Choose a radiograph, load one or drop a file onto the panel.
<b>2.</b> Type names, such as <i>left lung, heart</i>, and press Enter.
<b>3.</b> Where a mask is wrong, press <i>Inside</i> or <i>Outside</i> and click in the slice view.
<b>4.</b> Export the segments, or go on in the Segment Editor.</p>
<p>The <i>Synthesize</i> tab renders X-ray images with true masks from a CT and its segmentation: to check the
model on your own anatomy, and to write training sets.</p>
<p>Manual: <a href="https://github.com/FluoroSAMSlicer/SlicerFluoroSAM/blob/main/Resources/Manual/segment_tab.md">
the Segment tab</a>,
<a href="https://github.com/FluoroSAMSlicer/SlicerFluoroSAM/blob/main/Resources/Manual/synthesize_tab.md">
the Synthesize tab</a>,
<a href="https://github.com/FluoroSAMSlicer/SlicerFluoroSAM/blob/main/Resources/Manual/troubleshooting.md">
troubleshooting</a>,
<a href="https://github.com/FluoroSAMSlicer/SlicerFluoroSAM/blob/main/Resources/Manual/README.md">
all pages</a>.</p>
<p>Images stay on this computer. For research; not a medical device.</p>
""")
        parent.acknowledgementText = _("""
<p>FluoroSAM: Killeen et al., <i>A Language-promptable Foundation Model for Flexible X-ray Image
Segmentation</i>, MICCAI 2025, <a href="https://arxiv.org/abs/2403.08059">arXiv:2403.08059</a>.</p>
""")
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)

    def onStartupCompleted(self):
        if slicerIsTooOld():
            return
        from FluoroSAMSlicerLib.panel.sample_data import register_sample

        register_sample(RESOURCES, loadRadiograph)


def loadRadiograph(path):
    """Add a radiograph file to the scene and show it; its volume node."""
    node = FluoroSAMSlicerLogic().loadImage(path)
    slicer.util.setSliceViewerLayers(background=node, foreground=None, label=None, fit=True)
    return node


class FluoroSAMSlicerWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Its tabs are made in the turns of the event loop after it was opened. ``panel`` and ``synthesis`` do what is
    left of that for a script that asks for them sooner; both are None in a Slicer that is too old."""

    logic = None
    segmentTab = synthesizeTab = tabs = None
    _inside = False

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        import qt

        if slicerIsTooOld():
            label = qt.QLabel(_("FluoroSAM needs Slicer 5.10 or newer. Please update Slicer."))
            label.setWordWrap(True)
            self.layout.addWidget(label)
            self.layout.addStretch(1)
            return
        from FluoroSAMSlicerLib.panel.late_tab import LateTab
        from FluoroSAMSlicerLib.panel.segment.slice_views import SliceViews

        self.logic = FluoroSAMSlicerLogic()
        slicer.app.connect("aboutToQuit()", self.cleanup)
        self.views = SliceViews(slicer.app.layoutManager())
        self.segmentTab = LateTab(self.segmentSteps, self.onMade)
        self.synthesizeTab = LateTab(self.synthesizeSteps, self.onMade)
        self.tabs = qt.QTabWidget()
        self.tabs.setTabBarAutoHide(True)
        self.tabs.addTab(self.segmentTab.page, _("Segment"))
        self.tabs.addTab(self.synthesizeTab.page, _("Synthesize"))
        self.tabs.connect("currentChanged(int)", self.onTab)
        self.layout.addWidget(self.tabs)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneChanged)
        self.segmentTab.start()
        # After a reload Slicer does not enter the module again.
        if self.entered:
            self.enter()

    @property
    def panel(self):
        return self.segmentTab.finish() if self.segmentTab is not None else None

    @property
    def synthesis(self):
        return self.synthesizeTab.finish() if self.panel is not None else None

    @property
    def entered(self):
        return self._inside or getattr(self.parent, "isEntered", False)

    def segmentSteps(self):
        from FluoroSAMSlicerLib.panel.dialogs import Dialogs

        logic = self.logic.segmentLogic
        yield
        from FluoroSAMSlicerLib.panel.segment.tab import segment_steps

        yield
        window = slicer.util.mainWindow()
        return (yield from segment_steps(RESOURCES, logic, Dialogs(window), self.views, window))

    def synthesizeSteps(self):
        # Steps of both tabs may fall into one turn.
        while self.segmentTab.making:
            yield
        from FluoroSAMSlicerLib.panel.dialogs import Dialogs
        from FluoroSAMSlicerLib.panel.synthesize.big_views import BigViews

        logic = self.logic.drrLogic
        yield
        from FluoroSAMSlicerLib.panel.synthesize.tab import synthesize_steps

        yield
        dialogs = Dialogs(slicer.util.mainWindow())
        large = BigViews(slicer.app.layoutManager(), self.views)
        return (yield from synthesize_steps(RESOURCES, logic, dialogs, self.openInSegmentTab, large))

    def madeTabs(self):
        """The tabs that have their panel."""
        return [
            tab for tab in (self.segmentTab, self.synthesizeTab) if tab is not None and tab.panel is not None
        ]

    def onMade(self, tab):
        """A tab has its panel: it takes over the scene, and the views where it is looked at."""
        if self.entered:
            self.giveParameters(tab)
            if self.tabs.currentIndex == (tab is self.synthesizeTab):
                self.showTab(self.tabs.currentIndex)

    def enter(self):
        self._inside = True
        if self.tabs is not None:
            self.takeAllHeight()
            self.setParameters()
            self.showTab(self.tabs.currentIndex)

    def takeAllHeight(self):
        """Slicer shares the height of its panel between a module and nothing: the tabs scroll, so they take all."""
        policy = self.parent.sizePolicy
        policy.setVerticalStretch(1)
        self.parent.setSizePolicy(policy)

    def exit(self):
        self._inside = False
        for tab in self.madeTabs():
            tab.panel.exit()

    def onTab(self, index):
        if self.entered:
            self.showTab(index)

    def showTab(self, index):
        """Give the mouse, the keys and the views to the tab that is looked at, as soon as it is made."""
        tabs = self.segmentTab, self.synthesizeTab
        shown, hidden = tabs[index], tabs[1 - index]
        if hidden.panel is not None:
            hidden.panel.exit()
        if index:
            self.views.restore()
        if shown.panel is not None:
            shown.panel.enter()
        else:
            shown.start()

    def openInSegmentTab(self, volumeNode):
        self.tabs.setCurrentIndex(0)
        self.panel.image.choose(volumeNode)

    def cleanup(self):
        self.removeObservers()
        for tab in self.madeTabs():
            tab.panel.cleanup()
        for tab in (self.segmentTab, self.synthesizeTab):
            if tab is not None:
                tab.stop()
        if self.logic is not None:
            self.logic.close()

    def setParameters(self):
        for tab in self.madeTabs():
            self.giveParameters(tab)

    def giveParameters(self, tab):
        ofSegment = tab is self.segmentTab
        tab.panel.setParameters(
            self.logic.getParameters() if ofSegment else self.logic.getSynthesizeParameters()
        )

    def onSceneStartClose(self, _caller, _event):
        for tab in self.madeTabs():
            tab.panel.setParameters(None)

    def onSceneChanged(self, _caller, _event):
        """Another scene: its parameters are read by a new wrapper, since the old one keeps values."""
        if self.entered:
            self.setParameters()

    def onReload(self):
        """Reload the library too; Slicer itself reloads this file only."""
        self.cleanup()
        for name in [name for name in sys.modules if name.split(".")[0] == LIBRARY]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class FluoroSAMSlicerLogic(ScriptedLoadableModuleLogic):
    """What the panel does, for the Python console and for batch scripts.

    >>> logic = FluoroSAMSlicer.FluoroSAMSlicerLogic()
    >>> image = logic.loadImage("/data/chest.dcm")
    >>> lung, heart = logic.segmentByText(image, "left lung, heart")
    >>> logic.click(image, heart, ij=(505, 450))
    >>> logic.undoNow(image)
    >>> logic.export("exportSegNrrd", image, "/data/chest.seg.nrrd")

    Every method of FluoroSAMSlicerLib.mrml.segment.logic.Logic can be called on this object. X-ray images of
    CTs, training sets and the Dice of the model are made by ``logic.drrLogic``, a Logic:

    >>> drr, ct, labels = logic.drrLogic, slicer.util.getNode("CT"), slicer.util.getNode("Segmentation")
    >>> image = drr.render(ct, labels, drr.presetView("chest PA", ct, labels))
    >>> drr.dice(image)
    >>> drr.generate([(ct, labels)], drr.setSettings(count=200, lao_deg=(-30, 30)), "/data/set")
    """

    def __init__(self):
        self._segmentLogic = self._drrLogic = None
        ScriptedLoadableModuleLogic.__init__(self)
        # torch's threads must not outlive what they were started from.
        slicer.app.connect("aboutToQuit()", self.close)

    @property
    def segmentLogic(self):
        if self._segmentLogic is None:
            from FluoroSAMSlicerLib.mrml.segment.logic import Logic

            self._segmentLogic = Logic(slicer.mrmlScene)
        return self._segmentLogic

    @property
    def drrLogic(self):
        if self._drrLogic is None:
            from FluoroSAMSlicerLib.mrml.synthesize.logic import Logic

            self._drrLogic = Logic(slicer.mrmlScene, lambda: self.segmentLogic)
        return self._drrLogic

    def close(self):
        """Let go of models, images and CTs."""
        for logic in (self._segmentLogic, self._drrLogic):
            if logic is not None:
                logic.close()

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.segmentLogic, name)

    def getParameters(self):
        """The panel's own settings in this scene."""
        from FluoroSAMSlicerLib.panel.segment.parameters import Parameters

        return Parameters(self.getParameterNode())

    def getSynthesizeParameters(self):
        """What the Synthesize tab keeps in this scene."""
        from FluoroSAMSlicerLib.panel.synthesize.parameters import Parameters

        return Parameters(self.getParameterNode())

    def export(self, function, volumeNode, place, **options):
        """Write the segments of an image; ``function`` is one of FluoroSAMSlicerLib.mrml.export."""
        from FluoroSAMSlicerLib.mrml import export

        segmentation = self.segmentLogic.segmentationFor(volumeNode, create=False)
        if segmentation is None:
            raise ValueError(f"{volumeNode.GetName()} has no segments yet.")
        if function == "exportSegNrrd":
            return export.exportSegNrrd(segmentation, place)
        return getattr(export, function)(segmentation, volumeNode, place, **options)


class FluoroSAMSlicerTest(ScriptedLoadableModuleTest):
    """Needs no display, no network and no GPU. What needs the model is skipped where packages are missing."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def runTest(self):
        self.setUp()
        self.test_importing_the_module_loads_nothing_heavy()
        self.setUp()
        self.test_the_sample_loads()
        if importlib.util.find_spec("numba") is None:
            print("numba is missing: the test that renders is skipped")
        else:
            self.setUp()
            self.test_a_ct_becomes_an_image_with_true_masks()
        from FluoroSAMSlicerLib.panel.installer import Installer
        from FluoroSAMSlicerLib.panel.requirements import Requirements

        missing = [need.name for need in Installer(Requirements(RESOURCES / "requirements.txt")).needs()]
        if missing:
            print("The tests that need the model are skipped; these packages are missing:", *missing)
            return
        self.setUp()
        self.test_text_click_undo_save_reload_and_export()
        self.setUp()
        self.test_the_panel_segments_in_the_background()

    def test_importing_the_module_loads_nothing_heavy(self):
        spec = importlib.util.spec_from_file_location("FluoroSAMSlicerImported", __file__)
        module = importlib.util.module_from_spec(spec)
        before = set(sys.modules)
        start = time.perf_counter()
        spec.loader.exec_module(module)
        self.assertLess(time.perf_counter() - start, 0.1)
        self.assertFalse({"torch", "transformers", "numba"} & (set(sys.modules) - before))

    def test_the_sample_loads(self):
        logic = FluoroSAMSlicerLogic()
        image = logic.loadImage(sample())
        width, height, slices = image.GetImageData().GetDimensions()
        self.assertEqual(slices, 1)
        self.assertGreater(min(width, height), 200)
        logic.checkVolume(image)

    def test_a_ct_becomes_an_image_with_true_masks(self):
        import numpy as np

        hu, labels = np.full((20, 30, 30), -1000, np.int16), np.zeros((20, 30, 30), np.int16)
        hu[2:-2, 4:-4, 4:-4] = 40
        labels[6:14, 10:20, 10:20] = 1
        hu[labels == 1] = 700
        spacing = np.diag([-3.0, -3.0, 3.0, 1.0])
        ct = slicer.util.addVolumeFromArray(hu, spacing, "CT")
        labels = slicer.util.addVolumeFromArray(labels, spacing, "labels", "vtkMRMLLabelMapVolumeNode")
        drr = FluoroSAMSlicerLogic().drrLogic
        image = drr.render(ct, labels, drr.presetView("mobile C-arm", ct, labels))
        self.assertEqual(drr.truthFor(image).GetSegmentation().GetNumberOfSegments(), 1)
        self.assertEqual(drr.geometryOf(image)["source_detector_mm"], 1020)

        widget = slicer.util.getModuleWidget("FluoroSAMSlicer")
        widget.enter()
        tab = widget.synthesis
        tab.ui.ctSelector.setCurrentNode(ct)
        tab.ui.labelsSelector.setCurrentNode(labels)
        tab.ui.primarySlider.setValue(30)
        tab.ui.renderButton.click()
        deadline = time.time() + 120
        while tab.jobs.busy and time.time() < deadline:
            slicer.app.processEvents()
        self.assertEqual(drr.geometryOf(tab.context.image)["primary_angle_deg"], 30)
        self.assertFalse(tab.ui.previewLabel.pixmap.isNull())

    def test_text_click_undo_save_reload_and_export(self):
        logic = FluoroSAMSlicerLogic()
        image = logic.loadImage(sample())
        lung, _heart = logic.segmentByText(image, "lt lung, heart")
        before = pixels(logic, image, lung)
        self.assertGreater(before.sum(), 0)
        self.assertEqual(logic.segmentState(image, lung).name, "left lung")

        rows, columns = before.nonzero()
        place = int(columns[len(columns) // 2]), int(rows[len(rows) // 2])
        logic.click(image, lung, ij=place, positive=False)
        self.assertFalse((pixels(logic, image, lung) == before).all())
        self.assertEqual(logic.segmentState(image, lung).negative, 1)
        self.assertTrue(logic.undoNow(image))
        self.assertTrue((pixels(logic, image, lung) == before).all())

        folder = Path(slicer.util.tempDirectory("FluoroSAMSlicerTest"))
        written = logic.export("exportSegNrrd", image, folder / "chest.seg.nrrd")
        self.assertTrue(written.is_file())
        self.assertEqual(len(logic.export("exportMasks", image, folder)), 2)

        logic.click(image, lung, ij=place, positive=True)
        scene = folder / "scene.mrb"
        self.assertTrue(slicer.util.saveScene(str(scene)))
        slicer.mrmlScene.Clear(0)
        slicer.util.loadScene(str(scene))
        logic = FluoroSAMSlicerLogic()
        image = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[0]
        states = {state.name: state for state in logic.segments(image)}
        self.assertEqual(set(states), {"left lung", "heart"})
        self.assertEqual(states["left lung"].positive, 1)
        logic.click(image, states["left lung"].id, ij=place, positive=False)

    def test_the_panel_segments_in_the_background(self):
        widget = slicer.util.getModuleWidget("FluoroSAMSlicer")
        widget.enter()
        panel = widget.panel

        def wait():
            deadline = time.time() + 120
            while panel.jobs.busy and time.time() < deadline:
                slicer.app.processEvents()
            slicer.app.processEvents()

        panel.image.load(sample())
        wait()
        image = panel.context.volume
        self.assertIsNotNone(image)
        panel.ui.textEdit.setText("left lung")
        panel.ui.segmentButton.click()
        wait()
        panel.refresh()
        self.assertEqual([state.name for state in panel.context.logic.segments(image)], ["left lung"])
        self.assertEqual(panel.table.ids, [panel.context.segment])
        panel.ui.undoButton.click()
        self.assertEqual(panel.context.logic.segments(image), [])
        slicer.mrmlScene.Clear(0)
        self.assertIsNone(panel.context.volume)


def sample():
    return RESOURCES / "SampleData" / "chest_drr.dcm"


def pixels(logic, image, segmentId):
    from FluoroSAMSlicerLib.mrml import segment_mask

    return segment_mask(logic.segmentationFor(image), segmentId, image)
