"""The Segment tab under PySide6: the real form, sections and nodes, with stand-ins for Slicer's own widgets.

Importing this module puts the stand-ins in the place of ``qt``, ``ctk`` and what the application adds to ``slicer``.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import unittest
from pathlib import Path
from types import ModuleType

import pytest
import slicer
import slicer.util
from panel import pythonqt, slicer_parts
from PySide6 import QtCore, QtWidgets

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

MODULE = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer"


class ScriptedLoadableModule:
    def __init__(self, parent) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None) -> None:
        super().__init__()
        self.parent, self.layout = parent, parent.layout()
        self.reloads = 0

    def setup(self) -> None:
        pass

    def onReload(self) -> None:
        self.reloads += 1


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__[: -len("Logic")]

    def getParameterNode(self):
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(self.moduleName)
            node.SetModuleName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


def _module(name: str, **content) -> None:
    made = ModuleType(name)
    made.__dict__.update(content)
    sys.modules[name] = made
    if name.startswith("slicer."):
        setattr(slicer, name.removeprefix("slicer."), made)


def _settings_value(key, default, converter=lambda value: value, settings=None):
    value = pythonqt.pythonqt(QtCore.QSettings)().value(key)
    return default if value is None else converter(value)


class RenderBlocker:
    """As long as one is in use the views are not drawn; ``held`` are in use now."""

    held = 0

    def __enter__(self) -> None:
        RenderBlocker.held += 1

    def __exit__(self, *_) -> None:
        RenderBlocker.held -= 1


def _install_stand_ins() -> None:
    sys.modules["qt"] = pythonqt.QtModule("qt")
    _module("ctk")
    _module("slicer.i18n", tr=lambda text: text, translate=lambda _context, text: text)
    _module("slicer.parameterNodeWrapper", parameterNodeWrapper=slicer_parts.parameter_node_wrapper)
    _module(
        "slicer.ScriptedLoadableModule",
        ScriptedLoadableModule=ScriptedLoadableModule,
        ScriptedLoadableModuleWidget=ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic=ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest=unittest.TestCase,
    )
    loader = pythonqt.Loader(slicer_parts.STAND_INS)
    slicer.util.loadUI = loader.form
    slicer.util.childWidgetVariables = slicer_parts.child_widgets
    slicer.util.settingsValue = _settings_value
    slicer.util.RenderBlocker, slicer.util.WaitCursor = RenderBlocker, contextlib.nullcontext
    slicer.util.mainWindow = lambda: None


_install_stand_ins()


def use_settings(folder: Path) -> None:
    """Keep Qt's settings in this folder, and begin with none."""
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    for scope in (QtCore.QSettings.UserScope, QtCore.QSettings.SystemScope):
        QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, scope, str(folder / "settings"))
    QtCore.QCoreApplication.setOrganizationName(f"tests {folder.name}")


class Answers:
    """Dialogs that answer at once; ``asked`` remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.yes, self.path = True, None

    def confirm(self, question: str, details: str = "") -> bool:
        assert not RenderBlocker.held, "the user is asked while no view is drawn"
        self.asked.append(question)
        return self.yes

    accept = confirm

    def openFile(self, title: str, *_) -> Path | None:
        assert not RenderBlocker.held, "the user is asked while no view is drawn"
        self.asked.append(title)
        return self.path

    saveFile = folder = openFile


class NothingMissing:
    def needs(self) -> list:
        return []


class Bench:
    """A panel over a scene, and how to wait for its background."""

    def __init__(self, application, scene, logic, panel, dialogs, layout) -> None:
        self.application, self.scene, self.logic, self.panel = application, scene, logic, panel
        self.dialogs, self.layout, self.ui = dialogs, layout, panel.ui

    def wait(self, seconds: float = 20.0) -> None:
        """Until nothing is under way and the panel shows it."""
        end = time.monotonic() + seconds
        while self.panel.jobs.busy and time.monotonic() < end:
            self.application.processEvents()
        assert not self.panel.jobs.busy, "the background did not finish"
        for _ in range(3):
            self.application.processEvents()
        self.panel.refresh()

    def until(self, condition, seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.application.processEvents()
        assert condition()

    def ask(self, text: str) -> None:
        """Type a line and press Enter."""
        from PySide6.QtTest import QTest

        self.ui.textEdit.clear()
        QTest.keyClicks(self.ui.textEdit, text)
        QTest.keyClick(self.ui.textEdit, QtCore.Qt.Key_Return)
        self.wait()

    def names(self) -> list[str]:
        return [state.name for state in self.logic.segments(self.panel.context.volume)]

    def state(self, row: int = 0):
        return self.logic.segments(self.panel.context.volume)[row]

    def add_image(self, **named):
        """Work on a new radiograph until it is ready; its node."""
        from mrml.bench import image_node

        node = image_node(self.scene, **named)
        self.ui.imageSelector.setCurrentNode(node)
        self.wait()
        return node

    def red(self):
        return self.layout.sliceWidget("Red")

    def at(self, x: float, y: float):
        return self.logic.rasFromPixel(self.panel.context.volume, x, y)


@contextlib.contextmanager
def new_bench(application, folder: Path, predictor=None, installer=None):
    """A panel in a window, over a scene of its own."""
    from FluoroSAMSlicerLib.panel.segment.slice_views import SliceViews
    from FluoroSAMSlicerLib.panel.segment.tab import segment_panel
    from mrml.bench import SquarePredictor, new_scene, segment_logic

    use_settings(folder)
    with pytest.MonkeyPatch.context() as patch:
        scene = new_scene()
        patch.setattr(slicer, "mrmlScene", scene, raising=False)
        logic, dialogs = segment_logic(scene, predictor or SquarePredictor()), Answers()
        layout = slicer_parts.LayoutManager(scene)
        patch.setattr(slicer.util, "setSliceViewerLayers", layout.show)
        slicer_parts.add_interaction_node(scene)
        window = pythonqt.pythonqt(QtWidgets.QWidget)()
        views = SliceViews(layout)
        panel = segment_panel(
            MODULE / "Resources", logic, dialogs, views, window, installer or NothingMissing()
        )
        panel.ui.root.setParent(window)
        panel.enter()
        made = Bench(application, scene, logic, panel, dialogs, layout)
        made.window = window
        yield made
        panel.cleanup()
        window.deleteLater()
        application.processEvents()
