"""Requests of the Synthesize tab on their way through the background, and their results."""

from __future__ import annotations

from collections.abc import Callable

import slicer.util

from ..background import BackgroundJobs
from .context import Context, explained

PREVIEW, CHECK = "preview", "check"


class Jobs:
    """``receivers`` take results by the kind of their request, as ``receiver(result, node)`` with what the logic
    put into the scene (nothing of previews and checks). ``onIdle()`` hears of the end of all work. Previews come
    and go without progress shown."""

    def __init__(
        self,
        context: Context,
        background: BackgroundJobs,
        receivers: dict[str, Callable],
        onIdle: Callable[[], None],
    ) -> None:
        self._context, self._background = context, background
        self._receivers, self._onIdle = receivers, onIdle
        background.listener = self

    @property
    def busy(self) -> bool:
        return self._background.busy

    def submit(self, request) -> None:
        """Answer a request in the background; one that waits for the same slot is replaced."""
        self._background.submit(request)
        if request.kind != PREVIEW:
            self._context.status.showProgress(-1, request.title)

    def cancel(self) -> None:
        self._background.cancel()
        if self.busy:
            self._context.status.cancelling()

    def abandon(self) -> None:
        """Cancel without a word, since the scene closes."""
        self._background.abandon()

    def drop(self, slot: str) -> None:
        self._background.drop(slot)

    def close(self) -> None:
        self._background.close()

    def jobProgress(self, request, fraction: float, text: str) -> None:
        self._context.status.showProgress(fraction, f"{request.title}: {text}")

    def jobDone(self, request, result) -> None:
        context = self._context

        def put():
            with slicer.util.RenderBlocker():
                return context.logic.apply(request, result)

        node = None if request.kind in (PREVIEW, CHECK) else context.attempt(put)
        self._receivers[request.kind](result, node)

    def jobFailed(self, request, error: Exception) -> None:
        warn = self._context.warnOfView if request.kind == PREVIEW else self._context.status.warn
        warn(explained(error))

    def jobsFinished(self) -> None:
        self._context.status.hideProgress()
        self._onIdle()
