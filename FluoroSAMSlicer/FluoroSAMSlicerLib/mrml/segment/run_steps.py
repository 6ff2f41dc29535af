"""Undo and redo of what was carried through a run: all of its frames are one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..nodes.image_state import frame_of
from ..nodes.references import weak
from ..nodes.sequences import doubtful_frames, run_segmentation, set_doubtful_frames
from .frame_segments import FrameSegments, Kept
from .steps import Steps

DEPTH = 10


@dataclass(eq=False)
class RunStep:
    """One propagation. ``frames`` hold, by number and by the structures' keys, what was there before and what was
    written; ``doubts``, by number, whether a frame was marked before and after. ``number`` is its place among all
    steps, ``undone`` that of its undoing."""

    volume: Any
    number: int
    frames: dict[int, dict[str, tuple[Kept | None, Kept]]] = field(default_factory=dict)
    doubts: dict[int, tuple[bool, bool]] = field(default_factory=dict)
    undone: int = 0

    def write(self, segments: FrameSegments, frame: int, key: str, kept: Kept) -> None:
        """Put something into a frame, and keep what was there."""
        changes = self.frames.setdefault(frame, {})
        before = changes[key][0] if key in changes else segments.kept(key)
        changes[key] = before, kept
        segments.put(key, kept)

    def mark(self, frame: int, doubtful: bool) -> None:
        """Mark a frame as one to look at, or take its mark away."""
        volume = self.volume.Get()
        marked = set(doubtful_frames(volume))
        self.doubts[frame] = self.doubts.get(frame, (frame in marked,))[0], doubtful
        self._mark(volume, marked, frame, doubtful)

    def swap(self, scene, steps: Steps, direction: str) -> Iterator[int]:
        """Undo or redo it frame by frame, the one shown first; what somebody changed since stays as it is."""
        volume = self.volume.Get()
        shown = frame_of(volume) or 0
        undo = direction == "undo"
        for frame in sorted({*self.frames, *self.doubts}, key=lambda one: abs(one - shown)):
            proxy = run_segmentation(volume) if self.alive(scene) else None
            if proxy is None:
                return
            segments = FrameSegments(scene, volume, proxy, frame)
            for key, (before, after) in self.frames.get(frame, {}).items():
                there, wanted = (after, before) if undo else (before, after)
                if segments.holds(key, there):
                    segments.put(key, wanted)
            if frame in self.frames and segments.record is not None:
                steps.forget(segments.record)
            if frame in self.doubts:
                self._mark(volume, set(doubtful_frames(volume)), frame, self.doubts[frame][not undo])
            yield frame

    def alive(self, scene) -> bool:
        volume = self.volume.Get()
        return volume is not None and volume.GetScene() is scene

    @staticmethod
    def _mark(volume, marked: set[int], frame: int, doubtful: bool) -> None:
        if doubtful != (frame in marked):
            set_doubtful_frames(volume, marked ^ {frame})


class RunSteps:
    """The propagations of every run that can be undone and redone; kept as long as this object."""

    def __init__(self, scene, steps: Steps) -> None:
        self._scene, self._steps = scene, steps
        self._past: list[RunStep] = []
        self._undone: list[RunStep] = []

    def release(self) -> None:
        """Forget all of them."""
        self._past.clear()
        self._undone.clear()

    def begin(self, volume) -> RunStep:
        """A step that `add` makes one that can be undone."""
        return RunStep(weak(volume), self._steps.number())

    def add(self, step: RunStep) -> None:
        step.number = self._steps.number()
        self._past = [*self._past, step][-DEPTH:]
        self._undone = [one for one in self._undone if one.volume.Get() is not step.volume.Get()]

    def next(self, volume, direction: str) -> RunStep | None:
        """The propagation that a step of undo or redo is about; None where it is about prompts, or nothing."""
        stack = self._past if direction == "undo" else self._undone
        step = next((one for one in reversed(stack) if one.volume.Get() is volume), None)
        # What was asked in the frame that is shown since then comes first, and ends what can be done again.
        if step is None:
            return None
        number = step.number if direction == "undo" else step.undone
        return step if number > self._steps.newest(volume) else None

    def take(self, volume, direction: str) -> Iterator[int] | None:
        """Undo or redo a propagation: iterate to do so frame by frame. None where `next` gives none."""
        step = self.next(volume, direction)
        if step is None:
            return None
        source, target = (self._past, self._undone) if direction == "undo" else (self._undone, self._past)
        source.remove(step)
        target.append(step)
        if direction == "undo":
            step.undone = self._steps.number()
        return step.swap(self._scene, self._steps, direction)
