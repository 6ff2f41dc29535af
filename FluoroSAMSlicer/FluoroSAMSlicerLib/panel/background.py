"""Work off the main thread, its results on it."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

import qt

from .binding import connect

POLL_MS = 10
WAIT_S = 0.008
"""Qt keeps Python's lock while it idles: a timer that only looks into the queue leaves the worker a few
per cent of its speed. Waiting in the queue hands the lock over and still leaves the views 60 Hz."""
STOP_S = 5.0


class Job(Protocol):
    """``slot``: of the jobs that wait for the same slot only the newest is done."""

    slot: str


class Listener(Protocol):
    """Called on the main thread."""

    def jobProgress(self, job: Job, fraction: float, text: str) -> None: ...

    def jobDone(self, job: Job, result: object) -> None: ...

    def jobFailed(self, job: Job, error: Exception) -> None: ...

    def jobsFinished(self) -> None: ...


class BackgroundJobs:
    """One worker thread for all jobs, since the model's plans and caches belong to a thread.

    ``work(job, cancelled, progress)`` runs on the worker. Nothing there may touch Qt or the scene.
    """

    def __init__(
        self, work: Callable[[Job, Callable[[], bool], Callable[[float, str], None]], object]
    ) -> None:
        self._work = work
        self.listener: Listener | None = None
        self._waiting: OrderedDict[str, Job] = OrderedDict()
        self._changed = threading.Condition()
        self._reports: queue.Queue = queue.Queue()
        self._cancelled = threading.Event()
        self._running: Job | None = None
        self._abandoned: Job | None = None
        self._stopping = False
        self._delivering = False
        self._thread: threading.Thread | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        connect(self._timer, "timeout()", self._poll)

    @property
    def busy(self) -> bool:
        with self._changed:
            working = self._running is not None or bool(self._waiting)
        return working or not self._reports.empty()

    def submit(self, job: Job) -> None:
        with self._changed:
            self._waiting[job.slot] = job
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="FluoroSAM", daemon=True)
            self._thread.start()
        self._timer.start()

    def cancel(self) -> None:
        """Drop what waits and ask what runs to stop."""
        with self._changed:
            self._waiting.clear()
            self._cancelled.set()

    def abandon(self) -> None:
        """Cancel, and hear no more of what runs or has ended: its scene is gone."""
        with self._changed:
            self._abandoned = self._running
        self.cancel()
        with suppress(queue.Empty):
            while True:
                self._reports.get_nowait()

    def drop(self, slot: str) -> None:
        """Drop what waits for one slot."""
        with self._changed:
            self._waiting.pop(slot, None)

    def close(self) -> None:
        """End the thread; results that were not delivered yet are lost."""
        self._timer.stop()
        self.listener = None
        with self._changed:
            self._stopping = True
            self._waiting.clear()
            self._cancelled.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                _, job = self._waiting.popitem(last=False)
                self._running = job
                self._cancelled.clear()
            try:
                result = self._work(
                    job,
                    self._cancelled.is_set,
                    partial(self._report, job),
                )
                self._reports.put(("jobDone", job, result))
            except Exception as error:  # whatever it is, the user has to hear of it
                self._reports.put(("jobFailed", job, error))
            del job
            self._running = None

    def _report(self, job: Job, fraction: float, text: str) -> None:
        self._reports.put(("jobProgress", job, fraction, text))

    def _poll(self) -> None:
        # A dialog that a listener opens runs the event loop, and with it this timer, inside of this method.
        if self._delivering:
            return
        self._delivering = True
        try:
            self._deliver()
        finally:
            self._delivering = False
        if not self.busy:
            self._timer.stop()
            if self.listener is not None:
                self.listener.jobsFinished()

    def _deliver(self) -> None:
        wait = WAIT_S
        while True:
            try:
                what, *content = self._reports.get(timeout=wait) if wait else self._reports.get_nowait()
            except queue.Empty:
                return
            wait = 0.0
            if self.listener is not None and content[0] is not self._abandoned:
                getattr(self.listener, what)(*content)
