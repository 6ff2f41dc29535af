"""The mouse in slice views while a tool is on: clicks and boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk

from ..observations import Observations
from .slice_views import SliceViews, faces, isShown, placeOf, rasAt

CLICK_PX = 3
"""A mouse that moved further while the button was down did not click."""
POINT_PX = 10
"""Distance within which a press is meant for a point that is there already."""
PRIORITY = 10.0
"""Before Slicer's own handlers, whose priority is 0 to 1."""

OFF, ADD, REMOVE, BOX = "", "add", "remove", "box"


class SliceTool:
    """``points()`` gives the world positions of points that the mouse may grab.

    ``onClick(ras, positive)``, ``onBoxMoved(rasA, rasB)`` and ``onBox(rasA, rasB)`` are called on the main
    thread. Ctrl or Shift make a click of the add tool a removing one. While no tool is on, the views
    behave as always; while one is, it owns the left button over the image, except with Alt, by which
    Slicer moves slices.
    """

    def __init__(
        self,
        views: SliceViews,
        interactionNode,
        isInside: Callable,
        points: Callable,
        onClick: Callable,
        onBoxMoved: Callable,
        onBox: Callable,
    ) -> None:
        self._views, self._interactionNode = views, interactionNode
        self._isInside, self._points = isInside, points
        self._onClick, self._onBoxMoved, self._onBox = onClick, onBoxMoved, onBox
        self._observations = Observations()
        self._cursors: list = []
        self._pressed: tuple[int, int] | None = None
        self.tool = OFF
        self._volume: Any = None

    def use(self, tool: str, volume) -> None:
        """Take ``tool`` in the views that show ``volume``; OFF gives the mouse back."""
        self.stop()
        self.tool, self._volume = tool, volume
        if tool == OFF or volume is None:
            return
        if self._interactionNode is not None:
            self._interactionNode.SetCurrentInteractionMode(slicer.vtkMRMLInteractionNode.ViewTransform)
        # All views: another one may come to show the image while the tool is on.
        for widget in self._views.all():
            view = widget.sliceView()
            if isShown(widget, volume):
                view.setViewCursor(qt.QCursor(qt.Qt.CrossCursor))
                self._cursors.append(view)
            self._observe(view.interactor(), widget)

    def refresh(self) -> None:
        """The views have changed."""
        self.use(self.tool, self._volume)

    def stop(self) -> None:
        self._observations.clear()
        self._pressed = None
        for view in self._cursors:
            view.unsetViewCursor()
        self._cursors.clear()

    def _observe(self, interactor, widget) -> None:
        sliceNode = widget.mrmlSliceNode()
        for event, handler in (
            (vtk.vtkCommand.LeftButtonPressEvent, self._onPress),
            # The second of two quick clicks arrives as this alone, and would enlarge the view.
            (vtk.vtkCommand.LeftButtonDoubleClickEvent, self._onPress),
            (vtk.vtkCommand.MouseMoveEvent, self._onMove),
            (vtk.vtkCommand.LeftButtonReleaseEvent, self._onRelease),
        ):
            tag: list[int] = []

            def call(caller, _event, handler=handler, tag=tag) -> None:
                if isShown(widget, self._volume) and handler(caller, sliceNode):
                    caller.GetCommand(tag[0]).SetAbortFlag(1)

            tag += self._observations.add(interactor, [event], call, PRIORITY)

    def _onPress(self, interactor, sliceNode) -> bool:
        """Whether the event was ours and goes no further; so for all handlers."""
        place = interactor.GetEventPosition()
        volume = self._volume
        if volume.GetScene() is None or self._placing() or not faces(sliceNode, volume):
            return False
        if interactor.GetAltKey():
            return False
        if not self._isInside(volume, rasAt(sliceNode, place)) or self._onPoint(sliceNode, place):
            return False
        self._pressed = place
        return True

    def _onMove(self, interactor, sliceNode) -> bool:
        if self._pressed is None:
            return False
        if self.tool == BOX:
            self._onBoxMoved(rasAt(sliceNode, self._pressed), rasAt(sliceNode, interactor.GetEventPosition()))
        return True

    def _onRelease(self, interactor, sliceNode) -> bool:
        if self._pressed is None:
            return False
        pressed, self._pressed = self._pressed, None
        place = interactor.GetEventPosition()
        moved = max(abs(a - b) for a, b in zip(pressed, place, strict=True)) > CLICK_PX
        if self.tool == BOX and moved:
            self._onBox(rasAt(sliceNode, pressed), rasAt(sliceNode, place))
        elif self.tool != BOX and not moved:
            removes = self.tool == REMOVE or interactor.GetControlKey() or interactor.GetShiftKey()
            self._onClick(rasAt(sliceNode, pressed), not removes)
        return True

    def _placing(self) -> bool:
        """Whether the user places points or other markups of their own."""
        node = self._interactionNode
        return node is not None and node.GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.Place

    def _onPoint(self, sliceNode, place: tuple[int, int]) -> bool:
        for ras in self._points():
            x, y = placeOf(sliceNode, ras)
            if (x - place[0]) ** 2 + (y - place[1]) ** 2 <= POINT_PX**2:
                return True
        return False
