"""``fluorosam segment --frames``: structures of a fluoroscopy run, from one frame to all."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .failures import Failure
from .image import check_places
from .inputs import require
from .interruption import finishing
from .movie import write_movie
from .output import staged, unique_stems, write_csv, write_json, write_png
from .prompts import StructurePrompts
from .run_report import COLUMNS, RunReport, counted

if TYPE_CHECKING:
    from ..runs import Run
    from ..segmentation import Predictor

RANGE = re.compile(r"(\d+)(?:-(\d+))?")
MOST_FRAMES = 100_000

UNSURE = ": look at this frame"
"""Behind a frame's number in the pictures of a run, where the table says "look at"."""


def read_frames(text: str) -> tuple[int, ...] | None:
    """Frames from 0 of ``all`` (None), ``7``, ``1-40`` or ``1-10,20``, which count from 1.

    Raises click.UsageError.
    """
    if text.strip().lower() == "all":
        return None
    found: set[int] = set()
    for part in text.split(","):
        match = RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= MOST_FRAMES:
            raise click.UsageError(
                f"--frames {text!r} must be all, or numbers from 1 such as 1-40 or 1-10,25"
            )
        found.update(range(first - 1, last))
    return tuple(sorted(found))


@dataclass(frozen=True, eq=False)
class WantedFrames:
    """Frames of a run that are there, from 0, and which of those asked for are ``missing``; ``start`` comes first."""

    source: Path
    run: Run
    frames: tuple[int, ...]
    missing: tuple[int, ...]
    start: int


def wanted_frames(
    source: Path,
    prompts: Sequence[StructurePrompts],
    frames: tuple[int, ...] | None,
    start: int | None,
    invert: bool | None,
) -> WantedFrames:
    """What ``--frames`` (None: all) and ``--start`` (None: the first of them) mean of a run; no model is needed.

    Raises the rooms' errors for a run that cannot be read, a start that is not there, clicks that are not on it.
    """
    from ..runs import open_run

    require(source)
    run = open_run(source, invert)
    asked = tuple(range(run.count)) if frames is None else frames
    there = tuple(number for number in asked if number < run.count)
    if not there:
        raise Failure(f"{source}: none of the frames asked for is there; they are numbered 1 to {run.count}")
    begin = there[0] if start is None else start
    check_places(prompts, run.radiograph(begin))
    return WantedFrames(source, run, there, tuple(one for one in asked if one >= run.count), begin)


def segment_run(
    wanted: WantedFrames,
    prompts: Sequence[StructurePrompts],
    predictor: Predictor,
    folder: Path,
    with_overlay: bool,
    with_json: bool,
    with_dicom: bool,
) -> None:
    """Follow ``prompts`` from the start through the frames that are wanted, and write what was found.

    Ctrl-C ends it after the frame under way, and what is done is written. Raises the rooms' errors, and
    KeyboardInterrupt when it was stopped.
    """
    with finishing() as stopped:
        clock = time.perf_counter()
        report = _followed(wanted, prompts, predictor, stopped)
        seconds = time.perf_counter() - clock
    result, done = report.result, len(report.done)
    files, refused = _write(folder, report, predictor, with_overlay, with_json, with_dicom)
    rate = f"{seconds:.1f} s ({len(result.frames) / max(seconds, 1e-3):.1f} a second)"
    click.echo(f"{wanted.source}: {done} of {counted(len(report.wanted), 'frame')}, {rate}")
    for line in (*report.lines(), *(str(folder / name) for name in files)):
        click.echo(f"  {line}")
    if result.cancelled:
        raise KeyboardInterrupt(f"stopped after {counted(done, 'frame')}; what was done is written")
    if refused:
        raise Failure(f"no DICOM SEG was written, the other files were: {refused}")


def _followed(wanted: WantedFrames, prompts, predictor: Predictor, stopped) -> RunReport:
    from ..runs import Followed, propagate

    run, begin, frames = wanted.run, wanted.start, wanted.frames
    followed = [Followed(one.structure.name, one.typed, one.points, one.labels, one.box) for one in prompts]
    with _bar(max(frames) - min(frames) + 1) as tell:
        result = propagate(run, predictor, begin, followed, frames=frames, on_frame=tell, cancelled=stopped)
    return RunReport(wanted.source, run, prompts, result, frames, wanted.missing)


def _write(
    folder: Path, report: RunReport, predictor, with_overlay, with_json, with_dicom
) -> tuple[list[str], str]:
    """The files of a run, in ``folder``, all or none: their names, and why there is no DICOM SEG, if there should be.
    """
    from ..mrml.export import ExportError
    from ..runs.label_sequence import SUFFIX, write_label_sequence

    stem = unique_stems([report.source])[0]
    frames = report.done
    first = report.run.radiograph(frames[0].frame)
    named = [(one.structure.name, one.structure.color) for one in report.prompts]
    names, refused = [f"{stem}{SUFFIX}", f"{stem}.csv"], ""
    with staged(folder) as stage:
        numbers = [one.frame for one in frames]
        write_label_sequence(stage / names[0], frames, numbers, named, first.size, first.spacing)
        write_csv(stage / names[1], COLUMNS, report.rows(first.spacing))
        if with_dicom:
            from ..mrml.export.dicom_seg_run import FrameOfRun, write_dicom_seg_run

            drawn = [FrameOfRun(one.frame, one.masks) for one in frames]
            structures = [one.structure for one in report.prompts]
            try:
                write_dicom_seg_run(stage / f"{stem}.seg.dcm", report.source, structures, drawn)
                names.append(f"{stem}.seg.dcm")
            except ExportError as error:
                refused = str(error)
        if with_overlay:
            names += _draw(stage, stem, report)
        if with_json:
            names.append(f"{stem}.json")
            write_json(stage / names[-1], report.to_dict(predictor.name, names))
    # Pictures that an earlier call left would tell of frames that the table does not.
    for picture in (folder / f"{stem}_frames").glob("[0-9]*.png"):
        if f"{picture.parent.name}/{picture.name}" not in names:
            picture.unlink()
    return names, refused


def _draw(stage: Path, stem: str, report: RunReport) -> list[str]:
    """A picture of every frame, and a movie of them; their names."""
    (stage / f"{stem}_frames").mkdir()
    names = []
    for answers in report.done:
        names.append(f"{stem}_frames/{answers.frame + 1:05d}.png")
        write_png(stage / names[-1], picture_of_frame(report.run, report.prompts, answers))
    movie = write_movie(stage / f"{stem}.mp4", [stage / name for name in names], report.run.times)
    return names if movie is None else [*names, movie.name]


def picture_of_frame(run: Run, prompts: Sequence[StructurePrompts], answers):
    """The overlay of one frame, which says where somebody should look."""
    from ..segmentation.overlay import Layer, overlay

    radiograph = run.radiograph(answers.frame)
    layers = [
        Layer(asked.label, asked.structure.color, one.mask, one.score, one.points, one.labels)
        for asked, one in zip(prompts, answers.masks, strict=True)
    ]
    title = f"{run.name} {answers.frame + 1}/{run.count}" + (UNSURE if answers.doubts else "")
    return overlay(radiograph.pixels, layers, title, radiograph.spacing)


@contextmanager
def _bar(total: int):
    from tqdm import tqdm

    # disable=None: no bar where stderr is no terminal.
    with tqdm(total=total, unit="frame", disable=None, file=sys.stderr) as bar:
        yield lambda answers: bar.update()
