"""Undo and redo of prompts: what was asked for on one image, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .prompts import SegmentPrompt

DEPTH = 200
State = Mapping[str, SegmentPrompt]


@dataclass
class History:
    """``present`` is the state last committed; changes that share a ``batch`` are one step. ``newest`` is the number
    of the last commit, by which steps of other histories can be told older or newer."""

    present: State
    past: list[tuple[int, State]] = field(default_factory=list)
    future: list[tuple[int, State]] = field(default_factory=list)
    batch: int | None = None
    newest: int = 0

    def commit(self, state: State, batch: int | None = None, number: int = 0) -> bool:
        """Make ``state`` the present; False if it is so already. ``number`` is that of the step."""
        if state == self.present:
            return False
        if batch is None or batch != self.batch:
            self.past.append((self.newest, self.present))
            del self.past[:-DEPTH]
        self.present, self.batch, self.newest = dict(state), batch, number
        self.future.clear()
        return True

    def undo(self) -> State | None:
        """The state before, now present; None if there is none."""
        return self._step(self.past, self.future)

    def redo(self) -> State | None:
        return self._step(self.future, self.past)

    def _step(self, source: list, target: list) -> State | None:
        if not source:
            return None
        target.append((self.newest, self.present))
        (self.newest, self.present), self.batch = source.pop(), None
        return self.present
