"""What a list of segments shows of one: its name and colour, what was asked for it, what the model said."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .prompts import Outcome, SegmentPrompt


@dataclass(frozen=True)
class SegmentState:
    """What a list of segments shows of one. ``color`` is RGB in 0 to 1, ``threshold`` a probability.

    ``ours`` is False for a segment that was drawn by hand. ``structure`` is its canonical name, or its own.
    ``score`` is the IoU that the model predicts, None before its first mask.
    """

    id: str
    name: str
    color: tuple[float, float, float]
    structure: str
    ours: bool
    typed: str | None = None
    known: bool = True
    score: float | None = None
    scores: tuple[float, ...] = ()
    chosen: int = 0
    low_confidence: bool = False
    missed: tuple[int, ...] = ()
    positive: int = 0
    negative: int = 0
    box: tuple[float, float, float, float] | None = None
    start: bool = False
    threshold: float = 0.5


def with_prompt(state: SegmentState, prompt: SegmentPrompt | None) -> SegmentState:
    """With what was asked; None leaves it as it is."""
    if prompt is None:
        return state
    asked = prompt.prompt
    return replace(
        state,
        typed=asked.text,
        positive=sum(asked.labels),
        negative=len(asked.labels) - sum(asked.labels),
        box=asked.box,
        start=prompt.start is not None,
        threshold=prompt.threshold,
    )


def with_outcome(state: SegmentState, outcome: Outcome | None) -> SegmentState:
    """With what the model answered; None leaves it as it is."""
    if outcome is None:
        return state
    return replace(
        state,
        known=outcome.known,
        score=outcome.score,
        scores=outcome.scores,
        chosen=outcome.chosen,
        low_confidence=outcome.low_confidence,
        missed=outcome.missed,
    )
