"""From the segments of one frame to all frames: forwards, backwards or both, until the picture changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..radiograph import RadiographError
from .answers import FrameAnswers, Propagation
from .errors import RunError
from .following import Followed, began, carried
from .motion import Motion, motion, small
from .run import Run

if TYPE_CHECKING:
    from ..segmentation import Predictor

Direction = Literal["both", "forwards", "backwards"]

CUT = 0.8
"""Correlation of neighbouring frames, their shift taken back, below which they show different things. Of the 153
pairs of 18 different radiographs of chests, legs, hips and heads, 99 % had less than 0.77."""


def propagate(
    run: Run,
    predictor: Predictor,
    start: int,
    followed: Sequence[Followed],
    direction: Direction = "both",
    frames: Collection[int] | None = None,
    keep: Collection[int] = (),
    on_frame: Callable[[FrameAnswers], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Propagation:
    """Carry structures from frame ``start`` (from 0) to the frames next to it, frame by frame.

    ``frames`` are those wanted (None: all); ``keep`` are frames that somebody corrected, before which following
    ends without a word. ``on_frame`` hears of every frame as soon as it is done, the first one too. Following ends,
    and ``Propagation.stops`` say so, where the picture changes or a frame cannot be read. Once ``cancelled()`` is
    true no further frame is begun; what is done is in the result.

    Raises `RunError` for a start that is not in the run or nothing to follow, and what reading and asking about
    frame ``start`` raises.
    """
    if not followed:
        raise RunError("Nothing is to be followed: segment a structure in this frame first.")
    if direction not in ("both", "forwards", "backwards"):
        raise RunError(f"{direction!r} is no direction: give both, forwards or backwards.")
    result = Propagation(start)
    tell = on_frame or (lambda answers: None)
    called_off = cancelled or (lambda: False)
    radiograph = run.radiograph(start)
    first = began(predictor, predictor.encode(radiograph), followed, run.shown)
    result.frames[start] = FrameAnswers(start, tuple(answer for _, answer in first))
    tell(result.frames[start])
    beginning = [held for held, _ in first], small(radiograph.pixels), radiograph.size
    del radiograph
    wanted = range(run.count) if frames is None else frames
    last, least = max((*wanted, start)), min((*wanted, start))
    ways = {"forwards": range(start + 1, last + 1), "backwards": range(start - 1, least - 1, -1)}
    for way, numbers in ways.items():
        if direction in ("both", way) and not result.cancelled:
            _follow(run, predictor, beginning, numbers, frozenset(keep), result, tell, called_off)
    return result


def _follow(run, predictor, beginning, numbers, keep, result: Propagation, tell, called_off) -> None:
    held, before, size = beginning
    since = Motion.none(size)
    for number in numbers:
        if number in keep:
            return
        if called_off():
            result.cancelled = True
            return
        try:
            radiograph = run.radiograph(number)
        except RadiographError as error:
            result.stops.append(f"Stopped at frame {number + 1}, which cannot be read: {error}")
            return
        after = small(radiograph.pixels)
        moved = _moved(before, after, size, radiograph.size)
        if moved is None:
            result.stops.append(
                f"Stopped at frame {number + 1}: the picture changes there. Segment that frame to go on from it."
            )
            return
        since = since.then(moved)
        done = carried(predictor, predictor.encode(radiograph), held, moved, since, run.shown)
        held = [one for one, _ in done]
        result.frames[number] = FrameAnswers(number, tuple(answer for _, answer in done))
        tell(result.frames[number])
        before = after


def _moved(before: np.ndarray, after: np.ndarray, size, size_now) -> Motion | None:
    """The motion between two frames; None where they show different things."""
    if size != size_now:
        return None
    found = motion(before, after, size)
    return None if found.likeness < CUT else found
