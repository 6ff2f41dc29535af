"""Long work on the main thread leaves the application time to answer."""

from __future__ import annotations

import time

import pytest
from FluoroSAMSlicerLib.panel.slices import SLICE_S, Slices

STEP_S = 0.004


class Told:
    """Calls actions, and keeps what fails and when slices end."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.ends: list[float] = []

    def attempt(self, action, *args):
        try:
            return action(*args)
        except ValueError as error:
            self.failures.append(error)
            return None

    def slice(self) -> None:
        self.ends.append(time.monotonic())


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def slices(application, told):
    made = Slices(told.attempt, told.slice)
    yield made
    made.stop()


def finish(application, slices) -> None:
    end = time.monotonic() + 20
    while slices.busy and time.monotonic() < end:
        application.processEvents()
    assert not slices.busy


def test_a_long_work_is_done_in_slices_and_others_after_it(application, slices, told):
    seen = []

    def steps(name: str, count: int):
        for number in range(count):
            time.sleep(STEP_S)
            seen.append((name, number))
            yield

    slices.submit(steps("first", 40), lambda: seen.append("first done"))
    slices.submit(steps("second", 1), lambda: seen.append("second done"))
    finish(application, slices)
    assert seen == [*(("first", n) for n in range(40)), "first done", ("second", 0), "second done"]
    # 160 ms of steps: a slice holds no more of them than fit, and one more.
    assert len(told.ends) >= 41 * STEP_S / (SLICE_S + STEP_S) - 1


def test_what_fails_ends_its_own_work_only(application, slices, told):
    seen = []

    def failing():
        yield
        raise ValueError("broken")

    slices.submit(failing(), lambda: seen.append("ended"))
    slices.submit(iter([None]), lambda: seen.append("after"))
    finish(application, slices)
    assert [str(error) for error in told.failures] == ["broken"] and seen == ["ended", "after"]


def test_stopped_nothing_more_is_done(application, slices, told):
    seen = []
    slices.submit(iter([None]), lambda: seen.append("done"))
    slices.stop()
    application.processEvents()
    assert not slices.busy and seen == [] and told.ends == []
