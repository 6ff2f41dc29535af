"""One piece of model work: taken from the scene on the main thread, computed on any thread, put back.

A request holds arrays and names only, no nodes, so that a worker may hold it as long as it likes.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from ...segmentation import Prompt, PromptError
from ...segmentation.cut_mask import CutMask
from ...segmentation.prompt import LOW_SCORE
from ..errors import SceneError
from ..nodes.naming import structure_for
from .prompts import SegmentPrompt
from .run_job import FOLLOW, FollowRequest, FollowResult, follow
from .sides import Sides

if TYPE_CHECKING:
    from ...segmentation import ImageEmbedding, Prediction, Predictor
    from ..nodes.volumes import TakenPixels

ROUNDS_KEPT = 128

DRAFT_SIDE = 512
"""Most rows and columns of logits that a draft is drawn from; a view has hardly more."""

Cancel = Callable[[], bool]
Progress = Callable[[float, str], None]


class Cancelled(SceneError):
    """The job was called off."""


@dataclass(frozen=True, eq=False)
class Request:
    """``pixels`` or ``embedding`` is the image, ``asked`` what is wanted of it (None: encode only).

    ``key`` is the segment's key, ``slot`` the same for all requests that write the same segment. ``batch``
    is shared by requests that make one undo step. ``draft``: the mask is one of many that follow each other, as while
    a slider moves, and may be coarse. ``model`` and ``device`` name the predictor.
    """

    id: int
    kind: str
    title: str
    slot: str
    batch: int
    model: str
    device: str
    key: str = ""
    known: bool = True
    asked: SegmentPrompt | None = None
    pixels: TakenPixels | None = None
    embedding: ImageEmbedding | None = None
    draft: bool = False


@dataclass(frozen=True, eq=False)
class Result:
    """``mask`` is bool (H, W), ``cut`` the same for a segment. ``missed`` are the clicks (by number) that it does
    not satisfy. ``notes`` are for the user. ``image_key`` is the SHA-256 of the pixels, ``model`` names the
    weights."""

    request_id: int
    embedding: ImageEmbedding
    image_key: str
    model: str
    seconds: float
    notes: tuple[str, ...] = ()
    mask: np.ndarray | None = None
    cut: CutMask | None = None
    score: float = math.nan
    scores: tuple[float, ...] = ()
    chosen: int = 0
    missed: tuple[int, ...] = ()
    low_confidence: bool = False


class Engine:
    """Answers requests with one predictor at a time; computes on one thread at a time."""

    def __init__(self, load_predictor: Callable[..., Predictor] | None = None) -> None:
        self._load, self._lock = load_predictor, RLock()
        self._to_release = False
        self._predictor: Predictor | None = None
        self._loaded: tuple[str, str] | None = None
        self._rounds: OrderedDict[tuple, Prediction] = OrderedDict()
        self._coarse: tuple[Prediction, np.ndarray] | None = None
        self._sides = Sides()

    def compute(
        self,
        request: Request | FollowRequest,
        cancelled: Cancel | None = None,
        progress: Progress | None = None,
    ) -> Result | FollowResult:
        """Answer ``request``; called off, a request to follow a run gives what is done.

        Raises Cancelled, SceneError, and the errors of model, anatomy and prompts.
        """
        started = time.perf_counter()
        watch = Watch(cancelled or (lambda: False), progress or (lambda fraction, text: None))
        watch.check()
        with self._lock:
            try:
                return self._compute(request, watch, started)
            except MemoryError as error:
                raise SceneError(
                    "There is not enough memory for this image. Close other programs or images and try again."
                ) from error
            finally:
                if self._to_release:
                    self._forget()

    def release(self) -> None:
        """Let go of the model and of everything remembered: at once, or when what another thread computes
        has ended."""
        self._to_release = True
        if self._lock.acquire(blocking=False):
            try:
                self._forget()
            finally:
                self._lock.release()

    def _forget(self) -> None:
        self._predictor = self._loaded = self._coarse = None
        self._rounds.clear()
        self._sides.forget()
        self._to_release = False

    def _compute(self, request: Request, watch: Watch, started: float) -> Result:
        predictor = self._predictor_for(request, watch)
        if request.kind == FOLLOW:
            return follow(predictor, request, watch, started)
        device = getattr(predictor, "device", None)
        embedding = request.embedding
        if embedding is None:
            watch.report(0.1, "Reading the image")
            with watch.network(predictor, 0.1, 0.8):
                embedding = predictor.encode(request.pixels.radiograph())
        watch.check()
        notes = []
        answer = {}
        if request.asked is not None:
            watch.report(0.8, "Finding the structure")
            self._find_together(predictor, embedding, request.asked)
            prediction = self._answer(predictor, embedding, request.asked, watch)
            watch.report(0.9, "Drawing the mask")
            mask = self._mask(prediction, request.asked.threshold, request.draft)
            answer = _answer(prediction, request.asked, mask)
            if not request.draft:
                # The name and not the prediction's: a click alone has none.
                structure = structure_for(request.key) if request.known else None
                notes += filter(
                    None,
                    (
                        self._sides.note(embedding.key, structure, answer["cut"]),
                        _without_hold(prediction, request.asked),
                    ),
                )
        watch.check()
        if getattr(predictor, "device", None) != device:
            notes.append(f"The memory of {device} is full; the CPU goes on, more slowly.")
        watch.report(1.0, "Done")
        return Result(
            request.id,
            embedding,
            embedding.key,
            f"{embedding.model} {embedding.model_version}".strip(),
            time.perf_counter() - started,
            tuple(notes),
            **answer,
        )

    def _predictor_for(self, request: Request, watch: Watch) -> Predictor:
        wanted = (request.model, request.device)
        if self._loaded != wanted:
            watch.report(0.0, "Loading the model")
            load = self._load
            if load is None:
                from ...segmentation import Predictor

                load = Predictor.load
            # Two large models side by side may not fit; the old one goes first.
            self._forget()
            self._predictor = load(request.model, device=request.device)
            self._loaded = wanted
        watch.check()
        return self._predictor

    def _answer(
        self, predictor: Predictor, embedding: ImageEmbedding, asked: SegmentPrompt, watch: Watch
    ) -> Prediction:
        """The prediction after all rounds: text, box and start mask first, then each click in its order.

        Every round reads the low-resolution mask of the round before, the candidate that the user chose
        there included, so that a mask depends on the image, the model and the prompts alone.
        """
        rounds = _rounds(asked)
        previous = None
        if asked.start is not None:
            from ...segmentation.drawn import drawn

            previous = drawn(embedding, asked.start.mask())
        for prompt in rounds:
            watch.check()
            choices = tuple(item for item in asked.choices if item[0] < len(prompt.points))
            known = (*made_by(embedding), asked.start, prompt, choices)
            ask = partial(
                predictor.predict,
                embedding,
                prompt.text,
                prompt.points,
                prompt.labels,
                prompt.box,
                previous,
                allow_unknown=True,
            )
            previous = self._remembered(known, ask)
            choice = dict(asked.choices).get(len(prompt.points))
            if choice is not None and choice < len(previous.candidates):
                choose = partial(predictor.choose, embedding, previous, choice)
                previous = self._remembered((*known, choice), choose)
        return previous

    def _find_together(self, predictor: Predictor, embedding: ImageEmbedding, asked: SegmentPrompt) -> None:
        """Ask for the names that were asked for together, in one pass, where this one's answer is not remembered."""
        # One pass or none: a model that answers one by one reports and can be called off between names.
        prompt = replace(asked.prompt, points=(), labels=())
        if not (prompt.beside and getattr(predictor, "finds_together", False)):
            return
        if asked.start is not None or prompt.box is not None:
            return
        named = [replace(prompt, text=name) for name in prompt.beside]
        known = {one: (*made_by(embedding), None, one, ()) for one in named}
        if known[prompt] in self._rounds:
            return
        answers = predictor.predict_names(embedding, prompt.beside, allow_unknown=True)
        found = dict(zip(named, answers, strict=True))
        # The one that is asked for now comes last, and is forgotten last.
        for one, prediction in [*found.items(), (prompt, found[prompt])]:
            self._remembered(known[one], lambda prediction=prediction: prediction)

    def _mask(self, prediction: Prediction, threshold: float, draft: bool) -> np.ndarray:
        """Bool (H, W) where the probability exceeds the threshold.

        A draft is drawn from a few of the logits, which are kept, since many of them follow each other.
        """
        least = math.log(threshold / (1 - threshold))
        if not draft:
            # Not `Prediction.mask`, which would keep every full-size mask for as long as the rounds are kept.
            return prediction.logits > least
        height, width = prediction.candidates.frame.height, prediction.candidates.frame.width
        step = -(-max(height, width) // DRAFT_SIDE)
        if self._coarse is None or self._coarse[0] is not prediction:
            self._coarse = prediction, prediction.logits[::step, ::step].copy()
        rows, columns = np.arange(height) // step, np.arange(width) // step
        return (self._coarse[1] > least)[rows][:, columns]

    def _remembered(self, known: tuple, make: Callable[[], Prediction]) -> Prediction:
        prediction = self._rounds.pop(known, None)
        if prediction is None:
            prediction = make()
        self._rounds[known] = prediction
        while len(self._rounds) > ROUNDS_KEPT:
            self._rounds.popitem(last=False)
        return prediction


def made_by(embedding: ImageEmbedding) -> tuple[str, str, str]:
    """What an answer on an image depends on, beside the prompts: the pixels and the weights."""
    return embedding.key, embedding.model, embedding.model_version


class Watch:
    """Tells how far a job is and ends it when it is called off, between the network's layers too."""

    def __init__(self, cancelled: Cancel, report: Progress) -> None:
        self.cancelled, self.report = cancelled, report

    def check(self) -> None:
        if self.cancelled():
            raise Cancelled("The computation was cancelled.")

    @contextmanager
    def network(self, predictor, start: float, end: float) -> Iterator[None]:
        """While inside, the image encoder's layers report progress from ``start`` to ``end`` and can stop."""
        encoder = getattr(getattr(predictor, "network", None), "image", None)
        if encoder is None:
            yield
            return
        layers = [layer for layer in encoder.modules() if next(layer.children(), None) is None]
        count = itertools.count(1)

        def entered(*_) -> None:
            self.check()
            self.report(start + (end - start) * min(1.0, next(count) / len(layers)), "Reading the image")

        hooks = [layer.register_forward_pre_hook(entered) for layer in layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _rounds(asked: SegmentPrompt) -> list[Prompt]:
    prompt = asked.prompt
    if prompt.is_empty:
        raise PromptError("nothing was asked for yet: click on the structure or draw a box around it")
    rounds = [prompt]
    while rounds[0].points and not rounds[0].without_last_click().is_empty:
        rounds.insert(0, rounds[0].without_last_click())
    return rounds


def _answer(prediction: Prediction, asked: SegmentPrompt, mask: np.ndarray) -> dict:
    clicks = zip(asked.prompt.points, asked.prompt.labels, strict=True)
    missed = tuple(n for n, (point, label) in enumerate(clicks) if _holds(mask, point) != bool(label))
    cut = CutMask.of(mask)
    low = prediction.score < LOW_SCORE or bool(missed) or not cut.area
    return {
        "mask": mask,
        "cut": cut,
        "score": float(prediction.score),
        "scores": tuple(float(score) for score in prediction.candidates.scores),
        "chosen": int(prediction.chosen),
        "missed": missed,
        "low_confidence": bool(low),
    }


def _without_hold(prediction: Prediction, asked: SegmentPrompt) -> str:
    """What to say of the last click, if the picture gave the model nothing to go by there."""
    last = len(asked.prompt.points) - 1
    if last < 0 or last not in prediction.without_hold:
        return ""
    return "The picture gave no hold at this click: what was drawn there is a disc around it, no more."


def _holds(mask: np.ndarray, point: tuple[float, float]) -> bool:
    height, width = mask.shape
    row = min(max(math.floor(point[1] + 0.5), 0), height - 1)
    column = min(max(math.floor(point[0] + 0.5), 0), width - 1)
    return bool(mask[row, column])
