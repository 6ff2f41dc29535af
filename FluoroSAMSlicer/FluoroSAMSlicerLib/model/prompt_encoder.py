"""Prompt encoder: points, boxes and masks to the tokens and the dense map that the decoder reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import FluoroSAMConfig
from .errors import ModelError
from .spatial_prompts import PADDING, SpatialPrompts


class PromptEncoder(nn.Module):
    """SAM's points, boxes and masks plus the text token, with one batch axis B of prompts throughout."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        self.sam = SpatialPrompts(config)
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
        tokens = [] if text is None else [text[:, None]]
        # Positions need more than the 8 bits of bfloat16, so autocast stays out of here.
        with torch.autocast(self._device.type, enabled=False):
            if points is not None:
                tokens.append(self.sam.points(*_padded(points.float(), labels.float(), boxes is None)))
            if boxes is not None:
                tokens.append(self.sam.boxes(boxes.float()))
            dense = self.sam.dense(masks)
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


def _padded(points: Tensor, labels: Tensor, padded: bool) -> tuple[Tensor, Tensor]:
    """Points (B, N, 2) and labels (B, N), with one more that is none where there is no box, as SAM was trained."""
    if not padded:
        return points, labels
    return F.pad(points, (0, 0, 0, 1)), F.pad(labels, (0, 1), value=PADDING)
