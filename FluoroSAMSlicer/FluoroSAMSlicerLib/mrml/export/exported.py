"""Segments as other programs need them: name, colour, meaning and mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...anatomy import Structure
from ..nodes.image_state import check_volume
from ..nodes.masks import TakenMask
from ..nodes.naming import structure_for
from ..nodes.segments import STRUCTURE_TAG, TAG_PREFIX, segment_tag, take_mask
from .drafts import ExportError


@dataclass(frozen=True, eq=False)
class ExportedSegment:
    """``color`` is 8-bit RGB as the scene shows it, ``score`` None for a segment that no model made. It holds the
    mask as it was taken from the scene, and no node."""

    id: str
    name: str
    structure: Structure
    color: tuple[int, int, int]
    score: float | None
    low_confidence: bool
    taken: TakenMask

    def mask(self) -> np.ndarray:
        """Bool (H, W) in the image's pixels, made anew at each call."""
        return self.taken.mask()


def exported_segments(
    segmentation, volume_node, segment_ids: Sequence[str] | None = None
) -> list[ExportedSegment]:
    """The segments with these ids (None: all).

    A segment drawn by hand under a name of the vocabulary counts as that structure. Raises SceneError for
    an absent segment, and where there is none.
    """
    check_volume(volume_node)
    segments = segmentation.GetSegmentation()
    ids = list(segments.GetSegmentIDs()) if segment_ids is None else list(segment_ids)
    if not ids:
        raise ExportError(f"{segmentation.GetName()} has no segments to export. Segment a structure first.")
    found = []
    for segment_id in ids:
        taken = take_mask(segmentation, segment_id, volume_node)
        segment = segments.GetSegment(segment_id)
        score = segment_tag(segment, TAG_PREFIX + "score")
        found.append(
            ExportedSegment(
                segment_id,
                segment.GetName() or segment_id,
                _structure(segment),
                tuple(round(255 * channel) for channel in segment.GetColor()),
                float(score) if score else None,
                segment_tag(segment, TAG_PREFIX + "lowConfidence") == "yes",
                taken,
            )
        )
    return found


def _structure(segment) -> Structure:
    return structure_for(segment_tag(segment, STRUCTURE_TAG) or segment.GetName().strip().lower())
