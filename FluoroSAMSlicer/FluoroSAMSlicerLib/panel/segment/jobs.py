"""Requests of the Segment tab on their way through the background, and their results into the scene."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import slicer.util
from slicer.i18n import tr as _

from ..background import BackgroundJobs
from .checkpoint_request import INSTALL
from .context import Context

FOLLOW = "follow"
"""Kind of the requests of `mrml.segment.run_job`, which needs packages that may be missing."""


class Jobs:
    """``onSegment(segmentId)`` hears of every mask that was put into the scene, ``onEncoded()`` of every image
    that was prepared, ``onInstalled(model)`` of a checkpoint, ``onRun(request, result)`` of a run that was followed,
    ``onIdle()`` of the end of all work."""

    def __init__(
        self,
        context: Context,
        background: BackgroundJobs,
        onSegment: Callable[[str], None],
        onEncoded: Callable[[], None],
        onInstalled: Callable[[object], None],
        onRun: Callable[[object, object], None],
        onIdle: Callable[[], None],
    ) -> None:
        self._context, self._background = context, background
        self._logic, self._status = context.logic, context.status
        self._onSegment, self._onEncoded, self._onInstalled = onSegment, onEncoded, onInstalled
        self._onRun, self._onIdle = onRun, onIdle
        self._refused: set[str] = set()
        self._asked = self._done = 0
        background.listener = self

    @property
    def busy(self) -> bool:
        return self._background.busy

    def submit(self, requests: Iterable) -> None:
        """Have requests answered in the background; those of a segment whose last answer is still awaited
        replace each other."""
        for request in requests:
            self._refused.discard(request.slot)
            self._asked += 1
            self._background.submit(request)
            self._status.showProgress(-1, request.title)

    def cancel(self) -> None:
        self._background.cancel()
        if self.busy:
            self._status.cancelling()

    def abandon(self) -> None:
        """Cancel without a word, since the scene closes."""
        self._background.abandon()

    def close(self) -> None:
        self._background.close()

    def jobProgress(self, request, fraction: float, text: str) -> None:
        self._status.showProgress(fraction, self._counted(f"{request.title}: {text}"))

    def jobDone(self, request, result) -> None:
        self._done += 1
        if request.kind == INSTALL:
            self._onInstalled(result)
            return
        if request.kind == FOLLOW:
            self._onRun(request, result)
            return
        if request.slot in self._refused:
            return
        segmentId = self._apply(request, result)
        for note in result.notes:
            self._status.say(note)
        if request.kind == "encode":
            self._onEncoded()
        elif segmentId is not None:
            self._onSegment(segmentId)

    def jobFailed(self, request, error: Exception) -> None:
        from ...mrml.segment.logic import USER_ERRORS, Cancelled

        self._done += 1
        if isinstance(error, Cancelled):
            self._status.say(_("Stopped."))
        elif isinstance(error, ImportError):
            self._status.warn(_("A Python package is missing: {name}.").format(name=error.name or error))
        elif isinstance(error, USER_ERRORS):
            self._status.warn(str(error))
        else:
            logging.error("%s failed", request.title, exc_info=error)
            self._status.warn(
                _(
                    "{title} failed for a reason that was not foreseen; the Python console has the details."
                ).format(title=request.title)
            )

    def jobsFinished(self) -> None:
        self._asked = self._done = 0
        self._status.hideProgress()
        self._onIdle()

    def _apply(self, request, result) -> str | None:
        from ...mrml.segment.logic import USER_ERRORS, NeedsConfirmation

        try:
            return self._write(request, result)
        except NeedsConfirmation as question:
            if self._context.dialogs.confirm(str(question)):
                return self._write(request, result, overwriteEdits=True)
            self._refused.add(request.slot)
            self._background.drop(request.slot)
        except USER_ERRORS as error:
            self._status.warn(str(error))
        return None

    def _write(self, request, result, **named) -> str | None:
        with self._context.changing, slicer.util.RenderBlocker():
            return self._logic.apply(request, result, **named)

    def _counted(self, text: str) -> str:
        return f"{text} ({self._done + 1}/{self._asked})" if self._asked > 1 else text
