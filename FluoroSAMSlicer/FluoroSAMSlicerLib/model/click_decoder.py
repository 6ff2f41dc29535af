"""Mask decoder of the compact model: SAM's two-way transformer, and fine maps that see clicks where they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .channel_norm import ChannelNorm
from .config import FluoroSAMConfig
from .feed_forward import FeedForward
from .mask_decoder import MASKS
from .name_decoder import decidedness
from .prompt_encoder import PromptEncoder
from .pyramid import Mixing, PyramidFeatures, enlarged, finished
from .two_way import TwoWayTransformer

MAPS = 5
"""Planes that tell of a prompt at a quarter of the input: mask so far, whether there is one, clicks inside, clicks
outside, box."""

CLICK = 1 / 40
"""Standard deviation of the spot that a click is in its plane, as a share of the input's side."""

STRONGEST = 8.0
"""Logit beyond which the mask so far is as good as certain."""


class MapPrompts(PromptEncoder):
    """SAM's tokens for points and boxes; what lies where is drawn as well, (B, MAPS, 4E, 4E)."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__(config)
        self.input = config.image_size
        self.sam.mask_embed = nn.Identity()

    def forward(self, text=None, points=None, labels=None, boxes=None, masks=None) -> tuple[Tensor, Tensor]:
        sparse, _ = super().forward(text, points, labels, boxes)
        batch = self._batch(text, points, labels, boxes, masks)
        side = 4 * self.size
        maps = torch.zeros(batch, MAPS, side, side, device=sparse.device)
        centres = (torch.arange(side, device=sparse.device) + 0.5) * (self.input / side) - 0.5
        if masks is not None:
            maps[:, 0] = masks[:, 0].float().clamp(-STRONGEST, STRONGEST) / STRONGEST
            maps[:, 1] = 1
        if points is not None:
            far = torch.stack(
                [(centres - points[..., axis, None].float()) / (CLICK * self.input) for axis in (0, 1)]
            )
            x, y = torch.exp(-0.5 * far.square())
            for plane, label in ((2, 1), (3, 0)):
                spots = (labels == label).float()[..., None, None] * y[..., :, None] * x[..., None, :]
                maps[:, plane] = spots.amax(1)
        if boxes is not None:
            x = (centres >= boxes[:, 0, None]) & (centres <= boxes[:, 2, None])
            y = (centres >= boxes[:, 1, None]) & (centres <= boxes[:, 3, None])
            maps[:, 4] = (y[:, :, None] & x[:, None, :]).float()
        return sparse, maps


class ClickDecoder(nn.Module):
    """Features and prompts to logits (B, 4, 4E, 4E) and scores (B, 4), float32; (B, 4, 8E, 8E) in evaluation."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        width, settings, pyramid = config.width, config.decoder, config.pyramid
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(MASKS, width)
        self.transformer = TwoWayTransformer(config)
        self.shown = nn.Sequential(
            nn.Conv2d(MAPS, 16, 2, stride=2), ChannelNorm(16), nn.GELU(),
            nn.Conv2d(16, 48, 2, stride=2), ChannelNorm(48), nn.GELU(), nn.Conv2d(48, width, 1),
        )  # fmt: skip
        fine = pyramid.quarter
        self.eighth = nn.Conv2d(width + pyramid.eighth, fine, 1)
        self.quarter = nn.Conv2d(2 * fine, fine, 1)
        self.drawn = nn.Conv2d(MAPS, fine, 3, padding=1)
        self.mixing = nn.Sequential(Mixing(fine), Mixing(fine))
        self.mask_heads = nn.ModuleList(FeedForward(width, width, fine, 3) for _ in range(MASKS))
        self.kept = nn.Linear(width, 1)
        self.iou_head = FeedForward(width, settings.iou_width, MASKS, settings.iou_depth)
        self.sure = nn.Linear(4, 1)

    def forward(
        self, features: PyramidFeatures, grid: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        batch = sparse.shape[0]
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.to(sparse.dtype).expand(batch, -1, -1), sparse], dim=1)
        source = features.coarse + self.shown(dense)
        pixels, places = (t.flatten(2).transpose(1, 2) for t in (source, grid.to(source.dtype)))
        queries, keys = self.transformer(tokens, pixels, places)
        coarse = keys.transpose(1, 2).unflatten(2, source.shape[-2:])
        eighth = features.eighth.expand(batch, -1, -1, -1)
        middle = self.eighth(torch.cat([enlarged(coarse, eighth.shape[-2:]), eighth], 1))
        quarter = features.quarter.expand(batch, -1, -1, -1)
        fine = self.quarter(torch.cat([enlarged(middle, quarter.shape[-2:]), quarter], 1))
        fine = self.mixing(fine + self.drawn(dense))
        weights = torch.stack([head(queries[:, 1 + k]) for k, head in enumerate(self.mask_heads)], dim=1)
        logits = torch.einsum("bmc,bchw->bmhw", weights, fine).float()
        # The mask so far is there to be kept, in all its detail, as far as the prompts let it stand.
        kept = self.kept(queries[:, 1 : 1 + MASKS]).float()[..., None]
        logits = logits + kept * STRONGEST * dense[:, :1].float()
        scores = self.iou_head(queries[:, 0]).float() + self.sure(decidedness(logits.detach()))[..., 0]
        return finished(logits, self.training), scores.sigmoid()
