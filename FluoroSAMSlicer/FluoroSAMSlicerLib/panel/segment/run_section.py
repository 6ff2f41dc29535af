"""The frames of a run: which one is shown, its segments to the others, which of them to look at."""

from __future__ import annotations

from collections.abc import Iterator

from slicer.i18n import tr as _

from ..binding import connect
from .context import Context

LISTED = 8
"""Frames named in the row; more would make the panel wider than it is."""


class RunSection:
    """A row that is there while the image is one of several frames."""

    def __init__(self, ui, context: Context) -> None:
        self._ui, self._context = ui, context
        ui.runFrame.setVisible(False)
        connect(ui.backwardsButton, "clicked()", lambda: self.carry("backwards"))
        connect(ui.forwardsButton, "clicked()", lambda: self.carry("forwards"))
        connect(ui.allFramesButton, "clicked()", lambda: self.carry("both"))
        connect(ui.nextDoubtButton, "clicked()", self.nextDoubt)

    def refresh(self, hasSegments: bool) -> None:
        """Show the frame and how many are to be looked at; ``hasSegments``: there is something to carry on."""
        ui, context = self._ui, self._context
        volume = context.volume
        count = context.logic.frameCount(volume) if volume is not None else 1
        ui.runFrame.setVisible(count > 1)
        if count < 2:
            return
        shown = context.logic.frameOf(volume)
        doubtful = context.logic.doubtfulFrames(volume)
        text = _("Frame {number} of {count}").format(number=shown + 1, count=count)
        if shown in doubtful:
            text += _(" \N{WARNING SIGN} look here")
        ui.runLabel.setText(text)
        listed = ", ".join(str(frame + 1) for frame in doubtful[:LISTED])
        more = "" if len(doubtful) <= LISTED else _(" and {count} more").format(count=len(doubtful) - LISTED)
        ui.doubtLabel.setVisible(bool(doubtful))
        ui.doubtLabel.setText(_("To look at: {frames}").format(frames=listed + more))
        usable = hasSegments and context.ready
        ui.backwardsButton.setEnabled(usable and shown > 0)
        ui.forwardsButton.setEnabled(usable and shown < count - 1)
        ui.allFramesButton.setEnabled(usable)
        ui.nextDoubtButton.setEnabled(bool(doubtful))

    def carry(self, direction: str) -> None:
        """Have the segments of this frame carried to others in the background."""
        context = self._context
        if context.volume is not None:
            context.submit(context.attempt(context.logic.followRequest, context.volume, direction))

    def nextDoubt(self) -> None:
        """Show the next frame that somebody should look at, after the last one the first."""
        context = self._context
        doubtful = context.logic.doubtfulFrames(context.volume) if context.volume is not None else []
        if not doubtful:
            return
        shown = context.logic.frameOf(context.volume)
        frame = next((one for one in doubtful if one > shown), doubtful[0])
        context.attempt(context.logic.showRunFrame, context.volume, frame)

    def arrived(self, request) -> None:
        """Frames that the background has done, into the scene; more may come."""
        self._context.jobs.slices.submit(self._frames(request))

    def done(self, request, result) -> None:
        """The background has done with a request; ``result`` is None where it failed, which was told."""
        self._context.jobs.slices.submit(self._frames(request), lambda: self._ended(request, result))

    def _frames(self, request) -> Iterator[None]:
        while not request.arrived.empty():
            self._context.logic.applyFrame(request, *request.arrived.get())
            yield

    def _ended(self, request, result) -> None:
        context = self._context
        written = context.logic.endRun(request)
        if result is None:
            return
        volume, propagation = context.volume, result.propagation
        marked = set(context.logic.doubtfulFrames(volume)) if volume is not None else set()
        doubtful = len(marked.intersection(written))
        text = _("1 frame done") if len(written) == 1 else _("{count} frames done").format(count=len(written))
        if doubtful:
            text += _(", {count} to look at (key U)").format(count=doubtful)
        if propagation.cancelled:
            text = _("Stopped: ") + text
        for stop in propagation.stops:
            text += ". " + stop
        say = context.status.warn if propagation.stops else context.status.say
        say(text if text.endswith(".") else text + ".")
