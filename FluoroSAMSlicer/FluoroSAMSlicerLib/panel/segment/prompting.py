"""What clicks, boxes, sliders and keys do to the chosen segment."""

from __future__ import annotations

from collections.abc import Callable

from .box_outline import BoxOutline
from .context import Context
from .points_watch import PointsWatch


class Prompting:
    """Prompts change at once, masks follow from the background. ``onChanged()`` is called after every change
    of prompts, ``onChosen(segmentId)`` for a segment that was made and shall be the chosen one."""

    def __init__(
        self,
        context: Context,
        outline: BoxOutline,
        onChanged: Callable[[], None],
        onChosen: Callable[[str], None],
    ) -> None:
        self._context, self._outline = context, outline
        self._onChanged, self._onChosen = onChanged, onChosen
        self.points = PointsWatch(context.changing, self._onPointsMoved, self._onPointsSettled)

    @property
    def _logic(self):
        return self._context.logic

    def follow(self) -> None:
        """Show the prompts of the segment that is chosen now, and watch them."""
        context = self._context
        node = None
        if context.volume is not None:
            context.attempt(self._logic.setActiveSegment, context.volume, context.segment)
            if context.segment is not None:
                node = context.attempt(self._logic.pointsNode, context.volume, context.segment)
        self.points.follow(node)
        self.showBox()

    def stop(self) -> None:
        self.points.follow(None)
        self._outline.remove()

    def showBox(self) -> None:
        context = self._context
        state = None
        if context.volume is not None and context.segment is not None:
            state = context.attempt(self._logic.segmentState, context.volume, context.segment)
        if state is None or state.box is None:
            self._outline.hide()
            return
        left, top, right, bottom = state.box
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        self._outline.show([self._logic.rasFromPixel(context.volume, x, y) for x, y in corners])

    def ask(self, text: str, members: bool) -> None:
        """Segment the names of a line."""
        if self._context.volume is not None:
            self._submit(self._logic.textRequest, text, members)
            self._onChanged()

    def click(self, ras, positive: bool) -> None:
        """A click into the chosen segment, or into a new one."""
        segment = self._context.segment or self.newSegment()
        if segment is None:
            return
        if self._attempt(self._logic.addPoint, segment, ras=ras, positive=positive) is not None:
            self._submit(self._logic.clickRequest, segment)
        self._afterChange()

    def drawBox(self, rasA, rasB) -> None:
        """The box while it is being drawn."""
        box = self._attempt(self._logic.boxFromCorners, rasA, rasB)
        if box is not None:
            left, top, right, bottom = box
            corners = ((left, top), (right, top), (right, bottom), (left, bottom))
            self._outline.show([self._logic.rasFromPixel(self._context.volume, x, y) for x, y in corners])

    def box(self, rasA, rasB) -> None:
        """The box that was drawn, for the chosen segment or a new one."""
        box = self._attempt(self._logic.boxFromCorners, rasA, rasB)
        segment = self._context.segment or (self.newSegment() if box is not None else None)
        if box is not None and segment is not None:
            self._submit(self._logic.boxRequest, segment, box)
        self._afterChange()

    def newSegment(self) -> str | None:
        """An empty segment for clicks and a box; it becomes the chosen one."""
        segment = None if self._context.volume is None else self._attempt(self._logic.newSegment)
        if segment is not None:
            self._onChanged()
            self._onChosen(segment)
        return segment

    def startFromMask(self) -> None:
        self._forChosen(self._logic.maskRequest)

    def clearClicks(self) -> None:
        segment = self._context.segment
        if segment is not None:
            self._attempt(self._logic.clearPoints, segment)
            self._submit(self._logic.clickRequest, segment)
            self._afterChange()

    def candidate(self, step: int) -> None:
        """Show another of the model's masks."""
        context = self._context
        if context.segment is None:
            return
        state = self._attempt(self._logic.segmentState, context.segment)
        if state is not None and len(state.scores) > 1:
            self._forChosen(self._logic.candidateRequest, (state.chosen + step) % len(state.scores))

    def threshold(self, probability: float, settled: bool) -> None:
        segment = self._context.segment
        if segment is None:
            return
        self._submit(self._logic.thresholdRequest, segment, probability, not settled)
        if settled:
            self._attempt(self._logic.commit)
            self._onChanged()

    def undo(self) -> None:
        self._step("undo")

    def redo(self) -> None:
        self._step("redo")

    def remove(self) -> None:
        if self._context.segment is not None:
            self._attempt(self._logic.removeSegment, self._context.segment)
            self._afterChange()

    def _step(self, direction: str) -> None:
        context = self._context
        if context.volume is None:
            return
        carried = self._attempt(self._logic.runStep, direction)
        if carried is None:
            self._submit(getattr(self._logic, direction))
        else:
            context.jobs.slices.submit(carried, self.follow)
        self._afterChange()

    def _forChosen(self, request: Callable, *args) -> None:
        if self._context.segment is not None:
            self._submit(request, self._context.segment, *args)
            self._afterChange()

    def _afterChange(self) -> None:
        self._onChanged()
        self.follow()

    def _attempt(self, action: Callable, *args, **named):
        return self._context.attempt(action, self._context.volume, *args, **named)

    def _submit(self, request: Callable, *args) -> None:
        self._context.submit(self._attempt(request, *args))

    def _onPointsMoved(self) -> None:
        if self._context.segment is not None and self._context.volume is not None:
            self._submit(self._logic.clickRequest, self._context.segment)

    def _onPointsSettled(self) -> None:
        if self._context.volume is not None:
            self._attempt(self._logic.commit)
            self._onChanged()
