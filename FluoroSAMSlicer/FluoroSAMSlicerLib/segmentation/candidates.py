"""The masks that the model draws for one prompt, kept small until a full-size one is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..model import InputFrame
from .prompt import Prompt

THRESHOLD = 0.0
"""A pixel belongs to the mask where its logit exceeds this, for every model: probability one half.

The published model's own constant is 0 too, and training measures its masks at 0; the published front ends
draw at 0.5, which shrinks every mask a little. ``Prediction.logits`` serve other thresholds.
"""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The three masks that one prompt may mean.

    ``low_res`` (3, h, h) float32 logits of the network's padded square input, ``scores`` (3,) the IoU that
    the model predicts for each. Full-size arrays are made when asked for and not kept.
    """

    low_res: Tensor
    scores: tuple[float, ...]
    frame: InputFrame

    def __len__(self) -> int:
        return len(self.scores)

    def logits(self, index: int) -> np.ndarray:
        """Logits (H, W) float32 of candidate ``index`` in the image's own pixels."""
        return self._restored(index).numpy()

    def mask(self, index: int) -> np.ndarray:
        """Bool (H, W), where the logit exceeds `THRESHOLD`."""
        return (self._restored(index) > THRESHOLD).numpy()

    def _restored(self, index: int) -> Tensor:
        return self.frame.restore(self.low_res[None, index : index + 1])[0, 0]

    def at(self, points: tuple[tuple[float, float], ...]) -> Tensor:
        """Logits (3, N) at the pixels that hold ``points`` (x, y), without restoring the whole image."""
        frame = self.frame
        square = (frame.size, frame.size)
        whole = F.interpolate(self.low_res[None], square, mode="bilinear", align_corners=False)
        image = whole[..., : frame.input_height, : frame.input_width]
        extent = torch.tensor([frame.width, frame.height])
        pixel = (torch.tensor(points, dtype=torch.float64) + 0.5).floor().clamp_min(0).minimum(extent - 1)
        grid = ((pixel + 0.5) / extent * 2 - 1).float()[None, None]
        return F.grid_sample(image, grid, padding_mode="border", align_corners=False)[0, :, 0]

    def honours(self, prompt: Prompt) -> Tensor:
        """Bool (3, N): does each candidate contain a positive click, and leave out a negative one?"""
        if not prompt.points:
            return torch.ones(len(self), 0, dtype=torch.bool)
        return (self.at(prompt.points) > THRESHOLD) == torch.tensor(prompt.labels).bool()

    def best(self, prompt: Prompt) -> int:
        """The index of the one that satisfies most clicks; among those the newest; among those the best score."""
        honoured = self.honours(prompt)

        def rank(index: int) -> tuple[int, bool, float]:
            kept = honoured[index]
            return int(kept.sum()), bool(kept[-1:].all()), self.scores[index]

        return max(range(len(self)), key=rank)

    def only(self, index: int) -> Candidates:
        """The one with this index, alone."""
        return Candidates(self.low_res[index, None], (self.scores[index],), self.frame)
