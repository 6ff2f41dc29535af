"""``fluorosam synthesize``: training images from labelled CT."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import click

from .bodies import ct_options, names_file, pairs
from .failures import Failure
from .interruption import resumable
from .output import output_folder

MOST_WORKERS = 61
"""More processes than this Windows cannot wait for at once."""

NEGATIVE = ("RAO", "CAU")


class Span(click.ParamType):
    """A number, or a range LOW..HIGH from which every image draws its own; RAO and CAU count as negative."""

    name = "number or low..high"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        ends = [self._number(end.strip().upper()) for end in value.split("..")]
        if len(ends) > 2 or None in ends:
            self.fail(f"{value!r} is neither a number nor a range such as -30..30", param, ctx)
        return ends[0] if len(ends) == 1 else tuple(ends)

    @staticmethod
    def _number(text: str) -> float | None:
        found = re.fullmatch(r"(LAO|RAO|CRA|CAU)?\s*([-+]?\d+(?:\.\d+)?(?:E[-+]?\d+)?)", text)
        if not found:
            return None
        return -float(found[2]) if found[1] in NEGATIVE else float(found[2])


def span(option: str, default, text: str):
    shown = f"{default[0]:g}..{default[1]:g}" if isinstance(default, tuple) else f"{default:g}"
    help_text = f"{text}  [default: {shown}]"
    return click.option(option, type=Span(), default=default, metavar="RANGE", help=help_text)


@click.command(short_help="Training images from labelled CTs.")
@click.argument("cts", metavar="[CT]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--labels", multiple=True, metavar="LABELMAP", type=click.Path(path_type=Path),
    help="Label map, .seg.nrrd, DICOM SEG or folder of masks of a CT; repeat in the order of the CTs.",
)  # fmt: skip
@click.option(
    "--names", metavar="FILE", type=click.Path(path_type=Path), help="What all label maps' values mean."
)
@click.option(
    "--table", metavar="CSV", type=click.Path(path_type=Path),
    help="CTs in a table with the columns ct and labels, and if wanted names, name, patient, source, licence.",
)  # fmt: skip
@click.option("--source", default="", help="Where the CTs come from, for the dataset card.")
@click.option("--licence", default="", help="Terms of the CTs, for the dataset card.")
@click.option("--count", type=click.IntRange(1), required=True, help="Images in all.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--size", type=click.IntRange(16, 8192), default=512, show_default=True, help="Pixels a side.")
@span("--lao-rao", (-45.0, 45.0), "Primary angle, degrees; LAO positive.")
@span("--cra-cau", (-25.0, 25.0), "Secondary angle, degrees; CRA positive.")
@span("--rotation", 0.0, "Rotation in the image plane, degrees.")
@span("--sdd", (1000.0, 1200.0), "Source to detector, mm.")
@span("--sid", (600.0, 800.0), "Source to isocentre, mm.")
@span("--detector", (300.0, 400.0), "Side of the detector, mm.")
@click.option(
    "--aim", type=click.Choice(["structures", "centre"]), default="structures", show_default=True,
    help="At the isocentre: a random structure, or the middle of what is labelled.",
)  # fmt: skip
@click.option(
    "--jitter", type=float, default=30.0, show_default=True, help="Largest shift of the isocentre, mm."
)
@span("--kv", (60.0, 120.0), "Tube voltage, kV.")
@span("--dose", (0.05, 5.0), "Open beam at the detector, microgray.")
@span("--scatter", (0.05, 0.2), "Scatter-to-primary ratio a cm of water, before the grid; 0 for none.")
@span("--mtf50", 1.2, "Detector's resolution, line pairs / mm at half contrast; 0 for a sharp one.")
@click.option("--tools", type=click.IntRange(0), default=0, show_default=True, help="Most tools in an image.")
@click.option(
    "--threshold", "thresholds", multiple=True, metavar="MM|NAME=MM",
    help="Path length from which a pixel belongs to a structure, or to the one named.  [default: 2]",
)  # fmt: skip
@click.option(
    "--validation", type=click.FloatRange(0, 0.9), default=0.2, show_default=True,
    help="Share of the patients for validation.",
)  # fmt: skip
@click.option("--webdataset", is_flag=True, help="Archives (.tar) instead of loose files.")
@click.option(
    "--workers", type=click.IntRange(1, MOST_WORKERS), help="Processes.  [default: one a processor]"
)
@click.option(
    "--engine", type=click.Choice(["local", "dask"]), default="local", show_default=True, help="Who renders."
)
@click.option("--scheduler", metavar="ADDRESS", help="Of the Dask cluster, such as tcp://host:8786.")
@click.option("--resume", is_flag=True, help="Go on with a set that is there; fail if there is none.")
@click.option(
    "--set/--shards", "as_set", default=True,
    help="A set for anyone, or shards of area densities for `fluorosam train`.  [default: set]",
)  # fmt: skip
@ct_options
@click.option("--output", required=True, metavar="DIR", type=click.Path(path_type=Path))
def synthesize(
    cts: tuple[Path, ...], labels: tuple[Path, ...], table: Path | None, as_set: bool, output: Path, **options
) -> None:
    """Render labelled X-ray images of CTs from random views.

    DIR gets 16-bit and 8-bit images, a mask of every structure, names, geometry, COCO annotations and a
    dataset card. The files depend on the CTs, the settings and the seed alone, whatever the number of workers.
    What is in DIR is kept: the same command goes on where it was stopped.

    Names of label values are looked for in the file itself, and beside it in LABELMAP.json, .csv, .ctbl, .tsv,
    .label, .lut or .txt (ITK-SNAP). Tables may be separated by commas, semicolons or tabs.
    """
    if table is None:
        if not cts:
            raise click.UsageError("give a CT with its --labels, or a --table of them")
        pairs(cts, labels)
    elif cts or labels:
        raise click.UsageError("give the CTs either by name or in a --table")
    if (options["engine"] == "dask") != (options["scheduler"] is not None):
        raise click.UsageError("--engine dask and --scheduler ADDRESS go together")
    if not as_set:
        _write_shards(pairs(cts, labels), options["count"], options["seed"], options["size"], output)
    else:
        _write_set(cts, labels, table, output, options)


def _write_set(cts, labels, table: Path | None, output: Path, options: dict) -> None:
    from ..dataset import CTSource, SetSettings, dask_cluster, in_this_process, local_processes, write_set

    stated = {
        name: options[name] for name in ("names", "source", "licence", "series", "any_modality", "rescale")
    }
    if table is None:
        sources = [CTSource(ct, label_map, **stated) for ct, label_map in pairs(cts, labels)]
    else:
        sources = [CTSource(**{**stated, **row}) for row in _rows(table)]
    default, own = _thresholds(options["thresholds"])
    settings = SetSettings(
        count=options["count"],
        seed=options["seed"],
        size=options["size"],
        lao_deg=options["lao_rao"],
        cra_deg=options["cra_cau"],
        rotation_deg=options["rotation"],
        sdd_mm=options["sdd"],
        sid_mm=options["sid"],
        detector_mm=options["detector"],
        aim=options["aim"],
        jitter_mm=options["jitter"],
        kilovolts=options["kv"],
        dose_ugy=options["dose"],
        scatter_per_cm=options["scatter"],
        mtf50_per_mm=options["mtf50"],
        tools=options["tools"],
        threshold_mm=default,
        thresholds=own,
        validation=options["validation"],
        form="webdataset" if options["webdataset"] else "files",
    )
    if options["resume"] and not (output / "set.json").exists():
        raise Failure(f"{output}: holds no set to go on with; leave --resume away to begin one")
    workers = options["workers"] or min(os.cpu_count() or 1, MOST_WORKERS)
    if options["engine"] == "dask":
        engine = dask_cluster(options["scheduler"])
    else:
        engine = in_this_process if workers == 1 else local_processes(workers)
    with output_folder(output) as folder:
        with resumable():
            report = _with_bar(
                lambda on_progress: write_set(
                    sources, settings, folder, engine, on_progress=on_progress, workers=workers
                ),
                settings.count,
            )
    rate = f", {report.made} made in {report.seconds:.0f} s ({report.made / max(report.seconds, 1e-3):.2f} a second)"
    click.echo(f"{folder}: {report.images} images{rate}")
    if report.failures:
        stopped = "; ".join(f"{name}: {why}" for name, why in report.failures.items())
        raise Failure(f"{len(report.failures)} of {len(sources)} CTs stopped, the rest is written. {stopped}")


def _with_bar(write, total: int):
    from tqdm import tqdm

    form = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} images{postfix}"
    with tqdm(total=total, disable=None, bar_format=form) as bar:

        def on_progress(progress) -> None:
            bar.n = progress.done
            if progress.per_second:
                left = tqdm.format_interval(progress.seconds_left)
                bar.set_postfix_str(f"{progress.per_second:.2f} a second, {left} left", refresh=False)
            bar.refresh()

        return write(on_progress)


def _rows(table: Path) -> list[dict[str, str | Path]]:
    """The CTs of a table, paths relative to it; separated by commas, semicolons or tabs, see `table_rows`."""
    from ..dataset.tables import decoded, table_rows

    known = ("ct", "labels", "names", "name", "patient", "source", "licence", "series")
    try:
        rows = table_rows(decoded(table.read_bytes()))
    except (OSError, ValueError) as error:
        raise Failure(f"{table}: the table cannot be read ({error})") from error
    if not rows or not {"ct", "labels"} <= rows[0].keys() or not rows[0].keys() <= set(known):
        raise Failure(f"{table}: must have the columns ct and labels, and may have {', '.join(known[2:])}")
    found = []
    for number, row in enumerate(rows, 2):
        if not (row["ct"] or "").strip() or not (row["labels"] or "").strip():
            raise Failure(f"{table}, line {number}: a CT without labels; every CT needs its label map")
        entry = {name: text.strip() for name, text in row.items() if (text or "").strip()}
        found.append(
            {
                name: table.parent / text.replace("\\", "/") if name in ("ct", "labels", "names") else text
                for name, text in entry.items()
            }
        )
    return found


def _thresholds(texts: Sequence[str]) -> tuple[float, tuple[tuple[str, float], ...]]:
    """The threshold of all structures, and those of single ones, from "2" and "liver=5"."""
    default, own = 2.0, []
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise click.BadParameter(
                f"{text!r} is neither MM nor NAME=MM", param_hint="--threshold"
            ) from None
        if name:
            own.append((name.strip(), value))
        else:
            default = value
    return default, tuple(own)


def _write_shards(bodies: list[tuple[Path, Path]], count: int, seed: int, size: int, output: Path) -> None:
    """Area densities of randomly deformed bodies, in whole shards."""
    with output_folder(output) as folder:
        from tqdm import tqdm

        from ..dataset import Body, ShardReader, generate
        from ..dataset.generation import SAMPLES_PER_SHARD

        per_body = -(-count // (SAMPLES_PER_SHARD * len(bodies)))
        read = [
            Body.read(ct, label_map, names_file(label_map, None), own_names=True) for ct, label_map in bodies
        ]
        with resumable(), tqdm(total=per_body * len(read), unit="shard", disable=None) as bar:
            generate(read, folder, per_body, seed, pixels=size, on_shard=lambda _: bar.update())
        click.echo(f"{folder}: {len(ShardReader(folder))} images")
