"""Names meet the image: tokens of a window, queries that look at them, and the weights of each name's mask."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import SatConfig


class QueryLayer(nn.Module):
    """Cross-attention and feed-forward, each behind its norm; the published file has a norm1 that nothing uses."""

    def __init__(self, config: SatConfig) -> None:
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(config.width, config.heads)
        self.linear1 = nn.Linear(config.width, config.feed_forward)
        self.linear2 = nn.Linear(config.feed_forward, config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.norm3 = nn.LayerNorm(config.width)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        attended, _ = self.multihead_attn(self.norm2(queries), keys, values, need_weights=False)
        queries = queries + attended
        return queries + self.linear2(F.relu(self.linear1(self.norm3(queries))))


class QueryDecoder(nn.Module):
    def __init__(self, config: SatConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(QueryLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, queries: Tensor, tokens: Tensor, positions: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, width) queries and (T, width) tokens to (N, width), and the layers' results."""
        steps = []
        for layer in self.layers:
            queries = layer(queries, tokens + positions, tokens)
            steps.append(queries)
        return self.norm(queries), steps


def perceptron(inside: int, hidden: int, outside: int, last: bool) -> nn.Sequential:
    """Two linear layers with an exact GELU between, and one behind where ``last``."""
    layers = [nn.Linear(inside, hidden), nn.GELU(), nn.Linear(hidden, outside)]
    return nn.Sequential(*layers, *([nn.GELU()] if last else []))


def positions(cells: tuple[int, int, int], width: int) -> Tensor:
    """Sinusoidal position of each token, (prod(cells), width) float32, the last axis fastest.

    Each axis has the even number of channels that is not less than a third of ``width``; the last are cut off.
    """
    channels = 2 * math.ceil(width / 6)
    rates = 1.0 / 10000 ** (torch.arange(0, channels, 2).float() / channels)
    table = torch.zeros(*cells, 3 * channels)
    for axis, size in enumerate(cells):
        angles = torch.arange(size).float()[:, None] * rates
        waves = torch.stack((angles.sin(), angles.cos()), -1).flatten(-2)
        shape = [1, 1, 1, channels]
        shape[axis] = size
        table[..., axis * channels : (axis + 1) * channels] = waves.view(shape)
    return table[..., :width].flatten(0, 2)
