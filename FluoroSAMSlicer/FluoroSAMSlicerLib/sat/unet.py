"""The U-Net: six maps of a window on the way down, and full-resolution features on the way up."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .config import SHRINK, SatConfig
from .slabs import Tick, convolve, convolve_down, convolve_joined, normalise, pool

Seen = Callable[[str, Tensor], None]
"""Is shown intermediate volumes by name, such as ``encoder0``; they are overwritten afterwards."""


def silent(_work: float) -> None:
    """A tick that nobody listens to."""


def unseen(_name: str, _volume: Tensor) -> None:
    """A viewer that looks at nothing."""


class Block(nn.Module):
    """Holds the parameters of one convolution, its norm and activation."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inside, outside, 3, padding=1)
        self.norm = nn.InstanceNorm3d(outside, affine=True)

    def finish(self, volume: Tensor, tick: Tick) -> Tensor:
        return normalise(volume, self.norm.weight, self.norm.bias, tick)

    def forward(self, volume: Tensor, tick: Tick = silent) -> Tensor:
        return self.finish(convolve(volume, self.conv.weight, self.conv.bias, tick), tick)


class Stack(nn.Module):
    def __init__(self, inside: int, outside: int, count: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Block(outside if n else inside, outside) for n in range(count))


class Encoder(nn.Module):
    def __init__(self, config: SatConfig) -> None:
        super().__init__()
        widths = (3, *config.features)
        self.stages = nn.ModuleList(
            nn.ModuleList([Stack(widths[stage], widths[stage + 1], config.convolutions)])
            for stage in range(len(config.features))
        )

    def forward(self, window: Tensor, tick: Tick, keep: Callable[[Tensor], None]) -> list[Tensor]:
        """The stages' maps; ``keep`` sees each as soon as it is there."""
        maps: list[Tensor] = []
        for stage, (stack,) in enumerate(self.stages):
            first = stack.convs[0]
            if stage == 0:
                # The reference repeats the one channel to three: the sum of three weights does the same.
                weight = first.conv.weight.float().sum(1, keepdim=True).to(window.dtype)
                volume = convolve(window, weight, first.conv.bias, tick)
            else:
                volume = convolve_down(maps[-1], first.conv.weight, first.conv.bias, tick)
            volume = first.finish(volume, tick)
            for block in stack.convs[1:]:
                volume = block(volume, tick)
            keep(volume)
            maps.append(volume)
        return maps


class Decoder(nn.Module):
    def __init__(self, config: SatConfig) -> None:
        super().__init__()
        pairs = list(zip(config.features[:0:-1], config.features[-2::-1], strict=True))
        self.transpconvs = nn.ModuleList(nn.ConvTranspose3d(a, b, 2, stride=2) for a, b in pairs)
        self.stages = nn.ModuleList(Stack(2 * b, b, config.convolutions) for _, b in pairs)

    def forward(self, maps: list[Tensor], tick: Tick, seen: Seen) -> Tensor:
        """Full-resolution features; ``maps`` is emptied and its volumes are overwritten."""
        volume = maps.pop()
        for up, stack in zip(self.transpconvs, self.stages, strict=True):
            first = stack.convs[0]
            volume = convolve_joined(
                volume, up.weight, up.bias, maps.pop(), first.conv.weight, first.conv.bias, tick
            )
            volume = first.finish(volume, tick)
            for block in stack.convs[1:]:
                volume = block(volume, tick)
            seen(f"decoder{len(maps)}", volume)
        return volume


class UNet(nn.Module):
    """``forward`` takes one window (D, H, W) and gives its features (C, D, H, W) and pooled maps."""

    def __init__(self, config: SatConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, window: Tensor, tick: Tick = silent, seen: Seen = unseen) -> tuple[Tensor, Tensor]:
        """Features (features[0], *tile) in the convolutions' number format; pooled (sum(features), *cells) float32.

        ``window`` is (D, H, W), normalised, zero beyond the scan.
        """
        pooled: list[Tensor] = []

        def keep(volume: Tensor) -> None:
            seen(f"encoder{len(pooled)}", volume)
            pooled.append(pool(volume, SHRINK >> len(pooled)))

        kind = self.encoder.stages[0][0].convs[0].conv.weight
        maps = self.encoder(window[None].to(kind.device, kind.dtype), tick, keep)
        return self.decoder(maps, tick, seen), torch.cat(pooled)

    def compute_in(self, kind: torch.dtype) -> None:
        """Convolutions in this number format from now on; norms stay float32."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                module.to(kind)
