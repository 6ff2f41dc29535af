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
from .image import ReadImage, read_image, segment_image
from .inputs import image_fault, without_repeats
from .output import output_folder, unique_stems
from .prompts import StructurePrompts, read_prompts
from .startup import quick_start

if TYPE_CHECKING:
    from ..anatomy import AnatomyError
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
@click.option(
    "--overlay",
    "with_overlay",
    is_flag=True,
    help="Also write a PNG picture of the result; of a run a movie, and one a frame, which names those to look at.",
)
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
    failed = _tell_unknown(unknown)
    readable = once if follow is not None else _readable(once)
    load = partial(_loaded, model, device)
    done = 0
    if readable:
        with output_folder(output) as folder:
            if follow is not None:
                follow(prompts, load, folder, invert, with_overlay, with_json, with_dicom)
                done = 1
            else:
                read = partial(read_image, prompts=prompts, frame=(frame or 1) - 1, invert=invert)
                done = _segment_all(ctx, readable, prompts, read, load, folder, with_overlay, with_json)
    if len(once) > 1:
        click.echo(f"{done} of {len(once)} images segmented")
    if failed or done < len(once):
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
    from .run import read_frames, segment_run, wanted_frames

    if len(images) > 1 or frame is not None:
        raise click.UsageError("--frames follows one run: give one file or folder, and no --frame")
    numbers, begin = read_frames(frames), None if start is None else start - 1
    if numbers is not None and begin is not None and begin not in numbers:
        raise click.UsageError(
            f"--start {start} is none of --frames {frames}: give --frames {frames},{start}, "
            "or start from one of those; a run is followed from its start"
        )

    def follow(prompts, load, folder, invert, with_overlay, with_json, with_dicom) -> None:
        if with_dicom and images[0].is_dir():
            raise click.UsageError("--dicom-seg refers to one DICOM file of many frames; a folder of frames has none")
        wanted = wanted_frames(images[0], prompts, numbers, begin, invert)
        segment_run(wanted, prompts, load(), folder, with_overlay, with_json, with_dicom)

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


def _segment_all(
    ctx: click.Context,
    images: Sequence[Path],
    prompts: Sequence[StructurePrompts],
    read: Callable[[Path], ReadImage],
    load: Callable[[], Predictor],
    folder: Path,
    with_overlay: bool,
    with_json: bool,
) -> int:
    """The number of images that were segmented; each failure has been reported. The model is loaded when the first
    image could be read."""
    from tqdm import tqdm

    done, predictor = 0, None
    # disable=None: no bar where stderr is no terminal.
    with tqdm(total=len(images), unit="image", disable=True if len(images) == 1 else None) as bar:

        def attempt(image: Path, action: Callable, *arguments):
            try:
                return action(*arguments)
            except Exception as error:
                show_traceback(ctx, error)
                line = explain(error)
                named = line if str(image) in line else f"{image}: {line}"
                bar.write(f"fluorosam: {named}", file=sys.stderr)
                return None

        for image, stem in zip(images, unique_stems(images), strict=True):
            found = attempt(image, read, image)
            if found is not None:
                predictor = predictor or load()
                more = with_overlay, with_json
                report = attempt(image, segment_image, found, stem, prompts, predictor, folder, *more)
                if report is not None:
                    done += 1
                    bar.write("\n".join(report.lines()), file=sys.stdout)
            bar.update()
    return done
