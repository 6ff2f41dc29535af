"""Whether an NRRD file is whole and sound, found out before Slicer's storage node opens it.

The storage node lets ITK's exceptions end the process, on a truncated file as on an edited header, and
does not notice a disk that fills up while it writes. Format: https://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

BLOCK = 1 << 20
LEVEL = 4
"""Of zlib; masks hardly get smaller beyond it."""
LARGEST_OFFSET = 1_000_000
"""Pixels; Slicer adds an extent offset to the image size in 32 bits and crashes where that overflows."""
TYPE_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "int16", "int16_t", "ushort", "unsigned short", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4),
    **dict.fromkeys(("int64", "int64_t", "uint64", "uint64_t", "double"), 8),
}


def is_complete(path: Path) -> bool:
    """Whether ``path`` is an NRRD file with attached raw or gzip data of the size its header declares.

    Other encodings and detached data count as incomplete: Slicer writes neither in a ``.seg.nrrd``.
    """
    with path.open("rb") as file:
        fields = _header(file)
        try:
            sizes = [int(size) for size in fields["sizes"].split()]
            expected = math.prod(sizes) * TYPE_BYTES[fields["type"]]
        except (KeyError, ValueError):
            return False
        if not sizes or min(sizes) < 0 or {"data file", "datafile", "byte skip", "line skip"} & fields.keys():
            return False
        encoding = fields.get("encoding")
        if encoding in ("gzip", "gz"):
            return _inflated_bytes(file, expected) == expected
        if encoding == "raw":
            start = file.tell()
            return file.seek(0, 2) - start == expected
        return False


def holds_labels(path: Path) -> bool:
    """Whether the header of an NRRD file declares whole numbers, as every labelmap has."""
    with path.open("rb") as file:
        return _header(file).get("type") not in ("float", "double", None)


def has_sound_header(path: Path) -> bool:
    """Whether ITK can place the image in space, and Slicer the segments in the image."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(str(path))
    try:
        # The reader that Slicer uses, from where its exceptions can be caught.
        reader.ReadImageInformation()
    except RuntimeError:
        return False
    dimension = reader.GetDimension()
    if dimension > 3 or math.prod(reader.GetSize()) == 0 or not _spans_space(reader, dimension):
        return False
    key = "Segmentation_ReferenceImageExtentOffset"
    if key not in reader.GetMetaDataKeys():
        return True
    numbers = re.findall(r"-?\d+", reader.GetMetaData(key))
    return all(abs(int(number)) <= LARGEST_OFFSET for number in numbers)


def header_lines(path: Path) -> list[str]:
    """The lines of an NRRD file's header. Raises OSError for a header without an end."""
    lines = []
    with path.open("rb") as file:
        for line in iter(file.readline, b"\n"):
            if not line:
                raise OSError(f"{path}: the header has no end")
            lines.append(line.decode("utf-8").rstrip("\n"))
    return lines


def compress(plain: Path, packed: Path) -> None:
    """Copy an NRRD file of raw data to a new one of gzip data. Raises OSError."""
    packer = zlib.compressobj(LEVEL, wbits=31)
    with plain.open("rb") as source, packed.open("xb") as target:
        for line in iter(source.readline, b"\n"):
            if not line:
                raise OSError(f"{plain}: the header has no end")
            target.write(b"encoding: gzip\n" if line == b"encoding: raw\n" else line)
        target.write(b"\n")
        for block in iter(lambda: source.read(BLOCK), b""):
            target.write(packer.compress(block))
        target.write(packer.flush())


def _spans_space(reader, dimension: int) -> bool:
    """Whether the axes have lengths and no two are parallel; ITK's image cannot be made otherwise."""
    axes = np.array(reader.GetDirection()).reshape(dimension, dimension) * reader.GetSpacing()
    return bool(np.isfinite(axes).all() and abs(np.linalg.det(axes)) > 0)


def _header(file: BinaryIO) -> dict[str, str]:
    """The header's fields; the file is left at the first byte of the data."""
    if not file.readline(16).startswith(b"NRRD"):
        return {}
    fields = {}
    for line in iter(file.readline, b""):
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text:
            return fields
        key, separator, value = text.partition(": ")
        if separator and not text.startswith("#") and ":=" not in key:
            fields[key] = value.strip()
    return {}


def _inflated_bytes(file: BinaryIO, limit: int) -> int | None:
    """Size of the gzip stream's content; None if it is damaged, cut off, or longer than ``limit``."""
    inflater = zlib.decompressobj(wbits=31)
    total = 0
    pending = file.read(BLOCK)
    try:
        while pending and not inflater.eof:
            total += len(inflater.decompress(pending, BLOCK))
            if total > limit:
                return None
            pending = inflater.unconsumed_tail or file.read(BLOCK)
    except zlib.error:
        return None
    return total if inflater.eof else None
