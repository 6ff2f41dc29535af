"""Which SAT models the user has, and how one is got. Reads folders only; nothing heavy is imported."""

from __future__ import annotations

from ..weights.library import installed_models

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
