"""From prompts to masks: encode an image once, then ask for structures by name, clicks and boxes.

>>> from FluoroSAMSlicerLib.radiograph import read_radiograph
>>> from FluoroSAMSlicerLib.segmentation import Predictor, PromptSession
>>> session = PromptSession(Predictor.load("compact"), read_radiograph("chest.dcm"))
>>> session.segment("lt lung").mask.mean()
>>> session.click("left lung", 812, 540, positive=False).score

torch is imported when a name that needs it is first used.
"""

from __future__ import annotations

from ..lazy import lazy_name
from .errors import DeviceError, ImageError, PromptError, SegmentationError
from .prompt import Prompt

_HOME = {
    "CTLabels": "ct_labels",
    "Candidates": "candidates",
    "Estimate": "label_settings",
    "ImageEmbedding": "embedding",
    "LabelSettings": "label_settings",
    "Labeller": "labeller",
    "Prediction": "prediction",
    "Predictor": "predictor",
    "PromptSession": "session",
    "Volume": "volume",
}

__all__ = ["DeviceError", "ImageError", "Prompt", "PromptError", "SegmentationError", *_HOME]


def __getattr__(name: str):
    return lazy_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted(__all__)
