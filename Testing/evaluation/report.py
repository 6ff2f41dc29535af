"""Measure a model on all evaluation sets and write every table and picture of its report.

    python Testing/evaluation/report.py DATA OUTPUT [--model compact|PATH]

OUTPUT/report.md has the tables, with the pictures beside it; OUTPUT/NAME.json the figures of each set. The
sets are laid out in OUTPUT/sets once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
from FluoroSAMSlicerLib.anatomy import resolve
from FluoroSAMSlicerLib.radiograph import read_radiograph
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.segmentation.overlay import Layer, overlay
from FluoroSAMSlicerLib.training.evaluation import Evaluation, evaluate
from manifests import lay_out
from PIL import Image, ImageOps
from tqdm import tqdm

matplotlib.use("Agg")
from matplotlib import pyplot as plt

CLICKS = (0, 1, 2, 3, 5, 8)
TITLES = {
    "cxr_hannover": "47 real chest radiographs, left and right lung",
    "cxr_generalblockchain": "1 real chest radiograph, 6 classes",
    "drr_abdopelvis": "DRRs of a real CT kept out of training, abdomen and pelvis",
    "drr_head_neck": "DRRs of a body kept out of training, head and neck",
}
WORST = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="compact")
    wanted = parser.parse_args()
    wanted.output.mkdir(parents=True, exist_ok=True)

    predictor = Predictor.load(wanted.model)
    results, views = {}, {}
    for manifest in lay_out(wanted.data, wanted.output / "sets"):
        name = manifest.parent.name
        with tqdm(desc=name, unit="image") as bar:
            results[name] = evaluate(manifest, predictor, CLICKS, lambda _done, _all, bar=bar: bar.update())
        lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
        views[name] = {line["image"]: line["view"] for line in lines}
        figures = json.dumps(results[name].to_dict(), indent=1)
        (wanted.output / f"{name}.json").write_text(figures, encoding="utf-8")
        worst(predictor, manifest, results[name]).save(wanted.output / f"{name}_worst.png")
    by_clicks(results, wanted.output / "dice_by_clicks.png")
    calibration(results, wanted.output / "calibration.png")
    text = "\n\n".join(tables(results, views, f"{predictor.name} {predictor.version}"))
    (wanted.output / "report.md").write_text(text + "\n", encoding="utf-8")
    print(wanted.output / "report.md")


def tables(results: dict[str, Evaluation], views: dict[str, dict[str, str]], model: str) -> list[str]:
    heads = [f"{n} clicks" if n else "text" for n in CLICKS]
    parts = [f"# {model}", "Mean Dice after the name alone, and after simulated clicks."]
    rows = [[TITLES[name], *(f"{result.mean(n):.2f}" for n in CLICKS)] for name, result in results.items()]
    parts += [table(["data set", *heads], rows), "![](dice_by_clicks.png)"]
    rows = [[TITLES[name], f"{result.calibration():.2f}"] for name, result in results.items()]
    parts += [
        "Predicted score against true IoU, all rounds: Spearman's rank correlation.",
        table(["data set", "Spearman"], rows),
        "![](calibration.png)",
    ]
    for name, result in results.items():
        parts.append(f"## {TITLES[name]}")
        rows = []
        for view in sorted(set(views[name].values())):
            chosen = [row for row in result.rows if views[name][row.image] == view]
            rows.append([view, *(mean([r.dice for r in chosen if r.clicks == n]) for n in CLICKS)])
        parts.append(table(["view", *heads], rows))
        rows = []
        for text in sorted({row.text for row in result.rows}):
            count = len({row.image for row in result.rows if row.text == text})
            rows.append([text, str(count), *(f"{result.mean(n, text):.2f}" for n in CLICKS)])
        parts.append(table(["structure", "images", *heads], rows))
        parts.append(f"Where the name alone does worst:\n\n![]({name}_worst.png)")
    return parts


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f}" if values else "-"


def by_clicks(results: dict[str, Evaluation], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name, result in results.items():
        axes.plot(CLICKS, [result.mean(n) for n in CLICKS], marker="o", label=TITLES[name])
    axes.set(xlabel="clicks after the name", ylabel="mean Dice", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def calibration(results: dict[str, Evaluation], path: Path) -> None:
    figure, every = plt.subplots(1, len(results), figsize=(3.2 * len(results), 3.6), layout="constrained")
    for axes, (name, result) in zip(every, results.items(), strict=True):
        axes.scatter([r.score for r in result.rows], [r.iou for r in result.rows], s=4, alpha=0.3)
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        axes.set(xlabel="predicted score", ylabel="true IoU", xlim=(0, 1), ylim=(0, 1), title=name)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def worst(predictor: Predictor, manifest: Path, result: Evaluation) -> Image.Image:
    """The structures whose name alone does worst: the answer beside the truth, three to a row."""
    rows = sorted((row for row in result.rows if row.clicks == 0), key=lambda row: row.dice)[:WORST]
    lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    entries = {line["image"]: line for line in lines}
    pairs = []
    for row in rows:
        radiograph = read_radiograph(manifest.parent / row.image)
        (masks,) = ([s["mask"] for s in entries[row.image]["structures"] if s["text"] == row.text],)
        with Image.open(manifest.parent / masks[0]) as picture:
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
    blank = np.zeros_like(pairs[0])
    pairs += [blank] * (-len(pairs) % 2)
    return Image.fromarray(np.vstack([np.hstack(pairs[n : n + 2]) for n in range(0, len(pairs), 2)]))


if __name__ == "__main__":
    main()
