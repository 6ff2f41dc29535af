"""Long work that has to be done on the main thread, in slices between which the application answers its user."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

import qt
import slicer.util

from .binding import connect

SLICE_S = 0.03
"""After so long a slice ends, once the step under way is done: two pictures of a view that is drawn 60 times a
second."""

PAUSE_MS = 2
"""Between two slices, for keys, the mouse and drawing. Not 0: slices of no length would all be done in one turn."""

END = object()


class Slices:
    """Works are done one after the other. ``attempt(action, *args)`` calls an action and tells its user what fails;
    what it raises ends the work under way. ``onSlice()`` hears of the end of every slice, which takes ``seconds``
    and a step at least."""

    def __init__(
        self, attempt: Callable, onSlice: Callable[[], None] = lambda: None, seconds: float = SLICE_S
    ) -> None:
        self._attempt, self._onSlice, self._seconds = attempt, onSlice, seconds
        self._works: deque[tuple[Iterator, Callable[[], None]]] = deque()
        self._timer = qt.QTimer()
        # A step that runs an event loop of its own, for a dialog, is not begun again in it.
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        connect(self._timer, "timeout()", self._slice)

    @property
    def busy(self) -> bool:
        return bool(self._works)

    def submit(self, steps: Iterator, done: Callable[[], None] = lambda: None) -> None:
        """Have a generator run to its end, or to where it fails, then ``done()`` called."""
        self._works.append((steps, done))
        self._timer.start()

    def finish(self) -> None:
        """Do all that is left now, for somebody who cannot wait."""
        while self._works:
            self._step()
        self._timer.stop()

    def stop(self) -> None:
        """Do nothing more of what was submitted."""
        self._timer.stop()
        self._works.clear()

    def _slice(self) -> None:
        end = time.monotonic() + self._seconds
        try:
            with slicer.util.RenderBlocker():
                while self._works:
                    self._step()
                    if time.monotonic() >= end:
                        break
        finally:
            if self._works:
                self._timer.start()
        self._onSlice()

    def _step(self) -> None:
        """One step of the first work, or its end."""
        work = self._works[0]
        steps, done = work
        over = True
        try:
            over = self._attempt(next, steps, END) is END
        finally:
            # A step may have stopped everything.
            if over and self._works and self._works[0] is work:
                self._works.popleft()
        if over:
            self._attempt(done)
