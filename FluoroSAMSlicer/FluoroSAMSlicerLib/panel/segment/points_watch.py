"""The points of the segment that clicks go to: moved, flipped or deleted in the views."""

from __future__ import annotations

from collections.abc import Callable

import slicer

from ..binding import Held
from ..observations import Observations


class PointsWatch:
    """``onMoved()`` is called at every step of a drag, ``onSettled()`` when it has ended or a point was
    deleted. Nothing is called while ``held`` holds: then the program changes the points itself.
    """

    def __init__(self, held: Held, onMoved: Callable[[], None], onSettled: Callable[[], None]) -> None:
        self._held, self._onMoved, self._onSettled = held, onMoved, onSettled
        self._observations = Observations()
        self._node = None
        self._dragging = False

    def follow(self, node) -> None:
        """Watch this markups node and no other; None for none."""
        if node is self._node:
            return
        self._observations.clear()
        self._node, self._dragging = node, False
        if node is None:
            return
        kind = slicer.vtkMRMLMarkupsNode
        self._observations.add(node, [kind.PointStartInteractionEvent], self._onStart)
        self._observations.add(node, [kind.PointModifiedEvent], self._onPoint)
        self._observations.add(node, [kind.PointRemovedEvent, kind.PointEndInteractionEvent], self._onEnd)

    def positions(self) -> list[tuple[float, float, float]]:
        """World positions of the points that can be grabbed."""
        if self._node is None or not self._node.GetDisplayVisibility():
            return []
        places = []
        for index in range(self._node.GetNumberOfControlPoints()):
            ras = [0.0, 0.0, 0.0]
            self._node.GetNthControlPointPositionWorld(index, ras)
            places.append(tuple(ras))
        return places

    def _onStart(self, *_) -> None:
        self._dragging = True

    def _onPoint(self, *_) -> None:
        if self._held:
            return
        self._onMoved()
        if not self._dragging:
            self._onSettled()

    def _onEnd(self, *_) -> None:
        self._dragging = False
        if not self._held:
            self._onMoved()
            self._onSettled()
