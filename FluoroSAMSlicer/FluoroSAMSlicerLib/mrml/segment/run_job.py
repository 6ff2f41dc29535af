"""Following a run's segments as one piece of model work: plain data from the scene, computed on any thread."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..nodes.volumes import TakenPixels

if TYPE_CHECKING:
    from ...runs import Followed, Propagation
    from ...segmentation import Predictor

FOLLOW = "follow"


@dataclass(frozen=True, eq=False)
class FollowRequest:
    """``planes`` are the frames as the scene holds them, not copied; ``start`` (from 0) is the frame whose segments
    are ``followed``. ``keep`` are frames that somebody corrected. ``model`` and ``device`` name the predictor. Every
    frame that is done comes into ``arrived`` at once, with the model's name, for whoever does not wait for all."""

    id: int
    title: str
    slot: str
    model: str
    device: str
    planes: tuple[TakenPixels, ...]
    start: int
    followed: tuple[Followed, ...]
    direction: str
    keep: frozenset[int]
    kind: str = FOLLOW
    arrived: SimpleQueue = field(default_factory=SimpleQueue)


@dataclass(frozen=True, eq=False)
class FollowResult:
    """What was done of a request, all of it or what there was when it was called off. ``notes`` are for the user."""

    request_id: int
    propagation: Propagation
    model: str
    seconds: float
    notes: tuple[str, ...] = ()


def follow(predictor: Predictor, request: FollowRequest, watch, started: float) -> FollowResult:
    """Carry the segments along. Called off, it gives what is done; ``watch`` is told of every frame."""
    from ...runs import Run, propagate

    planes = request.planes
    run = Run(request.title, len(planes), lambda number: planes[number].radiograph())
    ahead = {"both": len(planes), "forwards": len(planes) - request.start, "backwards": request.start + 1}
    total, done = ahead[request.direction], 0
    model = str(getattr(predictor, "name", request.model))

    def tell(answers) -> None:
        nonlocal done
        done += 1
        request.arrived.put((answers, model))
        watch.report(min(1.0, done / total), f"frame {answers.frame + 1} of {len(planes)}")

    result = propagate(
        run, predictor, request.start, request.followed, request.direction, keep=request.keep, on_frame=tell,
        cancelled=watch.cancelled,
    )  # fmt: skip
    return FollowResult(
        request.id,
        result,
        model,
        time.perf_counter() - started,
        tuple(result.stops),
    )
