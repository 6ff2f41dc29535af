"""Two habits of Slicer's Python binding, PythonQt, that silence mistakes."""

from __future__ import annotations

from collections.abc import Callable


def connect(sender, signal: str, slot: Callable) -> None:
    """Connect a signal by its signature, such as ``clicked()``.

    PythonQt answers a misspelt signature with False and goes on without the connection.
    """
    if sender.connect(signal, slot) is False:
        raise ValueError(f"{sender} has no signal {signal}")


class Held:
    """Tells a program's own changes of widgets or nodes from the user's.

    >>> held = Held()
    >>> with held:
    ...     slider.setValue(3)  # its slot starts with: if held: return
    """

    def __init__(self) -> None:
        self._depth = 0

    def __enter__(self) -> Held:
        self._depth += 1
        return self

    def __exit__(self, *_) -> None:
        self._depth -= 1

    def __bool__(self) -> bool:
        return self._depth > 0
