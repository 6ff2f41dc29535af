"""Fluoroscopy runs: frames read one at a time, and segments carried from one frame to all others.

>>> from FluoroSAMSlicerLib.runs import Followed, open_run, propagate
>>> from FluoroSAMSlicerLib.segmentation import Predictor
>>> run = open_run("run.dcm")
>>> result = propagate(run, Predictor.load("compact"), 0, [Followed("left lung", "left lung")])
>>> [one.frame for one in result.unsure]

Importing this room loads neither torch nor scikit-image; following a structure does.
"""

from __future__ import annotations

from ..lazy import lazy_name
from .cine import Subtraction
from .errors import RunError
from .run import Run

_HOME = {
    "Followed": "following",
    "FrameAnswers": "answers",
    "FrameMask": "answers",
    "Motion": "motion",
    "Propagation": "answers",
    "open_run": "reading",
    "propagate": "propagation",
}

__all__ = ["Run", "RunError", "Subtraction", *_HOME]


def __getattr__(name: str):
    return lazy_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted(__all__)
