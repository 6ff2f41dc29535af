"""Requests of the Segment tab on their way through the background, and their results into the scene."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

import qt
import slicer.util
from slicer.i18n import tr as _

from ..background import BackgroundJobs
from ..binding import connect
from ..slices import Slices
from .checkpoint_request import INSTALL
from .context import Context
from .file_job import FILE, FileJob

DRAW_MS = 50
"""Masks come into the scene no more often than this: each time the views are drawn anew."""

FOLLOW = "follow"
"""Kind of the requests of `mrml.segment.run_job`, which needs packages that may be missing."""


class Jobs:
    """``background`` segments, ``files`` reads and writes. ``onSegment(segmentId)`` hears of every mask that was put
    into the scene, ``onEncoded()`` of every image that was prepared, ``onInstalled(model)`` of a checkpoint,
    ``onRunFrames(request)`` of frames that were done of a run, ``onRun(request, result)`` of its end, with None for
    a result where it failed, ``onIdle()`` of the end of all work, and of every slice of what ``slices`` do."""

    def __init__(
        self,
        context: Context,
        background: BackgroundJobs,
        files: BackgroundJobs,
        onSegment: Callable[[str], None],
        onEncoded: Callable[[], None],
        onInstalled: Callable[[object], None],
        onRunFrames: Callable[[object], None],
        onRun: Callable[[object, object], None],
        onIdle: Callable[[], None],
    ) -> None:
        self._context, self._background, self._files = context, background, files
        self._logic, self._status = context.logic, context.status
        self._onSegment, self._onEncoded, self._onInstalled = onSegment, onEncoded, onInstalled
        self._onRunFrames, self._onRun, self._onIdle = onRunFrames, onRun, onIdle
        self.slices = Slices(context.attempt, onIdle)
        self._refused: set[str] = set()
        self._asked = self._done = 0
        self._results: dict[str, tuple] = {}
        self._awaited: dict[int, int] = {}
        self._drawn = 0.0
        self._drawing = qt.QTimer()
        self._drawing.setSingleShot(True)
        connect(self._drawing, "timeout()", self._draw)
        background.listener = files.listener = self

    @property
    def busy(self) -> bool:
        return self._working or bool(self._results) or self.slices.busy

    @property
    def _working(self) -> bool:
        return self._background.busy or self._files.busy

    def submit(self, requests: Iterable) -> None:
        """Have requests answered in the background; those of a segment whose last answer is still awaited
        replace each other."""
        for request in requests:
            self._refused.discard(request.slot)
            self._asked += 1
            batch = getattr(request, "batch", None)
            self._awaited[batch] = self._awaited.get(batch, 0) + 1
            self._background.submit(request)
            self._status.showProgress(-1, request.title)

    def submitFile(self, job: FileJob, quiet: bool = False) -> None:
        """Have a file read or written; ``quiet``: without progress shown."""
        self._files.submit(job)
        if not quiet:
            self._status.showProgress(-1, job.title)

    def cancel(self) -> None:
        self._background.cancel()
        self._files.cancel()
        if self.busy:
            self._status.cancelling()

    def abandon(self) -> None:
        """Cancel without a word, since the scene closes."""
        self._drawing.stop()
        self.slices.stop()
        self._results.clear()
        self._background.abandon()
        self._files.abandon()

    def close(self) -> None:
        self._drawing.stop()
        self.slices.stop()
        self._results.clear()
        self._background.close()
        self._files.close()

    def jobProgress(self, request, fraction: float, text: str) -> None:
        self._status.showProgress(fraction, self._counted(f"{request.title}: {text}"))
        if request.kind == FOLLOW:
            self._onRunFrames(request)

    def jobDone(self, request, result) -> None:
        if request.kind == FILE:
            request.done(result)
            return
        self._done += 1
        if request.kind == INSTALL:
            self._onInstalled(result)
            return
        if request.kind == FOLLOW:
            self._onRun(request, result)
            return
        if request.kind == "encode":
            self._apply(request, result)
            self._tell(result)
            self._onEncoded()
        elif request.slot not in self._refused:
            # Of the masks of one segment that came since the last drawing the newest is drawn.
            self._results[request.slot] = request, result
            self._drawSoon(alone=not self._answered(request))

    def jobFailed(self, request, error: Exception) -> None:
        from ...mrml.segment.logic import USER_ERRORS, Cancelled

        if request.kind != FILE:
            self._done += 1
            self._answered(request)
        if request.kind == FOLLOW:
            self._onRun(request, None)
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
        if self._working:
            return
        self._awaited.clear()
        self._draw()
        self._asked = self._done = 0
        self._status.hideProgress()
        self._onIdle()

    def _answered(self, request) -> bool:
        """Count an answer; whether others of its batch are awaited."""
        batch = getattr(request, "batch", None)
        left = self._awaited.pop(batch, 1) - 1
        if left > 0:
            self._awaited[batch] = left
        return left > 0

    def _drawSoon(self, alone: bool) -> None:
        """Draw what has come: at once, or when the last drawing, or the first of several names, is old enough."""
        if not self._drawing.isActive():
            since = 1000 * (time.monotonic() - self._drawn) if alone else 0
            self._drawing.start(max(0, round(DRAW_MS - since)))

    def _draw(self) -> None:
        """Put all masks that have come into the scene, in one modification of each segmentation."""
        self._drawing.stop()
        results, self._results = list(self._results.values()), {}
        if not results:
            return
        drawn, questions = [], []
        together = self._logic.together([request for request, _result in results])
        with self._context.changing, slicer.util.RenderBlocker(), together:
            for request, result in results:
                segmentId = self._apply(request, result, questions)
                if segmentId is not None:
                    drawn.append(segmentId)
        for question, request, result in questions:
            if self._context.dialogs.confirm(str(question)):
                drawn.append(self._apply(request, result, overwriteEdits=True))
            else:
                self._refused.add(request.slot)
                self._background.drop(request.slot)
        self._drawn = time.monotonic()
        for _request, result in results:
            self._tell(result)
        for segmentId in filter(None, drawn):
            self._onSegment(segmentId)

    def _apply(self, request, result, questions: list | None = None, **named) -> str | None:
        """``questions`` takes what the user has to be asked first."""
        from ...mrml.segment.logic import USER_ERRORS, NeedsConfirmation

        try:
            with self._context.changing:
                return self._logic.apply(request, result, **named)
        except NeedsConfirmation as question:
            if questions is not None:
                questions.append((question, request, result))
        except USER_ERRORS as error:
            self._status.warn(str(error))
        return None

    def _tell(self, result) -> None:
        for note in result.notes:
            self._status.say(note)

    def _counted(self, text: str) -> str:
        return f"{text} ({self._done + 1}/{self._asked})" if self._asked > 1 else text
