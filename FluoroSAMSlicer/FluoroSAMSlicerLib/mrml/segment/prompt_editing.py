"""Points, boxes, start masks and their undo: the prompts of an image's segments, changed without a model."""

from __future__ import annotations

from collections.abc import Sequence
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
from .prompts import SegmentPrompt, StartMask
from .record import Record
from .scene import ImageSegments
from .steps import Steps


class PromptEditing:
    """What the Segment tab does to prompts; every method that changes them is one step of undo.

    Places are given as ``ras`` (world, mm) or ``ij`` (column, row), of which one is needed.
    """

    def __init__(self, segments: ImageSegments, steps: Steps) -> None:
        self._segments, self._steps = segments, steps

    def pixelFromRas(self, volumeNode, ras: Sequence[float]) -> tuple[float, float]:
        """(x, y) of a world position; the distance from the image plane does not matter."""
        return pixel_from_ras(volumeNode, ras)

    def rasFromPixel(self, volumeNode, x: float, y: float) -> tuple[float, float, float]:
        return ras_from_pixel(volumeNode, x, y)

    def isInside(self, volumeNode, x: float, y: float) -> bool:
        return is_inside(volumeNode, x, y)

    def newSegment(self, volumeNode, name: str = "") -> str:
        """An empty segment, to be asked for by clicks and a box; returns its id."""
        record = self._segments.record(volumeNode)
        if not name.strip():
            count = record.segmentation.GetSegmentation().GetNumberOfSegments()
            name = f"Segment {count + 1}"
        key = self._segments.free_key(record, Prompt.of(name).text or name)
        with self._steps.change(record):
            segment_id = self._segments.empty(record, key)
            record.set_prompt(key, SegmentPrompt())
        return segment_id

    def addPoint(self, volumeNode, segmentId: str, ras=None, ij=None, positive: bool = True) -> int:
        """Add a click; returns its number. Raises SceneError outside the image."""
        record, key = self._segments.place(volumeNode, segmentId)
        place = self._on_image(volumeNode, ras, ij)
        with self._steps.change(record):
            if record.prompt(key) is None:
                record.set_prompt(key, SegmentPrompt())
            return add_click(record.points_node(key, create=True), place, positive)

    def movePoint(self, volumeNode, segmentId: str, index: int, ras=None, ij=None) -> None:
        record, key = self._segments.place(volumeNode, segmentId)
        place = self._on_image(volumeNode, ras, ij)
        node, number = self._point(record, key, index)
        with self._steps.change(record):
            node.SetNthControlPointPositionWorld(number, *place)

    def removePoint(self, volumeNode, segmentId: str, index: int) -> None:
        record, key = self._segments.place(volumeNode, segmentId)
        node, number = self._point(record, key, index)
        with self._steps.change(record):
            node.RemoveNthControlPoint(number)

    def flipPoint(self, volumeNode, segmentId: str, index: int) -> None:
        """Make a positive click negative, or a negative one positive."""
        record, key = self._segments.place(volumeNode, segmentId)
        node, number = self._point(record, key, index)
        with self._steps.change(record):
            set_sign(node, number, not node.GetNthControlPointSelected(number))

    def clearPoints(self, volumeNode, segmentId: str) -> None:
        """Take clicks, box and start mask away; the text stays."""
        record, key = self._segments.place(volumeNode, segmentId)
        known = record.asked(key)
        with self._steps.change(record):
            prompt = replace(known.prompt, points=(), labels=(), box=None)
            record.set_prompt(key, SegmentPrompt(prompt, threshold=known.threshold))

    def pointsNode(self, volumeNode, segmentId: str, create: bool = False):
        """The markups node of a segment's clicks. Whoever moves its points calls `commit` at the end."""
        record, key = self._segments.place(volumeNode, segmentId)
        if create and record.points_node(key) is None:
            with self._steps.change(record):
                if record.prompt(key) is None:
                    record.set_prompt(key, SegmentPrompt())
                record.points_node(key, create=True)
        return record.points_node(key)

    def setBox(self, volumeNode, segmentId: str, box: Sequence[float] | None) -> None:
        """Give the segment a box x1, y1, x2, y2 (pixels), or take it away (None)."""
        record, key = self._segments.place(volumeNode, segmentId)
        asked = Prompt.of(box=box)
        width, height = image_size(volumeNode)
        asked.check_inside(height, width)
        known = record.asked(key)
        with self._steps.change(record):
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
        record, key = self._segments.place(volumeNode, segmentId)
        known = record.asked(key)
        start, prompt = None, known.prompt
        if on:
            mask = segment_mask(record.segmentation, segmentId, volumeNode)
            if not mask.any():
                raise SceneError(
                    "This segment is empty, so there is nothing to start from. Draw or click first."
                )
            start = StartMask.of(mask)
            prompt = replace(prompt, box=_bounds(mask)) if prompt.is_empty else prompt
        with self._steps.change(record):
            record.set_prompt(key, replace(known, prompt=prompt, start=start, choices=()))

    def removeSegment(self, volumeNode, segmentId: str, overwriteEdits: bool = False) -> None:
        """Remove a segment with its prompts and points; undo asks the model for it again.

        Raises NeedsConfirmation for one that was changed by hand, since undo does not bring that back.
        """
        record, key = self._segments.place(volumeNode, segmentId)
        if not overwriteEdits:
            self._segments.ask_before_overwriting(record, segmentId, "Remove it?")
        with self._steps.change(record):
            self._steps.outdate(record, key)
            record.segmentation.GetSegmentation().RemoveSegment(segmentId)
            record.forget(key)

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


def _bounds(mask: np.ndarray) -> Box:
    """The box around a mask's pixels, to their outer edges."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top, right, bottom = (float(edge) for edge in (columns[0], rows[0], columns[-1], rows[-1]))
    return left - 0.5, top - 0.5, right + 0.5, bottom + 0.5
