"""A dense side task that teaches the encoders before the decoder can: where in the picture is each name?

Four prompts an image are little to learn from while an image shows fifty structures. Here every name asked in a
batch is compared with every place of every image embedding, and the agreement is trained to be the structure's
coverage of that place. The two projections serve training only and are not exported.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .losses import mask_losses


class Guide(nn.Module):
    """Agreement of image places and names, from two linear projections into ``width`` dimensions."""

    def __init__(self, channels: int, width: int = 96) -> None:
        super().__init__()
        self.places = nn.Linear(channels, width)
        self.names = nn.Linear(channels, width)
        self.offset = nn.Parameter(torch.tensor(-3.0))

    def forward(self, embedding: Tensor, names: Tensor, coverage: Tensor) -> tuple[Tensor, float]:
        """Loss and mean Dice: embedding (N, C, E, E), names (M, C), coverage (N, M, E, E) in [0, 1]."""
        places = self.places(embedding.flatten(2).transpose(1, 2)).float()
        logits = torch.einsum("npw,mw->nmp", places, self.names(names).float()) / places.shape[-1] ** 0.5
        logits = (logits + self.offset).flatten(0, 1).unflatten(1, coverage.shape[-2:])
        wanted = coverage.flatten(0, 1)
        present = wanted.flatten(1).amax(1) >= 0.5
        losses = mask_losses(logits[present][:, None], wanted[present])[:, 0]
        absent = F.softplus(logits[~present]).mean() if (~present).any() else logits.sum() * 0
        drawn = logits[present].detach() > 0
        both = 2 * (drawn & (wanted[present] >= 0.5)).flatten(1).sum(1).float()
        total = drawn.flatten(1).sum(1) + (wanted[present] >= 0.5).flatten(1).sum(1)
        dice = float((both / total.clamp(min=1)).mean()) if present.any() else 0.0
        return (losses.mean() if present.any() else 0) + absent, dice
