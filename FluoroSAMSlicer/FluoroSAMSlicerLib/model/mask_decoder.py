"""Mask decoder: SAM's two-way transformer, three-step upscaling, one small network per mask."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import FluoroSAMConfig
from .errors import ModelError
from .feed_forward import FeedForward
from .two_way import TwoWayTransformer

MASKS = 4
"""Mask tokens: number 0 is the single-mask answer, numbers 1 to 3 the alternatives of an ambiguous prompt."""


STRIP = 1 << 22
"""Numbers (float32) of the widest intermediate result that one strip of the map makes."""


class MaskDecoder(nn.Module):
    """Image embedding and prompts to low-resolution logits (B, 4, 8E, 8E) and scores (B, 4)."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        width, settings = config.width, config.decoder
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(MASKS, width)
        self.transformer = TwoWayTransformer(config)
        self.upscaling = Upscaling(width)
        self.mask_heads = nn.ModuleList(FeedForward(width, width, width // 8, 3) for _ in range(MASKS))
        self.iou_head = FeedForward(width, settings.iou_width, MASKS, settings.iou_depth)

    def forward(
        self, image_embedding: Tensor, grid: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        batch, height, width = sparse.shape[0], *image_embedding.shape[-2:]
        if image_embedding.shape[0] not in (1, batch) or dense.shape[0] not in (1, batch):
            raise ModelError(
                f"{image_embedding.shape[0]} image embeddings and {dense.shape[0]} dense prompts do not fit "
                f"{batch} prompts"
            )
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.to(sparse.dtype).expand(batch, -1, -1), sparse], dim=1)
        source = (image_embedding + dense).expand(batch, -1, -1, -1)
        queries, keys = self._attend(tokens, source, grid.to(source.dtype))
        weights = torch.stack([head(queries[:, 1 + k]) for k, head in enumerate(self.mask_heads)], dim=1)
        low_res = self.upscaling(keys.unflatten(1, (height, width)), weights)
        return low_res, self.iou_head(queries[:, 0]).float()

    def _attend(self, tokens: Tensor, source: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, T, C) and the map (B, C, E, E) to tokens (B, T, C) and pixels (B, E * E, C)."""
        pixels, places = (t.flatten(2).transpose(1, 2) for t in (source, grid))
        if not torch.is_grad_enabled() and self.transformer.pays(tokens.shape[1]):
            return self.transformer.reordered(tokens, pixels.contiguous(), places)
        return self.transformer(tokens, pixels, places)


class Upscaling(nn.Module):
    """Eightfold enlargement of a (B, E, E, C) map, multiplied into masks (B, M, 8E, 8E).

    Three transposed 2x2 convolutions with stride 2 have no overlap, so each is a linear layer from one pixel
    to its four children. The children stay on axes of their own; only the finished masks are put in order.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            [Split(width, width // 4), Split(width // 4, width // 4), Split(width // 4, width // 8)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width // 4, eps=1e-6), nn.LayerNorm(width // 4, eps=1e-6)])

    def forward(self, features: Tensor, weights: Tensor) -> Tensor:
        """``features`` (B, E, E, C) and mask weights (B, M, C/8) to logits (B, M, 8E, 8E), float32."""
        batch, height, width, channels = features.shape
        # 64 children a pixel of C/8 channels each. Strips that stay in the processor's cache, and below what
        # the C library takes from the system anew each time, save a third of the work.
        rows = max(1, STRIP // (batch * width * 8 * channels))
        if torch.is_grad_enabled() or features.device.type != "cpu" or rows >= height:
            return self._masks(features, weights)
        return torch.cat([self._masks(strip, weights) for strip in features.split(rows, dim=1)], dim=2)

    def _masks(self, features: Tensor, weights: Tensor) -> Tensor:
        batch, height, width, _ = features.shape
        for step, norm in zip(self.steps, [*self.norms, nn.Identity()], strict=True):
            features = F.gelu(norm(step(features)))
        masks = weights @ features.reshape(batch, -1, features.shape[-1]).transpose(1, 2).to(weights.dtype)
        masks = masks.float().view(batch, -1, height, width, 2, 2, 2, 2, 2, 2)
        masks = masks.permute(0, 1, 2, 4, 6, 8, 3, 5, 7, 9)
        return masks.reshape(batch, -1, 8 * height, 8 * width)


class Split(nn.Module):
    """Every pixel to 2 x 2 children: (..., inputs) to (..., 2, 2, outputs), row before column."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        convolution = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.weight = nn.Parameter(Split.from_convolution(convolution.weight.detach()))
        self.bias = nn.Parameter(convolution.bias.detach())

    @staticmethod
    def from_convolution(weight: Tensor) -> Tensor:
        """The (inputs, outputs, 2, 2) weight of a transposed convolution as (4 * outputs, inputs)."""
        return weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0]).contiguous()

    def forward(self, x: Tensor) -> Tensor:
        # Flat, since a linear layer adds its bias in the same pass only to a matrix.
        children = F.linear(x.flatten(0, -2), self.weight, self.bias.repeat(4))
        return children.view(*x.shape[:-1], 2, 2, -1)


def as_mask_prompt(low_res: Tensor) -> Tensor:
    """Decoder logits (B, 1, 8E, 8E) as a mask prompt (B, 1, 4E, 4E), by the mean of each 2 x 2 block.

    The decoder writes twice the resolution that the prompt encoder reads. The block mean keeps the sign where
    a block agrees and equals bilinear resizing by one half.
    """
    return F.avg_pool2d(low_res.float(), 2)
