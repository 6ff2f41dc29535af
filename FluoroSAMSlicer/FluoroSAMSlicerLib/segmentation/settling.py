"""What one more click changes: the mask around it, and less and less of what was there before farther off.

A network that is asked again answers anew everywhere: with each click it gains in one place and loses a little in
others. So an answer is joined with the one before: as it is at the newest click itself, as a mean of the latest
rounds far from it. Of an answer with a low score less is kept: where a name found little, the first click may find it
all. That raised Dice after one click from 0.41 to 0.48 on heads, which names find badly; elsewhere little changed.
What was drawn by hand is kept in the same way, by a click and by a name; a box around it asks for the model's own
outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..model import InputFrame
from .candidates import THRESHOLD
from .prompt import LOW_SCORE

KEPT = 0.7
"""Share of the answer before, far from the newest click. 0.5, 0.7 and 0.8 were tried with eight simulated clicks:
Dice of 43 bones, hearts and tubes on real radiographs 0.900, 0.903 and 0.899, of 43 organs on DRRs 0.829, 0.840 and
0.834; 0.874 and 0.819 without it."""

REACH = 1 / 4
"""Standard deviation of what a click changes, as a share of the square root of the mask's area. 0.4 gave 0.893 and
0.831 there."""

FINEST = 512
"""Pixels of the longer side that an answer is remembered with: a few hundred kilobytes."""

SURER = 0.05
"""How much each click lessens what a score lacks. Without, and with 0.05, 0.1 and 0.15, the mean difference of score
and IoU over up to eight simulated clicks was 0.15, 0.12, 0.11 and 0.11 on DRRs of an abdomen, 0.16, 0.12, 0.10 and
0.08 on bones of real radiographs; yet of the abdomen's scores of 0.5 and more, 0.07, 0.10, 0.14 and 0.17 were of
masks with an IoU below 0.5, so that more would reassure too often."""


@dataclass(frozen=True, eq=False)
class Settled:
    """What a round showed, for the next one.

    ``logits`` (h, w) float16 cover the image of ``frame``, their longer side is `FINEST` at most; ``low_res`` (s, s)
    float32 are the same at the network's low-resolution pixels, with its own answer on the padding, and become the
    mask prompt.
    """

    logits: Tensor
    low_res: Tensor
    frame: InputFrame
    score: float

    @classmethod
    def of(cls, shown: np.ndarray, low_res: Tensor, frame: InputFrame, score: float) -> Settled:
        """Logits ``shown`` (h, w) of the image, believed in as ``score`` says, and what the model gave for it,
        ``low_res`` (s, s)."""
        cells = low_res.shape[-1] / frame.size
        height, width = (max(1, round(side * cells)) for side in (frame.input_height, frame.input_width))
        logits, low_res = torch.from_numpy(shown), low_res.clone()
        low_res[:height, :width] = F.interpolate(
            logits[None, None], (height, width), mode="bilinear", align_corners=False, antialias=True
        )[0, 0]
        return cls(logits.half(), low_res, frame, score)

    def reach(self, fresh: Tensor) -> float:
        """How far a click reaches, in pixels of the image, whose new answer has logits ``fresh`` (s, s)."""
        cells = int(((fresh > THRESHOLD) | (self.low_res > THRESHOLD)).sum())
        return REACH * max(1, cells) ** 0.5 * self.frame.size / self.low_res.shape[-1] / self.frame.scale

    def join(self, fresh: np.ndarray, click: tuple[float, float] | None, reach: float) -> np.ndarray:
        """New logits (H, W) joined with these, in place; ``click`` (x, y) is the newest one, in pixels, None where
        there is none."""
        before = F.interpolate(
            self.logits.float()[None, None], fresh.shape, mode="bilinear", align_corners=False
        )[0, 0].numpy()
        fresh -= before
        fresh *= self._share(_nearness(fresh.shape, click, reach) if click else np.float32(0))
        fresh += before
        return fresh

    def join_at(
        self, points: tuple[tuple[float, float], ...], fresh: Tensor, click: tuple[float, float], reach: float
    ) -> Tensor:
        """The same at the pixels that hold ``points`` (x, y), whose new logits ``fresh`` (N,) are."""
        extent = torch.tensor([self.frame.width, self.frame.height])
        pixels = (torch.tensor(points, dtype=torch.float64) + 0.5).floor().clamp_min(0).minimum(extent - 1)
        grid = ((pixels + 0.5) / extent * 2 - 1).float()[None, None]
        before = F.grid_sample(
            self.logits.float()[None, None], grid, padding_mode="border", align_corners=False
        )[0, 0, 0]
        away = (pixels - torch.tensor(click)).norm(dim=1).float().numpy()
        return before + torch.from_numpy(self._share(_bell(away, reach))) * (fresh - before)

    def _share(self, nearness: np.ndarray | np.float32) -> np.ndarray | np.float32:
        """The share of the new answer where a click's ``nearness`` is 0 to 1."""
        kept = np.float32(KEPT * min(1.0, max(0.0, self.score) / LOW_SCORE))
        return kept * nearness + (1 - kept)


def surer(score: float, clicks: int) -> float:
    """The IoU of a mask that was joined over ``clicks`` clicks, whose newest answer the model gives ``score``."""
    return 1 - (1 - score) / (1 + SURER * clicks)


def _nearness(shape: tuple[int, ...], click: tuple[float, float], reach: float) -> np.ndarray:
    """1 at the ``click`` (x, y), 0 far from it: float32 of that shape (H, W)."""
    x, y = click
    height, width = shape
    across = _bell(np.arange(width, dtype=np.float32) - x, reach)
    down = _bell(np.arange(height, dtype=np.float32) - y, reach)
    return down[:, None] * across


def _bell(distance: np.ndarray, reach: float) -> np.ndarray:
    return np.exp(-0.5 * (distance / np.float32(reach)) ** 2)

