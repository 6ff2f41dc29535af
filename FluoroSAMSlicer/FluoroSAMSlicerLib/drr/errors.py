"""What can go wrong in a projection, in words a user can act on."""

from __future__ import annotations


class DRRError(ValueError):
    """Any failure of this room; the message says what to change."""


class GeometryError(DRRError):
    """A source, detector or angle that describes no X-ray view."""


class VolumeError(DRRError):
    """A CT or label map that cannot be read or projected."""


class BeamError(DRRError):
    """A spectrum that is not known, or an image that no beam or detector can take."""


class MeshError(DRRError):
    """A surface that cannot be read, has holes, or a tool that does not exist."""
