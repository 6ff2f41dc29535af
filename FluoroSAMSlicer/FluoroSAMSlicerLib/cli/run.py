"""``fluorosam segment --frames``: structures of a fluoroscopy run, from one frame to all."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .failures import INTERRUPTED, Failure
from .output import staged, unique_stems, write_csv, write_json, write_png
from .prompts import StructurePrompts

if TYPE_CHECKING:
    from ..runs import Propagation, Run
    from ..segmentation import Predictor

RANGE = re.compile(r"(\d+)(?:-(\d+))?")
MOST_FRAMES = 100_000
COLUMNS = (
    "frame", "time (s)", "structure", "pixels", "area (mm2)", "centroid x", "centroid y", "predicted IoU",
    "overlap with neighbour", "look at",
)  # fmt: skip
FPS = 15.0
"""Pictures a second of a movie of a run that does not say when its frames were taken; a common fluoroscopy rate."""


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


def segment_run(
    source: Path,
    prompts: Sequence[StructurePrompts],
    predictor: Predictor,
    folder: Path,
    frames: tuple[int, ...] | None,
    start: int | None,
    invert: bool | None,
    with_overlay: bool,
    with_json: bool,
    with_dicom: bool,
) -> None:
    """Follow ``prompts`` from frame ``start`` (from 0; None: the first wanted) and write what was found.

    Ctrl-C ends it after the frame under way, and what is done is written. Raises the rooms' errors.
    """
    from ..runs import Followed, open_run, propagate

    run = open_run(source, invert)
    wanted = list(range(run.count)) if frames is None else [one for one in frames if one < run.count]
    if not wanted:
        raise Failure(f"{source}: none of the frames asked for is there; they are numbered 1 to {run.count}")
    begin = wanted[0] if start is None else start
    followed = [Followed(one.structure.name, one.typed, one.points, one.labels, one.box) for one in prompts]
    clock = time.perf_counter()
    with _interruptible() as stopped, _bar(max(*wanted, begin) - min(*wanted, begin) + 1) as tell:
        result = propagate(run, predictor, begin, followed, frames=wanted, on_frame=tell, cancelled=stopped)
    seconds = time.perf_counter() - clock
    done = [number for number in wanted if number in result.frames]
    with staged(folder) as stage:
        files = _write(stage, source, run, prompts, result, done, with_overlay, with_dicom)
        if with_json:
            stem = unique_stems([source])[0]
            files.append(f"{stem}.json")
            write_json(stage / files[-1], _summary(source, run, predictor, prompts, result, done, files))
    rate = len(result.frames) / seconds if seconds else 0.0
    click.echo(f"{source}: {len(done)} of {len(wanted)} frames, {seconds:.1f} s ({rate:.1f} a second)")
    for line in _told(run, result, done):
        click.echo(f"  {line}")
    for name in files:
        click.echo(f"  {folder / name}")
    if result.cancelled:
        raise Failure(f"stopped after {len(done)} frames, which were written", INTERRUPTED)


def _told(run: Run, result: Propagation, done: Sequence[int]) -> Iterator[str]:
    yield from (f"note: {note}" for note in run.notes)
    yield from result.stops
    unsure = [one for one in result.unsure if one.frame in done]
    if unsure:
        yield f"{len(unsure)} frames to look at: {', '.join(str(one.frame + 1) for one in unsure)}"


def _write(stage: Path, source: Path, run, prompts, result, done, with_overlay, with_dicom) -> list[str]:
    """The files of a run, in ``stage``; their names."""
    from ..runs.label_sequence import SUFFIX, write_label_sequence

    stem = unique_stems([source])[0]
    frames = [result.frames[number] for number in done]
    first = run.radiograph(done[0])
    named = [(one.structure.name, one.structure.color) for one in prompts]
    names = [f"{stem}{SUFFIX}", f"{stem}.csv"]
    write_label_sequence(stage / names[0], frames, done, named, first.size, first.spacing)
    write_csv(stage / names[1], COLUMNS, _rows(run, frames, first.spacing))
    if with_dicom:
        from ..mrml.export.dicom_seg_run import FrameOfRun, write_dicom_seg_run

        names.append(f"{stem}.seg.dcm")
        drawn = [FrameOfRun(one.frame, one.masks) for one in frames]
        write_dicom_seg_run(stage / names[-1], source, [one.structure for one in prompts], drawn)
    if with_overlay:
        (stage / f"{stem}_frames").mkdir()
        for answers in frames:
            names.append(f"{stem}_frames/{answers.frame + 1:05d}.png")
            write_png(stage / names[-1], _picture(run, prompts, answers))
        if movie := _movie(stage / f"{stem}_frames", stage / f"{stem}.mp4", run):
            names.append(movie.name)
    return names


def _rows(run: Run, frames, spacing) -> Iterator[tuple]:
    for answers in frames:
        when = f"{run.times[answers.frame]:.4f}" if run.times else ""
        for one in answers.masks:
            x, y = ("", "") if one.centroid is None else (f"{value:.2f}" for value in one.centroid)
            area = "" if spacing is None else f"{one.area * spacing[0] * spacing[1]:.2f}"
            known = f"{one.score:.4f}", f"{one.overlap:.4f}", one.doubt
            yield answers.frame + 1, when, one.name, one.area, area, x, y, *known


def _summary(source: Path, run, predictor, prompts, result, done, files) -> dict:
    return {
        "run": str(source),
        "frames": run.count,
        "done": [number + 1 for number in done],
        "started_from": result.start + 1,
        "structures": [one.structure.name for one in prompts],
        "look_at": {one.frame + 1: list(one.doubts) for one in result.unsure if one.frame in done},
        "stops": result.stops,
        "cancelled": result.cancelled,
        "notes": list(run.notes),
        "model": predictor.name,
        "files": [name for name in files if "/" not in name],
    }


def _picture(run: Run, prompts: Sequence[StructurePrompts], answers):
    from ..segmentation.overlay import Layer, overlay

    radiograph = run.radiograph(answers.frame)
    layers = [
        Layer(asked.label, asked.structure.color, one.mask, one.score, one.points, one.labels)
        for asked, one in zip(prompts, answers.masks, strict=True)
    ]
    title = f"{run.name} {answers.frame + 1}/{run.count}" + (" ?" if answers.doubts else "")
    return overlay(radiograph.pixels, layers, title, radiograph.spacing)


def _movie(pictures: Path, target: Path, run: Run) -> Path | None:
    """An MP4 of the pictures where ffmpeg is found and can make one; None elsewhere."""
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    step = (run.times[-1] - run.times[0]) / (len(run.times) - 1) if len(run.times) > 1 else 0.0
    rate = 1 / step if step > 0 else FPS
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2"  # H.264 in 4:2:0 needs even sides
    command = [program, "-loglevel", "error", "-y", "-framerate", f"{rate:g}", "-pattern_type", "glob"]
    command += ["-i", str(pictures / "*.png"), "-vf", even, "-pix_fmt", "yuv420p", str(target)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        target.unlink(missing_ok=True)
        click.echo("fluorosam: ffmpeg could not make a movie of the pictures", err=True)
        return None
    return target


@contextmanager
def _bar(total: int):
    from tqdm import tqdm

    # disable=None: no bar where stderr is no terminal.
    with tqdm(total=total, unit="frame", disable=None, file=sys.stderr) as bar:
        yield lambda answers: bar.update()


@contextmanager
def _interruptible():
    """While inside, the first Ctrl-C only makes what is given say so; the next one ends the program."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(*_) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
