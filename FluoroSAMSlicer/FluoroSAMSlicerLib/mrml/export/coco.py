"""COCO annotations of one image, with masks as compressed run lengths (https://cocodataset.org/#format-data)."""

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


def annotation(number: int, image: int, kind: int, segment: ExportedSegment, mask: np.ndarray) -> dict:
    """``mask`` is that of the segment, bool (H, W). ``bbox`` is its left column, top row, width and height."""
    from ...dataset.run_length import bounding_box, encode

    found = {
        "id": number,
        "image_id": image,
        "category_id": kind,
        "segmentation": encode(mask),
        "area": int(np.count_nonzero(mask)),
        "bbox": bounding_box(mask),
        "iscrowd": 0,
    }
    return found if segment.score is None else {**found, "score": round(segment.score, 4)}
