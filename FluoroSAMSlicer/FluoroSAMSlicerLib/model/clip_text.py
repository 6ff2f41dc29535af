"""CLIP's text tower (Radford et al. 2021, arXiv:2103.00020): token ids to one vector a phrase.

The parameters have the names of transformers' ``CLIPTextModelWithProjection``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Attention
from .config import TextSettings

TOKEN, POSITION = 0.02, 0.01
"""Standard deviations of embeddings before training, as in the paper's code."""


class Perceptron(nn.Module):
    """Two linear layers with CLIP's quick GELU between them, x sigmoid(1.702 x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn, self.mlp = Attention(width, width, heads, causal=True), Perceptron(width)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.layer_norm1(x)
        x = x + self.self_attn(normed, normed, normed)
        return x + self.mlp(self.layer_norm2(x))


class TextTower(nn.Module):
    """Token ids (B, L), each row with its end-of-text id, to (B, P): what the tower has at the first of these."""

    def __init__(self, text: TextSettings) -> None:
        super().__init__()
        self.end_of_text = text.end_of_text
        self.text_model = nn.ModuleDict({
            "embeddings": nn.ModuleDict({
                "token_embedding": nn.Embedding(text.vocabulary, text.width),
                "position_embedding": nn.Embedding(text.context, text.width),
            }),
            "encoder": nn.ModuleDict({
                "layers": nn.ModuleList(Layer(text.width, text.heads) for _ in range(text.layers))
            }),
            "final_layer_norm": nn.LayerNorm(text.width),
        })  # fmt: skip
        self.text_projection = nn.Linear(text.width, text.projection, bias=False)
        for name, deviation in (("token_embedding", TOKEN), ("position_embedding", POSITION)):
            nn.init.normal_(self.text_model["embeddings"][name].weight, std=deviation)

    def forward(self, input_ids: Tensor) -> Tensor:
        parts, embeddings = self.text_model, self.text_model["embeddings"]
        positions = embeddings["position_embedding"].weight[: input_ids.shape[1]]
        x = embeddings["token_embedding"](input_ids) + positions
        for layer in parts["encoder"]["layers"]:
            x = layer(x)
        end = (input_ids == self.end_of_text).int().argmax(dim=-1)
        x = parts["final_layer_norm"](x)[torch.arange(len(x), device=x.device), end]
        return self.text_projection(x)
