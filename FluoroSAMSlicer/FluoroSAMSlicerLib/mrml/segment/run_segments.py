"""The segments of a run: carried from the frame that is shown to others, and where they are doubtful."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import SceneError
from ..library import scene_library
from ..nodes.image_state import check_volume
from ..nodes.naming import structure_for
from ..nodes.segments import TAG_PREFIX, segment_mask, segment_tag
from ..nodes.sequences import (
    browser_of,
    doubtful_frames,
    frame_count,
    frame_image,
    frame_of,
    run_segmentation,
)
from ..nodes.volumes import take_pixels
from .frame_segments import FrameSegments, Kept
from .record import Record
from .requests import Requests
from .run_job import FollowRequest, FollowResult
from .run_steps import RunStep, RunSteps
from .scene import CARRIED_TAG, MASK_TAG, TEXT_TAG, ImageSegments
from .steps import Steps

if TYPE_CHECKING:
    from ...runs import Followed, FrameAnswers, FrameMask

DIRECTIONS = {"both": "All frames", "forwards": "Forwards", "backwards": "Backwards"}


class RunSegments:
    """What was segmented in one frame of a run, for the others. Everything is kept in the scene: a sequence of
    segmentations in step with the image's browser."""

    def __init__(self, segments: ImageSegments, steps: Steps, requests: Requests) -> None:
        self._segments, self._steps, self._requests = segments, steps, requests
        self._open: dict[int, RunStep] = {}
        self._done = RunSteps(segments.scene, steps)

    def release(self) -> None:
        """Expect no results any more, and forget what could be undone."""
        self._open.clear()
        self._done.release()

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
        self._steps.commit(volumeNode)
        number = self._steps.number()
        self._open[number] = self._done.begin(volumeNode)
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

    def applyFrame(self, request: FollowRequest, answers: FrameAnswers, model: str) -> bool:
        """Put one frame of a run, by the ``model`` of this name, into the scene; whether it was written.

        Segments that somebody changed by hand since stay as they are. Nothing is written where the image or its
        segmentation is gone, and nothing twice.
        """
        step = self._open.get(request.id)
        if step is None:
            return False
        volume = step.volume.Get()
        proxy = run_segmentation(volume) if step.alive(self._segments.scene) else None
        frame = answers.frame
        if proxy is None or frame in step.frames:
            return False
        if frame == request.start:
            # What somebody clicked on or drew there has been looked at.
            confirmed = frame in self._corrected(volume) or any(one.drawn for one in request.followed)
            step.mark(frame, bool(answers.doubts) and not confirmed)
            return False
        segments = FrameSegments(self._segments.scene, volume, proxy, frame)
        texts = {one.name: one.text for one in request.followed}
        step.frames[frame] = {}
        for one in answers.masks:
            key = structure_for(one.name).name
            if not segments.is_drawn(key):
                step.write(segments, frame, key, _kept(one, texts[one.name], model, frame))
        if segments.record is not None:
            self._steps.forget(segments.record)
        step.mark(frame, bool(answers.doubts))
        return True

    def endRun(self, request: FollowRequest) -> list[int]:
        """Nothing more comes of a request: what was written is one step of undo. The frames, from 0."""
        step = self._open.pop(request.id, None)
        if step is None or not step.frames or not step.alive(self._segments.scene):
            return []
        self._done.add(step)
        return sorted(step.frames)

    def applyRun(self, request: FollowRequest, result: FollowResult) -> list[int]:
        """Put all that was done into the scene, see `applyFrame` and `endRun`; the frames that were written."""
        for _, answers in sorted(result.propagation.frames.items()):
            self.applyFrame(request, answers, result.model)
        return self.endRun(request)

    def runStep(self, volumeNode, direction: str) -> Iterator[int] | None:
        """``undo`` or ``redo`` a propagation where that is the step to take: iterate to do so frame by frame.

        None where it is prompts that are to be undone or redone, or nothing is.
        """
        return self._done.take(volumeNode, direction)

    def hasRunStep(self, volumeNode, direction: str) -> bool:
        """Whether `runStep` has something to ``undo`` or ``redo``."""
        return self._done.next(volumeNode, direction) is not None

    def _followed(self, record: Record, segment_id: str) -> Followed | None:
        from ...runs import Followed

        mask = segment_mask(record.segmentation, segment_id, record.volume)
        segment = self._segments.segment(record, segment_id)
        key = self._segments.key(record, segment_id)
        asked = record.prompt(key)
        outcome = record.outcome(key)
        if asked is None:
            return Followed(key, None, mask=mask, drawn=True) if mask.any() else None
        drawn = asked.start is not None or self._segments.edited(record, segment_id)
        prompt = asked.prompt
        text = prompt.text or segment_tag(segment, TAG_PREFIX + TEXT_TAG) or None
        if not mask.any() and (drawn or text is None):
            return None  # What is out of view here may come into it, and its name finds it there.
        score = None if outcome is None else outcome.score
        return Followed(key, text, prompt.points, prompt.labels, prompt.box, mask, drawn, score)

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


def _kept(one: FrameMask, text: str | None, model: str, frame: int) -> Kept:
    """A segment that was carried to a frame."""
    tags = {
        "model": model,
        "score": one.score,
        "frame": frame,
        # Nothing found again is no news for the run, and still no sure answer.
        CARRIED_TAG: one.doubt or ("yes" if one.area else "nothing found"),
        TEXT_TAG: text or "",
        MASK_TAG: one.cut.fingerprint,
    }
    return Kept(one.cut, tags)
