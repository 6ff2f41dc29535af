"""What the values of a label map are called: the one reader of the tables that people have."""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..anatomy import named_structure
from .errors import DatasetError
from .segment_header import header_segments
from .tables import decoded, table_cells

LONGEST_NAME = 200
ENDINGS = (".json", ".csv", ".ctbl", ".tsv", ".label", ".lut", ".txt")
"""Endings of the tables that are looked for beside a label map, in this order."""

FORMS = (
    'a JSON file {"labels": [{"value": 1, "text": "liver"}]} or {"1": "liver"}, nnU-Net\'s dataset.json, a CSV file'
    " with the columns value and name, a Slicer colour table (.ctbl), ITK-SNAP's label file, or a .seg.nrrd"
)

LISTS = ("labels", "segments", "segmentAttributes", "structures", "classes")
"""Under which JSON files keep their labels: ours and nnU-Net's, and those of other tools."""
VALUES = (
    "value", "labelvalue", "labelid", "labelnumber", "labelindex", "index", "id", "number", "segmentnumber",
    "classid", "no", "nr", "wert", "nummer", "valeur", "numero", "valor", "indice", "label",
)  # fmt: skip
TEXTS = (
    "text", "name", "structure", "labelname", "labeltext", "segmentlabel", "segmentname", "segment", "classname",
    "class", "organ", "anatomy", "struktur", "bezeichnung", "nom", "nombre", "nome", "description",
    "segmentdescription", "label",
)  # fmt: skip
"""What people call the two columns, as `_folded` writes it, the surest first."""

Pairs = list[tuple[int, str]]


def read_names(path: Path | str) -> dict[int, str]:
    """Names by label value, the last where a value has several; see :func:`read_pairs`."""
    return dict(read_pairs(path))


def read_pairs(path: Path | str) -> Pairs:
    """(label value, name) of a table, whatever its ending says it is, background left out. Raises DatasetError.

    JSON: ours, ``{"1": "liver"}``, ``{"liver": 1}``, a list of names or of entries, nnU-Net's dataset.json with
    regions of several values. Text: CSV with comma, semicolon or tab, whatever its columns are called and with or
    without a head, colour tables of Slicer and FreeSurfer, ITK-SNAP's label descriptions, lines of value and
    name; "#" starts a comment. Byte order marks, UTF-16 and the code page of Western Windows are understood, and
    any line ends. Of a ``.seg.nrrd`` its header. Names keep the words of any script (:func:`usable_name`); a row that
    is no label is left out with a warning, unless none is one.
    """
    path = Path(path)
    if path.name.lower().endswith((".nrrd", ".nhdr")):
        return [pair for layer in header_segments(path).values() for pair in checked(layer, path)]
    try:
        text = decoded(path.read_bytes())
    except OSError as error:
        raise DatasetError(
            f"{path}: the names of the labels cannot be read ({error.strerror or error})"
        ) from error
    try:
        if text.lstrip()[:1] in ("{", "["):
            pairs = _from_json(text)
        else:
            readers = (_from_itk_snap, _from_colours, _from_csv, _from_lines)
            pairs = next((found for reader in readers if (found := reader(text))), [])
            if not pairs:
                raise ValueError("no row")
        return checked(pairs, path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{path}: is no table of label names; it must be {FORMS}") from error


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
    found = re.findall(rb'<Label [^>]*?Key="(\d{1,9})"[^>]*>(?:<!\[CDATA\[)?([^<\]]+)', head)
    pairs = [(int(key), name.decode("utf-8", "replace").strip()) for key, name in found if int(key) > 0]
    return dict(checked(pairs, path)) if pairs else {}


def names_beside(labels: Path) -> Path | None:
    """The table that stands beside a label map under its own name with another ending, if there is one."""
    stem = labels.name.split(".")[0]
    candidates = (labels.with_name(stem + ending) for ending in ENDINGS)
    return next((path for path in candidates if path.is_file() and path != labels), None)


def checked(pairs: Iterable[tuple[object, object]], path: Path) -> Pairs:
    """The usable pairs whose value is no background; a warning says which are left out, and why.

    A value with two names that are not nested regions of one table keeps both: the structures overlap.
    Raises DatasetError where rows are there and none can be used.
    """
    kept: dict[tuple[int, str], None] = {}
    faults: list[str] = []
    for value, name in pairs:
        number = _whole(value)
        if number == 0:
            continue
        if number is None or not 0 < number < 65536:
            faults.append(f"label value {str(value)[:40]!r} is no whole number from 1 to 65535")
        else:
            kept[number, usable_name(name, number)] = None
    if faults and not kept:
        raise DatasetError(f"{path}: {faults[0]}; renumber the labels")
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        warnings.warn(f"{path}: left out: {faults[0]}{more}", UserWarning, stacklevel=2)
    return list(kept)


def usable_name(name: object, value: int) -> str:
    """A label's name as it is, any script, in one line of at most 200 characters; "label 5" where it has none."""
    text = "" if name is None else str(name)
    text = "".join(
        " " if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter for letter in text
    )
    text = re.sub(r"\.{2,}", ".", " ".join(text.split()))  # ".." climbs where names become paths
    return text[:LONGEST_NAME].strip() or f"label {value}"


def check_name(name: str, where: str) -> None:
    """Refuse a CT's name that could be taken for a path, is empty, too long, or holds control characters."""
    if not name or name != name.strip():
        raise DatasetError(f"{where}: has no name or one with blanks around it; give it a plain name")
    if re.search(r"[/\\]|\.\.", name):
        raise DatasetError(f"{where}: the name {name!r} holds a slash, a backslash or '..'; rename it")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise DatasetError(
            f"{where}: the name {name[:40]!r} is longer than {LONGEST_NAME} characters or has control characters;"
            " rename it"
        )


def structures_by_name(names: Mapping[int, str] | Pairs) -> dict[str, tuple[int, ...]]:
    """Label values by structure: the canonical name where the vocabulary knows the label's, else its own.

    Labels of one structure come together.
    """
    found: dict[str, set[int]] = {}
    for value, name in names.items() if isinstance(names, Mapping) else names:
        found.setdefault(structure_name(name), set()).add(value)
    return {name: tuple(sorted(values)) for name, values in sorted(found.items())}


def structure_name(name: str) -> str:
    """The canonical name for a label called ``name`` ("femur_left", "Left Femur"), or ``name`` itself."""
    return named_structure(name) or name


def _whole(value: object) -> int | None:
    """A label value as a number: 3, "3", "3.0", 2.9999."""
    try:
        number = float(str(value).strip().replace(",", "."))
        whole = round(number)
    except (ValueError, OverflowError):
        return None
    return whole if abs(number - whole) < 1e-3 else None


def _from_json(text: str) -> list[tuple[object, object]]:
    content = json.loads(text)
    while isinstance(content, dict) and len(inner := [content[key] for key in LISTS if key in content]) == 1:
        content = inner[0]
    while isinstance(content, list) and content and all(isinstance(one, list) for one in content):
        content = [entry for group in content for entry in group]
    if isinstance(content, list):
        if content and all(isinstance(one, str) for one in content):
            return list(enumerate(content))
        return [(_field(entry, VALUES), _field(entry, TEXTS)) for entry in content]
    if content and all(_whole(key) is not None for key in content):
        return [
            (key, _field(entry, TEXTS) if isinstance(entry, dict) else entry)
            for key, entry in content.items()
        ]
    pairs: list[tuple[object, object]] = []
    for name, value in content.items():
        value = _field(value, VALUES) if isinstance(value, dict) else value
        values = value if isinstance(value, list) else [value]
        if any(isinstance(one, (dict, list)) or _whole(one) is None for one in values):
            raise ValueError(name)
        pairs += [(one, name) for one in values]
    return pairs


def _field(entry: Mapping[str, object], names: tuple[str, ...]) -> object:
    """What an entry has under the first of ``names``. Raises KeyError where it has none of them."""
    fields = {_folded(key): value for key, value in entry.items()}
    known = [fields[name] for name in names if name in fields]
    if not known:
        raise KeyError(names[0])
    return next((value for value in known if value not in (None, "")), None)


def _folded(name: str) -> str:
    """A column's name in lower case letters and digits: "Label_ID", "Numéro"."""
    return "".join(c for c in unicodedata.normalize("NFKD", name).lower() if c.isascii() and c.isalnum())


def _from_itk_snap(text: str) -> list[tuple[object, object]]:
    """Lines of ``index red green blue alpha visible mesh "name"``."""
    form = re.compile(r'\s*(\d+)\s+\d+\s+\d+\s+\d+\s+[\d.]+\s+[01]\s+[01]\s+"(.*)"\s*')
    return _every_line(text, form, lambda match: (match[1], match[2]))


def _from_colours(text: str) -> list[tuple[object, object]]:
    """Lines of ``value name red green blue alpha``, blanks in a name written as underscores."""
    form = re.compile(r'\s*(\d+)\s+("[^"]*"|\S.*?)((?:\s+[\d.]+){3,4})\s*')
    return _every_line(text, form, lambda match: (match[1], match[2].strip('"').replace("_", " ")))


def _every_line(text: str, form: re.Pattern, pair) -> list[tuple[object, object]]:
    """What ``form`` finds in lines that are no comments; nothing unless most of them have that form."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    matches = [form.fullmatch(line) for line in lines]
    found = [pair(match) for match in matches if match]
    return found if 2 * len(found) > len(lines) else []


def _from_csv(text: str) -> list[tuple[object, object]]:
    """Two columns of a table, with a head or without: one of whole numbers, and one of other things.

    Where several are, the names of the columns tell, else the first counts.
    """
    rows = table_cells(text)
    width = max(map(len, rows), default=0)
    if width < 2:
        return []
    rows = [row + [""] * (width - len(row)) for row in rows]
    head = [_folded(name) for name in rows[0]]
    columns = range(width)
    whole = [
        2 * sum(_whole(row[one]) is not None for row in rows[1:] or rows) >= len(rows) - 1 for one in columns
    ]

    def chosen(names: tuple[str, ...], numbers: bool) -> int | None:
        fit = [one for one in columns if whole[one] == numbers and any(row[one] for row in rows)]
        order = {name: place for place, name in enumerate(names)}
        return min(fit, key=lambda one: (order.get(head[one], len(names)), one), default=None)

    value, name = chosen(VALUES, True), chosen(TEXTS, False)
    if value is None:
        value = next((head.index(one) for one in VALUES if one in head and head.index(one) != name), None)
    if value is None or name is None:
        return []
    headless = _whole(rows[0][value]) is not None
    return [(row[value], row[name]) for row in rows[0 if headless else 1 :]]


def _from_lines(text: str) -> list[tuple[object, object]]:
    """Lines of ``value name``, ``value: name`` or ``value = name``."""
    form = re.compile(r"\s*(\d+)\s*[:=\s]\s*([^\W\d].*?)\s*")
    return _every_line(text, form, lambda match: (match[1], match[2]))
