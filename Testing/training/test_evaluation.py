"""What the evaluation says of clicks and scores, and the report's tables and language measure made of it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from FluoroSAMSlicerLib.anatomy import vocabulary
from FluoroSAMSlicerLib.training.evaluation import Evaluation, Row, evaluate
from PIL import Image

EVALUATION = Path(__file__).resolve().parents[1] / "evaluation"
SIZE = (100, 100)


@pytest.fixture
def rooms(monkeypatch):
    """The report's modules, which import each other by their bare names as a script's do."""
    monkeypatch.syspath_prepend(str(EVALUATION))
    import language
    import tables

    yield SimpleNamespace(language=language, tables=tables)
    for name in ("language", "tables"):
        sys.modules.pop(name, None)


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + side, left : left + side] = True
    return mask


class Scripted:
    """Answers the masks it was given, one a round."""

    name = "scripted"

    def __init__(self, *masks: np.ndarray):
        self.masks = masks

    def encode(self, radiograph):
        return radiograph

    def predict(self, embedding, points, labels, previous, text=None, box=None):
        self.asked = text, box
        return SimpleNamespace(mask=self.masks[len(points)], score=0.1 * len(points))


def evaluated(folder: Path, wanted: np.ndarray, *masks: np.ndarray) -> Evaluation:
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(folder / "a.png")
    Image.fromarray(wanted.astype(np.uint8) * 255).save(folder / "m.png")
    entry = {"image": "a.png", "structures": [{"text": "left lung", "mask": "m.png"}]}
    (folder / "set.jsonl").write_text(json.dumps(entry), encoding="utf-8")
    return evaluate(folder / "set.jsonl", Scripted(*masks), clicks=range(len(masks)))


@pytest.mark.parametrize(
    ("start", "asked"),
    [
        ("text", ("left lung", None)),
        ("box", (None, (30.0, 20.0, 39.0, 29.0))),
        ("both", ("left lung", (30.0, 20.0, 39.0, 29.0))),
    ],
)
def test_what_is_asked_first_is_text_or_the_tight_box(tmp_path, start, asked):
    evaluated(tmp_path, square(20, 30, 10), square(20, 30, 10))
    predictor = Scripted(square(20, 30, 10))
    result = evaluate(tmp_path / "set.jsonl", predictor, clicks=(0,), start=start)
    assert predictor.asked == asked and result.mean(0) == 1.0


def test_a_positive_click_that_is_obeyed_is_met(tmp_path):
    wanted = square(60, 60, 20)
    text, first = evaluated(tmp_path, wanted, square(10, 10, 10), wanted).rows

    assert (text.point, text.label, text.met, text.grown) == (None, None, None, None)
    assert wanted[first.point[1], first.point[0]] and first.label == 1
    assert first.met and first.missed == 0 and first.grown is None
    assert first.size == pytest.approx(0.04) and first.iou == 1.0


def test_a_negative_click_tells_whether_the_mask_grew_around_it(tmp_path):
    wanted = square(10, 10, 10)
    excess = square(50, 50, 30)
    same, grown = wanted | excess, wanted | square(50, 50, 34)
    _, first, second = evaluated(tmp_path, wanted, same, same, wanted).rows
    assert (first.label, first.met, first.grown) == (0, False, False)
    assert (second.label, second.met, second.missed) == (0, True, 0)

    thin = wanted | square(64, 64, 2)
    _, first = evaluated(tmp_path, wanted, thin, grown).rows
    assert (first.met, first.missed, first.grown) == (False, 1, True)


def test_a_click_forgotten_later_counts_as_missed(tmp_path):
    wanted = square(10, 10, 10) | square(60, 60, 30)
    large, small = square(60, 60, 30), square(10, 10, 10)
    *_, second = evaluated(tmp_path, wanted, np.zeros(SIZE, bool), large, small).rows

    assert second.met and second.missed == 1


def row(clicks: int, iou: float, score: float = 0.5, text: str = "left femur", **more) -> Row:
    return Row("a.png", text, clicks, 2 * iou / (1 + iou), iou, score, more.pop("size", 0.03), **more)


def test_calibration_gives_ties_the_same_rank():
    rising = [row(n, iou, score) for n, (iou, score) in enumerate([(0.2, 0.1), (0.4, 0.2), (0.9, 0.3)])]
    assert Evaluation("m", tuple(rising)).calibration() == pytest.approx(1.0)

    tied = [row(n, 0.0, score) for n, score in enumerate((0.1, 0.5, 0.9))]
    assert np.isnan(Evaluation("m", tuple(tied)).calibration())
    one = Evaluation("m", (*tied, row(3, 1.0, 0.5)))
    assert one.calibration() == pytest.approx(0.0)


def test_steps_pair_each_click_with_the_round_before():
    rows = (row(0, 0.1), row(1, 0.5), row(3, 0.6), row(0, 0.3, text="sacrum"))
    steps = Evaluation("m", rows).steps()

    assert [(before.clicks, after.clicks, after.text) for before, after in steps] == [(0, 1, "left femur")]


def test_the_click_table_counts_rescues_of_wrong_text_results(rooms):
    click = {"point": (5, 5), "label": 1, "grown": None}
    rows = (
        row(0, 0.1), row(1, 0.5, met=True, **click),
        row(0, 0.2, text="sacrum"), row(1, 0.1, text="sacrum", met=True, **click),
        row(0, 0.0, text="skull"), row(1, 0.0, text="skull", met=False, missed=1, **click),
        row(0, 0.9, text="heart"), row(1, 0.9, text="heart", met=True, **click),
    )  # fmt: skip
    lines = rooms.tables.clicking({"set": Evaluation("m", rows)}).splitlines()
    cells = {line.split(" | ")[0].strip("| "): line.split(" | ")[1].strip("| ") for line in lines}

    assert cells["click met: its pixel has the label asked for"] == "75.0% of 4"
    assert cells["first positive click on a wrong text result: mask holds the point"] == "66.7% of 3"
    assert cells["the same: mask holds the point and its IoU with the structure has risen"] == "33.3% of 3"
    assert cells["negative click, its pixel still in the mask"] == "-"


def test_tables_group_by_size_category_and_score(rooms):
    rows = (
        row(0, 0.1, 0.3, size=0.01),
        row(0, 0.7, 0.8, text="liver", size=0.3),
        row(0, 0.3, 0.95, text="aorta", size=0.05),
    )
    result = Evaluation("m", rows)

    assert "| 0.5 to 2 % of the image | 1 | 0.18 |" in rooms.tables.by_size(result)
    assert "| more than 2 % | 2 |" in rooms.tables.by_size(result)
    assert [line.split(" | ")[0] for line in rooms.tables.by_category(result).splitlines()[2:]] == [
        "| bone", "| organ", "| vessel",
    ]  # fmt: skip
    assert "| 0.2 to 0.4 (low confidence) | 0.10 (1) |" in rooms.tables.score_bins({"set": result})
    assert "| set | 100.0% of 1 | 50.0% of 2 |" in rooms.tables.low_confidence({"set": result})


class Spelled:
    """A predictor whose text tower has one code a word set, and knows no side in "toe"."""

    device = "cpu"

    def __init__(self):
        self.codes: dict[frozenset, int] = {}
        self.tokenizer = SimpleNamespace(encode=Texts)
        self.network = SimpleNamespace(encode_text=self.encode_text)

    def encode_text(self, texts):
        keys = []
        for text in texts:
            words = frozenset(text.replace(",", "").split())
            keys.append(words - {"left", "right"} if "toe" in words else words)
        rows = [self.codes.setdefault(key, len(self.codes)) for key in keys]
        return SimpleNamespace(index=np.array(rows))


class Texts(list):
    def to(self, _device):
        return self


def test_the_phrases_are_well_formed_and_mostly_unseen(rooms):
    phrases = rooms.language.read_phrases()
    known = vocabulary()
    trained = {text for texts in known.phrases().values() for text in texts}

    assert len({phrase.text for phrase in phrases}) == len(phrases) >= 120
    assert all(name in known for phrase in phrases for name in phrase.structures)
    assert sum(phrase.text not in trained for phrase in phrases) >= len(phrases) / 2
    halves = [phrase.half for phrase in phrases]
    assert min(halves.count(half) for half in rooms.language.HALVES) > 0.4 * len(phrases)


def test_resolver_and_tower_are_judged_apart(rooms):
    Phrase = rooms.language.Phrase
    phrases = [
        Phrase("femur left", "side", ("left femur",)),
        Phrase("lt femur", "side", ("left femur",)),
        Phrase("right femur", "side", ("left femur",)),
        Phrase("femur", "side", ("left femur",)),
        Phrase("shoulder", "place", ("scapula",)),
        Phrase("glabella", "place", ("frontal bone",)),
        Phrase("C1 and C2", "list", ("C1 vertebra", "C2 vertebra")),
    ]
    result = rooms.language.measure(Spelled(), phrases)

    resolved = [answer.resolved for answer in result.answers]
    assert resolved == ["right", "right", "wrong side", "wrong", "asks", "unknown", "asks"]
    assert [answer.nearest for answer in result.answers[:4]] == ["right", "wrong", "wrong side", "side lost"]
    assert "great toe" in result.laterality.same and "femur" not in result.laterality.same
    assert result.laterality.forms["X left"]["right"] > 500
    assert result.share("right") == pytest.approx(2 / 7)
    assert "held out" in result.markdown() and "great toe" in result.markdown()


def test_the_resolver_reads_what_people_write(rooms):
    """A floor under both halves; the shares themselves are in the model's report."""
    known = vocabulary()
    phrases = rooms.language.read_phrases()
    outcomes = [(phrase.half, rooms.language.resolved(phrase, known)[0]) for phrase in phrases]
    for half in rooms.language.HALVES:
        mine = [outcome for its, outcome in outcomes if its == half]
        assert mine.count("right") / len(mine) > 0.9
        assert "wrong side" not in mine


def test_the_failure_page_shows_each_name_once_and_lists_the_worst_of_all_sets(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(EVALUATION))
    pytest.importorskip("matplotlib")
    import report

    wanted, found = square(10, 10, 40), square(30, 30, 40)
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(wanted.astype(np.uint8) * 255).save(tmp_path / "m.png")
    texts = ("left lung", "heart", "left femur")
    structures = [{"text": text, "mask": "m.png"} for text in texts]
    (tmp_path / "set.jsonl").write_text(json.dumps({"image": "a.png", "structures": structures}))
    rows = [Row("a.png", text, 0, dice, 0.1, 0.7, 0.16) for text, dice in zip(texts, (0.3, 0.1, 0.2), strict=True)]
    rows += [replace(rows[0], dice=0.05, size=0.001), replace(rows[1], clicks=1, dice=0.0)]
    sets = dict.fromkeys(("real_bones", "nc_real_bones"), tmp_path / "set.jsonl")
    results = dict.fromkeys(sets, Evaluation("scripted", tuple(rows)))
    asked = []
    shows = SimpleNamespace(
        name="scripted",
        encode=lambda radiograph: radiograph,
        predict=lambda _, text: asked.append(text) or SimpleNamespace(mask=found, score=0.7),
    )
    report.write_failures(shows, sets, results, tmp_path)
    assert asked == ["heart", "left femur", "left lung"]
    lines = [line for line in (tmp_path / "failures.md").read_text().splitlines() if "a.png" in line]
    assert [line.split(" | ")[2] for line in lines] == [name for name in asked for _ in sets]
    with Image.open(tmp_path / "failures.png") as picture:
        assert picture.size == (4 * 480, 2 * 340)
