"""What is wrong with the header of a NRRD file: looked at before ITK is, which damaged ones make crash."""

from __future__ import annotations

import math
import re
from pathlib import Path

LONGEST_HEADER = 1 << 24
SIZES = {
    "char": 1, "short": 2, "int": 4, "long": 8, "float": 4, "double": 8, "int8": 1, "int16": 2, "int32": 4,
    "int64": 8,
}  # fmt: skip
LARGEST_BYTES = 2**35
NEEDED = ("type", "dimension", "encoding", "sizes")
LINE = re.compile(r"#.*|[^:=]+:[ =].*|[^:]+:=.*", re.DOTALL)


def nrrd_damage(path: Path) -> str:
    """The cause for which a NRRD file cannot be read, empty if its header is whole.

    http://teem.sourceforge.net/nrrd/format.html: lines of text up to an empty one; "field: value",
    "key:=value" or a comment. Raw data must be as long as the sizes say.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"NRRD":
                return ""  # another format under this ending; ITK looks into it
            file.seek(0)
            head = file.read(LONGEST_HEADER)
    except OSError as error:
        return str(error.strerror or error)
    end = re.search(rb"\r?\n\r?\n", head)
    text, start = (head[: end.start()], end.end()) if end else (head, len(head))
    fields: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        if any(byte < 32 and byte != 9 for byte in line):
            return "its header is damaged, it holds no text"
        words = line.decode("utf-8", "replace")
        if words.strip() and not LINE.fullmatch(words):
            return f"its header is damaged at {words[:40]!r}"
        name, _, value = words.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    missing = [name for name in NEEDED if name not in fields]
    if missing:
        return f"its header is damaged, it has no {missing[0]}"
    try:
        sizes = [int(size) for size in fields["sizes"].split()]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1 or len(sizes) > 8 or fields["dimension"] != str(len(sizes)):
        return f"its header is damaged (dimension {fields['dimension'][:20]}, sizes {fields['sizes'][:40]})"
    kind = (
        fields["type"].removeprefix("unsigned ").removeprefix("signed ").removesuffix("_t").removeprefix("u")
    )
    needed = math.prod(sizes) * SIZES.get(kind.split()[0] if kind else "", 1)
    if needed > LARGEST_BYTES:
        return f"its header is damaged, it declares {needed:,} bytes"
    attached = not {"data file", "datafile"} & fields.keys()
    if attached and fields["encoding"].lower() == "raw" and path.stat().st_size - start < needed:
        return "is truncated, it ends before its voxels do"
    return ""
