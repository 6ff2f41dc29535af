"""SAM's embedding of points, boxes and masks (Kirillov et al. 2023, arXiv:2304.02643).

The parameters have the names of transformers' ``SamPromptEncoder``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .channel_norm import ChannelNorm
from .config import FluoroSAMConfig

OUTSIDE, INSIDE, FIRST_CORNER, LAST_CORNER = range(4)
"""The places of what is added to a position, in ``point_embed``."""

PADDING = -1
"""Label of a point that is none."""


class PositionEmbedding(nn.Module):
    """Positions (..., 2) in [0, 1], x before y, to (..., C) by random frequencies (Tancik et al. 2020,
    arXiv:2006.10739)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(2, width // 2), requires_grad=False)

    def forward(self, places: Tensor) -> Tensor:
        phases = (
            2 * math.pi * ((2 * places - 1).to(self.positional_embedding.dtype) @ self.positional_embedding)
        )
        return torch.cat([phases.sin(), phases.cos()], dim=-1)


class MaskEmbedding(nn.Module):
    """Mask logits (B, 1, 4E, 4E) to (B, C, E, E)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels // 4, 2, stride=2)
        self.conv2 = nn.Conv2d(channels // 4, channels, 2, stride=2)
        self.conv3 = nn.Conv2d(channels, width, 1)
        self.layer_norm1, self.layer_norm2 = (
            ChannelNorm(channels // 4, eps=1e-6),
            ChannelNorm(channels, eps=1e-6),
        )

    def forward(self, masks: Tensor) -> Tensor:
        x = F.gelu(self.layer_norm1(self.conv1(masks)))
        return self.conv3(F.gelu(self.layer_norm2(self.conv2(x))))


class SpatialPrompts(nn.Module):
    """Points and boxes to tokens, masks to a dense map."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        self.side, self.size = config.image_size, config.embedding_size
        self.shared_embedding = PositionEmbedding(config.width)
        self.mask_embed = MaskEmbedding(config.mask_channels, config.width)
        self.no_mask_embed = nn.Embedding(1, config.width)
        self.point_embed = nn.ModuleList(nn.Embedding(1, config.width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, config.width)

    def points(self, places: Tensor, labels: Tensor) -> Tensor:
        """``places`` (B, N, 2), pixels of the input, with ``labels`` (B, N) to tokens (B, N, C)."""
        tokens = self._placed(places)
        labels = labels[..., None]
        tokens = torch.where(labels == PADDING, self.not_a_point_embed.weight, tokens)
        for label, kind in ((0, OUTSIDE), (1, INSIDE)):
            tokens = torch.where(labels == label, tokens + self.point_embed[kind].weight, tokens)
        return tokens

    def boxes(self, corners: Tensor) -> Tensor:
        """Boxes (B, 4) as x1, y1, x2, y2 to tokens (B, 2, C)."""
        kinds = torch.cat([self.point_embed[kind].weight for kind in (FIRST_CORNER, LAST_CORNER)])
        return self._placed(corners.unflatten(1, (2, 2))) + kinds

    def dense(self, masks: Tensor | None) -> Tensor:
        """Mask logits (B, 1, 4E, 4E), or None, to (B or 1, C, E, E)."""
        if masks is not None:
            return self.mask_embed(masks.to(self.mask_embed.conv1.weight.dtype))
        return self.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(-1, -1, self.size, self.size)

    def _placed(self, pixels: Tensor) -> Tensor:
        return self.shared_embedding((pixels + 0.5) / self.side)
