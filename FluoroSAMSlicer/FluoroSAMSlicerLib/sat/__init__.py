"""SAT (arXiv 2312.17183): structures of a CT, MR or PET volume found by their names.

The network and its text encoder, the volume as they see it, windows over it, and masks on the volume's own
grid. Its weights are not bundled; a user who has them installs them. torch is imported when first needed.
"""

from __future__ import annotations

from ..lazy import lazy_name
from .errors import CheckpointError, ModelError, SatCancelled, SatError, ScanError, TextError

_HOME = {
    "SAT": "network",
    "WindowFeatures": "network",
    "SatConfig": "config",
    "SatModel": "storage",
    "load_published": "checkpoint",
    "is_published": "checkpoint",
    "load_sat_model": "storage",
    "verify_sat_model": "storage",
    "locate_sat_model": "storage",
    "installed_sat_models": "library",
    "is_sat_model": "library",
    "install_sat_checkpoint": "installation",
    "AskedName": "names",
    "Request": "names",
    "request": "names",
    "class_table": "classes",
    "Scan": "scan",
    "prepare": "scan",
    "require_fit": "fitness",
    "modality_of": "modality",
    "Window": "windows",
    "plan_windows": "windows",
    "FeatureStore": "features",
    "MaskBox": "masks",
    "blend": "masks",
    "restore": "masks",
}

__all__ = [
    "CheckpointError",
    "ModelError",
    "SatCancelled",
    "SatError",
    "ScanError",
    "TextError",
    *_HOME,
]


def __getattr__(name: str):
    return lazy_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted(__all__)
