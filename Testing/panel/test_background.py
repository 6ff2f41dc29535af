"""Work on the worker thread, results on the main thread."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest
from FluoroSAMSlicerLib.panel.background import BackgroundJobs


@dataclass(frozen=True)
class Job:
    slot: str
    number: int
    seconds: float = 0.0
    started: threading.Event = field(default_factory=threading.Event, compare=False)


class Heard:
    def __init__(self) -> None:
        self.done, self.failed, self.progress, self.finished = [], [], [], 0
        self.threads: set = set()

    def jobProgress(self, job, fraction, text) -> None:
        self.progress.append((job.number, fraction, text))

    def jobDone(self, job, result) -> None:
        self.threads.add(threading.current_thread())
        self.done.append((job.number, result))

    def jobFailed(self, job, error) -> None:
        self.failed.append((job.number, type(error)))

    def jobsFinished(self) -> None:
        self.finished += 1


class Stopped(Exception):
    pass


def work(job, cancelled, progress):
    job.started.set()
    progress(0.5, "half")
    end = time.monotonic() + job.seconds
    while time.monotonic() < end:
        if cancelled():
            raise Stopped
        time.sleep(0.002)
    if job.number < 0:
        raise ValueError(job.number)
    return threading.current_thread().name


@pytest.fixture
def jobs(application):
    made = BackgroundJobs(work)
    made.listener = Heard()
    yield made
    made.close()


def finish(application, jobs) -> Heard:
    end = time.monotonic() + 10
    while (jobs.busy or not jobs.listener.finished) and time.monotonic() < end:
        application.processEvents()
    assert not jobs.busy
    return jobs.listener


def test_results_come_back_on_the_main_thread_from_one_worker(application, jobs):
    for number in range(3):
        jobs.submit(Job(f"slot {number}", number))
    heard = finish(application, jobs)
    assert heard.done == [(0, "FluoroSAM"), (1, "FluoroSAM"), (2, "FluoroSAM")]
    assert heard.threads == {threading.main_thread()} and heard.progress[0] == (0, 0.5, "half")


def test_of_the_jobs_that_wait_for_a_slot_the_newest_is_done(application, jobs):
    first = Job("segment", 0, 0.05)
    jobs.submit(first)
    first.started.wait(5)
    for number in range(1, 20):
        jobs.submit(Job("segment", number))
    jobs.submit(Job("other", 100))
    heard = finish(application, jobs)
    assert [number for number, _ in heard.done] == [0, 19, 100]


def test_cancel_stops_the_running_job_and_drops_the_others(application, jobs):
    first = Job("a", 0, 30)
    jobs.submit(first)
    jobs.submit(Job("b", 1))
    first.started.wait(5)
    jobs.cancel()
    heard = finish(application, jobs)
    assert heard.failed == [(0, Stopped)] and heard.done == []
    jobs.submit(Job("c", 2))
    heard.finished = 0
    assert finish(application, jobs).done == [(2, "FluoroSAM")]


def test_a_failure_is_reported_and_the_worker_lives_on(application, jobs):
    jobs.submit(Job("a", -1))
    jobs.submit(Job("b", 2))
    heard = finish(application, jobs)
    assert heard.failed == [(-1, ValueError)] and heard.done == [(2, "FluoroSAM")]


def test_close_ends_the_thread_and_delivers_nothing_more(application):
    jobs, heard = BackgroundJobs(work), Heard()
    jobs.listener = heard
    job = Job("a", 0, 30)
    jobs.submit(job)
    job.started.wait(5)
    start = time.monotonic()
    jobs.close()
    assert time.monotonic() - start < 2 and not jobs._thread.is_alive()
    application.processEvents()
    assert heard.done == [] and heard.failed == []


def test_a_dialog_in_a_listener_does_not_deliver_twice(application, jobs):
    """A dialog runs the event loop inside of a delivery."""
    heard, order = jobs.listener, []

    def done(job, result):
        order.append(("in", job.number))
        if job.number == 0:
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                application.processEvents()
        order.append(("out", job.number))

    heard.jobDone = done
    for number in range(2):
        jobs.submit(Job(f"slot {number}", number))
    finish(application, jobs)
    assert order == [("in", 0), ("out", 0), ("in", 1), ("out", 1)]


def test_the_timer_rests_when_nothing_is_under_way(application, jobs):
    jobs.submit(Job("a", 0))
    finish(application, jobs)
    assert not jobs._timer.isActive()
