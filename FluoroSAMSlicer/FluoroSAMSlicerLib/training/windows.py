"""The network's three windows of pictures of 256 levels, B at once and on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 256

NOTHING = LEVELS
"""The level of what is not part of a picture."""


def network_values(levels: Tensor) -> Tensor:
    """Pictures int64 (B, S, S) of levels 0 to 255, or `NOTHING`, as a network reads them: float16 (B, 3, S, S).

    They are what :func:`~..model.windowing.window` makes of them, from -1 to 1, and 0 where there is nothing. The
    clusters are those of all pixels, where ``window`` looks at about a thousand.
    """
    flat = levels.flatten(1)
    counts = torch.zeros((len(flat), LEVELS + 1), dtype=torch.float64, device=flat.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat, dtype=torch.float64))
    tables = F.pad(2 * window_tables(counts[:, :LEVELS]) - 1, (0, 1)).half()
    return torch.stack([table.gather(1, flat) for table in tables.unbind(1)], 1).unflatten(
        2, levels.shape[1:]
    )


def window_tables(counts: Tensor) -> Tensor:
    """From how often each level occurs, float64 (B, 256), what becomes of it: (B, 3, 256)."""
    level = torch.arange(LEVELS, dtype=torch.float64, device=counts.device) / (LEVELS - 1)
    level = level.expand_as(counts)
    low, high = _ends(level, counts)
    middle = _division(level, counts)
    tables = [_ramp(level, low, high, 0)]
    for members in (counts * (level <= middle), counts * (level > middle)):
        count = members.sum(1, keepdim=True).clamp(min=1)
        mean = (members * level).sum(1, keepdim=True) / count
        spread = 3 * ((members * (level - mean) ** 2).sum(1, keepdim=True) / count).sqrt()
        least, most = _ends(level, members)
        lower = torch.maximum(mean - spread, least)
        upper = torch.maximum(lower, torch.minimum(mean + spread, most))
        # A cluster of one single value is a step, and the value itself still belongs to the segment below.
        inside = _ramp(level, lower, upper, (level > lower).double())
        tables.append(0.8 * inside + 0.1 * _ramp(level, low, lower, 1) + 0.1 * _ramp(level, upper, high, 0))
    plain = torch.stack([torch.zeros_like(level), level, level], 1)
    return torch.where((low < high)[:, None], torch.stack(tables, 1), plain)


def _division(level: Tensor, counts: Tensor) -> Tensor:
    """The middle (B, 1) between the two clusters of least scatter."""
    below, darkness = counts.cumsum(1), (counts * level).cumsum(1)
    above = below[:, -1:] - below
    lower = darkness / below.clamp(min=1)
    higher = (darkness[:, -1:] - darkness) / above.clamp(min=1)
    # The least scatter within the clusters is the greatest between them.
    best = (below * above * (higher - lower) ** 2).argmax(1, keepdim=True)
    return (lower.gather(1, best) + higher.gather(1, best)) / 2


def _ends(level: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the greatest level (B, 1) that occurs."""
    there = counts > 0
    least = torch.where(there, level, torch.inf).amin(1, keepdim=True)
    return least, torch.where(there, level, -torch.inf).amax(1, keepdim=True)


def _ramp(level: Tensor, start: Tensor, end: Tensor, otherwise: Tensor | float) -> Tensor:
    """0 up to ``start``, 1 from ``end``, linear between; ``otherwise`` where the end is not after the start."""
    return torch.where(end > start, ((level - start) / (end - start)).clamp(0, 1), otherwise)
