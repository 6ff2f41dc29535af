"""The FluoroSAM network: configurations, weights, tokens and the way from an image to its input.

Nothing here knows files of the hospital, names of anatomy, or a scene. torch and transformers are imported
when a name that needs them is first used.
"""

from __future__ import annotations

from ..lazy import lazy_name
from .errors import CheckpointError, InstallationCancelled, InstallationError, ModelError, TokenError

_HOME = {
    "FluoroSAM": "network",
    "FluoroSAMConfig": "config",
    "TextCode": "text",
    "PyramidFeatures": "pyramid",
    "InputFrame": "preprocess",
    "pixel_values": "preprocess",
    "network_input": "preprocess",
    "window": "windowing",
    "as_mask_prompt": "mask_decoder",
    "CompactTokenizer": "tokens",
    "PublishedTokenizer": "tokens",
    "train_tokenizer": "tokens",
    "load_reference_checkpoint": "reference",
    "load_model": "storage",
    "save_model": "storage",
    "verify_model": "storage",
    "Provenance": "storage",
    "bundled_models": "storage",
    "bundled_model_folder": "storage",
    "locate_model": "storage",
    "InstalledModel": "installation",
    "install_checkpoint": "installation",
    "installed_models": "library",
    "installed_model_folder": "library",
    "saved_model_folder": "library",
    "saved_model_name": "library",
    "user_model_folder": "library",
}

__all__ = [
    "CheckpointError",
    "InstallationCancelled",
    "InstallationError",
    "ModelError",
    "TokenError",
    *_HOME,
]


def __getattr__(name: str):
    return lazy_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted(__all__)
