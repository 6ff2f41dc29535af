"""The mask of the frame that following starts from, as evidence in later frames: moved along, and trusted as long as
what the model sees agrees with it.

The answer in a frame is the mean of log odds: of what the model says there, and of the mask that somebody saw and
corrected. Neither is made from the answer of the frame before, so errors do not feed on themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..segmentation.overlap import dice
from .motion import Motion

SURE = 4.0
"""Log odds beyond which neither side's certainty counts: a probability of 0.98."""

SOFTNESS = 1 / 64
"""Distance from the mask's border, as a share of the image's longer side, that is worth one unit of log odds: about
how far motion errs in a run. 1/128 and 1/32 changed the mean Dice of made runs by at most 0.02, both ways."""

SHALLOW = 1 / 2
"""The same by a mask's greatest depth, where that is less: a wire's middle is inside of it for certain."""

MEMORY = 0.9
"""How much of the trust in the frame before is kept. 0.8 to 0.95 changed the mean Dice of made runs by 0.01."""


@dataclass(frozen=True, eq=False)
class Anchor:
    """``odds`` (H, W) float32 are the log odds of the mask in its own frame, 0 where nothing is known of it.

    ``trust`` is the running mean of the Dice coefficient of the moved mask and what the model saw, None before the
    first frame.
    """

    odds: Tensor
    trust: float | None = None

    @classmethod
    def of(cls, mask: np.ndarray, shown: np.ndarray | None = None) -> Anchor:
        """From a mask, bool (H, W); nothing is known of it where a shutter is (``shown`` False)."""
        from scipy.ndimage import distance_transform_edt

        if mask.any():
            inside, outside = (distance_transform_edt(part) for part in (mask, ~mask))
            unit = min(SOFTNESS * max(mask.shape), SHALLOW * float(inside.max()))
            odds = ((inside - outside) / unit).clip(-SURE, SURE)
        else:
            odds = np.full(mask.shape, -SURE)
        if shown is not None and shown.shape == mask.shape:
            odds[~shown] = 0
        return cls(torch.from_numpy(odds.astype(np.float32)))

    def moved(self, since: Motion) -> Tensor:
        """The log odds (H, W) in another frame, ``since`` the anchor's own; 0 for what has come into view."""
        return since.values(self.odds)

    def joined(self, there: Tensor, seen: Tensor) -> tuple[Anchor, np.ndarray]:
        """With the trust that it has now, and the mask, bool (H, W), that it and what the model has ``seen`` give.

        ``there`` are its log odds where it has moved to, ``seen`` (H, W) the model's. A mask of which nothing is in
        view, or was in its own frame, says nothing.
        """
        known = there > 0
        if not known.any():
            return self, (seen > 0).numpy()
        agreed = dice(known.numpy(), (seen > 0).numpy())
        trust = agreed if self.trust is None else MEMORY * self.trust + (1 - MEMORY) * agreed
        return replace(self, trust=trust), (trust * there + seen > 0).numpy()
