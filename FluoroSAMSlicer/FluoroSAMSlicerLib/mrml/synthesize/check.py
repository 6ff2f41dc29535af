"""How well the model finds structures whose masks are known: the Dice coefficient of each, asked for by name."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from ...anatomy import AnatomyError
from ..segment.job import Cancel, Cancelled, Progress, Request, Result
from ..segment.scene import NeedsConfirmation
from .patient import is_unnamed
from .scene import true_masks

CHECK = "check"
_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Asked:
    """A structure, its true mask, bool (H, W), and what is asked of the model; or why nothing can be asked."""

    structure: str
    truth: np.ndarray
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
    asked: list[Asked] = []
    batch = None
    for structure, truth in sorted(true_masks(volume).items()):
        if is_unnamed(structure):
            asked.append(Asked(structure, truth, None, "the label has no name"))
            continue
        try:
            requests = segment_logic.textRequest(volume, structure)
        except AnatomyError as error:
            asked.append(Asked(structure, truth, None, str(error)))
            continue
        if len(requests) != 1:
            asked.append(Asked(structure, truth, None, "the name is read as several"))
            continue
        # One batch is one step of undo.
        batch = requests[0].batch if batch is None else batch
        remark = "" if requests[0].known else "not in the vocabulary"
        asked.append(Asked(structure, truth, replace(requests[0], batch=batch), remark))
    return CheckRequest(f"Checking the model on {volume.GetName()}", tuple(asked))


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
        pixels = int(np.count_nonzero(one.truth))
        if one.request is None:
            rows.append(DiceRow(one.structure, None, None, pixels, one.remark))
            continue
        # The image is read once, for the first structure.
        wanted = one.request if embedding is None else replace(one.request, embedding=embedding, pixels=None)
        result = segment_logic.compute(wanted, cancelled)
        embedding = result.embedding
        remark = "; ".join(filter(None, (one.remark, "unsure" if result.low_confidence else "")))
        rows.append(DiceRow(one.structure, dice(result.mask, one.truth), result.score, pixels, remark))
        answers.append((one.request, result))
    return CheckResult(tuple(rows), tuple(answers))


def apply_answer(segment_logic, answer: tuple[Request, Result]) -> None:
    """Show one of the model's masks as a segment of the image; one that was changed by hand stays as it is."""
    with suppress(NeedsConfirmation):
        segment_logic.apply(*answer)


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """Dice coefficient of two masks, bool (H, W); 1 for two empty ones."""
    total = int(np.count_nonzero(mask)) + int(np.count_nonzero(truth))
    return 2 * int(np.count_nonzero(mask & truth)) / total if total else 1.0


def mean_dice(rows: Sequence[DiceRow]) -> float | None:
    """Mean over the structures that were asked for; None if there are none."""
    values = [row.dice for row in rows if row.dice is not None]
    return float(np.mean(values)) if values else None
