"""All names of a request in one pass: each is a query over the image, its mask a product with the fine map.

The query decoder of SAT (Zhao et al. 2023, arXiv:2312.17183), without attention between names, so that what one name
gets does not depend on what else is asked for.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import FluoroSAMConfig
from .feed_forward import FeedForward
from .pyramid import WAVES, PyramidFeatures, enlarged, finished, waves


class NameDecoder(nn.Module):
    """Features of B images and codes (B, N, C) of N names to logits (B, N, 4E, 4E) and scores (B, N), float32;
    (B, N, 8E, 8E) in evaluation."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        width, settings = config.width, config.pyramid
        self.query = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        self.places = nn.Linear(4 * WAVES, width)
        self.layers = nn.ModuleList(
            CrossAttention(width, config.decoder.heads) for _ in range(settings.names)
        )
        self.norm = nn.LayerNorm(width)
        self.fine = FeedForward(width, width, settings.quarter, 2)
        self.middle = FeedForward(width, width, settings.eighth, 2)
        self.offset = nn.Linear(width, 1)
        self.score = Score(width)

    def forward(self, features: PyramidFeatures, codes: Tensor) -> tuple[Tensor, Tensor]:
        places = features.coarse.flatten(2).transpose(1, 2)
        keys = places + self.places(waves(*features.coarse.shape[-2:], places.device))
        queries = self.query(codes)
        for layer in self.layers:
            queries = layer(queries, keys, places)
        queries = self.norm(queries)
        middle = torch.einsum("bnc,bchw->bnhw", self.middle(queries), features.eighth)
        fine = torch.einsum("bnc,bchw->bnhw", self.fine(queries), features.quarter)
        logits = fine.float() + enlarged(middle.float(), fine.shape[-2:])
        logits = logits / features.quarter.shape[1] ** 0.5 + self.offset(queries).float()[..., None] - 3
        return finished(logits, self.training), self.score(queries, logits)


class CrossAttention(nn.Module):
    """Queries (B, N, C) look at places (B, P, C); then each thinks for itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        split = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for t in (self.q(self.before(queries)), self.k(keys), self.v(values))
        )
        seen = F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
        queries = queries + self.out(seen)
        return queries + self.outer(F.gelu(self.inner(self.between(queries))))


class Score(nn.Module):
    """The IoU expected of a mask, from its query and from how decided the mask is: (B, N), 0 to 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width + 4, 64), nn.GELU(), nn.Linear(64, 1))

    def forward(self, queries: Tensor, logits: Tensor) -> Tensor:
        """``queries`` (B, N, C) and their ``logits`` (B, N, h, w)."""
        seen = torch.cat([queries.float(), decidedness(logits.detach())], -1)
        return self.layers(seen.to(queries.dtype)).float()[..., 0].sigmoid()


def decidedness(logits: Tensor) -> Tensor:
    """Of masks (..., h, w), (..., 4): the largest and the mean probability, the mean one inside, and the share of the
    possible mask that is sure."""
    probability = logits.float().sigmoid().flatten(-2)
    inside = (probability > 0.5).float()
    area = inside.sum(-1)
    mean_inside = (probability * inside).sum(-1) / area.clamp(min=1)
    sure = (probability > 0.8).float().sum(-1) / (probability > 0.2).float().sum(-1).clamp(min=1)
    return torch.stack([probability.amax(-1), probability.mean(-1).sqrt(), mean_inside, sure], -1)
