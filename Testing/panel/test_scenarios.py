"""The scenarios that run inside Slicer, as far as the stand-ins go, and whether their names exist there."""

from __future__ import annotations

import ast
import re
import sys
import unittest
from pathlib import Path

import pytest
import slicer
from mrml.bench import SquarePredictor
from panel.test_module import new_widget, opened  # noqa: F401
from panel.test_slicer_api import chains, unknown_of_qt, unknown_of_slicer

PYTHON = Path(__file__).resolve().parents[1] / "Python"
SCENARIOS = PYTHON / "FluoroSAMSlicerScenariosTest.py"
FILES = sorted(PYTHON.glob("*.py"))
IN_SLICER_ONLY = {"test_02", "test_08", "test_10"}
"""Need the pixels of a view, the application's own complaints, or its end."""


def scenarios() -> list[str]:
    return re.findall(r"def (test_\d\d\w*)\(", SCENARIOS.read_text("utf-8"))


def used(root: str) -> set[tuple[str, ...]]:
    return {chain[1:] for file in FILES for chain in chains(file.read_text("utf-8")) if chain[0] == root}


@pytest.fixture
def python(slicer_api):
    import json

    return json.loads((slicer_api / "slicer_python_api.json").read_text())


def test_each_fault_has_its_scenario():
    assert {name[:7] for name in scenarios()} == {f"test_{number:02d}" for number in range(1, 13)}


@pytest.mark.parametrize("name", [name for name in scenarios() if name[:7] not in IN_SLICER_ONLY])
def test_a_scenario_passes(name, opened, application, monkeypatch):  # noqa: F811
    if str(PYTHON) not in sys.path:
        monkeypatch.syspath_prepend(str(PYTHON))
    import FluoroSAMSlicerScenariosTest as file

    made = []

    def module_widget(_name):
        if not made:
            made.append(new_widget(opened, monkeypatch, SquarePredictor()))
            opened.parent.layout().addWidget(made[0].tabs)
            opened.parent.show()
            opened.parent.__dict__["isEntered"] = True
            made[0].onSceneChanged(None, None)
        return made[0]

    monkeypatch.setattr(slicer.util, "getModuleWidget", module_widget)
    monkeypatch.setattr(slicer.util, "selectModule", lambda _name: None, raising=False)
    result = unittest.TestResult()
    file.FluoroSAMSlicerScenariosTest(name).run(result)
    if made:
        made[0].cleanup()
    trouble = [text for _test, text in (*result.errors, *result.failures)]
    assert not trouble, "\n".join(trouble)
    assert result.testsRun == 1 and not result.skipped


def test_every_name_of_qt_exists(live):
    names = used("qt")
    assert {("QKeyEvent",), ("QMouseEvent",), ("QEvent", "MouseButtonPress")} <= names
    assert unknown_of_qt(live, names) == []


def test_every_name_of_the_package_slicer_exists(live, python):
    names = used("slicer")
    assert {("util", "selectModule"), ("app", "processEvents")} <= names
    assert unknown_of_slicer(live, python, names) == []


def test_scripts_for_another_slicer_use_names_that_exist(live, python):
    tree = ast.parse(SCENARIOS.read_text("utf-8"))
    scripts = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    ]
    assert len(scripts) == 2
    for script in scripts:
        names = {chain[1:] for chain in chains(script) if chain[0] == "slicer"}
        assert names and unknown_of_slicer(live, python, names) == []


def test_what_is_asked_of_views_exists(live):
    for kind, members in (
        ("qMRMLSliceView", {"VTKWidget", "renderWindow", "devicePixelRatioF", "height"}),
        ("qMRMLSliceWidget", {"sliceView", "mrmlSliceNode", "mrmlSliceCompositeNode"}),
        ("qSlicerLayoutManager", {"sliceWidget"}),
        ("qSlicerApplication", {"launcherExecutableFilePath", "applicationFilePath", "activePopupWidget"}),
        ("qt.QLineEdit", {"setFocus", "clear", "text"}),
    ):
        assert members <= live[kind], members - live[kind]


def test_ctest_finds_the_scenarios_and_not_their_hands():
    listed = (PYTHON / "CMakeLists.txt").read_text("utf-8")
    pattern = re.search(r'"(FluoroSAMSlicer\*Test\.py)"', listed).group(1)
    assert [path.name for path in PYTHON.glob(pattern)] == [SCENARIOS.name]
