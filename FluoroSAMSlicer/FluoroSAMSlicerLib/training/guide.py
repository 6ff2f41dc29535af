"""A dense side task that teaches the encoders before the decoder can: where in the picture is each name?

A few prompts an image are little to learn from while an image shows fifty structures. Here every name that can be
asked for is compared with every place of every image embedding, and the agreement is trained to be the structure's
coverage of that place. The two projections serve training only and are not exported.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .losses import batch_dice, mask_losses

ABSENT = 0.05
"""Places that a structure covers, taken together, below which it is not there."""

ABSENCE = 3.0
"""Weight of the loss over what is not there."""


class Guide(nn.Module):
    """Agreement of image places and names, from two linear projections into ``width`` dimensions."""

    def __init__(self, channels: int, width: int = 96) -> None:
        super().__init__()
        self.places = nn.Linear(channels, width)
        self.names = nn.Linear(channels, width)
        self.offset = nn.Parameter(torch.tensor(-3.0))

    def forward(
        self, embedding: Tensor, names: Tensor, coverage: Tensor, known: Tensor, weight: Tensor
    ) -> tuple[Tensor, float]:
        """Loss and mean Dice of what covers four places or more.

        embedding (N, C, E, E), names (M, C), coverage (N, M, E, E) in [0, 1], known (N, M): whether the name is
        sure to be absent where it covers nothing; weight (M,) of each name among those present.
        """
        side = coverage.shape[-2:]
        places = self.places(embedding.flatten(2).transpose(1, 2)).float()
        logits = torch.einsum("npw,mw->nmp", places, self.names(names).float()) / places.shape[-1] ** 0.5
        logits = logits + self.offset
        area = coverage.flatten(2).sum(2)
        image, name = (area >= 1).nonzero(as_tuple=True)
        absent = logits[(area < ABSENT) & known]
        loss = ABSENCE * F.softplus(absent).mean() if len(absent) else logits.sum() * 0
        if not len(image):
            return loss, 0.0
        wanted, drawn = coverage[image, name], logits[image, name].unflatten(-1, side)
        share = weight[name] / weight[name].sum()
        loss = loss + (mask_losses(drawn[:, None], wanted)[:, 0] * share).sum()
        large = area[image, name] >= 4
        return loss, float(batch_dice(drawn[large].detach(), wanted[large]).mean()) if large.any() else 0.0
