"""The Synthesize tab under PySide6, over the small labelled CT of the logic's tests."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
import slicer
from mrml.bench import SquarePredictor, new_scene, segment_logic
from mrml.synthesize.bench import labelled_ct
from panel import slicer_parts
from panel.bench import MODULE, Answers, pythonqt, use_settings
from PySide6 import QtGui, QtWidgets


class DRRBench:
    """A tab over a scene, and how to wait for its background."""

    def __init__(self, application, scene, logic, panel, dialogs) -> None:
        self.application, self.scene, self.logic, self.panel = application, scene, logic, panel
        self.dialogs, self.ui, self.opened = dialogs, panel.ui, []

    def wait(self, seconds: float = 60.0) -> None:
        """Until nothing is under way."""
        end = time.monotonic() + seconds
        while (self.panel.busy or self.panel.set.busy) and time.monotonic() < end:
            self.application.processEvents()
        assert not self.panel.busy and not self.panel.set.busy, "the background did not finish"
        for _ in range(5):
            self.application.processEvents()

    def until(self, condition, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.application.processEvents()
        assert condition()

    def add_patient(self):
        """Work on the labelled CT; its nodes."""
        ct, labels = labelled_ct(self.scene)
        self.ui.ctSelector.setCurrentNode(ct)
        self.ui.labelsSelector.setCurrentNode(labels)
        self.ui.columnsSpinBox.setValue(64)
        self.ui.rowsSpinBox.setValue(56)
        self.ui.pixelSpinBox.setValue(3.0)
        self.wait()
        return ct, labels

    def shown(self) -> np.ndarray:
        """The preview's pixels, grey (H, W)."""
        picture = self.ui.previewLabel.pixmap.toImage().convertToFormat(QtGui.QImage.Format_Grayscale8)
        rows = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.bytesPerLine())
        return rows[:, : picture.width()].copy()

    def message(self) -> str:
        return self.panel.context.status.text


@contextlib.contextmanager
def new_drr_bench(application, folder: Path, predictor=None, installer=None):
    """A Synthesize tab in a window, over a scene of its own."""
    from FluoroSAMSlicerLib.mrml.synthesize.logic import Logic
    from FluoroSAMSlicerLib.panel.segment.slice_views import SliceViews
    from FluoroSAMSlicerLib.panel.synthesize.big_views import BigViews
    from FluoroSAMSlicerLib.panel.synthesize.tab import synthesize_panel

    use_settings(folder)
    with pytest.MonkeyPatch.context() as patch:
        scene = new_scene()
        patch.setattr(slicer, "mrmlScene", scene, raising=False)
        slicer_parts.add_interaction_node(scene)
        segments = segment_logic(scene, predictor or SquarePredictor())
        logic, dialogs, opened = Logic(scene, lambda: segments), Answers(), []
        window = pythonqt.pythonqt(QtWidgets.QWidget)()
        layout = slicer_parts.LayoutManager(scene)
        patch.setattr(slicer.util, "setSliceViewerLayers", layout.show)
        views = BigViews(layout, SliceViews(layout))
        panel = synthesize_panel(MODULE / "Resources", logic, dialogs, opened.append, views, installer)
        panel.ui.root.setParent(window)
        panel.enter()
        made = DRRBench(application, scene, logic, panel, dialogs)
        made.window, made.opened, made.layout = window, opened, layout
        yield made
        panel.cleanup()
        window.deleteLater()
        application.processEvents()


class Parameters:
    """The tab's parameters in a node of the scene, through the stand-in of Slicer's wrapper."""

    def __new__(cls, scene):
        from FluoroSAMSlicerLib.panel.synthesize.parameters import Parameters

        node = scene.GetFirstNodeByClass("vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
        return Parameters(node)
