"""``fluorosam train``: a model from training images."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import click

from .failures import Failure
from .interruption import resumable
from .output import output_folder


@click.command(short_help="A model from training images.")
@click.argument("dataset", required=False, type=click.Path(path_type=Path))
@click.option("--output", required=True, metavar="DIR", type=click.Path(path_type=Path))
@click.option("--from", "start", metavar="compact|PATH", help="Go on from a trained model.")
@click.option("--recipe", metavar="NAME", help="Train as the bundled model was: compact, compact-fine.")
@click.option("--bodies", metavar="DIR", type=click.Path(path_type=Path), help="Labelled CTs, for --recipe.")
@click.option(
    "--radiographs", metavar="MANIFEST", type=click.Path(path_type=Path), help="Real ones, for --recipe."
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long.")
@click.option("--device", metavar="cpu|cuda", default="cpu", show_default=True)
@click.option(
    "--steps", type=click.IntRange(1), help="Length of the whole training.  [with --from, default: 200]"
)
@click.option("--images", type=click.IntRange(1), help="Images a step.  [default: 8; with --from 4]")
@click.option("--prompts", type=click.IntRange(1), help="Boxes and clicks an image.  [default: 2]")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="[default: 2e-3; with --from 3e-4]")
@click.option("--seed", type=click.IntRange(0), help="[default: 1]")
@click.option(
    "--workers", type=click.IntRange(0),
    help="Processes that make images.  [default: 1; with --device cuda, all processors but one]",
)  # fmt: skip
def train(
    dataset: Path | None, output: Path, start: str | None, recipe: str | None, bodies: Path | None,
    radiographs: Path | None, minutes: float | None, device: str, workers: int | None, **chosen,
) -> None:  # fmt: skip
    """Train on DATASET, what `fluorosam synthesize` or the Synthesize tab wrote; DIR/model is the result.

    DATASET is a set, of which the images for training are used, or shards. With --from, a model that is there
    learns the set's structures in minutes, and no other option is needed; without it, one is trained from
    ImageNet's weights. With --recipe, a bundled model is made anew: its images are rendered from the labelled CTs of
    --bodies as they are needed.

    DIR/log.csv has one line a step. The same command goes on where it was stopped; the model is written at the end.

    \b
    fluorosam train set --from compact --output pelvis
    fluorosam segment hip.dcm --text "left femur" --model pelvis/model --output results
    fluorosam train --recipe compact --bodies cts --output work
    """
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if (dataset is None) == (recipe is None):
        raise click.UsageError("give either a DATASET to train on, or --recipe with --bodies")
    if recipe is not None and bodies is None:
        raise click.UsageError("--recipe needs --bodies, a folder of labelled CTs")
    if recipe is None and (bodies or radiographs):
        raise click.UsageError("--bodies and --radiographs are for --recipe")
    if recipe is None and start is None and "steps" not in chosen:
        raise click.UsageError("give --steps, or a model to go on from with --from")
    if start and Path(start).resolve() == (output / "model").resolve():
        raise click.UsageError("--output would overwrite the model to go on from; give another folder")
    with output_folder(output) as folder:
        from ..model import load_model

        network, tokenizer, origin = load_model(start) if start else (None, None, None)
        if network is not None and not network.config.names_in_one_pass:
            raise Failure(f"{start}: of a design that is not trained here; go on from compact")
        if recipe is not None:
            known = {"steps", "seed", "rate", "prompts"}
            if unusable := sorted(chosen.keys() - known):
                raise click.UsageError(f"--{unusable[0]} is part of the recipe; leave it out")
            begun = (network, tokenizer) if start else None
            training, write = _by_recipe(recipe, bodies, radiographs, folder, device, begun, chosen)
        elif network is not None:
            training, write = _fine_tuned(dataset, output, folder, device, network, tokenizer, origin, chosen)
        else:
            training, write = _from_the_start(dataset, output, folder, device, chosen)
        click.echo(_done(training, write, folder, minutes, workers))


def _by_recipe(recipe, bodies, radiographs, folder, device, start, changed):
    from ..model import Provenance
    from ..training.recipes import export_training, recipe_training

    training = recipe_training(recipe, bodies, folder, device, radiographs, start, **changed)

    def write() -> Path:
        details = {"recipe": recipe, "steps": training.step, "seed": training.course.seed}
        provenance = Provenance("compact", "of its training bodies", "trained by the recipe", details)
        return export_training(training, folder / "model", provenance)

    return training, write


def _fine_tuned(dataset, output, folder, device, network, tokenizer, origin, chosen):
    from dataclasses import replace

    from ..training.export import export
    from ..training.fine_tune import FINE_COURSE, FineTuning

    images = chosen.pop("images", 4)
    course = replace(FINE_COURSE, size=network.config.image_size, **chosen)
    began = {name: value.clone() for name, value in network.state_dict().items()}
    training, reader = _on_images(FineTuning, dataset, images, folder, course, device, network, tokenizer)

    def write() -> Path:
        provenance = _provenance(dataset, output, origin, training.step, len(reader), course.seed)
        return export(folder, folder / "model", provenance, network.config, began)

    return training, write


def _from_the_start(dataset, output, folder, device, chosen):
    from ..training.course import Course, Training
    from ..training.recipes import export_training

    images = chosen.pop("images", 8)
    course = Course(**({"size": 256, "language": min(3000, 10 * chosen["steps"])} | chosen))
    training, reader = _on_images(Training, dataset, images, folder, course, device)

    def write() -> Path:
        provenance = _provenance(dataset, output, None, training.step, len(reader), course.seed)
        return export_training(training, folder / "model", provenance)

    return training, write


def _on_images(kind, dataset, images, folder, course, device, *start):
    from ..dataset import open_training_images
    from ..training.samples import SampleStream

    reader = open_training_images(dataset)
    return kind(SampleStream(reader, course.size, images, course.seed), folder, course, device, *start), reader


def _done(training, write, folder, minutes, workers) -> str:
    with _stoppable(training.course.steps) as bar:
        bar.update(training.step)
        training.run(float("inf") if minutes is None else minutes, workers, on_step=_counting(bar))
    if training.step < training.course.steps:
        return (
            f"{folder}: stopped after step {training.step} of {training.course.steps}, there is no model yet; "
            "run the same to go on"
        )
    return f"{write()}: trained for {training.step} steps"


def _provenance(dataset, output, origin, steps: int, images: int, seed: int):
    from ..model import Provenance

    details: dict[str, int | str] = {"steps": steps, "images": images, "seed": seed}
    licence = "of its training images"
    if origin:
        details["from"] = f"{origin.name}, {origin.source}"
        licence = f"{licence}, and of the model it began with: {origin.licence}"
    name = output.absolute().name if origin else "compact"
    return Provenance(name, licence, f"trained on {dataset.absolute().name}", details)


@contextmanager
def _stoppable(steps: int):
    """A bar of steps; Ctrl-C says that the same command goes on."""
    from tqdm import tqdm

    with resumable(), tqdm(total=steps, unit="step", disable=None) as bar:
        yield bar


def _counting(bar):
    def on_step(step: int, figures: dict[str, float]) -> None:
        bar.set_postfix(loss=f"{figures['loss']:.3f}", refresh=False)
        bar.update(step - bar.n)

    return on_step
