"""What can go wrong in this room, in words for the person at the screen."""

from __future__ import annotations

from ..weights import CheckpointError, InstallationCancelled, InstallationError, ModelError

__all__ = ["CheckpointError", "InstallationCancelled", "InstallationError", "ModelError", "TokenError"]


class TokenError(ModelError):
    """A text prompt cannot be turned into tokens."""
