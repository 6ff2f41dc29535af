"""Undo and redo of prompts: what was asked for on one image, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .prompts import SegmentPrompt

DEPTH = 200
State = Mapping[str, SegmentPrompt]


@dataclass
class History:
    """``present`` is the state last committed; changes that share a ``batch`` are one step."""

    present: State
    past: list[State] = field(default_factory=list)
    future: list[State] = field(default_factory=list)
    batch: int | None = None

    def commit(self, state: State, batch: int | None = None) -> bool:
        """Make ``state`` the present; False if it is so already."""
        if state == self.present:
            return False
        if batch is None or batch != self.batch:
            self.past.append(self.present)
            del self.past[:-DEPTH]
        self.present, self.batch = dict(state), batch
        self.future.clear()
        return True

    def undo(self) -> State | None:
        """The state before, now present; None if there is none."""
        return self._step(self.past, self.future)

    def redo(self) -> State | None:
        return self._step(self.future, self.past)

    def _step(self, source: list[State], target: list[State]) -> State | None:
        if not source:
            return None
        target.append(self.present)
        self.present, self.batch = source.pop(), None
        return self.present
