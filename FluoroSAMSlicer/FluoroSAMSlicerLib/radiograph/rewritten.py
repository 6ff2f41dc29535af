"""Picture files with a few bytes changed, so that Pillow reads what it otherwise gets wrong."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from .tiff import ORIENTATION, directories


def tiff_as_stored(path: Path) -> io.BytesIO:
    """A TIFF whose pages ask for no turn: Pillow garbles those that swap rows and columns (5 to 8)."""
    content = bytearray(path.read_bytes())
    order = "<" if content[:2] == b"II" else ">"
    for entries in directories(content):
        if ORIENTATION in entries:
            struct.pack_into(f"{order}H", content, entries[ORIENTATION][2], 1)
    return io.BytesIO(bytes(content))


def grey_alpha_as_rgba(path: Path) -> io.BytesIO:
    """A PNG of 16-bit grey with alpha as one of 8-bit RGBA: red is the grey's high byte, green its low one.

    Both have four bytes a pixel, so that the compressed and filtered data are the same (ISO/IEC 15948 9.2).
    """
    content = bytearray(path.read_bytes())
    content[24:26] = b"\x08\x06"
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return io.BytesIO(bytes(content))
