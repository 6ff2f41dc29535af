"""What can go wrong with a model's files, in words for the person at the screen."""

from __future__ import annotations


class ModelError(Exception):
    """A model, its input or its files cannot be used; the message says why and what to do."""


class CheckpointError(ModelError):
    """A weights file is unreadable, unsafe, incomplete, or belongs to another model."""


class InstallationError(ModelError):
    """A model cannot be put into the user's model folder; what was there before is as it was."""


class InstallationCancelled(InstallationError):
    """The user called the installation off."""
