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


def test_whoever_cannot_wait_has_what_is_left_done_at_once(application, slices, told):
    seen = []

    def steps():
        for number in range(3):
            seen.append(number)
            yield

    slices.submit(steps(), lambda: seen.append("done"))
    slices.finish()
    assert seen == [0, 1, 2, "done"] and not slices.busy
    application.processEvents()
    assert told.ends == []


def test_a_slice_of_no_length_is_one_step(application, told):
    seen = []
    slices = Slices(told.attempt, told.slice, seconds=0)
    slices.submit(iter([None] * 4), lambda: seen.append("done"))
    finish(application, slices)
    assert len(told.ends) == 5 and seen == ["done"]


def test_a_step_may_stop_everything(application, told):
    slices = Slices(told.attempt, told.slice)

    def stopping():
        yield
        slices.stop()

    slices.submit(stopping(), lambda: None)
    finish(application, slices)
    assert told.failures == []


def test_a_failure_that_nobody_catches_ends_its_work(slices, told):
    plain = Slices(lambda action, *args: action(*args))

    def failing():
        yield
        raise OSError("broken")

    seen = []
    plain.submit(failing(), lambda: seen.append("ended"))
    with pytest.raises(OSError, match="broken"):
        plain.finish()
    assert not plain.busy and seen == []


def test_a_step_that_waits_in_an_event_loop_is_not_begun_again_in_it(application, slices, told):
    seen = []

    def steps():
        for number in range(3):
            end = time.monotonic() + 0.02
            while time.monotonic() < end:
                application.processEvents()
            seen.append(number)
            yield

    slices.submit(steps())
    finish(application, slices)
    assert seen == [0, 1, 2] and told.failures == []
