"""From prompts to masks: encode an image once, then ask for structures by name, clicks and boxes.

>>> from FluoroSAMSlicerLib.radiograph import read_radiograph
>>> from FluoroSAMSlicerLib.segmentation import Predictor, PromptSession
>>> session = PromptSession(Predictor.load("compact"), read_radiograph("chest.dcm"))
>>> session.segment("lt lung").mask.mean()
>>> session.click("left lung", 812, 540, positive=False).score

torch is imported when a name that needs it is first used.
"""

from __future__ import annotations

import os
from importlib import import_module

from .errors import DeviceError, ImageError, PromptError, SegmentationError
from .prompt import Prompt

_HOME = {
    "Candidates": "prediction",
    "ImageEmbedding": "embedding",
    "Prediction": "prediction",
    "Predictor": "predictor",
    "PromptSession": "session",
}

__all__ = ["DeviceError", "ImageError", "Prompt", "PromptError", "SegmentationError", *_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # OpenMP reads this when torch loads. Threads that wait spinning make an image take 40 times as long on a
    # processor that has other work to do; threads that sleep cost nothing measurable on an idle one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
