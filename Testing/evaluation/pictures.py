"""The plots and pictures of a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from FluoroSAMSlicerLib.anatomy import resolve
from FluoroSAMSlicerLib.radiograph import read_radiograph
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.segmentation.overlay import Layer, overlay
from FluoroSAMSlicerLib.training.evaluation import Evaluation, Row
from PIL import Image, ImageOps
from tables import CLICKS

matplotlib.use("Agg")
from matplotlib import pyplot as plt

WORST = 6


def plot_dice(results: dict[str, Evaluation], titles: dict[str, str], path: Path) -> None:
    """Mean Dice by number of clicks, one line a data set."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name, result in results.items():
        axes.plot(CLICKS, [result.mean(n) for n in CLICKS], marker="o", label=titles[name])
    axes.set(xlabel="clicks after the name", ylabel="mean Dice", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_calibration(results: dict[str, Evaluation], path: Path) -> None:
    """Predicted score against true IoU, one plot a data set."""
    figure, every = plt.subplots(
        1, len(results), figsize=(3.2 * len(results), 3.6), layout="constrained", squeeze=False
    )
    for axes, (name, result) in zip(every[0], results.items(), strict=True):
        axes.scatter([r.score for r in result.rows], [r.iou for r in result.rows], s=4, alpha=0.3)
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        axes.set(xlabel="predicted score", ylabel="true IoU", xlim=(0, 1), ylim=(0, 1), title=name)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def worst(predictor: Predictor, manifest: Path, result: Evaluation) -> Image.Image:
    """The structures of one set whose name alone does worst: answer and truth, two pairs to a row."""
    rows = sorted((row for row in result.rows if row.clicks == 0), key=lambda row: row.dice)[:WORST]
    return side_by_side(predictor, [(manifest, row) for row in rows])


def side_by_side(predictor: Predictor, answers: Sequence[tuple[Path, Row]]) -> Image.Image:
    """What the name alone draws beside the truth, for structures of manifests, two pairs to a row."""
    pairs = []
    for manifest, row in answers:
        radiograph = read_radiograph(manifest.parent / row.image)
        lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
        structures = next(line["structures"] for line in lines if line["image"] == row.image)
        mask = next(structure["mask"] for structure in structures if structure["text"] == row.text)
        with Image.open(manifest.parent / mask) as picture:
            truth = np.asarray(picture.convert("L")) > 0
        answer = predictor.predict(predictor.encode(radiograph), text=row.text)
        color = resolve(row.text).color
        pair = [
            overlay(radiograph.pixels, [Layer(label, color, mask, score)], row.image, radiograph.spacing)
            for label, mask, score in (
                (f"{row.text}, model", answer.mask, float(answer.score)),
                (f"{row.text}, truth", truth, None),
            )
        ]
        both = [ImageOps.pad(picture, (480, 340)) for picture in pair]
        pairs.append(np.hstack([np.asarray(picture) for picture in both]))
    pairs += [np.zeros_like(pairs[0])] * (-len(pairs) % 2)
    return Image.fromarray(np.vstack([np.hstack(pairs[n : n + 2]) for n in range(0, len(pairs), 2)]))
