"""Radiographs and masks in a MRML scene: real nodes, in Slicer or with the ``slicer-core`` wheel.

Importing this room loads neither ``slicer`` nor ``vtk``; calling one of its functions does.
"""

from __future__ import annotations

from .errors import NotOneImage, SceneError, SegmentationFileError, SlicerMissing
from .nodes.files import load_segmentation, save_segmentation, write_segmentation
from .nodes.segments import find_segment, segment_mask, segmentation_node, set_segment
from .nodes.volumes import radiograph_from_volume, volume_node

__all__ = [
    "NotOneImage",
    "SceneError",
    "SegmentationFileError",
    "SlicerMissing",
    "find_segment",
    "load_segmentation",
    "radiograph_from_volume",
    "save_segmentation",
    "segment_mask",
    "segmentation_node",
    "set_segment",
    "volume_node",
    "write_segmentation",
]
