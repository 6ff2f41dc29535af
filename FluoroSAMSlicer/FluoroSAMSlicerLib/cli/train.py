"""``fluorosam train``: a model from training images."""

from __future__ import annotations

from pathlib import Path

import click

from .failures import Failure
from .output import output_folder


@click.command(short_help="A model from training images.")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--output", required=True, metavar="DIR", type=click.Path(path_type=Path))
@click.option("--from", "start", metavar="compact|PATH", help="Go on from a trained model.")
@click.option(
    "--steps", type=click.IntRange(1), help="Length of the whole training.  [with --from, default: 200]"
)
@click.option("--images", type=click.IntRange(1), help="Images a step.  [default: 8; with --from 4]")
@click.option("--prompts", type=click.IntRange(2), help="Prompts an image.  [default: 4]")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="[default: 1e-3; with --from 5e-4]")
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
def train(
    dataset: Path, output: Path, start: str | None, seed: int, processes: int, workers: int, **chosen
) -> None:
    """Train on DATASET, what `fluorosam synthesize` or the Synthesize tab wrote; DIR/model is the result.

    DATASET is a set, of which the images for training are used, or shards. With --from, a model that is there
    learns the set's structures in minutes, and no other option is needed; without it, a compact model is trained
    from the start.

    DIR/log.csv has one line a step. The same command goes on where it was stopped.

    \b
    fluorosam train set --from compact --output pelvis
    fluorosam segment hip.dcm --text "left femur" --model pelvis/model --output results
    """
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if start is None and "steps" not in chosen:
        raise click.UsageError("give --steps, or a model to go on from with --from")
    if start and Path(start).resolve() == (output / "model").resolve():
        raise click.UsageError("--output would overwrite the model to go on from; give another folder")
    with output_folder(output) as folder:
        from tqdm import tqdm

        from ..model import Provenance, load_model
        from ..model.tokens import CompactTokenizer
        from ..training.export import export
        from ..training.fine_tune import fine_tuning
        from ..training.fit import Recipe
        from ..training.parallel import train

        network, tokenizer, origin = load_model(start) if start else (None, None, None)
        if origin and not isinstance(tokenizer, CompactTokenizer):
            raise Failure(f"{start}: of the published kind, which is not trained here; go on from compact")
        # Training changes the network itself.
        began = {name: value.clone() for name, value in network.state_dict().items()} if start else None
        recipe = (fine_tuning if start else Recipe)(**chosen, seed=seed)
        with tqdm(total=recipe.steps, unit="step", disable=None) as bar:

            def on_step(step: int, figures: dict[str, float]) -> None:
                bar.set_postfix(loss=f"{figures['loss']:.3f}", refresh=False)
                bar.update(step - bar.n)

            try:
                trainer = train(
                    dataset, folder, recipe, network, tokenizer, processes, workers=workers, on_step=on_step
                )
            except KeyboardInterrupt:
                raise KeyboardInterrupt("stopped; the same command goes on from here") from None
        details = {"steps": trainer.step, "images": len(trainer.reader), "seed": seed}
        licence = "of its training images"
        if origin:
            details["from"] = f"{origin.name}, {origin.source}"
            licence = f"{licence}, and of the model it began with: {origin.licence}"
        name = output.absolute().name if origin else "compact"
        provenance = Provenance(name, licence, f"trained on {dataset.absolute().name}", details)
        config = trainer.network.config
        model = export(folder, folder / "model", provenance, config, began)
        click.echo(f"{model}: trained for {trainer.step} steps")
