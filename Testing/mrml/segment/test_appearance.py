"""Outlines and fills of segments, on real display nodes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import slicer
from FluoroSAMSlicerLib.mrml.segment.appearance import emphasize, fill_of, first_look, set_fill


@dataclass(frozen=True)
class State:
    id: str
    ours: bool = True
    low_confidence: bool = False


@pytest.fixture
def display():
    node = slicer.vtkMRMLSegmentationDisplayNode()
    first_look(node)
    return node


def test_a_new_display_has_thin_outlines_and_a_light_fill(display):
    assert display.GetSliceIntersectionThickness() == 1
    assert 0.2 < fill_of(display) < 0.5 and display.GetVisibility2DOutline()


def test_an_unsure_mask_is_paler_even_when_it_is_chosen(display):
    emphasize(display, [State("sure"), State("unsure", low_confidence=True)], "unsure")

    assert display.GetSegmentOpacity2DOutline("unsure") == pytest.approx(0.5)
    assert display.GetSegmentOpacity2DOutline("sure") == 1
    assert display.GetSegmentOpacity2DFill("unsure") == pytest.approx(0.5)
    emphasize(display, [State("sure"), State("unsure")], "unsure")
    assert display.GetSegmentOpacity2DFill("unsure") == 1, "a better answer gets its strength back"


def test_what_was_drawn_by_hand_looks_as_its_owner_wants(display):
    display.SetSegmentOpacity2DFill("mine", 0.9)
    emphasize(display, [State("mine", ours=False), State("ours")], None)

    assert display.GetSegmentOpacity2DFill("mine") == pytest.approx(0.9)
    assert display.GetSegmentOpacity2DFill("ours") < 0.5


def test_all_changes_are_one_event_and_none_where_nothing_changes(display):
    events = []
    display.AddObserver("ModifiedEvent", lambda *_: events.append(1))
    states = [State(str(number)) for number in range(20)]
    emphasize(display, states, "3")
    assert len(events) == 1
    emphasize(display, states, "3")
    assert len(events) == 1


@pytest.mark.parametrize(("asked", "got"), [(0.3, 0.3), (-1, 0), (7, 1)])
def test_fills_stay_between_none_and_all(display, asked, got):
    set_fill(display, asked)
    assert fill_of(display) == pytest.approx(got)
