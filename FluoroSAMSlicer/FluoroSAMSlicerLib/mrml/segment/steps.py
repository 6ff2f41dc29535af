"""Undo and redo in a scene: every change of an image's prompts is a step, and outdates what was asked before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..nodes.references import weak
from .history import History, State
from .record import Record
from .scene import ImageSegments


class Steps:
    """The steps of every image, and the order of requests and changes: each takes the next number.

    Steps are kept as long as this object; the prompts themselves are in the scene.
    """

    def __init__(self, segments: ImageSegments) -> None:
        self._segments = segments
        self._numbers = itertools.count(1)
        self._floors: dict[str, int] = {}
        self._histories: dict[str, tuple[Any, History]] = {}

    def release(self) -> None:
        """Forget all steps."""
        self._histories.clear()

    def number(self) -> int:
        """A number higher than all before."""
        return next(self._numbers)

    def commit(self, volumeNode) -> None:
        """Make what was changed in the points nodes since the last step a step of undo."""
        record = self._segments.known_record(volumeNode)
        if record is not None:
            with self.change(record):
                pass

    def canUndo(self, volumeNode) -> bool:
        record = self._segments.known_record(volumeNode)
        if record is None:
            return False
        history = self.history(record)
        return bool(history.past) or record.snapshot() != history.present

    def canRedo(self, volumeNode) -> bool:
        record = self._segments.known_record(volumeNode)
        return record is not None and bool(self.history(record).future)

    def step(self, volume, direction: str) -> tuple[Record, list[str]] | None:
        """Go back or forth one step; the record, and the keys whose masks have to be made again."""
        record = self._segments.known_record(volume)
        if record is None:
            return None
        history = self.history(record)
        history.commit(record.snapshot(), number=self.number())
        before = history.present
        state: State | None = getattr(history, direction)()
        if state is None:
            return None
        changed = [key for key in state if state[key] != before.get(key)]
        for key in (*changed, *(before.keys() - state.keys())):
            self.outdate(record, key)
        for key in before.keys() - state.keys():
            segment_id = self._segments.segment_id(record, key)
            if segment_id and not self._segments.edited(record, segment_id):
                record.segmentation.GetSegmentation().RemoveSegment(segment_id)
            record.forget(key)
        for key in changed:
            if not self._segments.segment_id(record, key):
                self._segments.empty(record, key)
            record.set_prompt(key, state[key])
        return record, changed

    @contextmanager
    def change(self, record: Record, batch: int | None = None) -> Iterator[None]:
        """What happens inside is one step of undo; what happened to the points before is another."""
        history = self.history(record)
        history.commit(record.snapshot(), number=self.number())
        yield
        history.commit(record.snapshot(), batch, self.number())

    def history(self, record: Record) -> History:
        """The steps of the record's image; prompts of segments that were removed elsewhere are dropped first."""
        for key in set(record.keys()) - self._segments.ids_by_key(record).keys():
            self.outdate(record, key)
            record.forget(key)
        kept = self._histories.get(record.node.GetID())
        if kept is None or kept[0].Get() is not record.node:
            kept = weak(record.node), History(record.snapshot())
            self._histories[record.node.GetID()] = kept
        return kept[1]

    def newest(self, volume) -> int:
        """The number of the last change of prompts in the frame that is shown; 0 for none."""
        record = self._segments.known_record(volume)
        if record is None:
            return 0
        history = self.history(record)
        history.commit(record.snapshot(), number=self.number())
        return history.newest

    def forget(self, record: Record) -> None:
        """Forget the steps of a record's image, whose prompts were exchanged, and what was asked there."""
        self._histories.pop(record.node.GetID(), None)
        for key in record.keys():
            self.outdate(record, key)

    def outdate(self, record: Record, key: str) -> None:
        """Results that are under way for a segment come too late."""
        self._floors[slot(record, key)] = self.number()

    def answered(self, slot: str, number: int) -> None:
        """The segment shows the answer to request ``number``: older answers come too late."""
        self._floors[slot] = number

    def is_outdated(self, slot: str, number: int) -> bool:
        """Whether prompts have changed, or a newer answer has come, since request ``number``."""
        return self._floors.get(slot, 0) >= number

    def take_back(self, volume, past: int) -> None:
        """Undo for good what was changed since the history held ``past`` steps; at most one step."""
        self.commit(volume)
        history = self.history(self._segments.record(volume))
        if len(history.past) > past:
            self.step(volume, "undo")
            history.future.clear()


def slot(record: Record, key: str) -> str:
    """What all jobs that write one segment have in common."""
    return f"{record.node.GetID()} {key}"
