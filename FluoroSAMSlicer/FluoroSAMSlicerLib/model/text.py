"""Text path: CLIP text transformer, MLP, and the codebook that makes it a classifier over codes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .clip_text import TextTower
from .config import FluoroSAMConfig
from .errors import ModelError


@dataclass(frozen=True)
class TextCode:
    """What the text path makes of B phrases.

    ``projected`` (B, P) leaves the CLIP tower, ``mlp`` (B, C) the MLP; ``index`` (B,) int64 is the nearest
    codebook row and ``code`` (B, C) the prompt token. ``loss`` is the scalar codebook plus commitment loss
    while training, zero otherwise.
    """

    projected: Tensor
    mlp: Tensor
    index: Tensor
    code: Tensor
    loss: Tensor


class TextEncoder(nn.Module):
    """Token ids (B, L) to a :class:`TextCode`."""

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        text = config.text
        self.tower = TextTower(text)
        self.mlp = nn.Sequential(
            nn.Linear(text.projection, text.mlp_width), nn.GELU(), nn.Linear(text.mlp_width, config.width)
        )
        self.codebook = Codebook(text.codebook, config.width)
        self.context, self.vocabulary = text.context, text.vocabulary

    def forward(self, input_ids: Tensor) -> TextCode:
        if input_ids.ndim != 2 or not 0 < input_ids.shape[1] <= self.context:
            shape = tuple(input_ids.shape)
            raise ModelError(f"token ids must have shape (phrases, at most {self.context}), not {shape}")
        projected = self.tower(input_ids).float()
        mlp = self.mlp(projected).float()
        index, code, loss = self.codebook(mlp)
        return TextCode(projected, mlp, index, code, loss)

    @torch.no_grad()
    def set_codebook(self, rows: Tensor) -> None:
        """Replace the first ``len(rows)`` codebook rows by ``rows`` (N, C), N at most the codebook's size.

        Rows beyond N are moved out of reach, so that no phrase falls onto a row that was never trained.
        """
        table = self.codebook.rows
        if rows.ndim != 2 or rows.shape[1] != table.shape[1] or not 0 < len(rows) <= len(table):
            raise ModelError(
                f"a codebook of shape {tuple(table.shape)} cannot take rows of shape {tuple(rows.shape)}"
            )
        table.fill_(UNUSED_ROW)
        table[: len(rows)] = rows.to(table)


UNUSED_ROW = 1e3
"""Value of every component of an unused codebook row: far from any code, and exact in half precision."""


class Codebook(nn.Module):
    """Vector quantisation by Euclidean distance (van den Oord et al. 2017, arXiv:1711.00937)."""

    commitment = 0.25

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(size, width) / width**0.5)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C) to the nearest row's index (B,), the row (B, C), and the training loss.

        Evaluation returns the row itself; training passes the gradient straight through to ``vectors``.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            index = torch.cdist(
                vectors.detach().float(), self.rows.detach().float(), compute_mode=EXACT
            ).argmin(dim=1)
            rows = self.rows[index]
            if not self.training:
                return index, rows, vectors.new_zeros(())
            loss = F.mse_loss(rows, vectors.detach()) + self.commitment * F.mse_loss(vectors, rows.detach())
            return index, vectors + (rows - vectors).detach(), loss


EXACT = "donot_use_mm_for_euclid_dist"
"""cdist without the matrix-product shortcut, whose rounding can choose the wrong one of two close rows."""
