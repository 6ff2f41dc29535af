"""Convolution, normalisation and pooling of large volumes, a few rows at a time and where they lie.

A volume is (C, D, H, W); a row is one index of D. Where input and output are equally large, the output takes
the input's place: of the rows that are overwritten, those that the next slab still needs are kept aside. So
a layer needs little more than one volume, and its results are those of the whole volume but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

Tick = Callable[[float], None]
"""Hears the multiply-adds that were done since the last call; may raise to stop."""

SLAB_BYTES = {"cpu": 96 << 20, "cuda": 512 << 20}
"""What a slab's input may take. Larger ones save little time, since only whole rows are computed."""
EPSILON = 1e-5
SLOPE = 0.01


def rows(volume: Tensor, channels: int | None = None) -> int:
    """How many rows of ``volume``, of ``channels`` channels, make a slab."""
    one = (channels or volume.shape[0]) * volume.shape[2] * volume.shape[3] * volume.element_size()
    return max(2, SLAB_BYTES.get(volume.device.type, SLAB_BYTES["cpu"]) // one)


def slabs(count: int, height: int) -> Iterator[tuple[int, int]]:
    """First and last-but-one row of slabs of ``height`` rows."""
    for start in range(0, count, height):
        yield start, min(start + height, count)


def convolve(volume: Tensor, weight: Tensor, bias: Tensor, tick: Tick) -> Tensor:
    """3x3x3 convolution with padding 1; in place where it keeps the number of channels."""
    depth = volume.shape[1]
    out = volume
    if weight.shape[0] != volume.shape[0]:
        out = volume.new_empty(weight.shape[0], *volume.shape[1:])
    kept = volume.new_zeros(volume.shape[0], 1, *volume.shape[2:])
    for start, end in slabs(depth, rows(volume, max(weight.shape[:2]))):
        slab = _framed(kept, volume, start, end)
        kept = volume[:, end - 1 : end].clone()
        out[:, start:end] = _valid(slab, weight, bias)
        tick(_work(weight, out[0, start:end]))
    return out


def convolve_down(volume: Tensor, weight: Tensor, bias: Tensor, tick: Tick) -> Tensor:
    """3x3x3 convolution with padding 1 and stride 2; the input stays as it is."""
    out = volume.new_empty(weight.shape[0], *(size // 2 for size in volume.shape[1:]))
    edge = volume.new_zeros(volume.shape[0], 1, *volume.shape[2:])
    for start, end in slabs(out.shape[1], max(1, rows(volume) // 2)):
        slab = volume[:, max(0, 2 * start - 1) : 2 * end]
        slab = torch.cat((edge, slab), 1) if start == 0 else slab
        out[:, start:end] = F.conv3d(slab[None], weight, bias, stride=2, padding=(0, 1, 1))[0]
        tick(_work(weight, out[0, start:end]))
    return out


def convolve_joined(
    below: Tensor,
    up_weight: Tensor,
    up_bias: Tensor,
    skip: Tensor,
    weight: Tensor,
    bias: Tensor,
    tick: Tick,
) -> Tensor:
    """3x3x3 convolution of the doubled ``below`` (2x2x2, stride 2) beside ``skip``, into ``skip``'s place.

    Neither the doubled volume nor the two beside each other exist as a whole.
    """
    depth, half = skip.shape[1], below.shape[1]
    kept = skip.new_zeros(skip.shape[0], 1, *skip.shape[2:])
    for start, end in slabs(depth, rows(skip, weight.shape[1])):
        first, last = max(0, (start - 1) // 2), min(half, end // 2 + 1)
        up = F.conv_transpose3d(below[None, :, first:last], up_weight, up_bias, stride=2)[0]
        up = _bordered(up, start - 1 - 2 * first, end + 1 - 2 * first)
        slab = torch.cat((up, _framed(kept, skip, start, end)))
        kept = skip[:, end - 1 : end].clone()
        skip[:, start:end] = _valid(slab, weight, bias)
        tick(_work(weight, skip[0, start:end]))
    return skip


def normalise(volume: Tensor, scale: Tensor, shift: Tensor, tick: Tick) -> Tensor:
    """Instance norm (each channel's mean and biased variance, in float32) and leaky ReLU, in place."""
    mean, variance, count = 0.0, 0.0, 0
    height = rows(volume)
    for start, end in slabs(volume.shape[1], height):
        part = volume[:, start:end].float().flatten(1)
        var, own = (t.double() for t in torch.var_mean(part, dim=1, correction=0))
        new = count + part.shape[1]
        # Chan, Golub and LeVeque 1983: means and variances of parts joined without cancellation.
        step = own - mean
        mean = mean + step * (part.shape[1] / new)
        between = step**2 * (count * part.shape[1] / new)
        variance = (variance * count + var * part.shape[1] + between) / new
        count = new
        tick(0.0)
    gain = scale.double() / torch.sqrt(variance + EPSILON)
    offset = (shift.double() - mean * gain).float()[:, None, None, None]
    gain = gain.float()[:, None, None, None]
    for start, end in slabs(volume.shape[1], height):
        part = volume[:, start:end]
        if part.dtype == torch.float32:
            F.leaky_relu_(part.mul_(gain).add_(offset), SLOPE)
        else:
            part.copy_(F.leaky_relu_(part.float().mul_(gain).add_(offset), SLOPE))
        tick(0.0)
    return volume


def pool(volume: Tensor, size: int) -> Tensor:
    """Means over cubes of ``size`` voxels, float32."""
    height = max(1, rows(volume) // size) * size
    parts = [
        F.avg_pool3d(volume[None, :, start:end].float(), size)[0]
        for start, end in slabs(volume.shape[1], height)
    ]
    return torch.cat(parts, 1)


def _framed(before: Tensor, volume: Tensor, start: int, end: int) -> Tensor:
    """Rows ``start`` to ``end`` with the row before them and the one behind, zeros at the border."""
    behind = volume[:, end : end + 1] if end < volume.shape[1] else torch.zeros_like(before)
    return torch.cat((before, volume[:, start:end], behind), 1)


def _bordered(volume: Tensor, start: int, end: int) -> Tensor:
    """Rows ``start`` to ``end``, zeros where there are none."""
    inside = volume[:, max(0, start) : end]
    before, behind = max(0, -start), max(0, end - volume.shape[1])
    return F.pad(inside, (0, 0, 0, 0, before, behind)) if before or behind else inside


def _valid(slab: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv3d(slab[None], weight, bias, padding=(0, 1, 1))[0]


def _work(weight: Tensor, plane: Tensor) -> float:
    return float(weight.numel()) * plane.numel()
