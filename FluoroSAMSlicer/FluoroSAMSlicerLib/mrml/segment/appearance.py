"""How segments look over a radiograph, whose structures overlap: thin outlines, and fills that leave it readable."""

from __future__ import annotations

from collections.abc import Iterable

FILL = 0.4
"""Opacity of the chosen segment's fill, until the user sets another."""
OTHERS = 0.35
"""Share of it that the other segments have."""
UNSURE = 0.5
"""Share of all opacities that a mask of a low score has, so that it looks as sure as it is."""
OUTLINE = 1
"""Thickness of outlines, pixels of the screen."""


def first_look(display) -> None:
    """Set up the display node of a new segmentation."""
    display.SetOpacity2DFill(FILL)
    display.SetSliceIntersectionThickness(OUTLINE)


def fill_of(display) -> float:
    """Opacity of the chosen segment's fill, 0 to 1."""
    return display.GetOpacity2DFill()


def set_fill(display, opacity: float) -> None:
    display.SetOpacity2DFill(min(max(opacity, 0.0), 1.0))


def emphasize(display, states: Iterable, chosen: str | None) -> None:
    """Let the chosen segment stand out, and pale those whose score is low. ``states`` are SegmentState; segments
    that were drawn by hand are left as their owner wants them. Changes nothing that is so already."""
    modifying = display.StartModify()
    for state in states:
        if not state.ours:
            continue
        sure = UNSURE if state.low_confidence else 1.0
        fill = sure * (1.0 if state.id == chosen else OTHERS)
        if abs(display.GetSegmentOpacity2DFill(state.id) - fill) > 1e-6:
            display.SetSegmentOpacity2DFill(state.id, fill)
        if abs(display.GetSegmentOpacity2DOutline(state.id) - sure) > 1e-6:
            display.SetSegmentOpacity2DOutline(state.id, sure)
    display.EndModify(modifying)
