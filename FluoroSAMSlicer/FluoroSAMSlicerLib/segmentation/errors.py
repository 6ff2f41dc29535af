"""What can go wrong between a prompt and its mask, in words for the person at the screen."""

from __future__ import annotations


class SegmentationError(Exception):
    """A structure cannot be segmented; the message says why and what to do."""


class PromptError(SegmentationError):
    """A text, point, box or previous mask cannot be used."""


class ImageError(SegmentationError):
    """The image cannot be encoded."""


class DeviceError(SegmentationError):
    """The wanted device is not there."""
