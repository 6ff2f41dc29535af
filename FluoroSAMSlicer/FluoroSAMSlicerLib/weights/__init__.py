"""Files of weights, whatever network they belong to: read safely, written leanly, kept in the user's folder.

torch is imported when a name that needs it is first used.
"""

from __future__ import annotations

from ..lazy import lazy_name
from .errors import CheckpointError, InstallationCancelled, InstallationError, ModelError

_HOME = {
    "Provenance": "provenance",
    "InstalledModel": "provenance",
    "write_description": "provenance",
    "read_archive": "archive",
    "read_safetensors": "reading",
    "file_sha256": "reading",
    "check_files": "reading",
    "check_sha256": "reading",
    "write_weights": "writing",
    "stored_size": "writing",
    "installed_models": "library",
    "installed_model_folder": "library",
    "user_model_folder": "library",
    "Progress": "staging",
    "Watch": "staging",
    "staged": "staging",
}

__all__ = ["CheckpointError", "InstallationCancelled", "InstallationError", "ModelError", *_HOME]


def __getattr__(name: str):
    return lazy_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted(__all__)
