"""Prompt encoder: points, boxes and masks to the tokens and the dense map that the decoder reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.sam.configuration_sam import SamConfig, SamPromptEncoderConfig, SamVisionConfig
from transformers.models.sam.modeling_sam import SamPromptEncoder

from .config import FluoroSAMConfig
from .errors import ModelError


class PromptEncoder(nn.Module):
    """``SamPromptEncoder`` plus the text token, with one batch axis B of prompts throughout."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        vision = SamVisionConfig(num_pos_feats=config.width // 2)
        vision.scale = 1.0
        prompt = SamPromptEncoderConfig(
            hidden_size=config.width,
            image_size=config.image_size,
            mask_input_channels=config.mask_channels,
            hidden_act="gelu",
            layer_norm_eps=1e-6,
        )
        # The embedding size is a given of the model, not the image size over a patch size.
        prompt.image_embedding_size = config.embedding_size
        self.sam = SamPromptEncoder(SamConfig(vision_config=vision, prompt_encoder_config=prompt))
        self.sam.shared_embedding.positional_embedding.requires_grad_(False)
        self.width, self.size = config.width, config.embedding_size
        self._grid: tuple[bytes, Tensor] | None = None

    def forward(
        self,
        text: Tensor | None = None,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        batch = self._batch(text, points, labels, boxes, masks)
        # Positions need more than the 8 bits of bfloat16, so autocast stays out of here.
        with torch.autocast(self._device.type, enabled=False):
            spatial, dense = self.sam(
                None if points is None else points.float()[:, None],
                None if labels is None else labels.float()[:, None],
                None if boxes is None else boxes.float()[:, None],
                None if masks is None else masks.to(self.sam.mask_embed.conv1.weight.dtype),
            )
        tokens = [] if text is None else [text[:, None]]
        if spatial is not None:
            tokens.append(spatial[:, 0])
        sparse = (
            torch.cat([t.to(tokens[0].dtype) for t in tokens], dim=1) if tokens else self._no_tokens(batch)
        )
        return sparse, dense.expand(batch, -1, -1, -1)

    def grid(self) -> Tensor:
        """Position encoding of the embedding's pixel centres, (1, C, E, E)."""
        weight = self.sam.shared_embedding.positional_embedding
        if torch.is_grad_enabled() or weight.device.type != "cpu":
            return self._encoded_grid(weight)
        # The weights' own bytes tell whether they are those of the last call, however they got there.
        key = weight.detach().float().numpy().tobytes()
        if self._grid is None or self._grid[0] != key:
            self._grid = key, self._encoded_grid(weight)
        return self._grid[1]

    def _encoded_grid(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            axis = (torch.arange(self.size, device=weight.device, dtype=torch.float32) + 0.5) / self.size
            rows, columns = torch.meshgrid(axis, axis, indexing="ij")
            encoded = self.sam.shared_embedding(torch.stack([columns, rows], dim=-1))
        return encoded.permute(2, 0, 1)[None]

    @property
    def _device(self) -> torch.device:
        return self.sam.no_mask_embed.weight.device

    def _no_tokens(self, batch: int) -> Tensor:
        return self.sam.no_mask_embed.weight.new_zeros(batch, 0, self.width)

    def _batch(self, text, points, labels, boxes, masks) -> int:
        """The number of prompts B, after checking every shape against it."""
        if (points is None) != (labels is None):
            raise ModelError("points and labels belong together: give both or neither")
        side = 4 * self.size
        expected = {
            "text": (text, (self.width,)),
            "points": (points, (None if points is None else points.shape[1], 2)),
            "labels": (labels, (None if points is None else points.shape[1],)),
            "boxes": (boxes, (4,)),
            "masks": (masks, (1, side, side)),
        }
        given = {name: (t, tail) for name, (t, tail) in expected.items() if t is not None}
        batch = next((t.shape[0] for t, _ in given.values()), 1)
        for name, (tensor, tail) in given.items():
            if tuple(tensor.shape) != (batch, *tail):
                raise ModelError(f"{name} has shape {tuple(tensor.shape)}, expected {(batch, *tail)}")
        return batch
