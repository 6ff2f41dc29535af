"""The segments of a run: carried from the frame that is shown to others, and where they are doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...segmentation.cut_mask import fingerprint
from ..errors import SceneError
from ..library import scene_library
from ..nodes.image_state import check_volume
from ..nodes.naming import structure_for
from ..nodes.references import weak
from ..nodes.segments import TAG_PREFIX, segment_mask, set_segment
from ..nodes.sequences import (
    browser_of,
    doubtful_frames,
    frame_count,
    frame_image,
    frame_of,
    frame_segmentation,
    run_segmentation,
    set_doubtful_frames,
)
from ..nodes.volumes import take_pixels
from .record import Record
from .requests import Requests
from .run_job import FollowRequest, FollowResult
from .scene import CARRIED_TAG, MASK_TAG, TEXT_TAG, ImageSegments, segment_tag
from .steps import Steps

if TYPE_CHECKING:
    from ...runs import Followed

DIRECTIONS = {"both": "All frames", "forwards": "Forwards", "backwards": "Backwards"}


class RunSegments:
    """What was segmented in one frame of a run, for the others. Everything is kept in the scene: a sequence of
    segmentations in step with the image's browser."""

    def __init__(self, segments: ImageSegments, steps: Steps, requests: Requests) -> None:
        self._segments, self._steps, self._requests = segments, steps, requests
        self._volumes: dict[int, Any] = {}

    def release(self) -> None:
        """Expect no results any more."""
        self._volumes.clear()

    def frameCount(self, volumeNode) -> int:
        """The frames of the run that a volume shows one of; 1 for a single image."""
        return frame_count(volumeNode)

    def doubtfulFrames(self, volumeNode) -> list[int]:
        """The frames, from 0, that somebody should look at."""
        return doubtful_frames(volumeNode)

    def showRunFrame(self, volumeNode, frame: int) -> None:
        """Have the volume's browser show a frame, counted from 0."""
        if not 0 <= frame < frame_count(volumeNode) or frame_count(volumeNode) < 2:
            raise SceneError(f"{volumeNode.GetName()} has no frame {frame + 1}.")
        browser_of(volumeNode).SetSelectedItemNumber(frame)

    def followRequest(self, volumeNode, direction: str = "both") -> FollowRequest:
        """Carry the segments of the frame that is shown to the others: ``both`` ways, ``forwards`` or ``backwards``.

        Frames where clicks or a box were given stay as they are, and following ends before them. Raises SceneError
        for a single image and a frame without segments.
        """
        check_volume(volumeNode)
        count = frame_count(volumeNode)
        if count < 2:
            raise SceneError(
                f"{volumeNode.GetName()} is one frame only. Load a run, or a sequence with its browser."
            )
        if direction not in DIRECTIONS:
            raise SceneError(f"{direction!r} is no direction: give both, forwards or backwards.")
        record = self._segments.record(volumeNode)
        start = frame_of(volumeNode) or 0
        followed = tuple(filter(None, (self._followed(record, one) for one in self._ids(record))))
        if not followed:
            raise SceneError("This frame has no segments to carry on. Segment a structure in it first.")
        number = self._steps.number()
        self._volumes = {number: weak(volumeNode)}
        planes = tuple(self._plane(volumeNode, frame) for frame in range(count))
        return FollowRequest(
            number,
            DIRECTIONS[direction],
            f"{volumeNode.GetID()} run",
            self._requests.model,
            self._requests.device,
            planes,
            start,
            followed,
            direction,
            frozenset(self._corrected(volumeNode) - {start}),
        )

    def applyRun(self, request: FollowRequest, result: FollowResult) -> list[int]:
        """Put what was done into the scene; the frames, from 0, that were written.

        Segments that somebody changed by hand since stay as they are. Nothing is written where the image or its
        segmentation is gone.
        """
        held = self._volumes.pop(request.id, None)
        volume = held.Get() if held is not None else None
        if volume is None or volume.GetScene() is not self._segments.scene:
            return []
        proxy = run_segmentation(volume)
        if proxy is None:
            return []
        doubtful = set(doubtful_frames(volume))
        texts = {one.name: one.text for one in request.followed}
        written = []
        for frame, answers in sorted(result.propagation.frames.items()):
            if frame == request.start:
                continue
            target = frame_segmentation(proxy, frame)
            record = Record.find(self._segments.scene, volume, frame)
            for one in answers.masks:
                if record is not None:
                    record.forget(one.name)  # what was carried here before
                self._write(target, volume, one, texts[one.name], result.model, frame)
            doubtful -= {frame}
            doubtful |= {frame} if answers.doubts else set()
            written.append(frame)
        set_doubtful_frames(volume, doubtful)
        return written

    def _followed(self, record: Record, segment_id: str) -> Followed | None:
        from ...runs import Followed

        mask = segment_mask(record.segmentation, segment_id, record.volume)
        if not mask.any():
            return None
        segment = self._segments.segment(record, segment_id)
        key = self._segments.key(record, segment_id)
        asked = record.prompt(key)
        outcome = record.outcome(key)
        if asked is None:
            return Followed(key, None, mask=mask, drawn=True)
        drawn = asked.start is not None or self._segments.edited(record, segment_id)
        prompt = asked.prompt
        text = prompt.text or segment_tag(segment, TAG_PREFIX + TEXT_TAG) or None
        score = None if outcome is None else outcome.score
        return Followed(key, text, prompt.points, prompt.labels, prompt.box, mask, drawn, score)

    def _write(self, target, volume, one, text: str | None, model: str, frame: int) -> None:
        structure = structure_for(one.name)
        known = target.GetSegmentation().GetSegmentIDs()
        for segment_id in known:
            segment = target.GetSegmentation().GetSegment(segment_id)
            if segment_tag(segment, TAG_PREFIX + "structure") != structure.name:
                continue
            there = segment_mask(target, segment_id, volume)
            if there.any() and segment_tag(segment, TAG_PREFIX + MASK_TAG) != fingerprint(there):
                return
        tags = {
            "model": model,
            "score": one.score,
            CARRIED_TAG: one.doubt or "yes",
            TEXT_TAG: text or "",
            "frame": frame,
            MASK_TAG: one.cut.fingerprint,
        }
        set_segment(target, volume, structure, one.cut, tags)

    def _ids(self, record: Record) -> list[str]:
        return list(record.segmentation.GetSegmentation().GetSegmentIDs())

    def _plane(self, volume, frame: int):
        node = frame_image(volume, frame)
        if node is None:
            raise SceneError(f"{volume.GetName()} has no image for frame {frame + 1}.")
        return take_pixels(node, plane=scene_library().util.arrayFromVolume(node)[0])

    def _corrected(self, volume) -> set[int]:
        """Frames in which clicks or a box were given."""
        found = set()
        for record in Record.all(self._segments.scene):
            if record.volume is volume and record.frame is not None:
                asked = record.snapshot().values()
                if any(one.prompt.points or one.prompt.box for one in asked):
                    found.add(record.frame)
        return found
