"""Whatever the panel and its stand-ins use of Qt, CTK and Slicer exists in a running Slicer, as recorded from one."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import slicer
from panel import slicer_parts
from panel.bench import new_bench
from panel.pythonqt import CONNECTED, USED
from PySide6 import QtCore, QtGui, QtWidgets

MODULE = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer"
FILES = [MODULE / "FluoroSAMSlicer.py", *sorted((MODULE / "FluoroSAMSlicerLib" / "panel").rglob("*.py"))]
FORMS = sorted((MODULE / "Resources" / "UI").glob("*.ui"))

UNRECORDED = {
    *(
        "QApplication",
        "QColor",
        "QCompleter",
        "QCursor",
        "QFrame",
        "QHeaderView",
        "QKeyEvent",
        "QMouseEvent",
        "QPointF",
        "QScrollArea",
        "QSizePolicy",
        "QStringListModel",
        "QTableWidgetItem",
        "Qt",
    ),
}
"""Classes of Qt 5 that the recording left out. Slicer's own scripts and other extensions use each of them; their
members are looked up in PySide6."""

OF_ANY_WIDGET = {"toolTip", "sizePolicy", "minimumSize", "maximumSize", "text"}

OF_THE_APPLICATION = {"app", "mrmlScene", "util", "packaging", "dicomDatabase", "modules", "i18n"}
"""What the application puts into the package ``slicer`` when it starts."""


@pytest.fixture(scope="module")
def python(slicer_api):
    return json.loads((slicer_api / "slicer_python_api.json").read_text())


@pytest.fixture(scope="module")
def loadable(slicer_api):
    return set(json.loads((slicer_api / "slicer_ui_loader_widgets.json").read_text()))


def chains(source: str) -> set[tuple[str, ...]]:
    """Dotted names in a file that begin with a name: ("qt", "QTimer"), ("slicer", "app", "connect")."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name) and parts:
            found.add((node.id, *parts))
    return found


def used(root: str) -> set[tuple[str, ...]]:
    return {chain[1:] for file in FILES for chain in chains(file.read_text("utf-8")) if chain[0] == root}


def of_pyside(kind: str):
    return next((getattr(one, kind) for one in (QtWidgets, QtGui, QtCore) if hasattr(one, kind)), None)


def has_member(live: dict, kind: str, member: str) -> bool:
    """Whether a class of Qt, CTK or Slicer has a member there."""
    recorded = live.get(f"qt.{kind}") or live.get(kind)
    if recorded is not None:
        return member in recorded
    return kind in UNRECORDED and (member in ("connect", "disconnect") or hasattr(of_pyside(kind), member))


def signals(declared: dict, kind: str) -> set[str]:
    """Signatures of a class of CTK or Slicer as ``connect`` takes them: without the names of arguments."""
    found = set()
    for signature in declared[kind]["signals"]:
        name, arguments = re.fullmatch(r"(\w+)\((.*)\)", signature).groups()
        types = (re.sub(r"(?<=[\w*&])\s+\w+$", "", one.strip()) for one in arguments.split(","))
        found.add(f"{name}({','.join(types)})")
    return found


def has_signal(live: dict, declared: dict, kind: str, signature: str) -> bool:
    if kind in declared:
        return signature in signals(declared, kind) or has_member(live, kind, signature.split("(")[0])
    return has_member(live, kind, signature.split("(")[0])


def unknown_of_qt(live: dict, names: set[tuple[str, ...]]) -> list:
    known = {name for name in UNRECORDED if of_pyside(name)} | {one.removeprefix("qt.") for one in live}
    return [
        (name, *members)
        for name, *members in names
        if name not in known or not all(has_member(live, name, one) for one in members[:1])
    ]


def unknown_of_slicer(live: dict, python: dict, names: set[tuple[str, ...]]) -> list:
    util = python["slicer.util"]["functions"].keys() | python["slicer.util"]["classes"].keys()
    unknown = []
    for first, *rest in names:
        if first == "app":
            there = not rest or rest[0] in live["qSlicerApplication"]
        elif first == "util":
            there = not rest or rest[0] in util
        elif first in OF_THE_APPLICATION:
            there = True
        else:
            found = getattr(slicer, first, None)
            there = isinstance(found, type) and (not rest or hasattr(found, rest[0]))
        if not there:
            unknown.append((first, *rest))
    return unknown


@pytest.fixture(scope="module")
def everything_pressed(application, tmp_path_factory):
    """Every part of the panel has done its work, and so has shown what it uses of its widgets."""
    folder = tmp_path_factory.mktemp("pressed")
    with new_bench(application, folder) as bench:
        ui, panel = bench.ui, bench.panel
        bench.add_image()
        bench.ask("lt femr, flurb")
        bench.ask("elbow")
        bench.ask("heart, left lung")
        ui.meaningLabel.linkActivated.emit("0")
        panel.image.load(MODULE / "Resources" / "SampleData" / "chest_drr.dcm")
        bench.wait()
        bench.ask("heart")
        ui.addButton.click()
        bench.red().click(bench.at(300, 300))
        bench.wait()
        for name in ("nextCandidate", "startFromMask", "undo", "redo", "clearClicks", "newSegment"):
            getattr(ui, f"{name}Button").click()
            bench.wait()
        ui.segmentTable.setCurrentCell(0, 0)
        ui.thresholdSlider.dragged(0.6)
        ui.thresholdSlider.setValue(0.7)
        ui.boxButton.click()
        ui.segmentTable.item(0, 0).setText("my heart")
        bench.dialogs.path = folder / "out.seg.nrrd"
        ui.exportButton.click()
        ui.deviceComboBox.setCurrentIndex(3)
        bench.wait()
        panel.setParameters(None)
    return set(USED), set(CONNECTED)


def test_every_class_and_constant_of_qt_exists(live):
    names = used("qt")
    assert {("QTimer",), ("Qt", "Checked")} <= names and unknown_of_qt(live, names) == []


def test_every_member_of_a_widget_exists(everything_pressed, live):
    members, _signals = everything_pressed
    assert {("qMRMLNodeComboBox", "setCurrentNode"), ("QTableWidget", "setCurrentCell")} <= members
    assert [one for one in members if not has_member(live, *one)] == []


def test_every_signal_that_is_connected_exists(everything_pressed, live, declared):
    _members, connected = everything_pressed
    assert ("qMRMLNodeComboBox", "currentNodeChanged(vtkMRMLNode*)") in connected
    assert [one for one in connected if not has_signal(live, declared, *one)] == []


def test_every_name_of_the_package_slicer_exists(live, python):
    names = used("slicer")
    assert {("app", "layoutManager"), ("util", "loadUI")} <= names
    assert unknown_of_slicer(live, python, names) == []


def test_names_that_slicer_lacks_are_found_out(live, declared, python, loadable):
    """Each of these exists in PySide6, in another version, or nowhere."""
    wrong = {("QTimer", "singleShotMode"), ("QWebView",), ("Qt", "Chequed"), ("QHeaderView", "Resizable")}
    assert set(unknown_of_qt(live, wrong)) == wrong
    wrong = {
        ("app", "layoutManger"),
        ("util", "loadUi"),
        ("vtkMRMLMarkupNode",),
        ("vtkMRMLScene", "EndImport"),
    }
    assert set(unknown_of_slicer(live, python, wrong)) == wrong
    for kind, member in (
        ("QPushButton", "setChequed"),
        ("ctkSliderWidget", "setRange_"),
        ("QTableWidgetItem", "x"),
    ):
        assert not has_member(live, kind, member)
    for kind, signature in (("ctkSliderWidget", "valueChanging(double)"), ("QTimer", "timedOut()")):
        assert not has_signal(live, declared, kind, signature)
    assert "QWebEngineView" not in loadable and "QTableWidget" in loadable


@pytest.mark.parametrize("kind", sorted(slicer_parts.STAND_INS))
def test_the_stand_ins_offer_nothing_that_the_real_widgets_lack(kind, live, declared):
    made = slicer_parts.STAND_INS[kind]
    assert set(made.SIGNALS) <= signals(declared, kind)
    for_tests = {"SIGNALS", "dragged", "read", "isCollapsed", "setCollapsed"}
    of_qt = {
        "paintEvent",
        "event",
        "sizeHint",
        "minimumSizeHint",
        "staticMetaObject",
        "connect",
        "disconnect",
    }
    own = {name for name in vars(made) if not name.startswith("_")} - for_tests - of_qt
    assert own <= live[kind], own - live[kind]


@pytest.mark.parametrize(
    ("made", "real"),
    [
        (slicer_parts.LayoutManager, "qSlicerLayoutManager"),
        (slicer_parts.SliceWidget, "qMRMLSliceWidget"),
        (slicer_parts.SliceView, "qMRMLSliceView"),
        (slicer_parts.ThreeDWidget, "qMRMLThreeDWidget"),
        (slicer_parts.ThreeDView, "qMRMLThreeDView"),
    ],
)
def test_so_do_those_of_the_views(made, real, live):
    for_tests = {"show", "mouse", "click"}
    own = {name for name, one in vars(made).items() if inspect.isfunction(one) and not name.startswith("_")}
    assert own - for_tests <= live[real]


def test_what_is_imported_from_slicer_exists(python):
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("slicer"):
                continue
            described = python[node.module]
            known = {*described.get("functions", ()), *described.get("classes", ())}
            for name in (one.name for one in node.names):
                if node.module == "slicer":
                    assert hasattr(slicer, name), name
                elif node.module == "slicer.parameterNodeWrapper":
                    assert name in python["slicer.parameterNodeWrapper.wrapper"]["functions"]
                else:
                    assert name in known, f"{node.module}.{name}"


def test_functions_of_slicer_are_called_with_arguments_they_take(python):
    known = {**python["slicer.util"]["functions"], **python["slicer.packaging"]["functions"]}
    calls = 0
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            text = ast.unparse(node.func)
            if not (text.startswith("slicer.util.") or text == "pip_install") or name not in known:
                continue
            signature = known[name]["signature"]
            for keyword in node.keywords:
                if keyword.arg is not None:
                    assert re.search(rf"\b{keyword.arg}\b", signature), f"{text}({keyword.arg}=...)"
                    calls += 1
    assert calls


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_slicer_can_load_every_widget_of_a_form(form, loadable, declared):
    for widget in ElementTree.parse(form).iter("widget"):
        kind = widget.attrib["class"]
        assert kind in loadable, kind
        if kind in declared:
            for one in widget.findall("property"):
                name = one.attrib["name"]
                known = {*declared[kind]["properties"], *OF_ANY_WIDGET}
                assert name in known, f"{kind} has no property {name}"


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_names_in_a_form_are_unique_and_buttons_have_tooltips(form):
    widgets = list(ElementTree.parse(form).iter("widget"))
    names = [widget.attrib["name"] for widget in widgets]
    assert len(names) == len(set(names))
    for widget in widgets:
        if widget.attrib["class"] in ("QToolButton", "QPushButton", "QCheckBox"):
            told = [one.attrib["name"] for one in widget.findall("property")]
            assert "toolTip" in told, widget.attrib["name"]
