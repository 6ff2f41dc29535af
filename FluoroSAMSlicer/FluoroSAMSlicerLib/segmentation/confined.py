"""A box confines: the farther beyond it, the less of what the model draws is believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from .candidates import Candidates
from .prompt import Prompt

STEEPNESS = 50.0
"""Logits taken away at a distance of the box's own width, or height; 1 at a fiftieth of it.

Mean Dice of 475 structures of DRRs and radiographs with tight boxes, without and with 20, 50, 100 and 200: 0.713,
0.715, 0.715, 0.716 and 0.716; with each edge displaced by up to 0.08 at random 0.715, 0.715, 0.713 and 0.710."""


def confined(candidates: Candidates, prompt: Prompt) -> Candidates:
    """The candidates, lowered beyond the box of ``prompt``, which its clicks inside the structure widen."""
    if prompt.box is None:
        return candidates
    frame, side = candidates.frame, candidates.low_res.shape[-1]
    held = [point for point, label in zip(prompt.points, prompt.labels, strict=True) if label]
    corners = np.array([prompt.box[:2], prompt.box[2:], *held])
    places = (torch.arange(side) + 0.5) / side * frame.size / frame.scale - 0.5
    beyond = []
    for begin, end in zip(corners.min(0).tolist(), corners.max(0).tolist(), strict=True):
        outside = torch.maximum(begin - 0.5 - places, places - end - 0.5).clamp_min(0)
        beyond.append(outside / (end - begin + 1))
    across, down = beyond
    lowered = candidates.low_res - STEEPNESS * torch.maximum(across[None], down[:, None])
    return replace(candidates, low_res=lowered)
