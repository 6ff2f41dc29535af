"""Requests: what the model shall do, taken from the scene as plain data, and where its answer belongs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ...anatomy import interpret, is_known, names_in
from ...segmentation import Prompt
from ..errors import SceneError
from ..nodes.image_state import check_volume
from ..nodes.naming import NameChoice, key_of, leaves, meaning, name_choice
from ..nodes.placement import image_size
from .answers import Answers
from .images import Images
from .job import Request
from .prompt_editing import PromptEditing
from .prompts import SegmentPrompt
from .record import Record
from .scene import ImageSegments
from .steps import Steps, slot


class Requests:
    """Every method that returns requests changes the prompts at once; only the masks come later."""

    def __init__(
        self, segments: ImageSegments, steps: Steps, editing: PromptEditing, images: Images, answers: Answers
    ) -> None:
        self._segments, self._steps, self._editing = segments, steps, editing
        self._images, self._answers = images, answers
        self.model, self.device = "compact", "auto"

    def setModel(self, model: str | Path, device: str = "auto") -> None:
        """Use another model or device from the next request on; it is loaded when that is computed."""
        self.model, self.device = str(model), device

    def isEncoded(self, volumeNode) -> bool:
        """Whether the image needs no more preparation, so that prompts are answered at once."""
        state = self._images.held(volumeNode)
        return state is not None and state.embedding is not None and state.model == self.model

    def alternatives(self, text: str) -> list[NameChoice]:
        """What each of the typed names was taken for and what else it may mean."""
        return [name_choice(name) for name in names_in(text)]

    def encodeRequest(self, volumeNode) -> Request:
        """Prepare an image, so that its prompts are answered at once afterwards."""
        check_volume(volumeNode)
        title = f"Reading {volumeNode.GetName()}"
        return self._request(volumeNode, None, kind="encode", title=title, slot=volumeNode.GetID())

    def textRequest(self, volumeNode, text: str, members: bool = False) -> list[Request]:
        """A request for each name in ``text``; with ``members`` a group becomes one for each of its members.

        A name outside the vocabulary goes to the model as typed (``known`` is False). A structure that the
        image has already keeps its clicks. Raises AmbiguousName with its candidates.
        """
        return self.namesRequest(volumeNode, names_in(text), members)

    def namesRequest(
        self, volumeNode, names: Iterable[str], members: bool = False, together: bool = True
    ) -> list[Request]:
        """`textRequest` of names that are parted already; one request for those that mean the same.

        A model that can do so finds those that the image has not yet in one pass, unless they are not to be asked for
        ``together``.
        """
        wanted: dict[str, Prompt] = {}
        for name in names:
            choice = meaning(name)
            if choice.ambiguous:
                interpret(name)
            if members and choice.structure is not None and choice.structure.is_group:
                wanted.update({leaf.name: Prompt.of(leaf.name) for leaf in leaves(choice.structure)})
            else:
                wanted.setdefault(key_of(choice), Prompt.of(name))
        record = self._segments.record(volumeNode)
        batch = self._steps.number()
        there = self._segments.ids_by_key(record)
        asked_for = {key: record.prompt(key) if key in there else None for key in wanted}
        fresh = tuple(named.text for key, named in wanted.items() if asked_for[key] is None)
        requests = []
        for key, named in wanted.items():
            asked = asked_for[key]
            if asked is not None and asked.prompt.text is None:
                prompt = replace(asked.prompt, text=named.text)
                asked = replace(asked, prompt=prompt, choices=())
                with self._steps.change(record, batch):
                    record.set_prompt(key, asked)
            if asked is None:
                asked = SegmentPrompt(named.with_beside(fresh if together else ()))
            requests.append(self._ask(volumeNode, record, key, asked, batch))
        return requests

    def clickRequest(self, volumeNode, segmentId: str) -> Request | None:
        """What the segment's prompts ask for now; None if there are none left, and its mask is emptied."""
        record, key = self._segments.place(volumeNode, segmentId)
        self._steps.history(record)
        asked = record.asked(key)
        if asked.is_empty:
            self._answers.clear(record, key)
            return None
        width, height = image_size(volumeNode)
        asked.prompt.check_inside(height, width)
        return self._ask(volumeNode, record, key, asked)

    def boxRequest(self, volumeNode, segmentId: str, box: Sequence[float] | None) -> Request | None:
        """`setBox` and what is asked then; ``box`` is x1, y1, x2, y2 in pixels."""
        self._editing.setBox(volumeNode, segmentId, box)
        return self.clickRequest(volumeNode, segmentId)

    def maskRequest(self, volumeNode, segmentId: str) -> Request:
        """`setStart` and what is asked then: the model starts from the segment as it is now."""
        self._editing.setStart(volumeNode, segmentId)
        return self.clickRequest(volumeNode, segmentId)

    def candidateRequest(self, volumeNode, segmentId: str, index: int | None = None) -> Request:
        """Show candidate ``index`` of the model's three, or (None) the one after that shown now."""
        record, key = self._segments.place(volumeNode, segmentId)
        outcome = record.outcome(key)
        if outcome is None:
            raise SceneError("The model has not answered for this segment yet. Ask for it first.")
        count = len(outcome.scores)
        index = (outcome.chosen + 1) % count if index is None else index
        if not 0 <= index < count:
            raise SceneError(f"There is no candidate {index}: they are numbered 0 to {count - 1}.")
        with self._steps.change(record):
            record.set_prompt(key, record.asked(key).with_choice(index))
        return self._ask(volumeNode, record, key, record.asked(key))

    def thresholdRequest(
        self, volumeNode, segmentId: str, probability: float, draft: bool = False
    ) -> Request | None:
        """Draw the mask where the model's probability exceeds this; 0.5 is its own.

        While a slider moves these changes are one step of undo, which `commit` or another change ends; their masks
        may be drafts, of few of the logits, until the last one.
        """
        if not 0 < probability < 1:
            raise SceneError(f"The threshold {probability:g} must lie between 0 and 1.")
        record, key = self._segments.place(volumeNode, segmentId)
        self._steps.history(record)
        record.set_prompt(key, replace(record.asked(key), threshold=float(probability)))
        request = self.clickRequest(volumeNode, segmentId)
        return replace(request, draft=draft) if request is not None else None

    def undo(self, volumeNode) -> list[Request]:
        """Take back the last change of prompts; the requests for the masks that it concerns."""
        return self.after_step(volumeNode, "undo") or []

    def redo(self, volumeNode) -> list[Request]:
        """Do the change again that was last taken back; the requests for the masks that it concerns."""
        return self.after_step(volumeNode, "redo") or []

    def after_step(self, volume, direction: str) -> list[Request] | None:
        """The requests after a step of undo or redo; None if there is no such step."""
        step = self._steps.step(volume, direction)
        if step is None:
            return None
        record, changed = step
        requests = []
        for key in changed:
            asked = record.asked(key)
            if asked.is_empty:
                self._answers.clear(record, key)
            else:
                requests.append(self._ask(volume, record, key, asked))
        return requests

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
        number = self._steps.number()
        state = self._images.of(volume)
        ready = state.embedding is not None and state.model == self.model
        self._answers.expect(number, volume, record, state, content.get("key", ""))
        return Request(
            number,
            batch=number if batch is None else batch,
            model=self.model,
            device=self.device,
            pixels=None if ready else state.pixels(volume),
            embedding=state.embedding if ready else None,
            **content,
        )
