"""Names as vectors: the text tower, its projection, and the kind of image that is asked about."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import MPNetConfig, MPNetModel

from .config import SatConfig
from .queries import perceptron

NORM_EPSILON = 1e-5
"""Of the tower's layer norms; transformers' own default is 1e-12."""
PADDING = 0


class TextTower(nn.Module):
    def __init__(self, config: SatConfig) -> None:
        super().__init__()
        self.biolord = MPNetModel(
            MPNetConfig(
                vocab_size=config.words,
                hidden_size=config.width,
                num_hidden_layers=config.text_layers,
                num_attention_heads=config.text_heads,
                intermediate_size=config.text_feed_forward,
                max_position_embeddings=config.positions,
                layer_norm_eps=NORM_EPSILON,
            ),
            add_pooling_layer=False,
        )


class TextEncoder(nn.Module):
    """Token ids to one query vector each; names do not influence each other."""

    def __init__(self, config: SatConfig) -> None:
        super().__init__()
        self.text_tower = TextTower(config)
        self.projection_layer = perceptron(config.width, config.width, config.width, last=False)
        self.modality_embed = nn.Embedding(config.modalities, config.width)

    def hidden(self, ids: Tensor) -> Tensor:
        """Last hidden state (N, L, width) of ids (N, L); what lies behind a name's end has no meaning."""
        mask = (ids > PADDING).long()
        return self.text_tower.biolord(input_ids=ids, attention_mask=mask).last_hidden_state

    def pooled(self, ids: Tensor) -> Tensor:
        """The mean over each name's tokens, (N, width)."""
        mask = (ids > PADDING).unsqueeze(-1).float()
        return (self.hidden(ids) * mask).sum(1) / mask.sum(1).clamp(min=1e-9)

    def forward(self, ids: Sequence[Sequence[int]], modality: int) -> Tensor:
        """Query vectors (N, width) for the token ids of N names in images of one modality."""
        longest = max(map(len, ids))
        rows = torch.tensor([[*own, *[PADDING] * (longest - len(own))] for own in ids])
        device = self.modality_embed.weight.device
        return self.projection_layer(self.pooled(rows.to(device))) + self.modality_embed.weight[modality]
