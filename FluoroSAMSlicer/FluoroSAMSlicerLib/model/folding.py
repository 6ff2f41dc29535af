"""Batch norms folded into the convolutions before them: the same answers in little more than half the time."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .efficientnet import Block, EfficientNetLite0
from .network import FluoroSAM
from .pyramid import Mixing

PAIRS = {
    EfficientNetLite0: (("_conv_stem", "_bn0"),),
    Block: (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")),
    Mixing: (("around", "norm"),),
}
"""Convolutions and the batch norms that follow them, by what they belong to."""


def fold_norms(network: FluoroSAM) -> None:
    """Make a trained network of the compact design quicker, in place; it can be trained no more.

    Weights are laid out channels last, which convolutions of many small layers compute fastest in. Answers differ
    by rounding alone.
    """
    for owner in list(network.modules()):
        for convolution, norm in PAIRS.get(type(owner), ()):
            if hasattr(owner, convolution):
                folded = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm))
                setattr(owner, convolution, folded)
                setattr(owner, norm, nn.Identity())
    network.to(memory_format=torch.channels_last)
