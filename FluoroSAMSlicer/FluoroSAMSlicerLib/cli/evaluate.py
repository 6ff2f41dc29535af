"""``fluorosam evaluate``: how good a model is on images whose answer is known."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from .inputs import require
from .output import output_folder, staged, write_csv, write_json

COLUMNS = ("image", "text", "clicks", "dice", "iou", "score", "size", "label", "met", "missed", "grown")


class ClickCounts(click.ParamType):
    """Whole numbers with commas between, from "0,1,3"."""

    name = "numbers"

    def convert(self, value, param, ctx) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            counts = tuple(sorted({int(part) for part in value.split(",")}))
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers such as 0,1,3", param, ctx)
        if not 0 <= counts[0] <= counts[-1] <= 100:
            self.fail("the numbers must lie between 0 and 100", param, ctx)
        return counts


@click.command(short_help="Dice of a model on images with masks.")
@click.argument("images", type=click.Path(path_type=Path))
@click.option("--clicks", type=ClickCounts(), default="0,1,3,5,8", show_default=True, metavar="N,N,...")
@click.option(
    "--start",
    type=click.Choice(["text", "box", "both"]),
    default="text",
    show_default=True,
    help="What is asked before the first click; the box is the true mask's.",
)
@click.option("--model", metavar="NAME|PATH", default="compact", show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--output", metavar="DIR", type=click.Path(path_type=Path), help="Also write JSON and CSV here."
)
def evaluate(
    images: Path, clicks: tuple[int, ...], start: str, model: str, device: str, output: Path | None
) -> None:
    """Dice of a model on IMAGES, after text or a box alone and after simulated clicks.

    IMAGES is a set that `fluorosam synthesize` or the Synthesize tab wrote, of which the images for validation are
    used, or a manifest, JSON Lines, paths relative to it:
    {"image": "a.png", "structures": [{"text": "left lung", "mask": "a_left_lung.png"}]}
    """
    from tqdm import tqdm

    from ..training.cases import check_cases

    require(images)
    for note in check_cases(images, named=start != "box"):
        click.echo(f"note: {note}", err=True)
    with nullcontext() if output is None else output_folder(output) as folder:
        from ..segmentation import Predictor
        from ..training import evaluation

        predictor = Predictor.load(model, device=device)
        with tqdm(unit="image", disable=None) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            result = evaluation.evaluate(images, predictor, clicks, progress, start)
        click.echo(result.table())
        if folder is None:
            return
        with staged(folder) as stage:
            write_json(stage / "evaluation.json", result.to_dict())
            rows = ([getattr(row, column) for column in COLUMNS] for row in result.rows)
            write_csv(stage / "evaluation.csv", COLUMNS, rows)
        click.echo(f"{folder / 'evaluation.json'}\n{folder / 'evaluation.csv'}")
