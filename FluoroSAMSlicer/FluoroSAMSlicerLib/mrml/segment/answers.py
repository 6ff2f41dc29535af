"""Answers: where a result belongs, whether it comes too late, and how it gets into the scene."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from ...segmentation import Prompt
from ..nodes.image_state import ImageState, frame_of
from ..nodes.references import weak
from ..nodes.segments import one_modification
from .job import Request, Result
from .prompts import Outcome
from .record import Record
from .scene import ImageSegments
from .steps import Steps

TARGETS_KEPT = 1000

GO_ON_FROM_IT = "Replace it with what the model makes of it?"


@dataclass(frozen=True, eq=False)
class Target:
    """Where the result of a request goes. The nodes are weak references; ``segment_id`` is "" for a segment
    that is still to be made."""

    volume: Any
    segmentation: Any
    record: Any
    frame: int | None
    image: ImageState
    segment_id: str


class Answers:
    """The requests under way, and their results into segments."""

    def __init__(self, segments: ImageSegments, steps: Steps) -> None:
        self._segments, self._steps = segments, steps
        self._targets: OrderedDict[int, Target] = OrderedDict()

    def release(self) -> None:
        """Expect no results any more; those under way will be dropped."""
        self._targets.clear()

    def expect(self, number: int, volume, record: Record | None, image: ImageState, key: str) -> None:
        """The result of request ``number`` belongs to this image, and to the segment ``key`` of its record."""
        self._targets[number] = Target(
            weak(volume),
            weak(record.shown_segmentation) if record else None,
            weak(record.node) if record else None,
            frame_of(volume),
            image,
            self._segments.segment_id(record, key) if record else "",
        )
        while len(self._targets) > TARGETS_KEPT:
            self._targets.popitem(last=False)

    def clear(self, record: Record, key: str) -> None:
        """Show that nothing is asked of a segment any more; what was drawn by hand stays."""
        self._steps.outdate(record, key)
        record.set_outcome(key, None)
        if not self._segments.edited(record, self._segments.segment_id(record, key)):
            self._segments.empty(record, key)

    def stale(self, request: Request) -> str:
        """Why a result for this request cannot be used any more; "" if it can."""
        target = self._targets.get(request.id)
        if target is None:
            return "It was answered already, or called off."
        if self._segments.scene.IsClosing():
            return "The scene is being closed."
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
            or record.shown_segmentation is not target.segmentation.Get()
        ):
            return "Its segmentation is no longer in the scene."
        segments = record.segmentation.GetSegmentation()
        if target.segment_id and segments.GetSegment(target.segment_id) is None:
            return "Its segment was removed."
        if self._steps.is_outdated(request.slot, request.id):
            return "The prompts have changed since."
        return ""

    @contextmanager
    def together(self, requests: Iterable[Request]) -> Iterator[None]:
        """The results of these requests that are applied inside are announced once, at the end."""
        targets = (self._targets.get(request.id) for request in requests)
        nodes = [target.segmentation.Get() for target in targets if target and target.segmentation]
        with ExitStack() as stack:
            for node in {id(node): node for node in nodes if node is not None}.values():
                stack.enter_context(one_modification(node))
            yield

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
        segment_id = self._segments.segment_id(record, request.key)
        if segment_id and not overwriteEdits:
            question = () if request.asked.start is None else (GO_ON_FROM_IT,)
            self._segments.ask_before_overwriting(record, segment_id, *question)
        del self._targets[request.id]
        segment_id = self._segments.write(
            record, request.key, result.cut or result.mask, _tags(request, result)
        )
        if record.prompt(request.key) is None:
            with self._steps.change(record, request.batch):
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
        self._steps.answered(request.slot, request.id)
        return segment_id

    def _in_scene(self, node) -> bool:
        return node is not None and node.GetScene() is self._segments.scene


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
