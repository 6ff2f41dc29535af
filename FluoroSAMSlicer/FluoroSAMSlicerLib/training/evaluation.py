"""Measure a model on images with masks: Dice by number of clicks, the clicks simulated from the error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ..dataset.run_length import bounding_box
from .cases import Answer, read_cases


@dataclass(frozen=True)
class Row:
    """One structure of one image after ``clicks`` clicks; ``score`` is what the model believed its IoU to be.

    ``size`` is the structure's share of the image. ``point`` (x, y) and ``label`` are the newest click, None
    before the first; ``met`` says whether the mask holds the point after a positive click and leaves it out
    after a negative one, ``missed`` counts all clicks so far that the mask does not obey, and ``grown`` says
    of a negative click whether the mask around it, to a `NEIGHBOURHOOD`, has become larger.
    """

    image: str
    text: str
    clicks: int
    dice: float
    iou: float
    score: float
    size: float
    point: tuple[int, int] | None = None
    label: int | None = None
    met: bool | None = None
    missed: int = 0
    grown: bool | None = None


NEIGHBOURHOOD = 0.05
"""Radius about a click, as a share of the image's longer side, in which a mask is said to have grown."""


@dataclass(frozen=True)
class Evaluation:
    """All rows of an evaluation, with their means."""

    model: str
    rows: tuple[Row, ...]

    def mean(self, clicks: int, text: str | None = None) -> float:
        """Mean Dice after ``clicks`` clicks, of all structures or of one."""
        chosen = [row.dice for row in self.rows if row.clicks == clicks and text in (None, row.text)]
        return float(np.mean(chosen)) if chosen else float("nan")

    def where(self, keep: Callable[[Row], bool]) -> Evaluation:
        """The same evaluation of the rows that ``keep`` accepts."""
        return replace(self, rows=tuple(row for row in self.rows if keep(row)))

    def steps(self) -> list[tuple[Row, Row]]:
        """The rows before and after each click, where both were recorded."""
        at = {(row.image, row.text, row.clicks): row for row in self.rows}
        before = ((at.get((row.image, row.text, row.clicks - 1)), row) for row in self.rows)
        return [(earlier, row) for earlier, row in before if earlier]

    @property
    def clicks(self) -> tuple[int, ...]:
        return tuple(sorted({row.clicks for row in self.rows}))

    def calibration(self) -> float:
        """Spearman's rank correlation of predicted score and true IoU over all rows."""
        from scipy.stats import rankdata

        ranks = [rankdata([getattr(row, name) for row in self.rows]) for name in ("score", "iou")]
        varied = len(self.rows) > 2 and all(np.ptp(values) > 0 for values in ranks)
        return float(np.corrcoef(*ranks)[0, 1]) if varied else float("nan")

    def to_dict(self) -> dict:
        texts = sorted({row.text for row in self.rows})
        return {
            "model": self.model,
            "mean_dice": {str(n): self.mean(n) for n in self.clicks},
            "mean_dice_by_structure": {t: {str(n): self.mean(n, t) for n in self.clicks} for t in texts},
            "score_iou_spearman": self.calibration(),
            "rows": [asdict(row) for row in self.rows],
        }

    def table(self) -> str:
        """Mean Dice by structure and number of clicks, as aligned text; most frequent structures first."""
        texts = sorted(
            {row.text for row in self.rows}, key=lambda t: (-sum(r.text == t for r in self.rows), t)
        )
        width = max([len(text) for text in texts] + [len("all structures")])
        lines = ["".join([f"{'structure':{width}}  images", *(f"{n:>4} cl." for n in self.clicks)])]
        for name, text in [("all structures", None), *((text, text) for text in texts)]:
            count = len({row.image for row in self.rows if text in (None, row.text)})
            lines.append(
                "".join([f"{name:{width}}  {count:6d}", *(f"{self.mean(n, text):8.3f}" for n in self.clicks)])
            )
        return "\n".join(lines)


def evaluate(
    images: Path | str,
    predictor,
    clicks: Sequence[int] = (0, 1, 3, 5, 8),
    progress: Callable[[int, int], None] | None = None,
    start: str = "text",
) -> Evaluation:
    """Dice of every structure of a manifest, or of a set, after each number of clicks in ``clicks``.

    ``images`` is a file or folder for :func:`~.cases.read_cases`, whose errors are raised. What comes first is
    ``start``: ``"text"``, ``"box"`` (the tight one of the true mask) or ``"both"``. Each
    click is the centre of the largest error region of the mask so far, and the previous result goes back as
    mask prompt.
    """
    count, cases = read_cases(images)
    rows = []
    for number, case in enumerate(cases):
        embedding = predictor.encode(case.radiograph)
        for answer in case.answers:
            rows += _rounds(predictor, embedding, case.image, answer, clicks, start)
        if progress:
            progress(number + 1, count)
    return Evaluation(str(predictor.name), tuple(rows))


def _rounds(predictor, embedding, image: str, answer: Answer, clicks: Sequence[int], start: str) -> list[Row]:
    rows, points, labels, result = [], [], [], None
    considered = ~answer.ignored
    true = answer.mask & considered
    given = {} if start == "box" else {"text": answer.text}
    if start != "text":
        if not true.any():
            return []
        given["box"] = tight_box(true)
    for count in range(max(clicks) + 1):
        before = result
        if count:
            (point, label) = next_click(result.mask & considered, true)
            points.append(point)
            labels.append(label)
        result = predictor.predict(embedding, points=points, labels=labels, previous=result, **given)
        if count in clicks:
            drawn = result.mask & considered
            both, either = np.count_nonzero(drawn & true), np.count_nonzero(drawn | true)
            total = np.count_nonzero(drawn) + np.count_nonzero(true)
            dice, iou = (2 * both / total, both / either) if total else (1.0, 1.0)
            row = Row(image, answer.text, count, dice, iou, float(result.score), float(true.mean()))
            if count:
                obeyed = [
                    bool(result.mask[y, x]) == bool(asked)
                    for (x, y), asked in zip(points, labels, strict=True)
                ]
                grown = None if label else _near(result.mask, point) > _near(before.mask, point)
                row = replace(
                    row, point=point, label=label, met=obeyed[-1], missed=obeyed.count(False), grown=grown
                )
            rows.append(row)
    return rows


def _near(mask: np.ndarray, point: tuple[int, int]) -> int:
    """How many pixels of ``mask`` (H, W) lie within the `NEIGHBOURHOOD` of ``point`` (x, y)."""
    x, y = point
    reach = max(1, round(NEIGHBOURHOOD * max(mask.shape)))
    top, left = max(0, y - reach), max(0, x - reach)
    rows, columns = np.nonzero(mask[top : y + reach + 1, left : x + reach + 1])
    return int(np.count_nonzero(np.hypot(rows + top - y, columns + left - x) <= reach))


def tight_box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The box x1, y1, x2, y2 of the outermost pixels of ``mask`` (H, W)."""
    left, top, width, height = map(float, bounding_box(mask))
    return left, top, left + width - 1, top + height - 1


def next_click(drawn: np.ndarray, wanted: np.ndarray) -> tuple[tuple[int, int], int]:
    """The corrective click (x, y) and its label: the innermost pixel of the largest connected error region.

    Masks bool (H, W). Label 1 adds what was missed, 0 removes what is too much. A faultless mask is
    confirmed by a click at its own innermost pixel.
    """
    from scipy.ndimage import distance_transform_edt, find_objects, label

    error = drawn ^ wanted
    if not error.any():
        error = wanted if wanted.any() else ~wanted
    regions, count = label(error)
    largest = 1 + int(np.argmax(np.bincount(regions.ravel(), minlength=count + 1)[1:]))
    rows, columns = find_objects(regions)[largest - 1]
    depth = distance_transform_edt(np.pad(regions[rows, columns] == largest, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(np.argmax(depth)), depth.shape)
    y, x = int(y + rows.start), int(x + columns.start)
    return (x, y), int(wanted[y, x])
