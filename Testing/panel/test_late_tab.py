"""The tabs of the module are made a step a turn; whoever acts before that is over meets the right behaviour."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from FluoroSAMSlicerLib.panel.late_tab import LateTab, made_at_once
from mrml.bench import SquarePredictor, image_node
from mrml.synthesize.bench import labelled_ct
from panel.bench import pythonqt
from panel.test_module import new_widget, opened, widget  # noqa: F401
from PySide6 import QtWidgets

SEGMENT, SYNTHESIZE = 0, 1


def enter(opened, widget) -> None:  # noqa: F811
    """As Slicer does at the first visit: nothing is waited for."""
    opened.parent.__dict__["isEntered"] = True
    widget.enter()


def until(application, condition, seconds: float = 30.0) -> int:
    """Turns of the event loop until ``condition()`` holds."""
    end, turns = time.monotonic() + seconds, 0
    while not condition() and time.monotonic() < end:
        application.processEvents()
        turns += 1
    assert condition()
    return turns


def made(widget) -> bool:  # noqa: F811
    return widget.segmentTab.panel is not None


def test_opening_the_module_makes_nothing_yet_and_then_a_step_a_turn(opened, widget, application):  # noqa: F811
    enter(opened, widget)
    assert not made(widget) and widget.tabs.count == 2
    (label,) = widget.segmentTab.page.findChildren(QtWidgets.QLabel)
    assert label.text.startswith("Opening")
    # The code of the scene's room, that of the tab, the form, the packages, the parts.
    assert until(application, lambda: made(widget)) >= 5
    panel = widget.segmentTab.panel
    assert panel.ui.root.parent() is widget.segmentTab.page and label.isHidden()
    assert panel._entered and panel.context.ready
    assert widget.synthesizeTab.panel is None and not widget.synthesizeTab.making


def test_whoever_asks_for_the_panel_gets_it_at_once(opened, widget, application):  # noqa: F811
    enter(opened, widget)
    application.processEvents()
    panel = widget.panel
    assert panel is widget.segmentTab.panel and panel._entered
    for _ in range(20):
        application.processEvents()
    assert widget.panel is panel and widget.segmentTab.page.layout().count() == 2


def test_an_image_that_came_before_the_tab_was_made_is_suggested(opened, widget, application):  # noqa: F811
    enter(opened, widget)
    image = image_node(opened.scene)
    until(application, lambda: made(widget))
    assert widget.panel.context.volume is image


def test_a_user_who_left_meanwhile_keeps_the_mouse_and_the_keys(opened, widget, application):  # noqa: F811
    enter(opened, widget)
    application.processEvents()
    opened.parent.__dict__["isEntered"] = False
    widget.exit()
    until(application, lambda: made(widget))
    assert not widget.panel._entered
    enter(opened, widget)
    assert widget.panel._entered


def test_a_scene_that_is_closed_meanwhile_does_no_harm(opened, widget, application):  # noqa: F811
    enter(opened, widget)
    image_node(opened.scene)
    application.processEvents()
    opened.scene.Clear(0)
    until(application, lambda: made(widget))
    assert widget.panel.context.volume is None
    assert widget.panel._parameters.parameterNode.GetScene() is opened.scene


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_widget_that_goes_away_meanwhile_is_not_made(opened, widget, application, turns):  # noqa: F811
    enter(opened, widget)
    for _ in range(turns):
        application.processEvents()
    widget.cleanup()
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        application.processEvents()
    assert widget.panel is None and widget.synthesis is None


def test_the_other_tab_waits_for_the_first_and_is_then_the_one_that_is_entered(opened, widget, application):  # noqa: F811
    enter(opened, widget)
    ct, _labels = labelled_ct(opened.scene)
    opened.module.FluoroSAMSlicerLogic().getSynthesizeParameters().drrCT = ct
    widget.tabs.setCurrentIndex(SYNTHESIZE)
    until(application, lambda: widget.synthesizeTab.panel is not None)
    assert made(widget) and not widget.panel._entered
    assert widget.synthesis._entered and widget.synthesis.context.ct is ct
    widget.tabs.setCurrentIndex(SEGMENT)
    assert widget.panel._entered and not widget.synthesis._entered


def test_a_tab_that_was_left_while_it_was_made_is_not_entered(opened, widget, application):  # noqa: F811
    enter(opened, widget)
    until(application, lambda: made(widget))
    widget.tabs.setCurrentIndex(SYNTHESIZE)
    application.processEvents()
    widget.tabs.setCurrentIndex(SEGMENT)
    until(application, lambda: widget.synthesizeTab.panel is not None)
    assert widget.panel._entered and not widget.synthesis._entered


def test_a_module_without_its_packages_is_opened_with_the_box_that_installs_them(
    opened,  # noqa: F811
    application,
    monkeypatch,
):
    from FluoroSAMSlicerLib.panel.installer import Installer

    late = new_widget(opened, monkeypatch, SquarePredictor())
    need = SimpleNamespace(name="rapidfuzz", requirement="rapidfuzz>=3", installed="")
    monkeypatch.setattr(Installer, "needs", lambda _self: [need])
    enter(opened, late)
    until(application, lambda: made(late))
    ui = late.panel.ui
    assert not late.panel.context.ready and ui.installFrame.isVisibleTo(ui.root)
    monkeypatch.setattr(Installer, "install", lambda _self, _folder: False)
    monkeypatch.setattr(Installer, "needs", lambda _self: [])
    ui.installButton.click()
    assert late.panel.context.ready and not ui.installFrame.isVisibleTo(ui.root)
    late.cleanup()


def steps(log: list, trouble: Exception | None = None):
    for number in range(3):
        log.append(number)
        yield
    if trouble is not None:
        raise trouble
    return SimpleNamespace(ui=SimpleNamespace(root=pythonqt.pythonqt(QtWidgets.QWidget)()))


def test_a_step_that_fails_is_told_in_the_tab(application, capsys):
    log: list = []
    tab = LateTab(lambda: steps(log, OSError("no form")), lambda _tab: log.append("made"))
    with pytest.raises(OSError, match="no form"):
        tab.finish()
    (label,) = tab.page.findChildren(QtWidgets.QLabel)
    assert "could not be opened" in label.text and log == [0, 1, 2]
    assert tab.finish() is None and not tab.making


def test_steps_that_were_begun_in_turns_are_not_done_twice(application):
    log: list = []
    tab = LateTab(lambda: steps(log), lambda _tab: log.append("made"))
    tab.start()
    tab.start()
    until(application, lambda: log == [0])
    assert tab.making and tab.finish() is tab.panel and log == [0, 1, 2, "made"]
    assert made_at_once(steps([])).ui.root is not None
