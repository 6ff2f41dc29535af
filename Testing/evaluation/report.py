"""Measure a model on all evaluation sets and write every table and picture of its report.

    python Testing/evaluation/report.py DATA OUTPUT [--model compact|PATH]

OUTPUT/report.md has the tables, with the pictures beside it; OUTPUT/NAME.json the figures of each set. The
sets are laid out in OUTPUT/sets once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import examples
import language
import tables
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.training.evaluation import Evaluation, Row, evaluate
from manifests import HELD_OUT, lay_out
from pictures import plot_calibration, plot_dice, side_by_side, worst
from tqdm import tqdm

ROUNDS = range(tables.CLICKS[-1] + 1)
BOXES = ("real_bones", "nc_real_bones", "nc_drr_legs", "cxr_hannover")
BOXED = (0, 1, 3)
"""Numbers of clicks after a box."""
SHOWN, LISTED = 20, 40
SEEN = 0.005
"""Share of the picture that a structure covers at least to be among the failures."""
FAILURES = (
    f"Structures that cover {SEEN:.1%} of a picture or more. The pictures show the worst answer to each name: what "
    "the model drew beside the truth."
)
TITLES = {
    "real_bones": "4 real radiographs: bones, heart, trachea, metal",
    "nc_real_bones": "7 real radiographs: bones and teeth, feet, knee, pelvis, skull",
    "nc_drr_legs": "DRRs of a cadaver's pelvis and legs",
    "cxr_hannover": "47 real chest radiographs, left and right lung",
    "cxr_generalblockchain": "1 real chest radiograph, 6 classes",
    "drr_abdopelvis": "DRRs of a real CT kept out of training, abdomen and pelvis",
    "drr_head_neck": "DRRs of a body kept out of training, head and neck",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="compact")
    wanted = parser.parse_args()
    output = wanted.output
    output.mkdir(parents=True, exist_ok=True)

    predictor = Predictor.load(wanted.model)
    results: dict[str, Evaluation] = {}
    views: dict[str, dict[str, str]] = {}
    boxed: dict[str, Evaluation] = {}
    sets = lay_out(wanted.data, output / "sets")
    for name, manifest in sets.items():
        with tqdm(desc=name, unit="image") as bar:
            results[name] = evaluate(manifest, predictor, ROUNDS, lambda _done, _all, bar=bar: bar.update())
        if name in BOXES:
            for start, title in (("box", "box"), ("both", "name and box")):
                boxed[f"{TITLES[name]}: {title}"] = evaluate(manifest, predictor, BOXED, start=start)
        lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
        views[name] = {line["image"]: view_of(line) for line in lines}
        figures = json.dumps(results[name].to_dict(), indent=1)
        (output / f"{name}.json").write_text(figures, encoding="utf-8")
        worst(predictor, manifest, results[name]).save(output / f"{name}_worst.png")
    plot_dice(results, TITLES, output / "dice_by_clicks.png")
    plot_calibration(results, output / "calibration.png")
    parts = [f"# {predictor.name}", *measured(results, views)]
    parts += ["## Boxes", BOXING, tables.dice("data set and prompt", boxed)]
    parts += ["## Beside others", tables.PUBLISHED]
    write_failures(predictor, sets, results, output)
    parts.append(f"[The {SHOWN} worst answers in pictures](failures.md), and a table of the {LISTED} worst.")
    words = language.measure(predictor, language.read_phrases())
    parts += ["## Language", LANGUAGE, words.markdown()]
    shown = examples.draw(predictor, wanted.data, output / "examples")
    if shown:
        parts += ["## Radiographs without masks", examples.markdown(shown, predictor.version, "examples")]
    (output / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(output / "report.md")


def write_failures(
    predictor: Predictor, sets: dict[str, Path], results: dict[str, Evaluation], output: Path
) -> None:
    """failures.md: of all sets, the structures whose name alone does worst, one picture of each structure."""
    rows = [(name, row) for name, result in results.items() for row in result.rows if row.clicks == 0]
    rows = sorted((entry for entry in rows if entry[1].size >= SEEN), key=lambda entry: entry[1].dice)
    shown: dict[str, tuple[Path, Row]] = {}
    for name, row in rows:
        shown.setdefault(row.text, (sets[name], row))
    side_by_side(predictor, list(shown.values())[:SHOWN]).save(output / "failures.png")
    heads = ["set", "image", "structure", "share of the picture", "Dice by name", "score"]
    listed = [
        [TITLES[name], row.image, row.text, f"{row.size:.1%}", f"{row.dice:.2f}", f"{row.score:.2f}"]
        for name, row in rows[:LISTED]
    ]
    text = [f"# {predictor.name}: where a name does worst", FAILURES, "![](failures.png)"]
    text.append(tables.table(heads, listed))
    (output / "failures.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def measured(results: dict[str, Evaluation], views: dict[str, dict[str, str]]) -> list[str]:
    """All that is measured on images with masks, as paragraphs of Markdown."""
    drawn = joined([results[name] for name in HELD_OUT if name in results])
    titled = {TITLES[name]: result for name, result in results.items()}
    parts = [
        "Mean Dice after the name alone, and after simulated clicks.",
        tables.dice("data set", titled),
        "![](dice_by_clicks.png)",
        "## Aims",
        tables.aims(results),
        "## DRRs by size and category",
        tables.by_size(drawn),
        tables.by_category(drawn),
        "## Clicks",
        CLICKING,
        tables.clicking(results),
        "## Calibration",
        "Predicted score against true IoU: Spearman's rank correlation.",
        tables.spearman(titled),
        "![](calibration.png)",
        "Mean true IoU of the answers by their predicted score, and how many they are, all rounds.",
        tables.score_bins(results),
        f'The panel says "low confidence" of a score below {tables.LOW_SCORE}.',
        tables.low_confidence(titled),
    ]
    for name, result in results.items():
        parts += [f"## {TITLES[name]}", tables.by_view(result, views[name]), tables.by_structure(result)]
        parts.append(f"Where the name alone does worst:\n\n![]({name}_worst.png)")
    return parts


CLICKING = (
    "Each simulated click is the innermost pixel of the largest error. A mask has grown around a click if more "
    "of it lies within a twentieth of the image's longer side than before. A text result is wrong if its Dice "
    f"is below {tables.WRONG}."
)
BOXING = "The tight box of the true mask, alone and with the name, and clicks after it."
LANGUAGE = (
    "Phrases as people write them. The resolver turns a phrase into a structure's canonical name, which is what "
    "the model reads; asking back with the right choices is counted apart. The tower is the model's own reading "
    "of the raw phrase: the structures whose canonical name falls onto the same code. Rules and names were "
    "worked on with the development half only."
)


def view_of(line: dict) -> str:
    """The view of an image of a manifest, in words."""
    view = line.get("view", "")
    return f"{view['region']} {view['projection']}" if isinstance(view, dict) else view


def joined(results: list[Evaluation]) -> Evaluation:
    """One evaluation of several data sets."""
    return Evaluation(results[0].model, tuple(row for result in results for row in result.rows))


if __name__ == "__main__":
    main()
