"""SAM's small networks behind a token: what they are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class FeedForward(nn.Module):
    """``depth`` linear layers (two at least) with ReLU between them, ``inputs`` to ``outputs`` by ``inner`` channels.

    The parameters have the names of transformers' ``SamFeedForward``.
    """

    def __init__(self, inputs: int, inner: int, outputs: int, depth: int) -> None:
        super().__init__()
        self.proj_in, self.proj_out = nn.Linear(inputs, inner), nn.Linear(inner, outputs)
        self.layers = nn.ModuleList(nn.Linear(inner, inner) for _ in range(depth - 2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.proj_in(x))
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.proj_out(x)
