"""The module as Slicer meets it: found, opened, left, its scene closed and loaded, reloaded."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import slicer
from mrml.bench import SquarePredictor, image_node, mask_of, new_scene
from panel import slicer_parts
from panel.bench import MODULE, Bench, pythonqt, use_settings
from PySide6 import QtWidgets

FILE = MODULE / "FluoroSAMSlicer.py"
SAMPLE = MODULE / "Resources" / "SampleData" / "chest_drr.dcm"


class Application:
    """What the module asks of ``slicer.app``."""

    majorVersion, minorVersion = 5, 13

    def __init__(self, qt, layout) -> None:
        self._qt, self._layout, self.started, self.quitting = qt, layout, [], []

    def connect(self, signature: str, slot) -> bool:
        slots = {"startupCompleted()": self.started, "aboutToQuit()": self.quitting}
        if signature in slots:
            slots[signature].append(slot)
        return signature in slots

    def layoutManager(self):
        return self._layout

    def processEvents(self) -> None:
        self._qt.processEvents()


@pytest.fixture
def opened(application, tmp_path, monkeypatch):
    """A running application with the module's file imported, and the widget that Slicer gives to modules."""
    use_settings(tmp_path)
    scene = new_scene()
    layout = slicer_parts.LayoutManager(scene)
    slicer_parts.add_interaction_node(scene)
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    monkeypatch.setattr(slicer, "app", Application(application, layout), raising=False)
    monkeypatch.setattr(slicer, "modules", SimpleNamespace(), raising=False)
    monkeypatch.setattr(slicer.util, "setSliceViewerLayers", layout.show)
    parent = pythonqt.pythonqt(QtWidgets.QWidget)()
    QtWidgets.QVBoxLayout(parent)
    parent.__dict__["isEntered"] = False
    yield SimpleNamespace(module=imported(), parent=parent, scene=scene, layout=layout)
    parent.deleteLater()
    application.processEvents()


def imported():
    spec = importlib.util.spec_from_file_location("FluoroSAMSlicer", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def new_widget(opened, monkeypatch, predictor=None):
    """The module's widget, set up; ``predictor`` answers in the place of the model."""
    from FluoroSAMSlicerLib.panel.installer import Installer

    widget = opened.module.FluoroSAMSlicerWidget(opened.parent)
    monkeypatch.setattr(Installer, "needs", lambda _self: [])
    if predictor is not None:
        from FluoroSAMSlicerLib.segmentation import Predictor

        monkeypatch.setattr(Predictor, "load", lambda *_args, **_named: predictor)
    widget.setup()
    return widget


@pytest.fixture
def widget(opened, monkeypatch):
    made = new_widget(opened, monkeypatch, SquarePredictor())
    yield made
    made.cleanup()


def enter(opened, widget) -> Bench:
    opened.parent.__dict__["isEntered"] = True
    widget.enter()
    panel = widget.panel
    return Bench(opened.layout and slicer.app, opened.scene, panel.context.logic, panel, None, opened.layout)


def leave(opened, widget) -> None:
    opened.parent.__dict__["isEntered"] = False
    widget.exit()


def working(opened, widget, text: str = "heart") -> Bench:
    """The module was opened and something was segmented."""
    bench = enter(opened, widget)
    bench.add_image()
    bench.panel.onAsk(text)
    bench.wait()
    return bench


def test_importing_the_file_loads_next_to_nothing():
    """As Slicer does it for every module at its start, with none of the packages there."""
    code = f"""
import sys, time, importlib.util
from types import ModuleType
sys.modules.update({{name: ModuleType(name) for name in (
    "slicer", "slicer.util", "slicer.i18n", "slicer.ScriptedLoadableModule")}})
sys.modules["slicer"].util = sys.modules["slicer.util"]
sys.modules["slicer.i18n"].tr = sys.modules["slicer.i18n"].translate = lambda *text: text[-1]
sys.modules["slicer.util"].VTKObservationMixin = type("Mixin", (), {{}})
bases = sys.modules["slicer.ScriptedLoadableModule"]
for kind in ("", "Widget", "Logic", "Test"):
    setattr(bases, "ScriptedLoadableModule" + kind, type("Base" + kind, (), {{}}))
before = set(sys.modules)
start = time.process_time()
spec = importlib.util.spec_from_file_location("FluoroSAMSlicer", {str(FILE)!r})
spec.loader.exec_module(importlib.util.module_from_spec(spec))
assert time.process_time() - start < 0.1
assert not {{name for name in set(sys.modules) - before if name.split(".")[0] not in sys.stdlib_module_names}}
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={**os.environ, "PYTHONPATH": ""})


def test_an_old_slicer_gets_a_plain_message(opened, application, monkeypatch):
    monkeypatch.setattr(Application, "minorVersion", 8)
    widget = opened.module.FluoroSAMSlicerWidget(opened.parent)
    widget.setup()
    (label,) = opened.parent.findChildren(QtWidgets.QLabel)
    assert "needs Slicer 5.10 or newer" in label.text
    widget.enter()
    widget.exit()
    widget.cleanup()


def test_the_module_introduces_itself_and_offers_the_sample(opened, monkeypatch):
    registered = {}
    stand_in = ModuleType("SampleData")
    stand_in.SampleDataLogic = SimpleNamespace(
        registerCustomSampleDataSource=lambda **named: registered.update(named)
    )
    monkeypatch.setitem(sys.modules, "SampleData", stand_in)
    parent = SimpleNamespace()
    opened.module.FluoroSAMSlicer(parent)
    assert (
        parent.title == "FluoroSAM" and parent.categories == ["Segmentation"] and "X-ray" in parent.helpText
    )

    for slot in slicer.app.started:
        slot()
    (node,) = registered["customDownloader"](None)
    assert node.GetName() == "chest_drr" and registered["thumbnailFileName"].endswith(".png")
    assert os.path.isfile(registered["thumbnailFileName"])
    red = opened.layout.sliceWidget("Red").mrmlSliceCompositeNode()
    assert red.GetBackgroundVolumeID() == node.GetID()


def test_state_is_kept_in_the_scene_and_comes_back_with_it(opened, widget, tmp_path):
    bench = working(opened, widget, "heart, left lung")
    bench.ui.segmentTable.setCurrentCell(1, 0)
    bench.ui.partsCheckBox.setChecked(True)
    bench.ui.addButton.click()
    bench.red().click(bench.at(60, 100))
    bench.wait()
    bench.ui.textEdit.setText("sacrum")
    bench.ui.textEdit.editingFinished.emit()
    before = mask_of(bench.logic, bench.panel.context.volume, bench.panel.context.segment)
    bundle = str(tmp_path / "scene.mrb")
    assert opened.scene.WriteToMRB(bundle, None)

    opened.scene.Clear(0)
    assert bench.panel.context.volume is None and not bench.ui.segmentButton.enabled
    assert bench.panel.text.text == "" and not bench.ui.partsCheckBox.checked
    opened.scene.ReadFromMRB(bundle, False)
    bench.wait()
    image, segment = bench.panel.context.volume, bench.panel.context.segment
    assert image.GetName() == "chest" and bench.names() == ["heart", "left lung"]
    assert segment == bench.panel.table.ids[1] and bench.ui.segmentTable.currentRow() == 1
    assert bench.panel.text.text == "sacrum" and bench.ui.partsCheckBox.checked
    assert np.array_equal(mask_of(bench.logic, image, segment), before)

    bench.ui.addButton.click()
    bench.red().click(bench.at(20, 20), control=True)
    bench.wait()
    assert (bench.state(1).positive, bench.state(1).negative) == (1, 1)


def test_a_scene_that_is_loaded_while_another_module_is_open_is_there_on_entering(opened, widget, tmp_path):
    working(opened, widget)
    bundle = str(tmp_path / "scene.mrb")
    assert opened.scene.WriteToMRB(bundle, None)
    leave(opened, widget)
    opened.scene.Clear(0)
    opened.scene.ReadFromMRB(bundle, False)
    assert widget.panel.context.volume is None
    bench = enter(opened, widget)
    bench.wait()
    assert bench.names() == ["heart"]


def test_a_scene_that_is_closed_during_the_work_stays_empty(opened, widget):
    bench = working(opened, widget)
    bench.panel.onAsk("left lung, right lung, sacrum")
    opened.scene.Clear(0)
    bench.wait()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        slicer.app.processEvents()
    for kind in ("vtkMRMLSegmentationNode", "vtkMRMLMarkupsFiducialNode", "vtkMRMLScalarVolumeNode"):
        assert opened.scene.GetNumberOfNodesByClass(kind) == 0
    assert not bench.ui.progressBar.isVisibleTo(bench.ui.root)
    assert not bench.panel.context.status.text
    bench.add_image()
    bench.panel.onAsk("heart")
    bench.wait()
    assert bench.names() == ["heart"]


def test_a_reload_begins_anew_and_goes_on_with_the_scene(opened, widget, monkeypatch):
    bench = working(opened, widget)
    kept = {name: module for name, module in sys.modules.items() if name.startswith("FluoroSAMSlicerLib")}
    worker = bench.panel.jobs._background._thread
    try:
        widget.onReload()
        assert widget.reloads == 1 and not worker.is_alive()
        assert not [name for name in sys.modules if name.startswith("FluoroSAMSlicerLib")]
        opened.module = imported()
        again = new_widget(opened, monkeypatch, SquarePredictor())
        assert type(again.panel).__module__ == type(bench.panel).__module__ and again.panel is not bench.panel
        # Slicer does not enter a module again that is reloaded while it is open.
        fresh = Bench(slicer.app, opened.scene, again.panel.context.logic, again.panel, None, opened.layout)
        fresh.wait()
        assert fresh.names() == ["heart"] and len(fresh.panel.table.ids) == 1
        fresh.ui.addButton.click()
        fresh.red().click(fresh.at(60, 100))
        fresh.wait()
        assert fresh.state().positive == 1
        again.cleanup()
    finally:
        sys.modules.update(kept)


def test_quitting_ends_the_worker_and_lets_go_of_the_model(opened, widget):
    bench = working(opened, widget)
    worker = bench.panel.jobs._background._thread
    assert worker.is_alive() and len(slicer.app.quitting) >= 2
    for slot in list(slicer.app.quitting):
        slot()
    assert not worker.is_alive() and widget.panel is None


def test_the_tabs_take_all_height_that_the_panel_has(opened, widget):
    """Slicer's panel ends in a spring, which would take half of it from what scrolls by itself."""
    enter(opened, widget)
    assert opened.parent.sizePolicy.verticalStretch() == 1
    assert widget.tabs.minimumSizeHint().height() < 400


def test_cleaning_up_twice_does_no_harm(opened, widget):
    bench = working(opened, widget)
    widget.cleanup()
    widget.cleanup()
    image_node(opened.scene, name="another")
    opened.scene.Clear(0)
    widget.enter()
    widget.exit()
    assert bench.panel.jobs._background._thread is None or not bench.panel.jobs._background._thread.is_alive()


def test_the_module_works_without_a_main_window(opened, monkeypatch):
    opened.layout = None
    slicer.app._layout = None
    made = new_widget(opened, monkeypatch, SquarePredictor())
    made.enter()
    node = image_node(opened.scene)
    made.panel.image.choose(node)
    assert made.panel.context.volume is node
    made.panel.clicks.use("add")
    made.cleanup()


def test_the_example_of_the_manual_runs(opened, monkeypatch, tmp_path):
    from FluoroSAMSlicerLib.segmentation import Predictor

    monkeypatch.setattr(Predictor, "load", lambda *_args, **_named: SquarePredictor())
    monkeypatch.setitem(sys.modules, "FluoroSAMSlicer", opened.module)
    page = (MODULE.parent / "Resources" / "Manual" / "segment_tab.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(from FluoroSAMSlicer import .*?)```", page, re.DOTALL)
    example = example.replace("/data/chest.dcm", SAMPLE.as_posix()).replace(
        "/data/", f"{tmp_path.as_posix()}/"
    )
    names: dict = {}
    exec(example, names)
    assert names["segmentation"].GetSegmentation().GetNumberOfSegments() == 2
    assert {path.name for path in tmp_path.iterdir()} >= {"chest.seg.nrrd", "chest.csv"}


def test_the_test_that_runs_inside_slicer_passes_here_too(opened, monkeypatch, tmp_path):
    """With the bundled model, on the sample."""
    made = []

    def module_widget(_name):
        if not made:
            made.append(new_widget(opened, monkeypatch))
            opened.parent.__dict__["isEntered"] = True
        return made[0]

    monkeypatch.setattr(slicer.util, "getModuleWidget", module_widget)
    monkeypatch.setattr(slicer.util, "saveScene", lambda path: opened.scene.WriteToMRB(path, None))
    monkeypatch.setattr(slicer.util, "loadScene", lambda path: opened.scene.ReadFromMRB(path, False))
    monkeypatch.setattr(slicer.util, "tempDirectory", lambda _key: str(tmp_path))
    opened.module.FluoroSAMSlicerTest("runTest").runTest()
    assert made
    made[0].cleanup()


def test_nothing_touches_a_segment_while_its_scene_closes(opened, widget):
    """The subject hierarchy has dropped the segmentation by then, and complains of whatever it hears of it."""
    bench = working(opened, widget)
    bench.ui.addButton.click()
    bench.red().click(bench.at(50, 50))
    bench.wait()
    bench.ui.textEdit.setText("liver, left lung")
    bench.ui.segmentButton.click()
    segmentation = bench.logic.segmentationFor(bench.panel.context.volume)
    kind, heard = slicer.vtkSegmentation, []
    closing = {"now": False}
    scene = bench.scene
    scene.AddObserver(scene.StartCloseEvent, lambda *_: closing.update(now=True), 1000.0)
    scene.AddObserver(scene.EndCloseEvent, lambda *_: closing.update(now=False), -1000.0)
    for name in ("SegmentAdded", "SegmentRemoved", "SegmentModified", "RepresentationModified"):
        segmentation.AddObserver(getattr(kind, name), lambda *_, name=name: heard.append((name, closing["now"])))
    scene.Clear(0)
    for _ in range(30):
        bench.application.processEvents()
    bench.until(lambda: not bench.panel.jobs.busy)
    assert heard == []
