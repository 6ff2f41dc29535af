"""Tables as spreadsheets write them, whatever the separator, the encoding and the line ends."""

from __future__ import annotations

import csv

SEPARATORS = (",", ";", "\t", "|")


def decoded(content: bytes) -> str:
    """Text of a file: by its byte order mark, else UTF-8, else Western Windows (cp1252), as old Excel writes."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def table_rows(text: str) -> list[dict[str, str]]:
    """The rows of a table by the names of its columns, in lower case; cells without blanks around them.

    The separator (comma, semicolon, tab, bar) is the one that cuts the first line into most columns; a line
    ``sep=;`` before it says so itself. Quoted cells may hold separators and line ends. Empty rows are left
    out, missing cells are empty. Raises ValueError for what is no table.
    """
    lines = text.lstrip("\ufeff").splitlines()
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines:
        return []
    if lines[0].strip().lower().startswith("sep=") and len(lines[0].strip()) == 5:
        separator = lines.pop(0).strip()[4]
    else:
        separator = max(SEPARATORS, key=lambda one: len(next(csv.reader([lines[0]], delimiter=one), [])))
    try:
        rows = list(csv.reader((line + "\n" for line in lines), delimiter=separator, skipinitialspace=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if not rows:
        return []
    head = [name.strip().lower() for name in rows[0]]
    found = []
    for row in rows[1:]:
        cells = [cell.strip() for cell in row] + [""] * (len(head) - len(row))
        if any(cells):
            found.append({name: cell for name, cell in zip(head, cells, strict=False) if name})
    return found
