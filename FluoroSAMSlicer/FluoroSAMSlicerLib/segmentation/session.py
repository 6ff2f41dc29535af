"""Work on one image: prompts per structure, changed step by step, undone and redone, stored and restored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .errors import PromptError
from .prediction import Prediction
from .predictor import Predictor
from .prompt import Prompt, named_structure

if TYPE_CHECKING:
    from ..radiograph import Radiograph

FORMAT = 1
REMEMBERED = 128
"""Predictions kept at low resolution for undo and for the rounds before a change."""


class PromptSession:
    """The structures asked for on one image, by name, each with its own prompts.

    A mask depends on its structure's prompts alone, the names that it was asked for together with among them, never
    on how they came about: the text and box are asked first, then each click in its order, with what the round before
    showed as mask prompt. Moving or removing a click therefore repeats the rounds from that click on. A change that
    fails leaves the session as it was.

    Names are resolved as everywhere; one that the session already has is taken as it is.
    """

    def __init__(self, predictor: Predictor, radiograph: Radiograph) -> None:
        self.predictor, self.embedding = predictor, predictor.encode(radiograph)
        self._prompts: dict[str, Prompt] = {}
        self._past: list[dict[str, Prompt]] = []
        self._future: list[dict[str, Prompt]] = []
        self._rounds: OrderedDict[Prompt, Prediction] = OrderedDict()
        self._shown: dict[str, tuple[Prompt, Prediction]] = {}

    @property
    def prompts(self) -> Mapping[str, Prompt]:
        """The prompts by name of structure, in the order in which they were added."""
        return dict(self._prompts)

    @property
    def results(self) -> dict[str, Prediction]:
        """The prediction of every structure that has a prompt."""
        return {name: self.result(name) for name, prompt in self._prompts.items() if not prompt.is_empty}

    def result(self, name: str) -> Prediction:
        """The prediction of one structure; :class:`PromptError` if it is not here or has no prompt yet."""
        name = self._known(name)
        prompt = self._prompts[name]
        if name not in self._shown or self._shown[name][0] != prompt:
            # A copy of its own holds the full-size mask, which the remembered rounds do without.
            self._shown[name] = prompt, replace(self._answer(prompt))
        return self._shown[name][1]

    def segment(self, text: str, allow_unknown: bool = False) -> Prediction:
        """Ask for a structure by name. Its canonical name is its name here; clicks it has already stay.

        With ``allow_unknown`` a text outside the vocabulary is asked as typed. Raises as
        :meth:`Predictor.predict`.
        """
        text = _free_name(text)
        name = self._resolved(text, allow_unknown)
        known = self._prompts.get(name, Prompt())
        if known.text is None:
            self._change(name, replace(known, text=text))
        return self.result(name)

    def segment_all(self, texts: Sequence[str], allow_unknown: bool = False) -> dict[str, Prediction]:
        """Ask for several structures, by name, as one change; the predictions by canonical name.

        A model that can do so finds all of them in one pass. Raises as :meth:`Predictor.predict`; then nothing is
        changed.
        """
        typed = {self._resolved(text, allow_unknown): text for text in map(_free_name, texts)}
        asked = {name: text for name, text in typed.items() if self._prompts.get(name, Prompt()).text is None}
        alone = {name: text for name, text in asked.items() if self._prompts.get(name, Prompt()).is_empty}
        together = tuple(alone.values())
        prompts = {
            name: replace(self._prompts.get(name, Prompt()), text=text).with_beside(
                together if name in alone else ()
            )
            for name, text in asked.items()
        }
        for prompt in prompts.values():
            self._answer(prompt)
        self._store(self._prompts | prompts)
        return {name: self.result(name) for name in typed}

    def add(self, name: str) -> None:
        """Begin a structure that is asked for by clicks and a box alone; ``name`` is free.

        Raises :class:`PromptError` for a name that is empty, too long or taken.
        """
        name = _free_name(name)
        if name in self._prompts:
            raise PromptError(f"there is a structure called {name!r} already: choose another name")
        self._change(name, Prompt())

    def click(self, name: str, x: float, y: float, positive: bool = True) -> Prediction:
        """Add a click (pixels): inside the structure, or outside it; one not asked for yet is, by name."""
        name = self._named(name)
        prompt = self._prompts.get(name, Prompt(text=name))
        return self._changed(name, prompt.with_click(x, y, positive))

    def move_point(self, name: str, index: int, x: float, y: float) -> Prediction:
        """Put click ``index`` (from 0) somewhere else."""
        name = self._known(name)
        return self._changed(name, self._prompts[name].with_point(index, (x, y)))

    def remove_point(self, name: str, index: int) -> Prediction | None:
        """Take click ``index`` (from 0) away; None if the structure has no prompt left."""
        name = self._known(name)
        return self._changed(name, self._prompts[name].with_point(index, None))

    def set_box(self, name: str, box: Sequence[float] | None) -> Prediction | None:
        """Give the structure a box x1, y1, x2, y2 (pixels), or take it away (None)."""
        name = self._named(name)
        prompt = self._prompts.get(name, Prompt(text=name))
        return self._changed(name, replace(prompt, box=Prompt.of(box=box).box))

    def clear(self, name: str) -> Prediction | None:
        """Take clicks and box away; what the text alone gives, None for a structure without text."""
        name = self._known(name)
        return self._changed(name, replace(self._prompts[name], points=(), labels=(), box=None))

    def delete(self, name: str) -> None:
        """Forget a structure and its prompts."""
        name = self._known(name)
        self._store({other: prompt for other, prompt in self._prompts.items() if other != name})

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def undo(self) -> bool:
        """Take back the last change; False if there is none."""
        return self._step(self._past, self._future)

    def redo(self) -> bool:
        """Do the change again that was last taken back; False if there is none."""
        return self._step(self._future, self._past)

    def to_dict(self) -> dict[str, Any]:
        """The prompts as plain values that JSON can hold; masks and history are not among them."""
        height, width = self.embedding.size
        structures = [
            {
                "name": name,
                "text": prompt.text,
                "points": [list(point) for point in prompt.points],
                "labels": list(prompt.labels),
                "box": None if prompt.box is None else list(prompt.box),
                "beside": list(prompt.beside),
            }
            for name, prompt in self._prompts.items()
        ]
        return {"format": FORMAT, "size": [width, height], "structures": structures}

    @classmethod
    def from_dict(
        cls, predictor: Predictor, radiograph: Radiograph, stored: Mapping[str, Any]
    ) -> PromptSession:
        """The session that :meth:`to_dict` described, on the same image; masks are made when asked for.

        Raises :class:`PromptError` for what is no such description or is of an image of another size.
        """
        session = cls(predictor, radiograph)
        height, width = session.embedding.size
        try:
            if stored["format"] != FORMAT:
                raise PromptError(f"these prompts are of format {stored['format']}: update the program")
            if list(stored["size"]) != [width, height]:
                was = " x ".join(map(str, stored["size"]))
                raise PromptError(f"these prompts are for an image of {was} pixels, not {width} x {height}")
            for entry in stored["structures"]:
                prompt = Prompt.of(entry["text"], entry["points"], entry["labels"], entry["box"])
                prompt.check_inside(height, width)
                prompt = prompt.with_beside(entry.get("beside", ()))
                session._prompts[_free_name(entry["name"])] = prompt
        except (KeyError, TypeError) as problem:
            raise PromptError("these are not the stored prompts of a session") from problem
        return session

    def _named(self, name: str) -> str:
        """The session's own name for what was typed, whether or not the structure is here yet."""
        return name if name in self._prompts else self._resolved(_free_name(name), False)

    def _known(self, name: str) -> str:
        named = self._named(name)
        if named not in self._prompts:
            raise PromptError(f"there is no structure called {named!r} here: segment it first")
        return named

    def _resolved(self, text: str, allow_unknown: bool) -> str:
        structure = named_structure(text, allow_unknown)
        return structure.name if structure else text

    def _changed(self, name: str, prompt: Prompt) -> Prediction | None:
        self._change(name, prompt)
        return None if prompt.is_empty else self.result(name)

    def _change(self, name: str, prompt: Prompt) -> None:
        if not prompt.is_empty:
            self._answer(prompt)
        self._store({**self._prompts, name: prompt})

    def _store(self, prompts: dict[str, Prompt]) -> None:
        if prompts != self._prompts:
            self._past.append(self._prompts)
            self._future.clear()
        self._set(prompts)

    def _step(self, source: list[dict[str, Prompt]], target: list[dict[str, Prompt]]) -> bool:
        if not source:
            return False
        target.append(self._prompts)
        self._set(source.pop())
        return True

    def _set(self, prompts: dict[str, Prompt]) -> None:
        self._prompts = prompts
        self._shown = {name: shown for name, shown in self._shown.items() if name in prompts}

    def _answer(self, prompt: Prompt) -> Prediction:
        """The prediction for ``prompt``, by way of all rounds before its last click."""
        if prompt.is_empty:
            raise PromptError("nothing was asked for yet: click on the structure or draw a box around it")
        rounds = [prompt]
        while rounds[-1].points and rounds[-1] not in self._rounds:
            before = rounds[-1].without_last_click()
            if before.is_empty:
                break
            rounds.append(before)
        previous = None
        for one in reversed(rounds):
            if one in self._rounds:
                self._rounds.move_to_end(one)
            elif one.beside and not one.points and one.box is None:
                found = self.predictor.predict_names(self.embedding, one.beside, allow_unknown=True)
                named = (replace(one, text=text) for text in one.beside)
                self._rounds |= zip(named, found, strict=True)
            else:
                self._rounds[one] = self.predictor.predict(
                    self.embedding, one.text, one.points, one.labels, one.box, previous, allow_unknown=True
                )
            previous = self._rounds[one]
        while len(self._rounds) > REMEMBERED:
            self._rounds.popitem(last=False)
        return previous


def _free_name(name: str) -> str:
    text = Prompt.of(name).text
    if text is None:
        raise PromptError("a structure must have a name")
    return text
