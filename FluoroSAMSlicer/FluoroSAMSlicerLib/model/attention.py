"""Multi-head attention as SAM and CLIP have it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Attention of (B, T, C) to (B, N, C) in ``inner`` channels, which the heads share.

    ``causal``: a place looks at itself and at those before it only.
    """

    def __init__(self, width: int, inner: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.inner, self.scaling, self.causal = heads, inner, (inner // heads) ** -0.5, causal
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, inner) for _ in range(3))
        self.out_proj = nn.Linear(inner, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        given = (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        seen = F.scaled_dot_product_attention(*map(self.by_heads, given), is_causal=self.causal)
        return self.out_proj(seen.transpose(1, 2).flatten(2))

    def by_heads(self, projected: Tensor) -> Tensor:
        """(B, T, h * d) as (B, h, T, d)."""
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)
