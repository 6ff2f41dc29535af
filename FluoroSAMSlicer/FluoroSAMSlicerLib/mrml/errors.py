"""What can go wrong between arrays, nodes and segmentation files, in words for the user."""

from __future__ import annotations


class SceneError(Exception):
    """A node or a segmentation file cannot be made, read or written. The message says what to do."""


class SlicerMissing(SceneError):
    """Slicer's scene classes are not installed in this Python."""


class NotOneImage(SceneError):
    """A volume holds no image, several slices, or values that are no X-ray intensities."""


class SegmentationFileError(SceneError):
    """A segmentation file cannot be written or read."""
