"""What one frame of a run holds of a structure: taken out, put in, and told apart from what somebody drew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ...segmentation import PromptError
from ...segmentation.cut_mask import CutMask, fingerprint
from ..nodes.naming import structure_for
from ..nodes.segments import TAG_PREFIX, find_segment, segment_mask, segment_tag, set_segment
from ..nodes.sequences import frame_segmentation
from .prompts import Outcome, SegmentPrompt
from .record import Record
from .scene import CARRIED_TAG, MASK_TAG, TEXT_TAG

TAGS = (
    "model", "prompt", "score", "candidate", "threshold", "lowConfidence", "known", "frame", MASK_TAG, CARRIED_TAG,
    TEXT_TAG,
)  # fmt: skip
"""What a segment's tags may say of its origin, without the prefix."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A segment as it was: its mask, the tags of `TAGS` that it had, what had been asked for it and answered."""

    mask: CutMask
    tags: Mapping[str, object]
    prompt: SegmentPrompt | None = None
    outcome: Outcome | None = None


class FrameSegments:
    """The segments of ``frame`` (from 0) of the run that ``volume`` shows one frame of; ``proxy`` is the run's
    segmentation node. Structures are told by their keys."""

    def __init__(self, scene, volume, proxy, frame: int) -> None:
        self._volume, self._frame = volume, frame
        self._node = frame_segmentation(proxy, frame)
        self._scene = scene

    @cached_property
    def record(self) -> Record | None:
        """What was asked in this frame; None where nothing was."""
        return Record.find(self._scene, self._volume, self._frame)

    def kept(self, key: str) -> Kept | None:
        """What the frame holds of a structure; None where it has no segment."""
        segment_id = self._id(key)
        if not segment_id:
            return None
        segment = self._segment(segment_id)
        found = {name: segment_tag(segment, TAG_PREFIX + name) for name in TAGS}
        tags = {name: text for name, text in found.items() if text is not None}
        mask = CutMask.of(segment_mask(self._node, segment_id, self._volume))
        if self.record is None:
            return Kept(mask, tags)
        try:
            return Kept(mask, tags, self.record.prompt(key), self.record.outcome(key))
        except PromptError:  # kept by a scene file that was damaged
            return Kept(mask, tags)

    def is_drawn(self, key: str) -> bool:
        """Whether the structure's segment holds something that the model did not write."""
        segment_id = self._id(key)
        if not segment_id:
            return False
        mask = segment_mask(self._node, segment_id, self._volume)
        return bool(mask.any()) and self._written(segment_id) != fingerprint(mask)

    def holds(self, key: str, kept: Kept | None) -> bool:
        """Whether the structure is as ``put`` left it. What was carried here is so as long as nobody has drawn,
        clicked or put a box; where a click was undone the model has answered anew."""
        segment_id = self._id(key)
        if not segment_id or kept is None:
            return not segment_id and kept is None
        if self.is_drawn(key):
            return False
        if CARRIED_TAG not in kept.tags:
            return self._written(segment_id) == kept.tags.get(MASK_TAG)
        asked = None if self.record is None else self.record.prompt(key)
        return asked is None or not (asked.prompt.points or asked.prompt.box)

    def put(self, key: str, kept: Kept | None) -> None:
        """Have the frame hold this of a structure; None: nothing."""
        if kept is None:
            if segment_id := self._id(key):
                self._node.GetSegmentation().RemoveSegment(segment_id)
        else:
            segment_id = set_segment(self._node, self._volume, structure_for(key), kept.mask, kept.tags)
            segment = self._segment(segment_id)
            for name in TAGS:
                if name not in kept.tags:
                    segment.RemoveTag(TAG_PREFIX + name)
        if self.record is not None:
            self.record.forget(key)
            if kept is not None and kept.prompt is not None:
                self.record.set_prompt(key, kept.prompt)
                self.record.set_outcome(key, kept.outcome)

    def _written(self, segment_id: str) -> str | None:
        return segment_tag(self._segment(segment_id), TAG_PREFIX + MASK_TAG)

    def _segment(self, segment_id: str):
        return self._node.GetSegmentation().GetSegment(segment_id)

    def _id(self, key: str) -> str:
        return find_segment(self._node, structure_for(key))
