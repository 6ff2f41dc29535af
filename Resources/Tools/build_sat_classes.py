"""Write the table of SAT's classes: which structure of the vocabulary each is, and its tokens.

    python Resources/Tools/build_sat_classes.py SAT_FOLDER [OUTPUT]

SAT_FOLDER holds ``terms/sat_classes.json`` (the class strings of the published models by modality) and
``fixture/tokens.json`` (their ids in the text encoder's vocabulary). A class is the structure that the
vocabulary reads its string as, but for corrected spellings, which are no proof. ``sat_names.csv`` in
``Resources/Anatomy`` says what the vocabulary cannot know or reads as something else (an empty structure: it
is none of the vocabulary's), and adds what people type. The same files give the same table, byte for byte.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parents[1]
TABLES = ROOT / "Resources" / "Anatomy"
OUTPUT = ROOT / "FluoroSAMSlicer" / "Resources" / "Anatomy" / "sat_classes.json"
sys.path.insert(0, str(ROOT / "FluoroSAMSlicer"))

from FluoroSAMSlicerLib.anatomy import AnatomyError, interpret, vocabulary  # noqa: E402

VERTEBRA = re.compile(r"(?:cervical|thoracic|lumbar) vertebrae \d+ \(([ctl]\d+)\)")
DISC = re.compile(r"intervertebral disc between .*?(?:\((\w+)\)).*?(?:\((\w+)\)|sacrum)")
SOURCES = [
    {
        "name": "Class strings of SAT, zhaoziheng/SAT-DS commit 492df0e806 (names are facts; no licence is stated)",
        "license": "none stated",
    },
    {
        "name": "Token ids by the vocabulary of bert-base-uncased, as MPNet numbers it",
        "license": "Apache-2.0",
    },
]


def main(folder: Path, output: Path = OUTPUT) -> None:
    classes = json.loads((folder / "terms" / "sat_classes.json").read_text(encoding="utf-8"))["classes"]
    tokens = json.loads((folder / "fixture" / "tokens.json").read_text(encoding="utf-8"))
    with (TABLES / "sat_names.csv").open(encoding="utf-8", newline="") as file:
        curated = {row["class"]: row for row in csv.DictReader(file)}
    modalities: dict[str, list[str]] = {}
    for entry in classes:
        modalities.setdefault(entry["name"], []).append(entry["modality"])
    if strangers := curated.keys() - modalities.keys():
        raise SystemExit(f"sat_names.csv names no class: {', '.join(sorted(strangers))}")
    taken: dict[str, str] = {}
    entries = []
    for name in sorted(modalities):
        structure = curated[name]["structure"] if name in curated else _structure(name)
        if structure and structure not in vocabulary():
            raise SystemExit(f"{name}: the vocabulary has no {structure}")
        for modality in modalities[name] if structure else ():
            if other := taken.setdefault(f"{modality} {structure}", name):
                if other != name:
                    raise SystemExit(f"{structure} would be both {other} and {name} ({modality})")
        words = curated.get(name, {}).get("synonyms", "")
        entries.append(
            {
                "name": name,
                "modalities": sorted(modalities[name]),
                "structure": structure,
                "synonyms": [word for word in words.split(";") if word],
                "tokens": tokens["names"][name],
            }
        )
    rows = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    head = json.dumps({"format": 1, "sources": SOURCES, "vocabulary_size": tokens["vocab_size"]})
    output.write_text(f'{head[:-1]}, "classes": [\n{rows}\n]}}\n', encoding="utf-8")


def _structure(name: str) -> str:
    if vertebra := VERTEBRA.fullmatch(name):
        return f"{vertebra[1].upper()} vertebra"
    if disc := DISC.fullmatch(name):
        return f"{disc[1].upper()}-{(disc[2] or 's1').upper()} intervertebral disc"
    try:
        match = interpret(name)
    except AnatomyError:
        return ""
    return "" if match.corrected else match.structure.name


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
