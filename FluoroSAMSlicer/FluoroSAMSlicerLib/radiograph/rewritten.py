"""Picture files with a few bytes changed, so that Pillow reads what it otherwise gets wrong."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

ORIENTATION = 274
MOST_PAGES = 10_000


def tiff_as_stored(path: Path) -> io.BytesIO:
    """A TIFF whose pages ask for no turn: Pillow garbles those that swap rows and columns (5 to 8).

    Walks the image file directories of TIFF 6.0 and of BigTIFF.
    """
    content = bytearray(path.read_bytes())
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    (at,) = (
        struct.unpack_from(f"{order}Q", content, 8) if big else struct.unpack_from(f"{order}I", content, 4)
    )
    count_form, entry, next_form = ("Q", 20, "Q") if big else ("H", 12, "I")
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MOST_PAGES:
        seen.add(at)
        (count,) = struct.unpack_from(order + count_form, content, at)
        start = at + struct.calcsize(count_form)
        if start + count * entry > len(content):
            break
        for number in range(count):
            place = start + number * entry
            if struct.unpack_from(f"{order}H", content, place)[0] == ORIENTATION:
                struct.pack_into(f"{order}H", content, place + entry - (8 if big else 4), 1)
        (at,) = struct.unpack_from(order + next_form, content, start + count * entry)
    return io.BytesIO(bytes(content))


def grey_alpha_as_rgba(path: Path) -> io.BytesIO:
    """A PNG of 16-bit grey with alpha as one of 8-bit RGBA: red is the grey's high byte, green its low one.

    Both have four bytes a pixel, so that the compressed and filtered data are the same (ISO/IEC 15948 9.2).
    """
    content = bytearray(path.read_bytes())
    content[24:26] = b"\x08\x06"
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return io.BytesIO(bytes(content))
