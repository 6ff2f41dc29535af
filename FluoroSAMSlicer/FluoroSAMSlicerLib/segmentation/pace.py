"""How far long work is, told to whoever listens."""

from __future__ import annotations

from collections.abc import Callable

from ..sat import SatCancelled

Progress = Callable[[float, str], None]


class Pace:
    """How far the work is; ends it where the user called it off."""

    def __init__(self, progress: Progress | None, cancelled: Callable[[], bool] | None) -> None:
        self._tell = progress or (lambda fraction, text: None)
        self._cancelled = cancelled or (lambda: False)
        self._total, self._done, self._text = 0.0, 0.0, ""

    def begin(self, total: float) -> None:
        self._total, self._done = total, 0.0

    def say(self, text: str, fraction: float | None = None) -> None:
        self._text = text
        self.check()
        self._tell(self._fraction() if fraction is None else fraction, text)

    def tick(self, work: float) -> None:
        self._done += work
        self.check()
        if work:
            self._tell(self._fraction(), self._text)

    def check(self) -> None:
        if self._cancelled():
            raise SatCancelled("labelling was called off; the windows that were finished are kept")

    def _fraction(self) -> float:
        return min(0.99, self._done / self._total) if self._total else 0.0
