"""What a training image is made from: one synthetic exposure before any detector has seen it, or after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sample:
    """``density`` float32 (2, H, W): area density in g/cm2 of soft tissue and of bone along each ray; or (1, H, W)
    where beam and detector have done their work: the attenuation -ln(intensity / open beam), bone bright.
    ``masks`` maps a canonical structure name to its bool (H, W) projection. ``geometry`` holds the source,
    detector centre and axes in LPS mm, JSON-ready."""

    density: np.ndarray
    masks: dict[str, np.ndarray]
    body: str
    view: str
    geometry: dict
