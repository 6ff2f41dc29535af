"""Points, boxes, start masks and their undo: the prompts of an image's segments, changed without a model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ...segmentation import Prompt, PromptError
from ..errors import SceneError
from ..nodes.placement import (
    Box,
    box_around,
    image_size,
    is_inside,
    pixel_from_ras,
    ras_from_pixel,
    roi_corners,
)
from ..nodes.points import add_click, defined_points, set_sign
from ..nodes.segments import segment_mask
from .history import History, State
from .prompts import SegmentPrompt, StartMask
from .record import Record
from .scene import SegmentScene


class PromptEditing(SegmentScene):
    """What the Segment tab does to prompts; every method that changes them is one step of undo.

    Places are given as ``ras`` (world, mm) or ``ij`` (column, row), of which one is needed.
    """

    def __init__(self, scene) -> None:
        super().__init__(scene)
        self._numbers = itertools.count(1)
        self._floors: dict[str, int] = {}
        self._histories: dict[str, tuple[object, History]] = {}

    def pixelFromRas(self, volumeNode, ras: Sequence[float]) -> tuple[float, float]:
        """(x, y) of a world position; the distance from the image plane does not matter."""
        return pixel_from_ras(volumeNode, ras)

    def rasFromPixel(self, volumeNode, x: float, y: float) -> tuple[float, float, float]:
        return ras_from_pixel(volumeNode, x, y)

    def isInside(self, volumeNode, x: float, y: float) -> bool:
        return is_inside(volumeNode, x, y)

    def newSegment(self, volumeNode, name: str = "") -> str:
        """An empty segment, to be asked for by clicks and a box; returns its id."""
        record = self._record(volumeNode)
        if not name.strip():
            count = record.segmentation.GetSegmentation().GetNumberOfSegments()
            name = f"Segment {count + 1}"
        key = self._free_key(record, Prompt.of(name).text)
        with self._change(record):
            segment_id = self._write(record, key, self._no_mask(volumeNode), {})
            record.set_prompt(key, SegmentPrompt())
        return segment_id

    def addPoint(self, volumeNode, segmentId: str, ras=None, ij=None, positive: bool = True) -> int:
        """Add a click; returns its number. Raises SceneError outside the image."""
        record, key = self._place(volumeNode, segmentId)
        place = self._on_image(volumeNode, ras, ij)
        with self._change(record):
            if record.prompt(key) is None:
                record.set_prompt(key, SegmentPrompt())
            return add_click(record.points_node(key, create=True), place, positive)

    def movePoint(self, volumeNode, segmentId: str, index: int, ras=None, ij=None) -> None:
        record, key = self._place(volumeNode, segmentId)
        place = self._on_image(volumeNode, ras, ij)
        node, number = self._point(record, key, index)
        with self._change(record):
            node.SetNthControlPointPositionWorld(number, *place)

    def removePoint(self, volumeNode, segmentId: str, index: int) -> None:
        record, key = self._place(volumeNode, segmentId)
        node, number = self._point(record, key, index)
        with self._change(record):
            node.RemoveNthControlPoint(number)

    def flipPoint(self, volumeNode, segmentId: str, index: int) -> None:
        """Make a positive click negative, or a negative one positive."""
        record, key = self._place(volumeNode, segmentId)
        node, number = self._point(record, key, index)
        with self._change(record):
            set_sign(node, number, not node.GetNthControlPointSelected(number))

    def clearPoints(self, volumeNode, segmentId: str) -> None:
        """Take clicks, box and start mask away; the text stays."""
        record, key = self._place(volumeNode, segmentId)
        known = self._prompt(record, key)
        with self._change(record):
            record.set_prompt(key, SegmentPrompt(Prompt(text=known.prompt.text), threshold=known.threshold))

    def pointsNode(self, volumeNode, segmentId: str, create: bool = False):
        """The markups node of a segment's clicks. Whoever moves its points calls `commit` at the end."""
        record, key = self._place(volumeNode, segmentId)
        if create and record.points_node(key) is None:
            with self._change(record):
                if record.prompt(key) is None:
                    record.set_prompt(key, SegmentPrompt())
                record.points_node(key, create=True)
        return record.points_node(key)

    def setBox(self, volumeNode, segmentId: str, box: Sequence[float] | None) -> None:
        """Give the segment a box x1, y1, x2, y2 (pixels), or take it away (None)."""
        record, key = self._place(volumeNode, segmentId)
        asked = Prompt.of(box=box)
        width, height = image_size(volumeNode)
        asked.check_inside(height, width)
        known = self._prompt(record, key)
        with self._change(record):
            prompt = replace(known.prompt, box=asked.box)
            record.set_prompt(key, replace(known, prompt=prompt, choices=()))

    def boxFromCorners(self, volumeNode, rasA: Sequence[float], rasB: Sequence[float]) -> Box:
        """The pixel box between two world positions, as `setBox` takes it."""
        return box_around(volumeNode, (rasA, rasB))

    def boxFromRoi(self, volumeNode, roiNode) -> Box:
        """The pixel box around a markups ROI, as `setBox` takes it."""
        return box_around(volumeNode, roi_corners(roiNode))

    def setStart(self, volumeNode, segmentId: str, on: bool = True) -> None:
        """Keep the segment's mask as it is now to start from; with ``on`` False, start from nothing.

        A segment without text, clicks and box also gets the box around its mask, since the model answers
        no question that is a mask alone. Raises SceneError for an empty segment.
        """
        record, key = self._place(volumeNode, segmentId)
        known = self._prompt(record, key)
        start, prompt = None, known.prompt
        if on:
            mask = segment_mask(record.segmentation, segmentId, volumeNode)
            if not mask.any():
                raise SceneError(
                    "This segment is empty, so there is nothing to start from. Draw or click first."
                )
            start = StartMask.of(mask)
            prompt = replace(prompt, box=_bounds(mask)) if prompt.is_empty else prompt
        with self._change(record):
            record.set_prompt(key, replace(known, prompt=prompt, start=start, choices=()))

    def removeSegment(self, volumeNode, segmentId: str, overwriteEdits: bool = False) -> None:
        """Remove a segment with its prompts and points; undo asks the model for it again.

        Raises NeedsConfirmation for one that was changed by hand, since undo does not bring that back.
        """
        record, key = self._place(volumeNode, segmentId)
        if not overwriteEdits:
            self._ask_before_overwriting(record, segmentId, "Remove it?")
        with self._change(record):
            self._outdate(record, key)
            record.segmentation.GetSegmentation().RemoveSegment(segmentId)
            record.forget(key)

    def commit(self, volumeNode) -> None:
        """Make what was changed in the points nodes since the last step a step of undo."""
        record = self._record(volumeNode, create=False)
        if record is not None:
            with self._change(record):
                pass

    def canUndo(self, volumeNode) -> bool:
        record = self._record(volumeNode, create=False)
        if record is None:
            return False
        history = self._history(record)
        return bool(history.past) or record.snapshot() != history.present

    def canRedo(self, volumeNode) -> bool:
        record = self._record(volumeNode, create=False)
        return record is not None and bool(self._history(record).future)

    def _step(self, volume, direction: str) -> tuple[Record, list[str]] | None:
        """Go back or forth one step; the record, and the keys whose masks have to be made again."""
        record = self._record(volume, create=False)
        if record is None:
            return None
        history = self._history(record)
        history.commit(record.snapshot())
        before = history.present
        state: State | None = getattr(history, direction)()
        if state is None:
            return None
        changed = [key for key in state if state[key] != before.get(key)]
        for key in (*changed, *(before.keys() - state.keys())):
            self._outdate(record, key)
        for key in before.keys() - state.keys():
            segment_id = self._segment_id(record, key)
            if segment_id and not self._is_edited(record, segment_id):
                record.segmentation.GetSegmentation().RemoveSegment(segment_id)
            record.forget(key)
        for key in changed:
            if not self._segment_id(record, key):
                self._write(record, key, self._no_mask(volume), {})
            record.set_prompt(key, state[key])
        return record, changed

    @contextmanager
    def _change(self, record: Record, batch: int | None = None) -> Iterator[None]:
        """What happens inside is one step of undo; what happened to the points before is another."""
        history = self._history(record)
        history.commit(record.snapshot())
        yield
        history.commit(record.snapshot(), batch)

    def _history(self, record: Record) -> History:
        from vtkmodules.vtkCommonCore import vtkWeakReference

        for key in set(record.keys()) - self._ids_by_key(record).keys():
            # The segment was removed by other means than this class; its prompts go too.
            self._outdate(record, key)
            record.forget(key)
        held, history = self._histories.get(record.node.GetID(), (None, None))
        if held is None or held.Get() is not record.node:
            held, history = vtkWeakReference(), History(record.snapshot())
            held.Set(record.node)
            self._histories[record.node.GetID()] = held, history
        return history

    def _outdate(self, record: Record, key: str) -> None:
        """Results that are under way for a segment come too late."""
        self._floors[slot(record, key)] = next(self._numbers)

    def _place(self, volume, segment_id: str) -> tuple[Record, str]:
        record = self._record(volume)
        return record, self._key(record, segment_id)

    def _prompt(self, record: Record, key: str) -> SegmentPrompt:
        return record.prompt(key) or SegmentPrompt()

    def _point(self, record: Record, key: str, index: int):
        """The points node and the control point that is click ``index``."""
        node = record.points_node(key)
        numbers = [] if node is None else defined_points(node)
        if not 0 <= index < len(numbers):
            raise PromptError(f"there is no click number {index}: there are {len(numbers)}")
        return node, numbers[index]

    def _on_image(self, volume, ras, ij) -> tuple[float, float, float]:
        """A place as RAS in the image plane."""
        if (ras is None) == (ij is None):
            raise SceneError("Give the place of a click either as RAS or as column and row.")
        x, y = pixel_from_ras(volume, ras) if ij is None else ij
        width, height = image_size(volume)
        Prompt.of(points=[(x, y)], labels=[1]).check_inside(height, width)
        return ras_from_pixel(volume, x, y)

    def _no_mask(self, volume) -> np.ndarray:
        return np.zeros(image_size(volume)[::-1], dtype=bool)


def slot(record: Record, key: str) -> str:
    """What all jobs that write one segment have in common."""
    return f"{record.node.GetID()} {key}"


def _bounds(mask: np.ndarray) -> Box:
    """The box around a mask's pixels, to their outer edges."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    edges = columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5
    return tuple(float(edge) for edge in edges)
