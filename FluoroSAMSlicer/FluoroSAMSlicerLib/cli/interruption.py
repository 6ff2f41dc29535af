"""What Ctrl-C does to work that took long: it goes on from there another time, or what is done is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def resumable() -> Iterator[None]:
    """While inside, Ctrl-C ends the program, which says that the same command goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on from here") from None


@contextmanager
def finishing() -> Iterator[Callable[[], bool]]:
    """While inside, the first Ctrl-C only makes what is given say so; the next one ends the program.

    Whoever then has kept what is done raises KeyboardInterrupt with the words for the user.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(*_) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
