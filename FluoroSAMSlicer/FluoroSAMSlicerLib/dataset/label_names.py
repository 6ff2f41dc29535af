"""What the values of a label map are called: read from the tables and headers people have."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..anatomy import label_structure
from .body import DatasetError

LONGEST_NAME = 200

FORMS = (
    'a JSON file {"labels": [{"value": 1, "text": "liver"}]} or {"1": "liver"}, a CSV file with the columns value'
    " and name, or a Slicer colour table (.ctbl)"
)


def read_names(path: Path | str) -> dict[int, str]:
    """Names by label value from a JSON, CSV or Slicer colour table file. Raises DatasetError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = {".json": _from_json, ".csv": _from_csv}.get(path.suffix.lower(), _from_colour_table)
        pairs = [(int(value), str(name).strip()) for value, name in reader(text)]
    except OSError as error:
        raise DatasetError(
            f"{path}: the names of the labels cannot be read ({error.strerror or error})"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: is no table of label names; it must be {FORMS}") from error
    return dict(checked(pairs, path))


def names_in_header(path: Path | str) -> dict[int, str]:
    """Names by label value that a NIfTI label map carries in its header extension; empty if it has none.

    TotalSegmentator and Connectome Workbench write them there as ``<Label Key="1">spleen</Label>``.
    """
    path = Path(path)
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return {}
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            head = file.read(1 << 18)
    except (OSError, EOFError):
        return {}
    found = re.findall(rb'<Label [^>]*?Key="(\d+)"[^>]*>(?:<!\[CDATA\[)?([^<\]]+)', head)
    pairs = [(int(key), name.decode("utf-8", "replace").strip()) for key, name in found if int(key) > 0]
    return dict(checked(pairs, path))


def names_beside(labels: Path) -> Path | None:
    """The table that stands beside a label map under its own name with another ending, if there is one."""
    stem = labels.name.split(".")[0]
    candidates = (labels.with_name(stem + ending) for ending in (".json", ".csv", ".ctbl"))
    return next((path for path in candidates if path.is_file()), None)


def checked(pairs: Iterable[tuple[int, str]], path: Path) -> list[tuple[int, str]]:
    """The pairs whose value is no background, all of them usable as names. Raises DatasetError."""
    pairs = [(value, name) for value, name in pairs if value != 0]
    for value, name in pairs:
        if not 0 < value < 65536:
            raise DatasetError(f"{path}: label value {value} lies outside 1 to 65535; renumber the labels")
        check_name(name, f"{path}: label {value}")
    seen: dict[int, str] = {}
    for value, name in pairs:
        if seen.setdefault(value, name) != name:
            raise DatasetError(f"{path}: label {value} has two names, {seen[value]!r} and {name!r}; keep one")
    return pairs


def check_name(name: str, where: str) -> None:
    """Refuse a name that could be taken for a path, is empty, too long, or holds control characters."""
    if not name or name != name.strip():
        raise DatasetError(f"{where}: has no name or one with blanks around it; give it a plain name")
    if re.search(r"[/\\]|\.\.", name):
        raise DatasetError(f"{where}: the name {name!r} holds a slash, a backslash or '..'; rename it")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise DatasetError(
            f"{where}: the name {name[:40]!r} is longer than {LONGEST_NAME} characters or has control characters;"
            " rename it"
        )


def structures_by_name(names: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    """Label values by structure: the canonical name where the vocabulary knows the label's, else its own.

    Labels of one structure come together.
    """
    found: dict[str, list[int]] = {}
    for value, name in names.items():
        found.setdefault(structure_name(name), []).append(value)
    return {name: tuple(sorted(values)) for name, values in sorted(found.items())}


def structure_name(name: str) -> str:
    """The canonical name for a label called ``name`` ("femur_left", "Left Femur"), or ``name`` itself."""
    return label_structure(name) or name


def _from_json(text: str) -> Iterable[tuple[object, object]]:
    content = json.loads(text)
    if "labels" in content and not isinstance(content["labels"], dict):
        return [(entry["value"], entry.get("text") or entry["name"]) for entry in content["labels"]]
    content = content.get("labels", content)
    if all(str(key).isdigit() for key in content):
        return list(content.items())
    return [(value, name) for name, value in content.items()]


def _from_csv(table: str) -> Iterable[tuple[object, object]]:
    rows = csv.DictReader(table.splitlines())
    columns = {(column or "").strip().lower(): column for column in rows.fieldnames or ()}
    value = next((name for name in ("value", "label", "labelvalue", "index") if name in columns), "value")
    text = next((name for name in ("name", "text", "structure") if name in columns), "name")
    return [(row[columns[value]], row[columns[text]]) for row in rows]


def _from_colour_table(text: str) -> Iterable[tuple[object, object]]:
    """Lines of ``value name red green blue alpha``, blanks in a name written as underscores."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = []
    for line in lines:
        parts = re.match(r'\s*(\d+)\s+("[^"]+"|\S+)((?:\s+\d+){3,4})\s*$', line)
        if not parts:
            raise ValueError(line)
        found.append((parts[1], parts[2].strip('"').replace("_", " ")))
    return found
