"""EfficientNet-Lite0 as a backbone: an image to maps at a quarter, an eighth, a sixteenth and a thirty-second of it.

The network of Tan and Le (2019, arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, as its authors
published it for small processors. Layers are called as in the published ImageNet weights, which training starts from.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .errors import ModelError

STAGES = (
    # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Table 1 of the paper (B0), of which Lite0 keeps stem and head as they are."""

TAPS = {2: 24, 4: 40, 10: 112, 15: 320}
"""Blocks whose results are handed on, and their channels: strides 4, 8, 16 and 32."""

CHANNELS = tuple(TAPS.values())


class EfficientNetLite0(nn.Module):
    """Pixel values (B, 3, S, S) to four maps, finest first: (B, 24, S/4, S/4) to (B, 320, S/32, S/32)."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        self._bn0 = _norm(32)
        blocks, inputs = [], 32
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for number in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, 1 if number else stride, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        x = F.relu6(self._bn0(self._conv_stem(pixel_values)))
        maps = []
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number in TAPS:
                maps.append(x)
        return tuple(maps)

    def load_imagenet(self, state: Mapping[str, Tensor]) -> None:
        """Adopt the published ImageNet weights; their classifier is left out.

        Raises :class:`ModelError` where a tensor is absent or of another shape.
        """
        own = self.state_dict()
        wrong = [k for k, t in own.items() if k not in state or state[k].shape != t.shape]
        if wrong:
            raise ModelError(f"not the weights of EfficientNet-Lite0 (first at fault: {wrong[0]})")
        with torch.no_grad():
            for key, tensor in own.items():
                tensor.copy_(state[key])


class Block(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise convolution, 1x1 projection; a shortcut where sizes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion != 1:
            self._expand_conv = nn.Conv2d(inputs, inner, 1, bias=False)
            self._bn0 = _norm(inner)
        self._depthwise_conv = nn.Conv2d(
            inner, inner, kernel, stride=stride, padding=kernel // 2, groups=inner, bias=False
        )
        self._bn1 = _norm(inner)
        self._project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)
        self.expands, self.shortcut = expansion != 1, stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        inner = F.relu6(self._bn1(self._depthwise_conv(inner)))
        made = self._bn2(self._project_conv(inner))
        return x + made if self.shortcut else made


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
