"""Where the user's own models lie, and which are there. Reads folders only; nothing heavy is imported."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from .errors import ModelError

FOLDER_VARIABLE = "FLUOROSAM_MODELS"
APPLICATION = "FluoroSAMSlicer"
DESCRIPTION = "config.json"
FORMAT = "FluoroSAMSlicer model 1"
TRAINED = "model"
"""What a training calls the folder of its result."""

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


def installed_models(format: str = FORMAT) -> tuple[str, ...]:
    """Names of the models that the user installed, of the kind whose description has this ``format``.

    A damaged description counts as of the usual format, so that its fault is heard of.
    """
    return tuple(name for name in taken_names() if format_of(user_model_folder() / name) in _kinds(format))


def taken_names() -> tuple[str, ...]:
    """Names of everything in the user's folder, whatever kind of model it is."""
    try:
        folders = [entry for entry in user_model_folder().iterdir() if _NAME.fullmatch(entry.name)]
    except OSError:
        return ()
    return tuple(sorted(folder.name for folder in folders if (folder / DESCRIPTION).is_file()))


def resource_folder() -> Path:
    """``Resources`` beside the package in the source and Slicer trees, inside it when installed by pip."""
    package = Path(__file__).resolve().parents[1]
    beside = package.parent / "Resources"
    return beside if (beside / "Models").is_dir() else package / "Resources"


def bundled_names() -> tuple[str, ...]:
    """Names of the models that come with the program, which no other model may have."""
    return tuple(sorted(path.parent.name for path in resource_folder().glob(f"Models/*/{DESCRIPTION}")))


def installed_model_folder(name: str) -> Path:
    """Where the model ``name`` lies or would lie; :class:`ModelError` for a name that no model can have."""
    if not _NAME.fullmatch(name) or name.endswith(".") or _DEVICES.fullmatch(name):
        raise ModelError(
            f"{name!r} cannot be a model's name: use up to 64 letters, digits, dots, dashes and underscores"
        )
    return user_model_folder() / name


def saved_model_folder(path: str | Path) -> Path | None:
    """The folder of a saved model, such as a training's result, that ``path`` is or is a file of; else None."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(description, dict):
        return None
    of_it = path == folder or path.name == DESCRIPTION or path.name in description.get("files", ())
    return folder if description.get("format") == FORMAT and of_it else None


def saved_model_name(folder: Path) -> str:
    """What a saved model is called: as its folder, or as the training whose result it is."""
    folder = folder.absolute()
    return (folder.parent if folder.name == TRAINED else folder).name


def _kinds(format: str) -> tuple[str | None, ...]:
    return (format, None) if format == FORMAT else (format,)


def format_of(folder: Path) -> str | None:
    """What the description of the model in ``folder`` says it is; None where it cannot be read."""
    try:
        return json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
