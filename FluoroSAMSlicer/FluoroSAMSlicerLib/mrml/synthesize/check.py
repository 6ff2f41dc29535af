"""How well the model finds structures whose masks are known: the Dice coefficient of each, asked for by name."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from ...anatomy import AnatomyError, interpret, names_in
from ...segmentation.overlap import dice
from ..nodes.masks import TakenMask
from ..nodes.naming import key_of, meaning
from ..segment.job import Cancel, Cancelled, Progress, Request, Result
from ..segment.scene import NeedsConfirmation
from .patient import is_unnamed
from .scene import taken_masks

CHECK = "check"
_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Asked:
    """A structure, its true mask, and what is asked of the model; or why nothing can be asked."""

    structure: str
    truth: TakenMask
    request: Request | None
    remark: str = ""


@dataclass(frozen=True, eq=False)
class CheckRequest:
    """All structures of one rendered image."""

    title: str
    asked: tuple[Asked, ...]
    kind: str = CHECK
    slot: str = CHECK
    id: int = field(default_factory=lambda: next(_numbers))


@dataclass(frozen=True)
class DiceRow:
    """``dice``: 2 |A and B| / (|A| + |B|) of the model's and the true mask, None where it was not asked.
    ``score``: the overlap (IoU) that the model expected. ``pixels``: of the true mask."""

    structure: str
    dice: float | None
    score: float | None
    pixels: int
    remark: str = ""


@dataclass(frozen=True, eq=False)
class CheckResult:
    rows: tuple[DiceRow, ...]
    answers: tuple[tuple[Request, Result], ...]


def check_request(segment_logic, volume) -> CheckRequest:
    """Ask for every structure of a rendered image by its name; clicks that its segment has already count too.

    Raises SceneError for an image without true masks.
    """
    truths = sorted(taken_masks(volume).items())
    remarks = {structure: _unasked(structure) for structure, _truth in truths}
    named = [structure for structure, remark in remarks.items() if not remark]
    # One call for all: it is one step of undo, and looks through the scene once. The answers come one by one, so that
    # the check can be called off between them.
    requests = segment_logic.namesRequest(volume, named, together=False) if named else []
    by_key = {one.key: one for one in requests}
    asked = []
    for structure, truth in truths:
        request = None if remarks[structure] else by_key[key_of(meaning(structure))]
        unknown = request is not None and not request.known
        remark = "not in the vocabulary" if unknown else remarks[structure]
        asked.append(Asked(structure, truth, request, remark))
    return CheckRequest(f"Checking the model on {volume.GetName()}", tuple(asked))


def _unasked(structure: str) -> str:
    """Why the model cannot be asked for a structure by its name; "" if it can."""
    if is_unnamed(structure):
        return "the label has no name"
    try:
        if meaning(structure).ambiguous:
            interpret(structure)
    except AnatomyError as error:
        return str(error)
    return "" if len(names_in(structure)) == 1 else "the name is read as several"


def compute_check(
    segment_logic, request: CheckRequest, cancelled: Cancel | None = None, progress: Progress | None = None
) -> CheckResult:
    """Have the model answer, on any thread. Raises Cancelled and what `segment.logic.Logic.compute` raises."""
    cancelled, progress = cancelled or (lambda: False), progress or (lambda fraction, text: None)
    rows, answers, embedding = [], [], None
    for done, one in enumerate(request.asked):
        if cancelled():
            raise Cancelled("The computation was cancelled.")
        progress(done / len(request.asked), f"{one.structure} ({done + 1} of {len(request.asked)})")
        truth = one.truth.mask()
        pixels = int(np.count_nonzero(truth))
        if one.request is None:
            rows.append(DiceRow(one.structure, None, None, pixels, one.remark))
            continue
        # The image is read once, for the first structure.
        wanted = one.request if embedding is None else replace(one.request, embedding=embedding, pixels=None)
        result = segment_logic.compute(wanted, cancelled)
        embedding = result.embedding
        remark = "; ".join(filter(None, (one.remark, "unsure" if result.low_confidence else "")))
        rows.append(DiceRow(one.structure, dice(result.mask, truth), result.score, pixels, remark))
        answers.append((one.request, result))
    return CheckResult(tuple(rows), tuple(answers))


def apply_answer(segment_logic, answer: tuple[Request, Result]) -> None:
    """Show one of the model's masks as a segment of the image; one that was changed by hand stays as it is."""
    with suppress(NeedsConfirmation):
        segment_logic.apply(*answer)


def mean_dice(rows: Sequence[DiceRow]) -> float | None:
    """Mean over the structures that were asked for; None if there are none."""
    values = [row.dice for row in rows if row.dice is not None]
    return float(np.mean(values)) if values else None
