"""Image encoder of the compact model: convolutions, context over the whole picture, and fine maps beside it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .channel_norm import ChannelNorm
from .config import FluoroSAMConfig
from .efficientnet import CHANNELS, EfficientNetLite0


class PyramidFeatures(NamedTuple):
    """What is known of B images: ``coarse`` (B, C, E, E), ``eighth`` (B, C8, 2E, 2E), ``quarter`` (B, C4, 4E, 4E).

    The names are shares of the input's side, which is 16 E.
    """

    coarse: Tensor
    eighth: Tensor
    quarter: Tensor

    def image(self, number: int) -> PyramidFeatures:
        """Those of one image, its batch axis kept."""
        return PyramidFeatures(*(t[number : number + 1] for t in self))

    def to(self, *args, **kwargs) -> PyramidFeatures:
        return PyramidFeatures(*(t.to(*args, **kwargs) for t in self))

    def float(self) -> PyramidFeatures:
        return PyramidFeatures(*(t.float() for t in self))

    def chosen(self, images: Tensor) -> PyramidFeatures:
        """One entry for each number in ``images`` (P,)."""
        return PyramidFeatures(*(t[images] for t in self))


class PyramidEncoder(nn.Module):
    """Pixel values (B, 3, S, S) to :class:`PyramidFeatures`.

    ``backbone`` is what gives four maps of ``channels``: a quarter, an eighth and a sixteenth of the input's side,
    the last at most a sixteenth; by default :class:`~.efficientnet.EfficientNetLite0`.
    """

    def __init__(
        self, config: FluoroSAMConfig, backbone: nn.Module | None = None, channels: tuple[int, ...] = CHANNELS
    ) -> None:
        super().__init__()
        width, settings = config.width, config.pyramid
        self.backbone = EfficientNetLite0() if backbone is None else backbone
        quarter, eighth, sixteenth, last = channels
        self.last = nn.Conv2d(last, width, 1)
        self.sixteenth = nn.Conv2d(sixteenth, width, 1)
        self.context = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, config.decoder.heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(settings.context)
        )
        self.places = nn.Linear(4 * WAVES, width)
        self.norm = ChannelNorm(width, eps=1e-5)
        self.eighth = Level(eighth, width, settings.eighth)
        self.quarter = Level(quarter, settings.eighth, settings.quarter)

    def forward(self, pixel_values: Tensor) -> PyramidFeatures:
        quarter, eighth, sixteenth, last = self.backbone(pixel_values)
        coarse = self.sixteenth(sixteenth) + enlarged(self.last(last), sixteenth.shape[-2:])
        size = coarse.shape[-2:]
        tokens = coarse.flatten(2).transpose(1, 2) + self.places(waves(*size, coarse.device))
        for layer in self.context:
            tokens = layer(tokens)
        coarse = self.norm(tokens.transpose(1, 2).unflatten(2, size))
        eighth = self.eighth(eighth, coarse)
        return PyramidFeatures(coarse, eighth, self.quarter(quarter, eighth))


class Level(nn.Module):
    """One step down the pyramid: the backbone's map joined with the coarser one above it."""

    def __init__(self, own: int, above: int, width: int) -> None:
        super().__init__()
        self.own, self.above = nn.Conv2d(own, width, 1), nn.Conv2d(above, width, 1)
        self.mix = Mixing(width)

    def forward(self, own: Tensor, above: Tensor) -> Tensor:
        return self.mix(self.own(own) + enlarged(self.above(above), own.shape[-2:]))


class Mixing(nn.Module):
    """x + F(x): 5x5 depthwise convolution, batch norm, twice the channels and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.around = nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.out, self.back = nn.Conv2d(width, 2 * width, 1), nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.back(F.gelu(self.out(self.norm(self.around(x)))))


def enlarged(features: Tensor, size: tuple[int, int]) -> Tensor:
    """A map (B, C, h, w) at ``size``, bilinear."""
    return F.interpolate(features, tuple(size), mode="bilinear", align_corners=False)


def finished(logits: Tensor, training: bool) -> Tensor:
    """Masks (B, M, 4E, 4E) as they are learned from, or, in evaluation, as every model gives them: (B, M, 8E, 8E)."""
    return logits if training else enlarged(logits, (2 * logits.shape[-2], 2 * logits.shape[-1]))


WAVES = 8
"""Frequencies of the position encoding in each direction: half a wave to four over the picture."""


def waves(rows: int, columns: int, device: torch.device) -> Tensor:
    """Slow waves over the picture at the centres of its places: (rows * columns, 4 * WAVES).

    A radiograph is hung in a known way, so where something lies tells much of what it is.
    """
    frequency = torch.arange(1, WAVES + 1, device=device) * (torch.pi / 2)
    y, x = (
        ((torch.arange(n, device=device) + 0.5) / n * 2 - 1)[:, None] * frequency for n in (rows, columns)
    )
    y, x = (torch.cat([p.sin(), p.cos()], -1) for p in (y, x))
    y, x = y[:, None].expand(-1, columns, -1), x[None].expand(rows, -1, -1)
    return torch.cat([x, y], -1).flatten(0, 1)
