"""Write the vocabulary from the curated tables of Resources/Anatomy and a folder of public terms.

    python Resources/Tools/build_vocabulary.py TERMS_FOLDER [OUTPUT]

TERMS_FOLDER holds ``totalsegmentator_snomed_mapping.csv``, ``totalsegmentator_class_maps.json``,
``slicer/*.json`` (Slicer's terminology files) and ``uberon_human_subset.json``. The same tables and terms
give the same file, byte for byte. ``structures.csv`` lists the structures, ``words.json`` the small words of
the language, ``ambiguous.csv`` names that ask for a choice (``foreign``:
what they mean beside a side word of another language), ``codes.csv`` codes where a name alone finds
none or the wrong one, ``labels.csv`` what label maps call things, ``languages.csv`` German, French, Spanish and
Latin names.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parents[1]
TABLES = ROOT / "Resources" / "Anatomy"
OUTPUT = ROOT / "FluoroSAMSlicer" / "Resources" / "Anatomy" / "vocabulary.json"
sys.path.insert(0, str(ROOT / "FluoroSAMSlicer"))
sys.path.insert(0, str(TOOLS))

from coding import Coding  # noqa: E402
from FluoroSAMSlicerLib.anatomy.spelling import DOUBLED, VOWEL_SWAP, near_words  # noqa: E402
from FluoroSAMSlicerLib.anatomy.wording import Grammar  # noqa: E402
from telling_apart import tell_apart  # noqa: E402

ORDINALS = (
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
)
SIDES = ("left", "right")
LEAST_FOREIGN = 8
"""Letters of the shortest word of another language that a typo is mended to: shorter ones resemble English words."""
LANGUAGES = ("german", "french", "spanish", "latin")
SOURCES = [
    {
        "name": "FluoroSAMSlicer curated tables (structures, synonyms, names in other languages, misspellings)",
        "license": "Apache-2.0",
    },
    {
        "name": "TotalSegmentator class names, SNOMED CT mapping and colours, Wasserthal et al., wasserth/"
        "TotalSegmentator commit 0e65a448d5",
        "license": "Apache-2.0",
    },
    {
        "name": "3D Slicer terminology files (SNOMED CT and DICOM codes, recommended colours), "
        "Slicer/Slicer commit 583e9b37d5",
        "license": "3D Slicer License",
    },
    {
        "name": "UBERON multi-species anatomy ontology, exact synonyms, "
        "obophenotype/uberon commit 52817eeaa3",
        "license": "CC BY 3.0",
    },
]


@dataclass
class Concept:
    """One row of the table: a structure, or a left and a right one and the pair of them."""

    pattern: str
    sides: str
    category: str
    rank: int
    both: str
    synonyms: list[str]
    members: list[str]
    parts: list[str]
    part_of: str = ""
    side_synonyms: dict[str, list[str]] = field(default_factory=dict)
    series: bool = False

    @property
    def base(self) -> str:
        return base(self.pattern)

    def name(self, side: str | None) -> str:
        if self.sides != "paired":
            return self.pattern
        return self.pattern.replace("{side}", side) if side else self.both

    @property
    def variants(self) -> tuple[str | None, ...]:
        return (*SIDES, None) if self.sides == "paired" else (None,)


def base(pattern: str) -> str:
    return pattern.replace("{side} ", "")


def rows(name: str) -> list[dict[str, str]]:
    lines = [
        line
        for line in (TABLES / name).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    return list(csv.DictReader(lines, delimiter=";"))


def listed(cell: str | None) -> list[str]:
    return [item.strip() for item in (cell or "").split(",") if item.strip()]


def concepts() -> list[Concept]:
    found: list[Concept] = []
    for row in rows("structures.csv"):
        if row["name"].startswith("+"):
            _add_synonyms(found, row["name"][1:], listed(row["synonyms"]))
        elif row["each"]:
            found += [_concept(row, item) for item in _items(row["each"])]
        else:
            found.append(_concept(row, {}))
    for row in rows("languages.csv"):
        names = [name for language in LANGUAGES for name in listed(row[language])]
        _add_synonyms(found, row["name"], [*names, *filter(None, map(_without_umlauts, names))])
    return found


def _without_umlauts(name: str) -> str:
    """The name as people type it on another keyboard; empty where it has no umlaut."""
    typed = name
    for umlaut, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue")):
        typed = typed.replace(umlaut, letters)
    return typed if typed != name else ""


def _add_synonyms(found: list[Concept], name: str, synonyms: list[str]) -> None:
    for concept in found:
        for side in SIDES if concept.sides == "paired" else ():
            if concept.name(side) == name:
                concept.side_synonyms.setdefault(side, []).extend(synonyms)
                return
        if concept.base == name:
            concept.synonyms += synonyms
            return
    raise SystemExit(f"structures.csv: no row named {name!r} to add synonyms to")


def _items(each: str) -> list[dict]:
    """The values of the ``each`` column: "1..5", "C1..C7" or a list with alternatives and codes.

    A list item reads ``name/alternative/...@right tooth@left tooth``.
    """
    span = re.fullmatch(r"([A-Z]?)(\d+)\.\.\1(\d+)", each)
    if span:
        return [{"texts": [f"{span[1]}{n}"], "n": n} for n in range(int(span[2]), int(span[3]) + 1)]
    items = []
    for position, item in enumerate(each.split(",")):
        texts, *numbers = item.split("@")
        items.append({"texts": texts.split("/"), "n": position + 1, "tooth": numbers})
    return items


def _concept(row: dict[str, str], item: dict) -> Concept:
    texts = item.get("texts", [""])

    def fill(template: str, text: str) -> str:
        number = item.get("n", 0)
        ordinal = ORDINALS[number - 1] if 0 < number <= len(ORDINALS) else f"{number}th"
        for mark, value in (("{main}", texts[0]), ("{}", text), ("{n}", str(number)), ("{ord}", ordinal)):
            template = template.replace(mark, value)
        return template

    pattern = fill(row["name"], texts[0])
    sides = row["sides"]
    if sides == "paired" and "{side}" not in pattern:
        pattern = "{side} " + pattern
    synonyms = [fill(base(row["name"]), text) for text in texts[1:]]
    for template in listed(row["synonyms"]):
        synonyms += [fill(template, text) for text in texts] if "{}" in template else [fill(template, "")]
    concept = Concept(
        pattern=pattern,
        sides=sides,
        category=row["category"],
        rank=int(row["rank"]),
        both=row["both"] or base(pattern),
        synonyms=synonyms,
        members=[base(fill(member, texts[0])) for member in listed(row["members"])],
        parts=listed(row["parts"]),
        part_of=base(fill(row["part_of"] or "", texts[0])),
        series=bool(item),
    )
    if item.get("tooth"):
        for side, number in zip(("right", "left"), item["tooth"], strict=True):
            name = concept.name(side)
            concept.side_synonyms[side] = [f"tooth {number}", f"FDI {number}", f"{name} FDI {number}"]
    return concept


def expand(patterns: list[str], side: str | None, all_concepts: list[Concept]) -> list[str]:
    """Canonical names for the concept names in ``patterns`` on one side; both sides where none is asked."""
    names: list[str] = []
    for pattern in patterns:
        hits = [one for one in all_concepts if fnmatchcase(one.base, pattern) and not one.members]
        hits = hits or [one for one in all_concepts if pattern in (one.base, one.both)]
        if not hits:
            raise SystemExit(f"structures.csv: member {pattern!r} names nothing")
        for concept in hits:
            if concept.sides == "paired":
                names += [concept.name(one) for one in ((side,) if side else SIDES)]
            elif concept.sides in ("", side) or side is None:
                names.append(concept.pattern)
    return list(dict.fromkeys(names))


def whole(concept: Concept, side: str | None, all_concepts: list[Concept]) -> str:
    """The canonical name of what ``concept`` is asked as, on the same side; empty for what is asked as itself."""
    if not concept.part_of:
        return ""
    hit = next((one for one in all_concepts if concept.part_of in (one.base, one.both)), None)
    if hit is None:
        raise SystemExit(f"structures.csv: part_of {concept.part_of!r} names nothing")
    return hit.name(side if hit.sides == "paired" else None)


def uberon_synonyms(folder: Path, all_concepts: list[Concept], grammar: Grammar) -> dict[str, list[str]]:
    """Exact synonyms of UBERON's class of the same name, where no other structure claims them."""
    claimed: dict[tuple, set[str]] = {}
    for concept in all_concepts:
        for text in (concept.base, concept.both, *concept.synonyms):
            claimed.setdefault(grammar.reading(text).key, set()).add(concept.base)
    for row in rows("ambiguous.csv"):
        claimed.setdefault(grammar.reading(row["name"]).key, set()).add("")
    terms = json.loads((folder / "uberon_human_subset.json").read_text(encoding="utf-8"))["terms"]
    unwanted = [row["synonym"] for row in rows("unwanted.csv")]
    offers: dict[tuple, dict[str, str]] = {}
    for term in terms:
        owners = claimed.get(grammar.reading(term["name"]).key, set())
        if len(owners) != 1 or "" in owners:
            continue
        for text, kind in term["synonyms"]:
            if kind != "EXACT" or any(fnmatchcase(text.lower(), pattern) for pattern in unwanted):
                continue
            if not re.fullmatch(r"[A-Za-z][A-Za-z' -]{3,40}", text):
                continue
            reading = grammar.reading(text)
            if reading.side is None and reading.words and reading.key not in claimed:
                offers.setdefault(reading.key, {}).setdefault(next(iter(owners)), text.lower())
    taken: dict[str, list[str]] = {}
    for owners_of in offers.values():
        if len(owners_of) == 1:
            owner, text = next(iter(owners_of.items()))
            taken.setdefault(owner, []).append(text)
    return {owner: sorted(texts) for owner, texts in taken.items()}


def words_elsewhere(folder: Path, all_concepts: list[Concept], grammar: Grammar) -> list[str]:
    """Anatomical words of UBERON that are not in the vocabulary and look like a typo of one that is."""
    names = [text for concept in all_concepts for text in (concept.base, concept.both, *concept.synonyms)]
    own = {word for name in names for word in grammar.reading(name).words}
    spellings = sorted(word for word in own if word.isalpha() and len(word) > 2)
    terms = json.loads((folder / "uberon_human_subset.json").read_text(encoding="utf-8"))["terms"]
    texts = [term["name"] for term in terms]
    texts += [text for term in terms for text, _ in term["synonyms"] if text.isalpha()]
    words = {word for text in texts for word in re.findall(r"[a-z]{4,}", text.lower())}
    common = {grammar.singular(word) for word in words} - own - set(grammar.misspellings)
    near = {word: [cost for cost, _ in near_words(spellings, word, grammar.singular)] for word in common}
    return sorted(word for word, costs in near.items() if costs and min(costs) > max(DOUBLED, VOWEL_SWAP))


def foreign_words(all_concepts: list[Concept], grammar: Grammar) -> list[str]:
    """Short words that stand in names of other languages alone."""
    foreign = {name for row in rows("languages.csv") for one in LANGUAGES for name in listed(row[one])}
    foreign |= set(map(_without_umlauts, foreign)) | {
        row["name"] for row in rows("ambiguous.csv") if row["foreign"] or row.get("language")
    }
    names = [
        text for one in all_concepts for text in (one.base, one.both, *one.synonyms) if text not in foreign
    ]
    own = {word for name in names for word in grammar.reading(name).words}
    words = {word for name in foreign if name for word in grammar.reading(name).words}
    return sorted(word for word in words - own if word.isalpha() and len(word) < LEAST_FOREIGN)


def index_of(concept: Concept, grammar: Grammar) -> list[list]:
    """[phrase, key, side, must that side be typed] of every name; no side where all sides share it."""
    names = []
    for phrase in dict.fromkeys((concept.base, concept.both, *concept.synonyms)):
        reading = grammar.reading(phrase)
        side = reading.side if concept.sides != "paired" else None
        names.append([phrase, " ".join(reading.key), side, side is not None])
    for side, phrases in concept.side_synonyms.items():
        for phrase in phrases:
            reading = grammar.reading(phrase)
            names.append([phrase, " ".join(reading.key), side, reading.side == side])
    return names


def build(folder: Path) -> dict:
    words = json.loads((TABLES / "words.json").read_text(encoding="utf-8"))
    grammar = Grammar(words)
    all_concepts = concepts()
    for owner, texts in uberon_synonyms(folder, all_concepts, grammar).items():
        next(concept for concept in all_concepts if concept.base == owner).synonyms += texts
    words["elsewhere"] = sorted(
        {*map(grammar.singular, words["elsewhere"]), *words_elsewhere(folder, all_concepts, grammar)}
    )
    choices = {grammar.reading(row["name"]).key for row in rows("ambiguous.csv")} | {()}
    for concept in all_concepts:
        concept.synonyms = [text for text in concept.synonyms if grammar.reading(text).key not in choices]
    coding = Coding(folder, rows("codes.csv"), grammar)
    entries = []
    for number, concept in enumerate(all_concepts):
        structures = {}
        for side in concept.variants:
            members = expand(concept.members, side, all_concepts)
            if side is None and concept.sides == "paired" and not members:
                members = [concept.name(one) for one in SIDES]
            sided = side or (concept.sides if concept.sides in SIDES else None)
            parts = [] if members and not concept.members else expand(concept.parts, sided, all_concepts)
            synonyms = concept.side_synonyms.get(side, [])
            entry = {"members": members, "parts": parts, "synonyms": synonyms}
            entry["part_of"] = whole(concept, side, all_concepts)
            structures[side or "none"] = {
                "name": concept.name(side),
                **{key: value for key, value in entry.items() if value},
                **coding.describe(concept, side, number),
            }
        entries.append(
            {
                "base": concept.base,
                "sides": concept.sides,
                "category": concept.category,
                "rank": concept.rank,
                "synonyms": list(dict.fromkeys(s for s in concept.synonyms if s != concept.base)),
                "structures": structures,
                "index": index_of(concept, grammar),
            }
        )
    tell_apart({one["name"]: one for entry in entries for one in entry["structures"].values()})
    return {
        "format": 1,
        "sources": SOURCES,
        "words": words,
        "ambiguous": {row["name"]: listed(row["candidates"]) for row in rows("ambiguous.csv")},
        "foreign": {row["name"]: row["foreign"] for row in rows("ambiguous.csv") if row.get("foreign")},
        "unmended": foreign_words(all_concepts, grammar),
        "labels": [[row["pattern"], row["structure"]] for row in rows("labels.csv")],
        "concepts": entries,
    }


def text_of(vocabulary: dict) -> str:
    """One concept a line, so that a change of the tables is a readable change of the file."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in vocabulary["concepts"])
    head = {key: value for key, value in vocabulary.items() if key != "concepts"}
    return json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "concepts": [\n' + lines + "\n]}\n"


def main(arguments: list[str]) -> None:
    if not 1 <= len(arguments) <= 2:
        raise SystemExit(__doc__)
    output = Path(arguments[1]) if len(arguments) == 2 else OUTPUT
    vocabulary = build(Path(arguments[0]))
    output.write_text(text_of(vocabulary), encoding="utf-8", newline="\n")
    count = sum(len(entry["structures"]) for entry in vocabulary["concepts"])
    print(f"{output}: {count} structures")


if __name__ == "__main__":
    main(sys.argv[1:])
