"""SAT: a window's features once, then the mask of any name."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .config import SatConfig
from .queries import QueryDecoder, perceptron, positions
from .text import TextEncoder
from .unet import Seen, Tick, UNet, silent, unseen


@dataclass(frozen=True, eq=False)
class WindowFeatures:
    """What a window's names need: ``volume`` (C, D, H, W) and ``tokens`` (T, width) float32."""

    volume: Tensor
    tokens: Tensor


class SAT(nn.Module):
    """The network (arXiv 2312.17183) with its text encoder, under the published names of its weights."""

    def __init__(self, config: SatConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = UNet(config)
        self.projection_layer = perceptron(sum(config.features), config.projection, config.width, last=True)
        self.transformer_decoder = QueryDecoder(config)
        self.mask_embed_proj = perceptron(config.width, config.mask_hidden, config.features[0], last=True)
        self.text_encoder = TextEncoder(config)

    def encode(self, window: Tensor, tick: Tick = silent, seen: Seen = unseen) -> WindowFeatures:
        """Features of one normalised window (D, H, W) of the configured tile."""
        if tuple(window.shape) != self.config.tile:
            raise ValueError(f"a window must have {self.config.tile} voxels, not {tuple(window.shape)}")
        volume, pooled = self.backbone(window, tick, seen)
        return WindowFeatures(volume, self.tokens(pooled))

    def tokens(self, pooled: Tensor) -> Tensor:
        """(T, width) image tokens of pooled maps (C, *cells), the last axis fastest."""
        return self.projection_layer(pooled.flatten(1).T.float())

    def mask_weights(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """(N, C): what each name's query (N, width) makes of the channels of the features."""
        place = positions(self.config.cells, self.config.width).to(tokens.device)
        found, _ = self.transformer_decoder(queries, tokens, place)
        return self.mask_embed_proj(found)

    @staticmethod
    def logits(weights: Tensor, features: Tensor) -> Tensor:
        """(N, ...) float32 logits: weights (N, C) times features (C, ...)."""
        flat = features.reshape(features.shape[0], -1).float()
        return torch.matmul(weights, flat).view(len(weights), *features.shape[1:])
