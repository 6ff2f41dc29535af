"""Segments as other programs need them: name, colour, meaning and mask, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...anatomy import Structure
from ..nodes.image_state import check_volume
from ..nodes.naming import structure_for
from ..nodes.segments import STRUCTURE_TAG, TAG_PREFIX, segment_mask
from ..segment.scene import segment_tag
from .drafts import ExportError


@dataclass(frozen=True, eq=False)
class ExportedSegment:
    """``mask`` is bool (H, W) in the image's pixels, ``color`` 8-bit RGB as the scene shows it. ``score`` is
    None for a segment that no model made."""

    id: str
    name: str
    structure: Structure
    color: tuple[int, int, int]
    score: float | None
    low_confidence: bool
    mask: np.ndarray


def exported_segments(
    segmentation, volume_node, segment_ids: Sequence[str] | None = None
) -> Iterator[ExportedSegment]:
    """The segments with these ids (None: all), each with its mask, made when its turn comes.

    A segment drawn by hand under a name of the vocabulary counts as that structure. Raises SceneError for
    an absent segment, and where there is none.
    """
    check_volume(volume_node)
    segments = segmentation.GetSegmentation()
    ids = list(segments.GetSegmentIDs()) if segment_ids is None else list(segment_ids)
    if not ids:
        raise ExportError(f"{segmentation.GetName()} has no segments to export. Segment a structure first.")
    for segment_id in ids:
        mask = segment_mask(segmentation, segment_id, volume_node)
        segment = segments.GetSegment(segment_id)
        score = segment_tag(segment, TAG_PREFIX + "score")
        yield ExportedSegment(
            segment_id,
            segment.GetName() or segment_id,
            _structure(segment),
            tuple(round(255 * channel) for channel in segment.GetColor()),
            float(score) if score else None,
            segment_tag(segment, TAG_PREFIX + "lowConfidence") == "yes",
            mask,
        )


def _structure(segment) -> Structure:
    return structure_for(segment_tag(segment, STRUCTURE_TAG) or segment.GetName().strip().lower())
