"""``fluorosam segment``: structures of X-ray images by name, clicks and boxes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .failures import explain, show_traceback
from .inputs import image_fault, require, without_repeats
from .output import output_folder, staged, unique_stems, write_json, write_png
from .prompts import StructurePrompts, read_prompts
from .report import Finding, ImageReport
from .startup import quick_start

if TYPE_CHECKING:
    from ..anatomy import AnatomyError
    from ..radiograph import Radiograph
    from ..segmentation import Predictor


@click.command(short_help="Structures of X-ray images by name, clicks and boxes.")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--text", "texts", metavar="NAME", multiple=True, help="A structure; several: repeat, or commas."
)
@click.option("--point", "points", metavar="NAME:X,Y,+", multiple=True, help="A click: + inside, - outside.")
@click.option("--box", "boxes", metavar="NAME:X1,Y1,X2,Y2", multiple=True, help="A box around the structure.")
@click.option("--model", metavar="NAME|PATH", default="compact", show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--frame", type=click.IntRange(min=1), help="Of an image with several, counted from 1.  [default: 1]")
@click.option(
    "--frames", metavar="all|1-40", help="Of a run: follow the structures through these, counted from 1."
)
@click.option(
    "--start",
    metavar="FRAME",
    type=click.IntRange(min=1),
    help="Of a run: the frame that clicks and boxes are on.  [default: the first]",
)
@click.option("--dicom-seg", "with_dicom", is_flag=True, help="Of a DICOM run: also write a DICOM SEG file.")
@click.option(
    "--invert/--no-invert",
    default=None,
    help="The picture as displayed is inverted (bone dark), or is not. Default: the header decides.",
)
@click.option("--output", required=True, metavar="DIR", type=click.Path(path_type=Path))
@click.option("--overlay", "with_overlay", is_flag=True, help="Also write a PNG picture of the result.")
@click.option("--json", "with_json", is_flag=True, help="Also write a JSON summary.")
@click.pass_context
def segment(
    ctx: click.Context,
    images: tuple[Path, ...],
    texts: tuple[str, ...],
    points: tuple[str, ...],
    boxes: tuple[str, ...],
    model: str,
    device: str,
    frame: int | None,
    frames: str | None,
    start: int | None,
    with_dicom: bool,
    invert: bool | None,
    output: Path,
    with_overlay: bool,
    with_json: bool,
) -> None:
    """Segment structures of every IMAGE and write DIR/IMAGE.seg.nrrd.

    Pixels of --point and --box count from 0 at the upper left. A click is one on the structure of its NAME,
    whether or not --text names it too.

    \b
    fluorosam segment chest.dcm --text "left lung, heart" --overlay --output results
    fluorosam segment knee.png --text "left femur" --point "left femur:310,220,-" --output results
    fluorosam segment run.dcm --text "left lung" --frames all --overlay --output results
    """
    unknown: list[AnatomyError] = []
    prompts = read_prompts(texts, points, boxes, unknown)
    if not prompts and unknown:
        _tell_unknown(unknown[:-1])
        raise unknown[-1]
    if not prompts:
        raise click.UsageError("nothing was asked for: give --text, --point or --box")
    follow = None if frames is None else _following(images, frame, frames, start)
    if follow is None and (start is not None or with_dicom):
        raise click.UsageError("--start and --dicom-seg belong to a run: give --frames all, or a range")
    once, again = without_repeats(images)
    for image in again:
        click.echo(f"note: {image}: was given more than once; it is done once", err=True)
    if follow is not None:
        require(*once)
        with output_folder(output) as folder:
            follow(prompts, _loaded(model, device), folder, invert, with_overlay, with_json, with_dicom)
        if _tell_unknown(unknown):
            ctx.exit(1)
        return
    readable = _readable(once)
    failed = len(once) - len(readable)
    if readable:
        with output_folder(output) as folder:
            predictor = _loaded(model, device)
            read = partial(_read, frame=(frame or 1) - 1, invert=invert)
            failed += _segment_all(ctx, readable, prompts, predictor, folder, read, with_overlay, with_json)
    if len(once) > 1:
        click.echo(f"{len(once) - failed} of {len(once)} images segmented")
    if _tell_unknown(unknown) or failed:
        ctx.exit(1)


def _readable(images: Sequence[Path]) -> list[Path]:
    """The images that can be opened; the others have been reported."""
    found = []
    for image in images:
        fault = image_fault(image)
        if fault is None:
            found.append(image)
        else:
            click.echo(f"fluorosam: {fault}", err=True)
    return found


def _tell_unknown(names: Sequence[AnatomyError]) -> bool:
    """Report the names that mean nothing; whether there are any."""
    for error in names:
        click.echo(f"fluorosam: {explain(error)}", err=True)
    return bool(names)


def _following(images: Sequence[Path], frame: int | None, frames: str, start: int | None) -> Callable:
    """What segments a run, by the rest of its arguments. Raises click.UsageError."""
    from .run import read_frames, segment_run

    if len(images) > 1 or frame is not None:
        raise click.UsageError("--frames follows one run: give one file or folder, and no --frame")
    numbers = read_frames(frames)

    def follow(prompts, predictor, folder, invert, with_overlay, with_json, with_dicom) -> None:
        begin = None if start is None else start - 1
        more = with_overlay, with_json, with_dicom
        segment_run(images[0], prompts, predictor, folder, numbers, begin, invert, *more)

    return follow


def _loaded(model: str, device: str) -> Predictor:
    begin = time.perf_counter()
    with quick_start():
        from ..segmentation import Predictor

        predictor = Predictor.load(model, device=device)
    seconds = time.perf_counter() - begin
    name = f"{predictor.provenance.name} {predictor.version}"
    click.echo(
        f"model {name} on {predictor.device}, loaded in {seconds:.2f} s ({predictor.provenance.licence})"
    )
    return predictor


def _read(image: Path, frame: int, invert: bool | None) -> Radiograph:
    from ..radiograph import read_radiograph

    return read_radiograph(image, frame=frame, invert=invert)


def _segment_all(
    ctx: click.Context,
    images: Sequence[Path],
    prompts: Sequence[StructurePrompts],
    predictor: Predictor,
    folder: Path,
    read: Callable[[Path], Radiograph],
    with_overlay: bool,
    with_json: bool,
) -> int:
    """The number of images that failed; each failure has been reported."""
    from tqdm import tqdm

    failed = 0
    # disable=None: no bar where stderr is no terminal.
    with tqdm(total=len(images), unit="image", disable=True if len(images) == 1 else None) as bar:
        for image, stem in zip(images, unique_stems(images), strict=True):
            try:
                report = _segment_image(
                    image, stem, prompts, predictor, folder, read, with_overlay, with_json
                )
                bar.write("\n".join(report.lines()), file=sys.stdout)
            except Exception as error:
                failed += 1
                show_traceback(ctx, error)
                line = explain(error)
                named = line if str(image) in line else f"{image}: {line}"
                bar.write(f"fluorosam: {named}", file=sys.stderr)
            bar.update()
    return failed


def _segment_image(
    image: Path,
    stem: str,
    prompts: Sequence[StructurePrompts],
    predictor: Predictor,
    folder: Path,
    read: Callable[[Path], Radiograph],
    with_overlay: bool,
    with_json: bool,
) -> ImageReport:
    from ..mrml import write_segmentation
    from ..segmentation import PromptSession

    clock = _Clock()
    radiograph = read(image)
    report = ImageReport(image, radiograph, predictor)
    if radiograph.frame_count > 1:
        stem = f"{stem}_frame{radiograph.frame + 1}"
    report.seconds["read"] = clock.lap()
    session = PromptSession(predictor, radiograph)
    report.seconds["encode"] = clock.lap()
    session.segment_all([asked.typed for asked in prompts])
    each = clock.lap() / max(1, len(prompts))
    for asked in prompts:
        report.findings.append(_find(session, asked, each))
    report.seconds["prompts"] = each * len(prompts) + clock.lap()
    with staged(folder) as stage:
        segments = [(f.asked.structure, f.prediction.mask, _tags(f)) for f in report.findings]
        write_segmentation(stage / f"{stem}.seg.nrrd", radiograph, segments)
        report.files["segmentation"] = folder / f"{stem}.seg.nrrd"
        report.seconds["write segmentation"] = clock.lap()
        if with_overlay:
            report.files["overlay"] = folder / f"{stem}.overlay.png"
            write_png(stage / f"{stem}.overlay.png", _picture(report))
            report.seconds["write overlay"] = clock.lap()
        if with_json:
            report.files["summary"] = folder / f"{stem}.json"
            write_json(stage / f"{stem}.json", report.to_dict())
    return report


def _find(session, asked: StructurePrompts, by_name: float) -> Finding:
    """The answer for one structure. ``by_name``: seconds that finding it by name took, its share of finding all."""
    clock = _Clock()
    name = asked.structure.name
    if asked.box is not None:
        session.set_box(name, asked.box)
    for (x, y), label in zip(asked.points, asked.labels, strict=True):
        session.click(name, x, y, positive=bool(label))
    prediction = session.result(name)
    # The full-size mask is made when first asked for; that is part of the answer.
    _ = prediction.mask
    return Finding(asked, prediction, by_name + clock.lap())


def _tags(finding: Finding) -> dict[str, object]:
    asked, prediction = finding.asked, finding.prediction
    signs = [
        f"{x:g},{y:g},{'+' if label else '-'}"
        for (x, y), label in zip(asked.points, asked.labels, strict=True)
    ]
    box = [] if asked.box is None else ["box " + ",".join(f"{value:g}" for value in asked.box)]
    return {
        "prompt": "; ".join([asked.typed, *box, *signs]),
        "score": float(prediction.score),
        "model": f"{prediction.model} {prediction.model_version}".strip(),
    }


def _picture(report: ImageReport):
    from ..segmentation.overlay import Layer, overlay

    layers = [
        Layer(
            finding.asked.label,
            finding.asked.structure.color,
            finding.prediction.mask,
            float(finding.prediction.score),
            finding.asked.points,
            finding.asked.labels,
            finding.asked.box,
        )
        for finding in report.findings
    ]
    return overlay(report.radiograph.pixels, layers, report.image.name, report.radiograph.spacing)


class _Clock:
    """Seconds since it was made or last read."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return seconds
