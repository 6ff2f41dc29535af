"""Text and clicks to segments in a scene: what the Segment tab does, for the panel and for scripts.

>>> logic = Logic(slicer.mrmlScene)
>>> image = slicer.util.getNode("chest")
>>> segment = logic.segmentByText(image, "left lung")[0]
>>> logic.click(image, segment, ij=(812, 540), positive=False)
>>> logic.undoNow(image)

A user interface splits this in three: a request is taken from the scene on the main thread, computed on a
worker thread, and its result applied on the main thread, where it is dropped if the scene has moved on.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import SceneError
from ..nodes.image_state import add_image, read_image, slice_volume
from ..nodes.naming import NameChoice
from .answers import Answers
from .images import Images
from .job import Cancel, Cancelled, Engine, Progress, Request, Result
from .prompt_editing import PromptEditing
from .requests import Requests
from .run_job import FollowRequest, FollowResult
from .run_segments import RunSegments
from .scene import ImageSegments, NeedsConfirmation
from .segment_state import SegmentState
from .steps import Steps

__all__ = [
    "Cancelled",
    "NameChoice",
    "NeedsConfirmation",
    "Request",
    "Result",
    "Logic",
    "SegmentState",
]


def _part(name: str, method: Callable) -> Callable:
    """``method`` of the logic's part ``name``, as a method of the logic."""

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        return method(getattr(self, name), *args, **kwargs)

    return call


class Logic:
    """Segments the radiographs of a scene. All that matters is kept in the scene; this object holds caches
    and the steps that can be undone.

    Its parts do the work, each knowing only those before it: `ImageSegments` finds and writes segments, `Steps`
    undoes, `PromptEditing` changes prompts, `Answers` brings results into the scene, `Requests` asks.
    What is public of them is listed here; the logic itself adds what asks, computes and applies in one call.

    ``load_predictor(model, device=...)`` makes the predictor, by default `Predictor.load`; it is called on
    the thread that first computes.
    """

    def __init__(self, scene, load_predictor: Callable | None = None) -> None:
        self.scene = scene
        self._engine = Engine(load_predictor)
        self._images = Images()
        self._segments = ImageSegments(scene)
        self._steps = Steps(self._segments)
        self._editing = PromptEditing(self._segments, self._steps)
        self._answers = Answers(self._segments, self._steps)
        self._requests = Requests(self._segments, self._steps, self._editing, self._images, self._answers)
        self._run = RunSegments(self._segments, self._steps, self._requests)

    frameOf = _part("_segments", ImageSegments.frameOf)
    checkVolume = _part("_segments", ImageSegments.checkVolume)
    segmentationFor = _part("_segments", ImageSegments.segmentationFor)
    useSegmentation = _part("_segments", ImageSegments.useSegmentation)
    showFrame = _part("_segments", ImageSegments.showFrame)
    setActiveSegment = _part("_segments", ImageSegments.setActiveSegment)
    segments = _part("_segments", ImageSegments.segments)
    segmentState = _part("_segments", ImageSegments.segmentState)
    isEdited = _part("_segments", ImageSegments.isEdited)
    segmentOfPoints = _part("_segments", ImageSegments.segmentOfPoints)

    commit = _part("_steps", Steps.commit)

    pixelFromRas = _part("_editing", PromptEditing.pixelFromRas)
    rasFromPixel = _part("_editing", PromptEditing.rasFromPixel)
    isInside = _part("_editing", PromptEditing.isInside)
    newSegment = _part("_editing", PromptEditing.newSegment)
    removeSegment = _part("_editing", PromptEditing.removeSegment)
    addPoint = _part("_editing", PromptEditing.addPoint)
    movePoint = _part("_editing", PromptEditing.movePoint)
    removePoint = _part("_editing", PromptEditing.removePoint)
    flipPoint = _part("_editing", PromptEditing.flipPoint)
    clearPoints = _part("_editing", PromptEditing.clearPoints)
    pointsNode = _part("_editing", PromptEditing.pointsNode)
    setBox = _part("_editing", PromptEditing.setBox)
    boxFromCorners = _part("_editing", PromptEditing.boxFromCorners)
    boxFromRoi = _part("_editing", PromptEditing.boxFromRoi)
    setStart = _part("_editing", PromptEditing.setStart)

    setModel = _part("_requests", Requests.setModel)
    isEncoded = _part("_requests", Requests.isEncoded)
    alternatives = _part("_requests", Requests.alternatives)
    encodeRequest = _part("_requests", Requests.encodeRequest)
    textRequest = _part("_requests", Requests.textRequest)
    namesRequest = _part("_requests", Requests.namesRequest)
    clickRequest = _part("_requests", Requests.clickRequest)
    boxRequest = _part("_requests", Requests.boxRequest)
    maskRequest = _part("_requests", Requests.maskRequest)
    candidateRequest = _part("_requests", Requests.candidateRequest)
    thresholdRequest = _part("_requests", Requests.thresholdRequest)
    undo = _part("_requests", Requests.undo)
    redo = _part("_requests", Requests.redo)

    frameCount = _part("_run", RunSegments.frameCount)
    doubtfulFrames = _part("_run", RunSegments.doubtfulFrames)
    showRunFrame = _part("_run", RunSegments.showRunFrame)
    followRequest = _part("_run", RunSegments.followRequest)
    applyRun = _part("_run", RunSegments.applyRun)
    applyFrame = _part("_run", RunSegments.applyFrame)
    endRun = _part("_run", RunSegments.endRun)
    runStep = _part("_run", RunSegments.runStep)

    stale = _part("_answers", Answers.stale)
    apply = _part("_answers", Answers.apply)
    together = _part("_answers", Answers.together)

    def follow(self, volumeNode, direction: str = "both") -> list[int]:
        """Carry the segments of the frame shown to the others, all at once; the frames written.

        See `followRequest`.
        """
        request = self.followRequest(volumeNode, direction)
        return self.applyRun(request, self.compute(request))

    def canUndo(self, volumeNode) -> bool:
        return self._steps.canUndo(volumeNode) or self._run.hasRunStep(volumeNode, "undo")

    def canRedo(self, volumeNode) -> bool:
        return self._steps.canRedo(volumeNode) or self._run.hasRunStep(volumeNode, "redo")

    @property
    def model(self) -> str:
        """The model that the next request goes to: a name or a folder."""
        return self._requests.model

    @property
    def device(self) -> str:
        return self._requests.device

    def loadImage(self, path: str | Path, frame: int = 0):
        """Add a radiograph file (DICOM, PNG, JPEG, TIFF, NRRD, ...) to the scene; its volume node."""
        return self.addImage(read_image(path, frame), path, frame)

    @staticmethod
    def readImage(path: str | Path, frame: int = 0):
        """What `addImage` adds, read on any thread. Raises RadiographError."""
        return read_image(path, frame)

    def addImage(self, radiograph, path: str | Path, frame: int = 0):
        """Add what `readImage` read from this file to the scene; its volume node."""
        node = add_image(self.scene, radiograph, path, frame)
        self._images.loaded(node, radiograph.pixels)
        return node

    def sliceVolume(self, volumeNode, index: int):
        """One slice of a stack as an image of its own; its volume node."""
        return slice_volume(volumeNode, index)

    def close(self) -> None:
        """Let go of the model and all caches; results under way will be dropped."""
        for part in (self._answers, self._run, self._images, self._steps, self._segments, self._engine):
            part.release()

    def compute(
        self,
        request: Request | FollowRequest,
        cancelled: Cancel | None = None,
        progress: Progress | None = None,
    ) -> Result | FollowResult:
        """Do the model's work, on any thread, without touching the scene.

        ``cancelled()`` is asked between layers and rounds; ``progress(fraction, text)`` hears how it goes.
        Raises Cancelled and what is in `USER_ERRORS`.
        """
        return self._engine.compute(request, cancelled, progress)

    def run(self, request: Request, overwriteEdits: bool = False) -> str | None:
        """Compute a request and apply it, all at once."""
        return self.apply(request, self.compute(request), overwriteEdits)

    def segmentByText(
        self, volumeNode, text: str, members: bool = False, overwriteEdits: bool = False
    ) -> list[str]:
        """Segment the named structures; the ids of their segments. See `textRequest`."""
        requests = self.textRequest(volumeNode, text, members)
        return [self.run(request, overwriteEdits) for request in requests]

    def click(
        self,
        volumeNode,
        segmentId: str,
        ras=None,
        ij=None,
        positive: bool = True,
        overwriteEdits: bool = False,
    ) -> str:
        """Add a click at ``ras`` (world, mm) or ``ij`` (column, row) and update the segment."""

        def change() -> Request:
            self.addPoint(volumeNode, segmentId, ras, ij, positive)
            return self.clickRequest(volumeNode, segmentId)

        return self._do(volumeNode, segmentId, change, overwriteEdits)

    def box(
        self, volumeNode, segmentId: str, box: Sequence[float] | None, overwriteEdits: bool = False
    ) -> str:
        """Give the segment a box x1, y1, x2, y2 in pixels, or take it away (None), and update it."""
        return self._do(
            volumeNode, segmentId, lambda: self.boxRequest(volumeNode, segmentId, box), overwriteEdits
        )

    def startFromSegment(self, volumeNode, segmentId: str, overwriteEdits: bool = False) -> str:
        """Let the model go on from the segment's present mask."""
        return self._do(
            volumeNode, segmentId, lambda: self.maskRequest(volumeNode, segmentId), overwriteEdits
        )

    def nextCandidate(
        self, volumeNode, segmentId: str, index: int | None = None, overwriteEdits: bool = False
    ) -> str:
        """Show the next of the model's three masks, or the one numbered ``index``."""
        return self._do(
            volumeNode, segmentId, lambda: self.candidateRequest(volumeNode, segmentId, index), overwriteEdits
        )

    def setThreshold(
        self,
        volumeNode,
        segmentId: str,
        probability: float | None = None,
        logit: float | None = None,
        overwriteEdits: bool = False,
    ) -> str:
        """Draw the mask where the model's probability, or its logit, exceeds a threshold."""
        if (probability is None) == (logit is None):
            raise SceneError("Give the threshold either as a probability or as a logit.")
        if probability is None:
            probability = 1 / (1 + math.exp(-logit))

        def change() -> Request | None:
            request = self.thresholdRequest(volumeNode, segmentId, probability)
            self.commit(volumeNode)
            return request

        return self._do(volumeNode, segmentId, change, overwriteEdits)

    def undoNow(self, volumeNode) -> bool:
        """Undo the last change of prompts and update its masks, or what was carried through a run; False if there
        is nothing to undo.

        Segments that were edited by hand keep their masks.
        """
        return self._step_now(volumeNode, "undo")

    def redoNow(self, volumeNode) -> bool:
        return self._step_now(volumeNode, "redo")

    def _step_now(self, volume, direction: str) -> bool:
        carried = self.runStep(volume, direction)
        if carried is not None:
            return bool(list(carried))
        requests = self._requests.after_step(volume, direction)
        for request in requests or ():
            try:
                self.run(request)
            except NeedsConfirmation:
                continue
        return requests is not None

    def _do(
        self, volume, segment_id: str, change: Callable[[], Request | None], overwrite_edits: bool
    ) -> str:
        """Change prompts and update the mask; a change whose mask cannot be had is taken back."""
        record, _ = self._segments.place(volume, segment_id)
        if not overwrite_edits:
            self._segments.ask_before_overwriting(record, segment_id)
        self.commit(volume)
        past = len(self._steps.history(record).past)
        try:
            request = change()
            if request is not None:
                self.run(request, overwrite_edits)
        except Exception:
            self._steps.take_back(volume, past)
            raise
        return segment_id


def __getattr__(name: str):
    if name != "USER_ERRORS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ...anatomy import AnatomyError
    from ...model import ModelError
    from ...radiograph import RadiographError
    from ...runs import RunError
    from ...segmentation import SegmentationError

    return SceneError, SegmentationError, RunError, AnatomyError, ModelError, RadiographError
