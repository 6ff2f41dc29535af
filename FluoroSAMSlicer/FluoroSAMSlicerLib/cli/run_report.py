"""What is told about a run: a table of its frames, a summary as JSON, lines on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .prompts import StructurePrompts

if TYPE_CHECKING:
    from ..runs import FrameAnswers, FrameMask, Propagation, Run

COLUMNS = (
    "frame", "time (s)", "structure", "pixels", "area (mm2)", "centroid x", "centroid y", "predicted IoU",
    "overlap with neighbour", "look at",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class RunReport:
    """``wanted`` are the frames asked for, from 0, ``missing`` those of them that the run does not have."""

    source: Path
    run: Run
    prompts: Sequence[StructurePrompts]
    result: Propagation
    wanted: Sequence[int]
    missing: Sequence[int] = ()

    @property
    def done(self) -> list[FrameAnswers]:
        """The frames asked for that were done."""
        frames = self.result.frames
        return [frames[number] for number in self.wanted if number in frames]

    @property
    def unsure(self) -> list[FrameAnswers]:
        """Those of them that somebody should look at."""
        return [one for one in self.done if one.doubts]

    def rows(self, spacing: tuple[float, float] | None) -> Iterator[tuple]:
        """One of `COLUMNS` a structure and frame; ``spacing`` (x, y) in mm."""
        run = self.run
        for answers in self.done:
            when = f"{run.times[answers.frame]:.4f}" if run.times else ""
            for one in answers.masks:
                x, y = ("", "") if one.centroid is None else (f"{value:.2f}" for value in one.centroid)
                area = "" if spacing is None else f"{one.area * spacing[0] * spacing[1]:.2f}"
                known = f"{one.score:.4f}", f"{one.overlap:.4f}" if one.area else "", one.doubt
                yield answers.frame + 1, when, one.name, one.area, area, x, y, *known

    def to_dict(self, model: str, files: Iterable[str]) -> dict:
        """Plain values for JSON; frames count from 1."""
        found = {name: [one for one in masks if one[1].area] for name, masks in self._masks()}
        return {
            "run": str(self.source),
            "frames": self.run.count,
            "done": [one.frame + 1 for one in self.done],
            "started_from": self.result.start + 1,
            "structures": list(found),
            "scores": {name: _scores(masks) for name, masks in found.items()},
            "nothing_found": {name: _empty(masks) for name, masks in self._masks()},
            "look_at": {one.frame + 1: list(one.doubts) for one in self.unsure},
            "stops": self.result.stops,
            "cancelled": self.result.cancelled,
            "notes": self.notes,
            "model": model,
            "files": [name for name in files if "/" not in name],
        }

    @property
    def notes(self) -> list[str]:
        """What the user should know of the run and of what was asked of it."""
        gone = []
        if self.missing:
            frames = listed([number + 1 for number in self.missing])
            is_are = "is" if len(self.missing) == 1 else "are"
            gone = [f"{frames} {is_are} not there; the run has {counted(self.run.count, 'frame')}"]
        read = (note for asked in self.prompts for note in asked.understood)
        return [*gone, *dict.fromkeys(read), *self.run.notes]

    def lines(self) -> Iterator[str]:
        """What was found and what to look at, for a terminal."""
        longest = max(len(name) for name, _ in self._masks())
        for name, masks in self._masks():
            found, empty = _scores([one for one in masks if one[1].area]), _empty(masks)
            parts = [f"score {found['mean']:.2f}"] if found else []
            if found and len(masks) - len(empty) > 1:
                parts[0] += f" (least {found['least']:.2f} in frame {found['least_in']})"
            if empty:
                parts.append("nothing found" + (f" in {listed(empty)}" if found else ""))
            yield f"{name:{longest}}  {', '.join(parts)}"
        yield from (f"note: {note}" for note in self.notes)
        yield from self.result.stops
        if unsure := self.unsure:
            yield f"{counted(len(unsure), 'frame')} to look at: {_ranges([one.frame + 1 for one in unsure])}"

    def _masks(self) -> list[tuple[str, list[tuple[int, FrameMask]]]]:
        """The masks of each structure with their frames, which count from 1."""
        return [
            (asked.structure.name, [(one.frame + 1, one.masks[place]) for one in self.done])
            for place, asked in enumerate(self.prompts)
        ]


def counted(number: int, noun: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(frames: Sequence[int]) -> str:
    """``frame 7``, ``frames 1-3, 7``."""
    return f"frame{'s' * (len(frames) > 1)} {_ranges(frames)}"


def _ranges(frames: Sequence[int]) -> str:
    parts: list[list[int]] = []
    for number in frames:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def _scores(masks: Sequence[tuple[int, FrameMask]]) -> dict[str, float]:
    """Mean and least predicted IoU, and the frame of the latter; nothing for none."""
    if not masks:
        return {}
    frame, least = min(masks, key=lambda one: one[1].score)
    mean = sum(one.score for _, one in masks) / len(masks)
    return {"mean": round(mean, 4), "least": round(least.score, 4), "least_in": frame}


def _empty(masks: Sequence[tuple[int, FrameMask]]) -> list[int]:
    return [frame for frame, one in masks if not one.area]
