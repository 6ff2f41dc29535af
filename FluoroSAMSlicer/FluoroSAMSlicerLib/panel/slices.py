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

END = object()


class Slices:
    """Works are done one after the other. ``attempt(action, *args)`` calls an action and tells its user what fails;
    ``onSlice()`` hears of the end of every slice."""

    def __init__(self, attempt: Callable, onSlice: Callable[[], None]) -> None:
        self._attempt, self._onSlice = attempt, onSlice
        self._works: deque[tuple[Iterator, Callable[[], None]]] = deque()
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        connect(self._timer, "timeout()", self._slice)

    @property
    def busy(self) -> bool:
        return bool(self._works)

    def submit(self, steps: Iterator, done: Callable[[], None] = lambda: None) -> None:
        """Have a generator run to its end, or to where it fails, then ``done()`` called."""
        self._works.append((steps, done))
        self._timer.start()

    def stop(self) -> None:
        """Do nothing more of what was submitted."""
        self._timer.stop()
        self._works.clear()

    def _slice(self) -> None:
        end = time.monotonic() + SLICE_S
        with slicer.util.RenderBlocker():
            while self._works and time.monotonic() < end:
                steps, done = self._works[0]
                if self._attempt(next, steps, END) is END:
                    self._works.popleft()
                    self._attempt(done)
        if not self._works:
            self._timer.stop()
        self._onSlice()
