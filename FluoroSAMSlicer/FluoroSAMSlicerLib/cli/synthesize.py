"""``fluorosam synthesize``: training images from labelled CT."""

from __future__ import annotations

from pathlib import Path

import click

from .bodies import names_file, pairs
from .output import output_folder


@click.command(short_help="Training images from labelled CTs.")
@click.argument("cts", metavar="CT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--labels", multiple=True, required=True, metavar="LABELMAP", type=click.Path(path_type=Path),
    help="Label map of a CT; repeat in the order of the CTs.",
)  # fmt: skip
@click.option("--count", type=click.IntRange(1), required=True, help="Images, rounded up to whole shards.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--size", type=click.IntRange(32, 2048), default=256, show_default=True, help="Pixels a side.")
@click.option("--output", required=True, metavar="DIR", type=click.Path(path_type=Path))
def synthesize(
    cts: tuple[Path, ...], labels: tuple[Path, ...], count: int, seed: int, size: int, output: Path
) -> None:
    """Render random views of randomly varied labelled CTs into shards for training.

    The names of a label map's values stand beside it: LABELMAP with the ending .json. What exists in
    DIR is kept, so that the same command goes on where it was stopped.
    """
    bodies = pairs(cts, labels)
    with output_folder(output) as folder:
        from tqdm import tqdm

        from ..dataset import Body, ShardReader, generate
        from ..dataset.generation import SAMPLES_PER_SHARD

        per_body = -(-count // (SAMPLES_PER_SHARD * len(bodies)))
        read = [Body.read(ct, label_map, names_file(label_map, None)) for ct, label_map in bodies]
        try:
            with tqdm(total=per_body * len(read), unit="shard", disable=None) as bar:
                generate(read, folder, per_body, seed, pixels=size, on_shard=lambda _: bar.update())
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; the same command goes on from here") from None
        click.echo(f"{folder}: {len(ShardReader(folder))} images")
