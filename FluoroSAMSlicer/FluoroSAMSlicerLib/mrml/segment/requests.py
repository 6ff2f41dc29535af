"""Requests: what the model shall do, taken from the scene as plain data, and where its answer belongs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...anatomy import interpret
from ...segmentation import Prompt
from ..errors import SceneError
from ..nodes.image_state import ImageState, frame_of, load_image, slice_volume
from ..nodes.naming import NameChoice, is_known, leaves, name_choice, names_in
from ..nodes.placement import image_size
from .job import Request
from .prompt_editing import PromptEditing, slot
from .prompts import SegmentPrompt
from .record import Record

IMAGES_KEPT = 8
TARGETS_KEPT = 1000


@dataclass(frozen=True, eq=False)
class Target:
    """Where the result of a request goes. The nodes are weak references; ``segment_id`` is "" for a segment
    that is still to be made."""

    volume: object
    segmentation: object
    record: object
    frame: int | None
    image: ImageState
    segment_id: str


class SegmentRequests(PromptEditing):
    """Every method that returns requests changes the prompts at once; only the masks come later."""

    def __init__(self, scene) -> None:
        super().__init__(scene)
        self.model, self.device = "compact", "auto"
        self._images: OrderedDict[tuple, tuple[object, ImageState]] = OrderedDict()
        self._targets: OrderedDict[int, Target] = OrderedDict()

    def setModel(self, model: str | Path, device: str = "auto") -> None:
        """Use another model or device from the next request on; it is loaded when that is computed."""
        self.model, self.device = str(model), device

    def loadImage(self, path: str | Path, frame: int = 0):
        """Add a radiograph file (DICOM, PNG, JPEG, TIFF, NRRD, ...) to the scene; its volume node."""
        return load_image(self.scene, path, frame)

    def sliceVolume(self, volumeNode, index: int):
        """One slice of a stack as an image of its own; its volume node."""
        return slice_volume(volumeNode, index)

    def isEncoded(self, volumeNode) -> bool:
        """Whether the image needs no more preparation, so that prompts are answered at once."""
        state = self._held(volumeNode)
        return state is not None and state.embedding is not None and state.model == self.model

    def alternatives(self, text: str) -> list[NameChoice]:
        """What each of the typed names was taken for and what else it may mean."""
        return [name_choice(name) for name in names_in(text)]

    def encodeRequest(self, volumeNode) -> Request:
        """Prepare an image, so that its prompts are answered at once afterwards."""
        self.checkVolume(volumeNode)
        title = f"Reading {volumeNode.GetName()}"
        return self._request(volumeNode, None, kind="encode", title=title, slot=volumeNode.GetID())

    def textRequest(self, volumeNode, text: str, members: bool = False) -> list[Request]:
        """A request for each name in ``text``; with ``members`` a group becomes one for each of its members.

        A name outside the vocabulary goes to the model as typed (``known`` is False). A structure that the
        image has already keeps its clicks. Raises AmbiguousName with its candidates.
        """
        wanted: dict[str, Prompt] = {}
        for name in names_in(text):
            choice = name_choice(name)
            if choice.ambiguous:
                interpret(name)
            if members and choice.structure is not None and choice.structure.is_group:
                wanted.update({leaf.name: Prompt.of(leaf.name) for leaf in leaves(choice.structure)})
            else:
                wanted.setdefault(choice.title.replace("|", "/"), Prompt.of(name))
        record = self._record(volumeNode)
        batch = next(self._numbers)
        there = self._ids_by_key(record)
        requests = []
        for key, named in wanted.items():
            asked = record.prompt(key) if key in there else None
            if asked is not None and asked.prompt.text is None:
                prompt = replace(asked.prompt, text=named.text)
                asked = replace(asked, prompt=prompt, choices=())
                with self._change(record, batch):
                    record.set_prompt(key, asked)
            requests.append(self._ask(volumeNode, record, key, asked or SegmentPrompt(named), batch))
        beside = tuple(r.asked.prompt.text for r in requests if r.asked == SegmentPrompt(r.asked.prompt))
        return [replace(request, beside=beside) for request in requests]

    def clickRequest(self, volumeNode, segmentId: str) -> Request | None:
        """What the segment's prompts ask for now; None if there are none left, and its mask is emptied."""
        record, key = self._place(volumeNode, segmentId)
        self._history(record)
        asked = self._prompt(record, key)
        if asked.is_empty:
            self._empty(record, key)
            return None
        width, height = image_size(volumeNode)
        asked.prompt.check_inside(height, width)
        return self._ask(volumeNode, record, key, asked)

    def boxRequest(self, volumeNode, segmentId: str, box: Sequence[float] | None) -> Request | None:
        """`setBox` and what is asked then; ``box`` is x1, y1, x2, y2 in pixels."""
        self.setBox(volumeNode, segmentId, box)
        return self.clickRequest(volumeNode, segmentId)

    def maskRequest(self, volumeNode, segmentId: str) -> Request:
        """`setStart` and what is asked then: the model starts from the segment as it is now."""
        self.setStart(volumeNode, segmentId)
        return self.clickRequest(volumeNode, segmentId)

    def candidateRequest(self, volumeNode, segmentId: str, index: int | None = None) -> Request:
        """Show candidate ``index`` of the model's three, or (None) the one after that shown now."""
        record, key = self._place(volumeNode, segmentId)
        outcome = record.outcome(key)
        if outcome is None:
            raise SceneError("The model has not answered for this segment yet. Ask for it first.")
        count = len(outcome.scores)
        index = (outcome.chosen + 1) % count if index is None else index
        if not 0 <= index < count:
            raise SceneError(f"There is no candidate {index}: they are numbered 0 to {count - 1}.")
        with self._change(record):
            record.set_prompt(key, self._prompt(record, key).with_choice(index))
        return self._ask(volumeNode, record, key, self._prompt(record, key))

    def thresholdRequest(self, volumeNode, segmentId: str, probability: float) -> Request | None:
        """Draw the mask where the model's probability exceeds this; 0.5 is its own.

        While a slider moves these changes are one step of undo, which `commit` or another change ends.
        """
        if not 0 < probability < 1:
            raise SceneError(f"The threshold {probability:g} must lie between 0 and 1.")
        record, key = self._place(volumeNode, segmentId)
        self._history(record)
        record.set_prompt(key, replace(self._prompt(record, key), threshold=float(probability)))
        return self.clickRequest(volumeNode, segmentId)

    def undo(self, volumeNode) -> list[Request]:
        """Take back the last change of prompts; the requests for the masks that it concerns."""
        return self._asked_after_step(volumeNode, "undo") or []

    def redo(self, volumeNode) -> list[Request]:
        """Do the change again that was last taken back; the requests for the masks that it concerns."""
        return self._asked_after_step(volumeNode, "redo") or []

    def _asked_after_step(self, volume, direction: str) -> list[Request] | None:
        """The requests after a step of undo or redo; None if there is no such step."""
        step = self._step(volume, direction)
        if step is None:
            return None
        record, changed = step
        requests = []
        for key in changed:
            asked = self._prompt(record, key)
            if asked.is_empty:
                self._empty(record, key)
            else:
                requests.append(self._ask(volume, record, key, asked))
        return requests

    def _empty(self, record: Record, key: str) -> None:
        """Show that nothing is asked of a segment any more; what was drawn by hand stays."""
        self._outdate(record, key)
        record.set_outcome(key, None)
        if not self._is_edited(record, self._segment_id(record, key)):
            self._write(record, key, self._no_mask(record.volume), {})

    def _ask(
        self, volume, record: Record, key: str, asked: SegmentPrompt, batch: int | None = None
    ) -> Request:
        text = asked.prompt.text
        return self._request(
            volume,
            record,
            kind="segment",
            title=key,
            slot=slot(record, key),
            batch=batch,
            key=key,
            known=text is None or is_known(text),
            asked=asked,
        )

    def _request(self, volume, record: Record | None, batch: int | None = None, **content) -> Request:
        number = next(self._numbers)
        state = self._image(volume)
        ready = state.embedding is not None and state.model == self.model
        self._targets[number] = Target(
            _weak(volume),
            _weak(record.segmentation) if record else None,
            _weak(record.node) if record else None,
            frame_of(volume),
            state,
            self._segment_id(record, content["key"]) if record else "",
        )
        while len(self._targets) > TARGETS_KEPT:
            self._targets.popitem(last=False)
        return Request(
            number,
            batch=number if batch is None else batch,
            model=self.model,
            device=self.device,
            pixels=None if ready else state.pixels(volume),
            embedding=state.embedding if ready else None,
            **content,
        )

    def _held(self, volume) -> ImageState | None:
        """What is known of the image, if it is still the same."""
        held, state = self._images.get((volume.GetID(), frame_of(volume)), (None, None))
        if held is None or held.Get() is not volume or not state.unchanged(volume):
            return None
        return state

    def _image(self, volume) -> ImageState:
        place = (volume.GetID(), frame_of(volume))
        state = self._held(volume) or ImageState.of(volume)
        self._images[place] = _weak(volume), state
        self._images.move_to_end(place)
        while len(self._images) > IMAGES_KEPT:
            self._images.popitem(last=False)
        return state


def _weak(node):
    from vtkmodules.vtkCommonCore import vtkWeakReference

    held = vtkWeakReference()
    held.Set(node)
    return held
