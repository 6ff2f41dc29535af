"""Where the user's own models lie, and which are there. Reads folders only; nothing heavy is imported."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from .errors import ModelError

FOLDER_VARIABLE = "FLUOROSAM_MODELS"
APPLICATION = "FluoroSAMSlicer"
DESCRIPTION = "config.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def user_model_folder() -> Path:
    """The folder that holds one folder for each installed model; it need not exist.

    The environment variable ``FLUOROSAM_MODELS`` names it; otherwise it lies where the system keeps the data
    of a user's programs.
    """
    wanted = os.environ.get(FOLDER_VARIABLE)
    if wanted:
        return Path(wanted).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        # https://specifications.freedesktop.org/basedir: a relative path there is to be ignored.
        base = Path(os.environ.get("XDG_DATA_HOME", ""))
        base = base if base.is_absolute() else Path.home() / ".local" / "share"
    return base / APPLICATION / "models"


def installed_models() -> tuple[str, ...]:
    """Names of the models that the user installed."""
    try:
        folders = [entry for entry in user_model_folder().iterdir() if _NAME.fullmatch(entry.name)]
    except OSError:
        return ()
    return tuple(sorted(folder.name for folder in folders if (folder / DESCRIPTION).is_file()))


def installed_model_folder(name: str) -> Path:
    """Where the model ``name`` lies or would lie; :class:`ModelError` for a name that no model can have."""
    if not _NAME.fullmatch(name) or name.endswith(".") or _DEVICES.fullmatch(name):
        raise ModelError(
            f"{name!r} cannot be a model's name: use up to 64 letters, digits, dots, dashes and underscores"
        )
    return user_model_folder() / name
