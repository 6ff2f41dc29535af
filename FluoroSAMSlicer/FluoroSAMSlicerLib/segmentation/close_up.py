"""A second look: the surroundings of what was found, enlarged, and the mean of both answers there.

A network of few and coarse cells draws more exactly where a structure fills its input. Other interactive tools
enlarge their object too: "zoom-in" of f-BRS (arXiv:2001.10331), "AutoZoom" of nnInteractive (arXiv:2503.08373).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..model import InputFrame
from .candidates import THRESHOLD, Candidates
from .prompt import Prompt


@dataclass(frozen=True)
class Look:
    """How near a look is: ``margin`` is the width of its window by that of what it shows, ``least`` the window's
    least width as a share of the image's longer side. One that is ``free`` is given the mask found so far by less
    than two clicks only, and forms an opinion of its own from more. Windows begin and end at multiples of ``step``, a
    share of the longer side, so that most clicks need no new one."""

    margin: float
    least: float
    free: bool = False
    step: float = 1 / 16


LOOKS = (Look(1.1, 1 / 5), Look(1.5, 3 / 10), Look(2.2, 1 / 4, free=True))
"""One to four looks with margins of 1.1 to 2.5 were tried on DRRs with eight simulated clicks: one gave most of what
there is to gain, a third still a little."""

SHARED = Look(1.6, 1 / 2, step=1 / 4)
"""How many structures are looked at together: from so far, and in so few places, that neighbours share a window. It
gains nearly as much as three looks at each."""

FARTHEST = 3 / 4
"""Share of the image's area from which on a close-up would show little more than the image."""

ISLANDS = 0.01
"""Share of the mask's width and height that may lie outside at each end."""

BEYOND = -10.0
"""Logit of the mask prompt where a close-up is padded."""


@dataclass(frozen=True)
class Window:
    """A part of an image, in whole pixels; ``right`` and ``bottom`` are beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """This part of an image (H, W)."""
        return pixels[self.top : self.bottom, self.left : self.right]

    def shrunk(self, scale: float) -> Window:
        """This part of the image made ``scale`` times as large, at most 1; at least a pixel."""
        left, top = int(self.left * scale), int(self.top * scale)
        right, bottom = round(self.right * scale), round(self.bottom * scale)
        return Window(left, top, max(right, left + 1), max(bottom, top + 1))

    def holds(self, x: float, y: float) -> bool:
        """Is the pixel of the image that holds (x, y) in the window?"""
        return self.left <= x + 0.5 < self.right and self.top <= y + 0.5 < self.bottom

    def prompt(self, prompt: Prompt) -> Prompt:
        """The prompt in the window's own pixels: clicks outside are left out. The window holds its box whole."""
        clicks = zip(prompt.points, prompt.labels, strict=True)
        clicks = [((x - self.left, y - self.top), label) for (x, y), label in clicks if self.holds(x, y)]
        points, labels = zip(*clicks, strict=True) if clicks else ((), ())
        box = prompt.box and tuple(np.subtract(prompt.box, (self.left, self.top) * 2).tolist())
        return replace(prompt, points=points, labels=labels, box=box)

    def mask_prompt(self, low_res: Tensor, whole: InputFrame, frame: InputFrame) -> Tensor:
        """Logits (h, h) of the whole image, seen at the low-resolution pixels of the window's own ``frame``."""
        side = low_res.shape[-1]
        steps = (torch.arange(side) + 0.5) / side * frame.size / frame.scale
        axes = [(steps + start) * whole.scale / whole.size * 2 - 1 for start in (self.left, self.top)]
        grid = torch.stack(torch.meshgrid(*axes, indexing="xy"), -1)[None]
        seen = F.grid_sample(low_res[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
        outside = (steps[None] > self.right - self.left) | (steps[:, None] > self.bottom - self.top)
        return seen.masked_fill(outside, BEYOND)


def window_of(look: Look, low_res: Tensor, prompt: Prompt, frame: InputFrame) -> Window | None:
    """The window that shows a mask of logits ``low_res`` (h, h) and what ``prompt`` adds to it.

    None where nothing was found, or where the window would be nearly the whole image, or less than a pixel of it.
    """
    rows, columns = (low_res > THRESHOLD).nonzero(as_tuple=True)
    if not len(rows):
        return None
    pixel = frame.size / low_res.shape[-1] / frame.scale
    shares = torch.tensor([ISLANDS, 1 - ISLANDS])
    across, down = (torch.quantile((places + 0.5) * pixel, shares).tolist() for places in (columns, rows))
    added = [point for point, label in zip(prompt.points, prompt.labels, strict=True) if label]
    if prompt.box is not None:
        added += [prompt.box[:2], prompt.box[2:]]
    for x, y in added:
        across, down = [min(across[0], x), max(across[1], x)], [min(down[0], y), max(down[1], y)]
    long = max(frame.height, frame.width)
    width, height = (max(look.margin * (end - begin), look.least * long) for begin, end in (across, down))
    step = look.step * long

    def ends(span: list[float], length: float, limit: int) -> tuple[int, int]:
        middle = sum(span) / 2
        begin = np.floor((middle - length / 2) / step) * step
        end = np.ceil((middle + length / 2) / step) * step
        return max(0, int(begin)), min(limit, int(end))

    left, right = ends(across, max(width, height / 2), frame.width)
    top, bottom = ends(down, max(height, width / 2), frame.height)
    area = max(0, right - left) * max(0, bottom - top)
    if not 0 < area <= FARTHEST * frame.width * frame.height:
        return None
    return Window(left, top, right, bottom)


@dataclass(frozen=True, eq=False)
class CloseUp:
    """What the model drew in a window: one candidate, corrected as the clicks ask."""

    window: Window
    answer: Candidates

    @property
    def score(self) -> float:
        """The IoU that the model predicts for it."""
        return self.answer.scores[0]

    def at(self, points: tuple[tuple[float, float], ...]) -> Tensor:
        """Logits (N,) at the pixels that hold ``points`` (x, y) of the whole image; NaN outside the window."""
        shifted = tuple((x - self.window.left, y - self.window.top) for x, y in points)
        outside = torch.tensor([not self.window.holds(*point) for point in points])
        return self.answer.at(shifted)[0].masked_fill(outside, torch.nan)
