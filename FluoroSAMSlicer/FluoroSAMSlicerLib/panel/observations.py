"""Observers of VTK objects that are removed together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


class Observations:
    """VTK keeps an observer, and all that it refers to, until somebody removes it."""

    def __init__(self) -> None:
        self._kept: list[tuple[Any, int]] = []

    def add(
        self, subject, events: Iterable[int | str], callback: Callable, priority: float = 0.0
    ) -> list[int]:
        tags = [subject.AddObserver(event, callback, priority) for event in events]
        self._kept += [(subject, tag) for tag in tags]
        return tags

    def clear(self) -> None:
        for subject, tag in self._kept:
            subject.RemoveObserver(tag)
        self._kept.clear()
