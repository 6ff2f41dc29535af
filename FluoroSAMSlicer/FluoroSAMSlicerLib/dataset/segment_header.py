"""The segments that the header of a ``.seg.nrrd`` tells of."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from ..radiograph.nrrd_header import nrrd_damage
from ..radiograph.quiet import libraries_silent
from .errors import DatasetError

Layers = dict[int, list[tuple[int, str]]]
"""(label value, name) of the segments, by layer."""


def header_segments(path: Path) -> Layers:
    """The segments in a file's header, without its voxels. Raises DatasetError."""
    import SimpleITK as sitk

    damage = nrrd_damage(path)
    if damage:
        raise DatasetError(f"{path}: not a readable label map ({damage})")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with libraries_silent():
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise DatasetError(f"{path}: not a readable label map") from error
    return segments_of(reader)


def segments_of(source) -> Layers:
    """The segments from the header Slicer writes, of a SimpleITK image or reader; empty without any."""
    header, layers = _texts(source), {}
    for key, name in header.items():
        found = re.fullmatch(r"Segment(\d+)_Name", key)
        if found:
            value = header.get(f"Segment{found[1]}_LabelValue", str(int(found[1]) + 1))
            layer = header.get(f"Segment{found[1]}_Layer", "0")
            if value.isdecimal() and layer.isdecimal():
                layers.setdefault(int(layer), []).append((int(value), name))
    return layers


def _texts(source) -> dict[str, str]:
    """The header's entries that are text; damaged ones are no UTF-8, of which SimpleITK makes no string."""
    found = {}
    for key in source.GetMetaDataKeys():
        with suppress(TypeError, UnicodeError, RuntimeError):
            value = source.GetMetaData(key)
            value.encode()
            found[key] = value
    return found
