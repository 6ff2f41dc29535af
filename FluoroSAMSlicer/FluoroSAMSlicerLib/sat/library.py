"""Which SAT models the user has, and how one is got. Reads folders only; nothing heavy is imported."""

from __future__ import annotations

from pathlib import Path

from ..weights.library import DESCRIPTION, bundled_names, format_of, installed_models, taken_names

FORMAT = "FluoroSAMSlicer SAT model 1"

HOW_TO_INSTALL = (
    "SAT's weights are not part of this program: get a model and its text encoder from "
    "https://huggingface.co/zzh99/SAT and install them by: fluorosam models install nano.pth "
    "--text-encoder nano_text_encoder.pth"
)
"""What to tell who has no SAT model."""


def installed_sat_models() -> tuple[str, ...]:
    """Names of the SAT models that the user installed."""
    return installed_models(FORMAT)


def is_sat_model(model: str) -> bool:
    """Whether this is the name of an installed SAT model, or the path of a folder with one."""
    if model in (*bundled_names(), *taken_names()):
        return model in installed_sat_models()
    return (Path(model) / DESCRIPTION).is_file() and format_of(Path(model)) == FORMAT
