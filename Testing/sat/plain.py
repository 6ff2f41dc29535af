"""The U-Net as its publication describes it: whole volumes, concatenations, nothing in place."""

from __future__ import annotations

import torch
from FluoroSAMSlicerLib.sat import SAT, WindowFeatures
from torch import Tensor
from torch.nn import functional as F


def plain_features(network: SAT, window: Tensor) -> WindowFeatures:
    """What ``network.encode(window)`` computes."""
    backbone, volume, maps, pooled = network.backbone, window[None, None].expand(-1, 3, -1, -1, -1), [], []
    for stage, (stack,) in enumerate(backbone.encoder.stages):
        for number, block in enumerate(stack.convs):
            volume = plain_block(block, volume, 2 if stage and not number else 1)
        maps.append(volume)
        pooled.append(F.avg_pool3d(volume, 32 >> stage))
    for up, stack in zip(backbone.decoder.transpconvs, backbone.decoder.stages, strict=True):
        if volume is maps[-1]:
            maps.pop()
        volume = torch.cat((F.conv_transpose3d(volume, up.weight, up.bias, stride=2), maps.pop()), 1)
        for block in stack.convs:
            volume = plain_block(block, volume, 1)
    return WindowFeatures(volume[0], network.tokens(torch.cat(pooled, 1)[0]))


def plain_block(block, volume: Tensor, stride: int) -> Tensor:
    volume = F.conv3d(volume, block.conv.weight, block.conv.bias, stride, 1)
    return F.leaky_relu(F.instance_norm(volume, weight=block.norm.weight, bias=block.norm.bias), 0.01)
