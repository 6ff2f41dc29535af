"""Measure the language: phrases as people write them, against the resolver and against the text tower alone.

    python Testing/evaluation/language.py [--model compact|PATH] [--list]

``phrases.tsv`` beside this file holds the phrases and the structures they mean. A hash of the phrase puts it
into the development half, which may guide the vocabulary's rules, or into the held-out half, which may not.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from FluoroSAMSlicerLib.anatomy import AmbiguousName, UnknownName, Vocabulary, resolve, vocabulary

if TYPE_CHECKING:
    from FluoroSAMSlicerLib.segmentation import Predictor

PHRASES = Path(__file__).with_name("phrases.tsv")
HALVES = ("development", "held out")
RESOLVED = ("right", "asks", "unknown", "wrong side", "wrong")
NEAREST = ("right", "side lost", "wrong side", "wrong")
SIDE_FORMS = {
    "left X": ("left {}", "right {}"),
    "lt X": ("lt {}", "rt {}"),
    "X left": ("{} left", "{} right"),
    "X, l": ("{}, l", "{}, r"),
}
BATCH = 256


@dataclass(frozen=True)
class Phrase:
    """What a person writes; ``structures`` are canonical names, any one of which is the right answer."""

    text: str
    kind: str
    structures: tuple[str, ...]

    @property
    def half(self) -> str:
        return HALVES[sha256(self.text.encode()).digest()[0] % 2]


@dataclass(frozen=True)
class Answer:
    """A phrase's outcome, one of `RESOLVED` for the resolver and one of `NEAREST` for the tower."""

    phrase: Phrase
    trained: bool
    resolved: str
    resolved_to: str
    nearest: str
    nearest_to: str


@dataclass(frozen=True)
class Laterality:
    """Sides in the text tower alone: of ``pairs`` structures, ``same`` have one code for left and right.

    ``forms`` counts, for each way of writing a side, whether its code is that of the structure meant, of its
    mirror image, or another (`NEAREST` without "side lost").
    """

    pairs: int
    same: tuple[str, ...]
    forms: dict[str, Counter]


@dataclass(frozen=True)
class Language:
    """All answers, and what the tower makes of sides."""

    answers: tuple[Answer, ...]
    laterality: Laterality

    def share(self, outcome: str, of: str = "resolved", half: str | None = None) -> float:
        """Share of phrases with ``outcome``, of one half or both; ``of`` is "resolved" or "nearest"."""
        chosen = [answer for answer in self.answers if half in (None, answer.phrase.half)]
        return sum(getattr(answer, of) == outcome for answer in chosen) / len(chosen)

    def markdown(self) -> str:
        heads = ["phrases", "number", *(f"resolver: {one}" for one in RESOLVED)]
        heads += [f"tower: {one}" for one in NEAREST]
        lines = [heads, ["---"] * len(heads)]
        lines += [_line(half, [a for a in self.answers if a.phrase.half == half]) for half in HALVES]
        for seen, name in ((True, "among the training phrases"), (False, "not among them")):
            lines.append(_line(name, [a for a in self.answers if a.trained == seen]))
        for kind in dict.fromkeys(answer.phrase.kind for answer in self.answers):
            lines.append(_line(kind, [a for a in self.answers if a.phrase.kind == kind]))
        side = self.laterality
        forms = [["side written", "number", "right", "wrong side", "wrong"], ["---"] * 5]
        for form, counts in side.forms.items():
            total = sum(counts.values())
            shares = [f"{counts[one] / total:.1%}" for one in forms[0][2:]]
            forms.append([form, str(total), *shares])
        apart = f"Left and right have different codes for {side.pairs - len(side.same)} of {side.pairs} pairs"
        apart += f", the same for: {', '.join(side.same)}." if side.same else "."
        return "\n\n".join([_rows(lines), f"{apart} What the tower alone makes of a side:", _rows(forms)])


def read_phrases(path: Path = PHRASES) -> list[Phrase]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Phrase(row["phrase"], row["kind"], tuple(row["structures"].split("|"))) for row in rows]


class Tower:
    """The text tower as a classifier: the structures whose own name falls onto the same codebook row."""

    def __init__(self, predictor: Predictor, known: Vocabulary):
        self.predictor, self.known = predictor, known

    def rows(self, texts: Sequence[str]) -> list[int]:
        """The nearest codebook row of each text."""
        found: list[int] = []
        network, tokenizer = self.predictor.network, self.predictor.tokenizer
        for start in range(0, len(texts), BATCH):
            ids = tokenizer.encode(list(texts[start : start + BATCH]))
            found += network.encode_text(ids.to(self.predictor.device)).index.tolist()
        return found

    @cached_property
    def row_of(self) -> dict[str, int]:
        names = [structure.name for structure in self.known]
        return dict(zip(names, self.rows(names), strict=True))

    @cached_property
    def names_of(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for name, row in self.row_of.items():
            found.setdefault(row, []).append(name)
        return found

    def outcome(self, row: int, expected: Iterable[str]) -> str:
        expected = list(expected)
        if row in {self.row_of[name] for name in expected}:
            return "right"
        mirrored = {self.known.mirrored(name) for name in expected}
        if any(name in mirrored for name in self.names_of.get(row, ())):
            return "wrong side"
        concepts = {self.known.concept_of[name].base for name in expected}
        return (
            "side lost"
            if any(self.known.concept_of[name].base in concepts for name in self.names_of.get(row, ()))
            else "wrong"
        )


def measure(predictor: Predictor, phrases: Sequence[Phrase]) -> Language:
    """What resolver and tower make of ``phrases``, and what the tower makes of every paired structure."""
    known = vocabulary()
    tower = Tower(predictor, known)
    trained = {text for texts in known.phrases().values() for text in texts}
    answers = []
    for phrase, row in zip(phrases, tower.rows([phrase.text for phrase in phrases]), strict=True):
        nearest = tower.outcome(row, phrase.structures)
        names = ", ".join(tower.names_of.get(row, ["no structure"])[:3])
        answers.append(Answer(phrase, phrase.text in trained, *resolved(phrase, known), nearest, names))
    return Language(tuple(answers), laterality(tower))


def resolved(phrase: Phrase, known: Vocabulary) -> tuple[str, str]:
    """The resolver's outcome and its answer; asking back counts as such if it offers what was meant."""
    meant = set(phrase.structures)
    try:
        name = resolve(phrase.text).name
    except AmbiguousName as problem:
        names = [match.structure.name for match in problem.candidates]
        return "asks" if meant & set(names) else "unknown", " or ".join(names)
    except UnknownName as problem:
        return "asks" if meant == set(problem.nearest) else "unknown", str(problem)
    if name in meant:
        return "right", name
    return "wrong side" if name in {known.mirrored(one) for one in meant} else "wrong", name


def laterality(tower: Tower) -> Laterality:
    pairs = [concept for concept in tower.known.concepts if concept.sides == "paired"]
    same = [
        pair.base
        for pair in pairs
        if tower.row_of[pair.structures["left"].name] == tower.row_of[pair.structures["right"].name]
    ]
    forms: dict[str, Counter] = {}
    for form, templates in SIDE_FORMS.items():
        meant = [
            (template.format(pair.base), pair.structures[side].name)
            for pair in pairs
            for side, template in zip(("left", "right"), templates, strict=True)
        ]
        rows = tower.rows([text for text, _ in meant])
        outcomes = (tower.outcome(row, [name]) for row, (_, name) in zip(rows, meant, strict=True))
        forms[form] = Counter("wrong" if one == "side lost" else one for one in outcomes)
    return Laterality(len(pairs), tuple(same), forms)


def _line(name: str, answers: Sequence[Answer]) -> list[str]:
    count = max(1, len(answers))
    cells = [sum(answer.resolved == one for answer in answers) / count for one in RESOLVED]
    cells += [sum(answer.nearest == one for answer in answers) / count for one in NEAREST]
    return [name, str(len(answers)), *(f"{cell:.0%}" for cell in cells)]


def _rows(lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="compact")
    parser.add_argument(
        "--list", action="store_true", help="also list what the resolver misses of the development half"
    )
    wanted = parser.parse_args()

    from FluoroSAMSlicerLib.segmentation import Predictor

    result = measure(Predictor.load(wanted.model), read_phrases())
    print(result.markdown())
    if wanted.list:
        for answer in result.answers:
            if answer.resolved != "right" and answer.phrase.half == HALVES[0]:
                print(f"{answer.phrase.text!r}: {answer.resolved}: {answer.resolved_to}")


if __name__ == "__main__":
    main()
