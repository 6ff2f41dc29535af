"""``fluorosam label``: structures of a CT by name, with SAT."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import click

from .bodies import ct_options
from .failures import Failure
from .run_report import counted
from .startup import quick_start


@click.command(short_help="Structures of a CT by name, with SAT.")
@click.argument("ct", metavar="CT", type=click.Path(path_type=Path))
@click.option(
    "--text",
    "texts",
    metavar="NAME",
    multiple=True,
    required=True,
    help="A structure or group, or several with commas; repeat for more.",
)
@click.option("--model", metavar="NAME|PATH", default="sat-nano", show_default=True)
@click.option(
    "--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help="A .seg.nrrd file."
)
@click.option("--modality", default="ct", show_default=True, help="What the volume is: CT, MR or PET.")
@click.option(
    "--plan",
    type=click.Choice(["exact", "fast"]),
    default="exact",
    show_default=True,
    help="exact: as published. fast: the fewest windows that cover; not tested with the published weights.",
)
@click.option(
    "--coarse", is_flag=True, help="On a grid of 1.4 x 1.4 x 4.2 mm; not tested with the published weights."
)
@click.option(
    "--region",
    default="all",
    show_default=True,
    metavar="all|body|X1,Y1,Z1,X2,Y2,Z2",
    help="What to look at; two corners are in LPS mm.",
)
@click.option(
    "--orientation",
    default="RAS",
    show_default=True,
    help="As SAT sees it; ASR for sagittal scans of the spine.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Processor threads.  [default: all]")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep the CT's features here, for more names later, and to go on after a stop.",
)
@ct_options
@click.option("--estimate", "only_estimate", is_flag=True, help="Say how long it will take, and stop.")
def label(
    ct,
    texts,
    model,
    output,
    modality,
    plan,
    coarse,
    region,
    orientation,
    device,
    threads,
    keep,
    series,
    any_modality,
    rescale,
    only_estimate,
) -> None:
    """Find structures of a CT by their names and write them to a .seg.nrrd file on the CT's grid.

    Needs a SAT model, which is not part of this program: see `fluorosam models install --help`.

    \b
    fluorosam label ct.nii.gz --text liver --text ribs --output labels.seg.nrrd
    fluorosam synthesize ct.nii.gz --labels labels.seg.nrrd --set --count 10 --seed 1 --output set
    """
    _require_place(output)
    # What cannot be is told before torch is loaded, let alone the model.
    from ..sat import request
    from ..segmentation import LabelSettings, Volume
    from ..segmentation.label_file import write_labels

    settings = LabelSettings(plan, coarse, modality, _region(region), orientation.upper())
    request(texts, settings.modality)
    volume = Volume.read(ct, series, any_modality or settings.modality != "ct", rescale)
    if doubt := volume.require_fit(settings.modality):
        click.echo(f"note: {doubt}", err=True)
    with quick_start():
        from ..segmentation import Labeller
    with Labeller.load(model, device, threads=threads, keep=keep) as labeller:
        estimate = labeller.estimate(volume, texts, settings)
        kept = f", {estimate.kept} of them done before" if estimate.kept else ""
        click.echo(
            f"model {labeller.name} on {labeller.device} (licence: {labeller.model.provenance.licence}): "
            f"{counted(estimate.windows, 'window')}{kept}, about {_duration(estimate.seconds)}"
        )
        for doubt in settings.doubts:
            click.echo(f"note: {doubt}", err=True)
        if only_estimate:
            return
        begin = time.perf_counter()
        try:
            labels = _labelled(labeller, volume, texts, settings)
        except KeyboardInterrupt:
            if keep is not None:
                click.echo("note: finished windows are kept; the same command goes on from there", err=True)
            raise
        seconds = time.perf_counter() - begin
    write_labels(labels, output)
    for one in labels.labels:
        mark = "" if one.asked.trained else " (SAT was not trained on this name)"
        click.echo(
            f"  {one.name}: {one.voxels} voxels{mark}" if one.voxels else f"  {one.name}: not found{mark}"
        )
    for note in labels.notes:
        if note not in settings.doubts:
            click.echo(f"note: {note}", err=True)
    click.echo(f"{output}: {counted(len(labels.labels), 'structure')}, {_duration(seconds)}")


def _require_place(output: Path) -> None:
    """Raise where the file could not be written after minutes of work."""
    from ..segmentation.label_file import ENDING

    if not output.name.lower().endswith(ENDING):
        raise click.UsageError(f"--output must be the name of a {ENDING} file, not {output.name}")
    folder = output.absolute().parent
    if not folder.is_dir():
        raise Failure(f"{folder}: there is no such folder")
    if output.is_dir():
        raise Failure(f"{output}: is a folder; --output needs the name of a file")
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".", dir=folder))
    except OSError as error:
        raise Failure(f"{folder}: cannot be written to ({error.strerror or error})") from error


def _labelled(labeller, volume, texts, settings):
    from tqdm import tqdm

    layout = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}"
    with tqdm(total=1.0, bar_format=layout, disable=None, leave=False) as bar:

        def show(fraction: float, text: str) -> None:
            bar.set_description_str(text, refresh=False)
            bar.update(fraction - bar.n)

        return labeller.label(volume, texts, settings, show)


def _region(text: str):
    if text in ("all", "body"):
        return text
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 6:
        raise click.UsageError(f"--region is all, body, or six numbers X1,Y1,Z1,X2,Y2,Z2, not {text!r}")
    return tuple(numbers[:3]), tuple(numbers[3:])


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
