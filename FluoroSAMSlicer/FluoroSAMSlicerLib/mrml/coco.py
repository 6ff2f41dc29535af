"""COCO annotations of one image, with masks as compressed run lengths.

Format: https://cocodataset.org/#format-data and the reference implementation pycocotools.
"""

from __future__ import annotations

import numpy as np

from .exported import ExportedSegment


def category(number: int, segment: ExportedSegment) -> dict:
    structure = segment.structure
    code = structure.code
    return {
        "id": number,
        "name": segment.name,
        "supercategory": structure.category,
        "structure": structure.name,
        "code": f"{code.scheme} {code.value}" if code else "",
        "color": list(segment.color),
    }


def annotation(number: int, image: int, kind: int, segment: ExportedSegment) -> dict:
    """``bbox`` is the left column, top row, width and height in pixels."""
    mask = segment.mask
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = (int(columns[0]), int(rows[0])) if rows.size else (0, 0)
    size = (int(columns[-1]) - left + 1, int(rows[-1]) - top + 1) if rows.size else (0, 0)
    found = {
        "id": number,
        "image_id": image,
        "category_id": kind,
        "segmentation": {"size": list(mask.shape), "counts": compressed(run_lengths(mask))},
        "area": int(np.count_nonzero(mask)),
        "bbox": [left, top, *size],
        "iscrowd": 0,
    }
    return found if segment.score is None else {**found, "score": round(segment.score, 4)}


def run_lengths(mask: np.ndarray) -> list[int]:
    """Lengths of the runs of equal pixels down the columns, beginning with background (perhaps none)."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate(([0], changes, [flat.size]))
    lengths = np.diff(edges).tolist()
    return [0, *lengths] if flat[0] else lengths


def compressed(lengths: list[int]) -> str:
    """Run lengths as text: from the fourth on the difference to the one two before, in groups of five bits,
    lowest first, the sixth bit set where more follow, each as the character 48 further on."""
    characters = []
    for index, length in enumerate(lengths):
        value = length - lengths[index - 2] if index > 2 else length
        more = True
        while more:
            group = value & 0x1F
            value >>= 5
            more = value != (-1 if group & 0x10 else 0)
            characters.append(chr(48 + group + (0x20 if more else 0)))
    return "".join(characters)
