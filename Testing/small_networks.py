"""Networks small enough for tests: the published design, and the compact one."""

from __future__ import annotations

from dataclasses import replace

import torch
from FluoroSAMSlicerLib.model import FluoroSAM, FluoroSAMConfig
from FluoroSAMSlicerLib.model.config import DecoderSettings, NeckSettings, SwinSettings

SMALL_SWIN = FluoroSAMConfig(
    name="small",
    image_size=256,
    embedding_size=16,
    width=96,
    resize_antialias=True,
    close_ups=True,
    swin=SwinSettings(
        embed_dim=48, depths=(1, 2, 2, 1), heads=(2, 4, 8, 16), window=4, patch=8, absolute_positions=True
    ),
    neck=NeckSettings(width=96, depth=5),
    text=FluoroSAMConfig.compact().text,
    decoder=DecoderSettings(heads=4, mlp_width=256, iou_width=96),
)
"""The published design with 5 M parameters, as the bundled model once had it."""


def small_compact(size: int = 64) -> FluoroSAM:
    """The bundled model's network for an input of ``size`` pixels, the same at every call."""
    torch.manual_seed(0)
    return FluoroSAM(replace(FluoroSAMConfig.compact(), image_size=size, embedding_size=size // 16))
