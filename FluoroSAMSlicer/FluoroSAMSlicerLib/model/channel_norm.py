"""Layer norm of maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (B, C, H, W), pixel by pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.movedim(super().forward(torch.movedim(x, 1, -1)), -1, 1)
