"""What can go wrong between a CT and its labels, in words for the person at the screen."""

from __future__ import annotations

from ..weights import CheckpointError, ModelError

__all__ = ["CheckpointError", "ModelError", "SatCancelled", "SatError", "ScanError", "TextError"]


class SatError(ModelError):
    """Structures cannot be found by name; the message says why and what to do."""


class ScanError(SatError):
    """The volume cannot be labelled."""


class TextError(SatError):
    """A name cannot be asked for."""


class SatCancelled(SatError):
    """The user called the work off; what was finished is kept for the next time."""
