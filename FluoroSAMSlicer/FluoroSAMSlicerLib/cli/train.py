"""``fluorosam train``: a model from shards of training images."""

from __future__ import annotations

from pathlib import Path

import click

from .output import output_folder


@click.command(short_help="A model from training images.")
@click.argument("shards", type=click.Path(path_type=Path))
@click.option("--output", required=True, metavar="DIR", type=click.Path(path_type=Path))
@click.option("--steps", type=click.IntRange(1), required=True, help="Length of the whole training.")
@click.option("--images", type=click.IntRange(1), default=8, show_default=True, help="Images a step.")
@click.option("--prompts", type=click.IntRange(2), default=4, show_default=True, help="Prompts an image.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=1e-3, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="That share each step."
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="That make batches, of each process.",
)
@click.option("--from", "start", metavar="compact|PATH", help="Go on from a trained model.")
def train(
    shards: Path, output: Path, steps: int, images: int, prompts: int, rate: float, seed: int,
    processes: int, workers: int, start: str | None,
) -> None:  # fmt: skip
    """Train the compact model on the SHARDS of `fluorosam synthesize`; DIR/model is the result.

    DIR/log.csv has one line a step. The same command goes on where it was stopped.
    """
    with output_folder(output) as folder:
        from tqdm import tqdm

        from ..model import Provenance, load_model
        from ..training.export import export
        from ..training.fit import Recipe
        from ..training.parallel import train

        recipe = Recipe(steps=steps, images=images, prompts=prompts, rate=rate, seed=seed)
        network, tokenizer, origin = load_model(start) if start else (None, None, None)
        with tqdm(total=steps, unit="step", disable=None) as bar:

            def on_step(step: int, figures: dict[str, float]) -> None:
                bar.set_postfix(loss=f"{figures['loss']:.3f}", refresh=False)
                bar.update(step - bar.n)

            try:
                trainer = train(
                    shards, folder, recipe, network, tokenizer, processes, workers=workers, on_step=on_step
                )
            except KeyboardInterrupt:
                raise KeyboardInterrupt("stopped; the same command goes on from here") from None
        details = {"steps": trainer.step, "images": len(trainer.reader), "seed": seed}
        if origin:
            details["from"] = f"{origin.name}, {origin.source}"
        provenance = Provenance("compact", "of its training images", f"trained on {shards.name}", details)
        config = trainer.network.config
        click.echo(
            f"{export(folder, folder / 'model', provenance, config)}: trained for {trainer.step} steps"
        )
