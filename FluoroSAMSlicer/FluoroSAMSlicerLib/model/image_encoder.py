"""Image encoder: Swin backbone, the neck that fuses its four maps, and the final channel norm."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .channel_norm import ChannelNorm
from .config import FluoroSAMConfig
from .swin_stages import divides, stage_maps


class ImageEncoder(nn.Module):
    """Pixel values (B, 3, S, S) to an image embedding (B, C, E, E).

    The backbone is ``SwinBackbone``: unlike ``SwinModel`` it returns each stage's map before patch merging,
    applies the per-stage norms, and always partitions into windows of the configured size and shift.
    """

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        # Two seconds to import, which the compact model does not need.
        from transformers.models.swin.configuration_swin import SwinConfig
        from transformers.models.swin.modeling_swin import SwinBackbone

        swin = config.swin
        backbone_config = SwinConfig(
            image_size=config.image_size,
            patch_size=swin.patch,
            embed_dim=swin.embed_dim,
            depths=list(swin.depths),
            num_heads=list(swin.heads),
            window_size=swin.window,
            mlp_ratio=swin.mlp_ratio,
            drop_path_rate=swin.drop_path,
            hidden_act="gelu",
            layer_norm_eps=1e-5,
            use_absolute_embeddings=swin.absolute_positions,
            out_features=["stage1", "stage2", "stage3", "stage4"],
            attn_implementation="sdpa",
        )
        self.backbone = SwinBackbone(backbone_config)
        # Swin's classification norm sees the last map after the stages; none of the four outputs pass it.
        self.backbone.swin.layernorm = nn.Identity()
        if swin.absolute_positions:
            table = self.backbone.swin.embeddings.position_embeddings
            table.data = position_table(config.image_size // swin.patch, swin.embed_dim)
        self.neck = Neck(config)
        self.norm = ChannelNorm(config.width, eps=1e-5)

    def stages(self, pixel_values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The four normed Swin maps, finest first: (B, D, S/p, S/p) to (B, 8D, S/8p, S/8p)."""
        if not torch.is_grad_enabled() and divides(self.backbone, *pixel_values.shape[-2:]):
            return stage_maps(self.backbone, pixel_values)
        return self.backbone(pixel_values).feature_maps

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.norm(self.neck(self.stages(pixel_values)))


class Neck(nn.Module):
    """Four maps to one (B, C, E, E): 1x1 convolutions, bicubic resize, sum, residual blocks, projection."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        width, self.size = config.neck.width, config.embedding_size
        channels = [config.swin.embed_dim << stage for stage in range(4)]
        self.inputs = nn.ModuleList(ConvNorm(c, width, 1) for c in reversed(channels))
        self.blocks = nn.ModuleList(NeckBlock(width) for _ in range(config.neck.depth))
        self.output = nn.Conv2d(width, config.width, 1)

    def forward(self, stages: tuple[Tensor, ...]) -> Tensor:
        fused = None
        for layer, features in zip(self.inputs, reversed(stages), strict=True):
            features = layer(features)
            if features.shape[-2:] != (self.size, self.size):
                features = bicubic(features, self.size)
            fused = features if fused is None else fused + features
        for block in self.blocks:
            fused = block(fused)
        return self.output(fused)


def bicubic(features: Tensor, size: int) -> Tensor:
    """Maps (B, C, h, w) at (B, C, size, size), float32.

    As two matrix products while training, which is several times faster there, backwards above all; in float32 also
    under autocast: bicubic in bfloat16 is rounder, and takes twice the time, on a CPU.
    """
    if not torch.is_grad_enabled():
        return F.interpolate(features.float(), size=(size, size), mode="bicubic", align_corners=False)
    with torch.autocast(features.device.type, enabled=False):
        down, across = (bicubic_matrix(side, size).to(features.device) for side in features.shape[-2:])
        return down.T @ features.float() @ across


@functools.cache
def bicubic_matrix(side: int, size: int) -> Tensor:
    """What bicubic interpolation makes of each of ``side`` samples: (side, size)."""
    each = torch.eye(side).view(1, side, side, 1)
    return F.interpolate(each, size=(size, 1), mode="bicubic", align_corners=False)[0, :, :, 0]


class NeckBlock(nn.Module):
    """x + F(x) with a 3x3 convolution, tanh-approximated GELU and a 1x1 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = ConvNorm(width, width, 3)
        self.point = ConvNorm(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.point(F.gelu(self.spatial(x), approximate="tanh"))


class ConvNorm(nn.Module):
    """A bias-free convolution that keeps the size, and its batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


def position_table(side: int, width: int) -> Tensor:
    """Where training of absolute positions starts: slow waves over the picture, (1, side * side, width).

    A radiograph is hung in a known way, so where something lies tells much of what it is.
    """
    place = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(place, place, indexing="ij")
    waves = [
        f(torch.pi / 2 * n * p)
        for n in range(1, width // 4 + 1)
        for p in (x, y)
        for f in (torch.sin, torch.cos)
    ]
    table = torch.stack(waves[:width], -1).reshape(1, side * side, -1)
    return 0.3 * table
