"""Tables as spreadsheets write them, whatever the separator, the encoding and the line ends."""

from __future__ import annotations

import csv
from itertools import zip_longest

SEPARATORS = ("\t", ";", "|", ",")
"""The likeliest first where a table could have several: a comma stands in names too."""


def decoded(content: bytes) -> str:
    """Text of a file: by its byte order mark, else UTF-8, else Western Windows (cp1252), as old Excel writes."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def table_cells(text: str) -> list[list[str]]:
    """The rows of a table, a head among them if it has one; cells without blanks around them.

    The separator (comma, semicolon, tab, bar) is the one that cuts most lines, and the first into most columns; a
    line ``sep=;`` before it says so itself. Quoted cells may hold separators and line ends. Lines that start with
    "#" are comments; they and empty rows are left out. Raises ValueError for what is no table.
    """
    lines = [line for line in text.lstrip("\ufeff").splitlines() if not line.lstrip().startswith("#")]
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines:
        return []
    if lines[0].strip().lower().startswith("sep=") and len(lines[0].strip()) == 5:
        separator = lines.pop(0).strip()[4]
    else:
        separator = max(SEPARATORS, key=lambda one: (sum(one in line for line in lines), lines[0].count(one)))
    try:
        rows = list(csv.reader((line + "\n" for line in lines), delimiter=separator, skipinitialspace=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    stripped = ([cell.strip() for cell in row] for row in rows)
    return [row for row in stripped if any(row)]


def table_rows(text: str) -> list[dict[str, str]]:
    """The rows of a table by the names of its columns, in lower case; missing cells are empty.

    See :func:`table_cells`.
    """
    head, *rows = table_cells(text) or [[]]
    return [
        {name.lower(): cell for name, cell in zip_longest(head, row, fillvalue="") if name} for row in rows
    ]
