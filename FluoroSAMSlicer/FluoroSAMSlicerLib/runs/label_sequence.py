"""Masks of a run as one file that Slicer opens as a sequence: NRRD of four axes, the last one the frames.

The header is that of Slicer's vtkMRMLVolumeSequenceStorageNode; structures are named as in `.seg.nrrd` files.
Format: https://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from .answers import FrameAnswers

SUFFIX = ".seg.seq.nrrd"


def write_label_sequence(
    path: Path,
    frames: Iterable[FrameAnswers],
    numbers: Sequence[int],
    names: Sequence[tuple[str, tuple[int, int, int]]],
    size: tuple[int, int],
    spacing: tuple[float, float] | None = None,
) -> Path:
    """Write label values 1, 2, ... for ``names`` (name and 8-bit colour); frame by frame, never all at once.

    ``frames`` come in the order of ``numbers`` (from 0), of ``size`` (H, W); the file's index counts from 1. A pixel
    of several structures gets the one with the smallest mask in that frame, the others lose it.
    """
    height, width = size
    x, y = spacing or (1.0, 1.0)
    # Slicer places images with columns along L and rows along P, as the volume nodes of this program are.
    fields = [
        "NRRD0005",
        "type: unsigned char",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {width} {height} 1 {len(numbers)}",
        f"space directions: ({x:g},0,0) (0,{y:g},0) (0,0,1) none",
        "kinds: domain domain domain list",
        'labels: "" "" "" "frame"',
        "encoding: gzip",
        "space origin: (0,0,0)",
        "DataNodeClassName:=vtkMRMLLabelMapVolumeNode",
        "axis 3 index type:=numeric",
        f"axis 3 index values:={' '.join(str(number + 1) for number in numbers)}",
    ]
    for label, (name, color) in enumerate(names, 1):
        shade = " ".join(f"{channel / 255:.4f}" for channel in color)
        fields += [
            f"Segment{label - 1}_ID:={name}",
            f"Segment{label - 1}_Name:={name}",
            f"Segment{label - 1}_LabelValue:={label}",
            f"Segment{label - 1}_Color:={shade}",
        ]
    label_of = {name: label for label, (name, _) in enumerate(names, 1)}
    with path.open("wb") as file:
        file.write(("\n".join(fields) + "\n\n").encode())
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=4, mtime=0) as data:
            for answers in frames:
                labels = np.zeros(size, np.uint8)
                for one in sorted(answers.masks, key=lambda one: -one.area):
                    labels[one.mask] = label_of[one.name]
                data.write(labels.tobytes())
    return path
