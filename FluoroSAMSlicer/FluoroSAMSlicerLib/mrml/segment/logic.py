"""Text and clicks to segments in a scene: what the Segment tab does, for the panel and for scripts.

>>> logic = SegmentLogic(slicer.mrmlScene)
>>> image = slicer.util.getNode("chest")
>>> segment = logic.segmentByText(image, "left lung")[0]
>>> logic.click(image, segment, ij=(812, 540), positive=False)
>>> logic.undoNow(image)

A user interface splits this in three: a request is taken from the scene on the main thread, computed on a
worker thread, and its result applied on the main thread, where it is dropped if the scene has moved on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ...segmentation import Prompt
from ..errors import SceneError
from ..nodes.image_state import frame_of
from ..nodes.naming import NameChoice
from .job import Cancel, Cancelled, Engine, Progress, Request, Result
from .prompts import Outcome
from .record import Record
from .requests import SegmentRequests
from .scene import NeedsConfirmation, SegmentState

__all__ = [
    "Cancelled",
    "NameChoice",
    "NeedsConfirmation",
    "Request",
    "Result",
    "SegmentLogic",
    "SegmentState",
]


class SegmentLogic(SegmentRequests):
    """Segments the radiographs of a scene. All that matters is kept in the scene; this object holds caches
    and the steps that can be undone.

    ``load_predictor(model, device=...)`` makes the predictor, by default `Predictor.load`; it is called on
    the thread that first computes.
    """

    def __init__(self, scene, load_predictor: Callable | None = None) -> None:
        super().__init__(scene)
        self._engine = Engine(load_predictor)

    def close(self) -> None:
        """Let go of the model and all caches; results under way will be dropped."""
        self._targets.clear()
        self._images.clear()
        self._histories.clear()
        self._written.clear()
        self._engine.release()

    def compute(
        self, request: Request, cancelled: Cancel | None = None, progress: Progress | None = None
    ) -> Result:
        """Do the model's work, on any thread, without touching the scene.

        ``cancelled()`` is asked between layers and rounds; ``progress(fraction, text)`` hears how it goes.
        Raises Cancelled and what is in `USER_ERRORS`.
        """
        return self._engine.compute(request, cancelled, progress)

    def stale(self, request: Request) -> str:
        """Why a result for this request cannot be used any more; "" if it can."""
        target = self._targets.get(request.id)
        if target is None:
            return "It was answered already, or called off."
        volume = target.volume.Get()
        if not self._in_scene(volume):
            return "Its image is no longer in the scene."
        if target.frame == frame_of(volume) and not target.image.unchanged(volume):
            return "Its image has changed since."
        if request.kind == "encode":
            return ""
        if not self._in_scene(target.record.Get()):
            return "Its prompts are no longer in the scene."
        record = Record(target.record.Get())
        if (
            not self._in_scene(target.segmentation.Get())
            or record.segmentation is not target.segmentation.Get()
        ):
            return "Its segmentation is no longer in the scene."
        segments = record.segmentation.GetSegmentation()
        if target.segment_id and segments.GetSegment(target.segment_id) is None:
            return "Its segment was removed."
        if self._floors.get(request.slot, 0) >= request.id:
            return "The prompts have changed since."
        return ""

    def apply(self, request: Request, result: Result, overwriteEdits: bool = False) -> str | None:
        """Put a result into the scene: the segment's id, or None where there is nothing (more) to be put.

        Raises NeedsConfirmation, and changes nothing, where the segment was edited by hand; apply it again
        with ``overwriteEdits`` if the user wants that.
        """
        target = self._targets.get(request.id)
        if target is not None and not target.image.key:
            target.image.key = result.image_key
        if self.stale(request):
            self._targets.pop(request.id, None)
            return None
        image = target.image
        image.embedding, image.model, image.taken = result.embedding, request.model, None
        if request.kind == "encode":
            del self._targets[request.id]
            return None
        record = Record(target.record.Get())
        segment_id = self._segment_id(record, request.key)
        if segment_id and not overwriteEdits:
            self._ask_before_overwriting(record, segment_id)
        del self._targets[request.id]
        segment_id = self._write(record, request.key, result.mask, _tags(request, result))
        if record.prompt(request.key) is None:
            with self._change(record, request.batch):
                record.set_prompt(request.key, request.asked)
        record.set_outcome(
            request.key,
            Outcome(
                result.score,
                result.scores,
                result.chosen,
                result.missed,
                result.low_confidence,
                request.known,
                result.model,
            ),
        )
        self._floors[request.slot] = request.id
        return segment_id

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
        """Undo the last change of prompts and update its masks; False if there is none.

        Segments that were edited by hand keep their masks.
        """
        return self._step_now(volumeNode, "undo")

    def redoNow(self, volumeNode) -> bool:
        return self._step_now(volumeNode, "redo")

    def _step_now(self, volume, direction: str) -> bool:
        requests = self._asked_after_step(volume, direction)
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
        record, _ = self._place(volume, segment_id)
        if not overwrite_edits:
            self._ask_before_overwriting(record, segment_id)
        self.commit(volume)
        past = len(self._history(record).past)
        try:
            request = change()
            if request is not None:
                self.run(request, overwrite_edits)
        except Exception:
            self.commit(volume)
            if len(self._history(record).past) > past:
                self._step(volume, "undo")
                self._history(record).future.clear()
            raise
        return segment_id

    def _in_scene(self, node) -> bool:
        return node is not None and node.GetScene() is self.scene


def _tags(request: Request, result: Result) -> dict[str, object]:
    """What a segment says of its origin, wherever it is saved."""
    return {
        "model": result.model,
        "prompt": described(request.asked.prompt, request.asked.start is not None),
        "score": result.score,
        "candidate": f"{result.chosen + 1} of {len(result.scores)}",
        "threshold": request.asked.threshold,
        "lowConfidence": "yes" if result.low_confidence else "no",
        "known": "yes" if request.known else "no",
    }


def described(prompt: Prompt, start: bool = False) -> str:
    """Prompts in one line, such as ``left femur, 2 clicks inside, 1 outside``."""
    inside = sum(prompt.labels)
    outside = len(prompt.labels) - inside
    parts = [
        prompt.text or "",
        f"{inside} click{'s' * (inside > 1)} inside" if inside else "",
        f"{outside} click{'s' * (outside > 1)} outside" if outside else "",
        "box" if prompt.box else "",
        "start mask" if start else "",
    ]
    return ", ".join(part for part in parts if part)


def __getattr__(name: str):
    if name != "USER_ERRORS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ...anatomy import AnatomyError
    from ...model import ModelError
    from ...radiograph import RadiographError
    from ...segmentation import SegmentationError

    return SceneError, SegmentationError, AnatomyError, ModelError, RadiographError
