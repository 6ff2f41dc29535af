"""What clicks may do to the model's answer: it gives way around those it contradicts, and outlasts negative ones."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .candidates import THRESHOLD, Candidates
from .prompt import Prompt

REACH = 1 / 32
"""Standard deviation of a correction, as a share of the network's square input. Of 1/64 to 1/8, tried on DRRs and
chest radiographs with eight simulated clicks, 1/32 gave the best masks."""

MARGIN = 1.0
"""Logit on its own side of `THRESHOLD` that a corrected pixel gets: a probability of 0.73."""

SOFTNESS = 1e-2
"""Keeps the equations solvable where clicks lie on each other; contradictory ones stay unsatisfied."""

PASSES = 3
"""The second and third make up for what softness, and interpolation between pixels, left of a large correction."""

OUTLASTING = 0.3
"""Share of a mask that negative clicks alone leave, at least. Of 0.15 to 0.7, tried on DRRs, 0.3 gave the best masks
after such a click without harm to later ones."""


def outlasting(candidates: Candidates, prompt: Prompt, before: Tensor | None) -> Candidates:
    """The candidates, lowered in threshold where negative clicks alone would leave less than `OUTLASTING`.

    Such clicks say where a structure is not, yet a model may read them as "it is not there". What it still holds
    most probable is kept then, up to that share of the mask ``before`` (h, h).
    """
    if before is None or not prompt.only_negative:
        return candidates
    least = int(OUTLASTING * (before > THRESHOLD).sum())
    flat = candidates.low_res.flatten(1)
    lowered = flat.sort(1, descending=True).values[:, least]
    lift = torch.where((flat > THRESHOLD).sum(1) < least, THRESHOLD - lowered, 0.0)
    return replace(candidates, low_res=candidates.low_res + lift[:, None, None])


def obeying(candidates: Candidates, prompt: Prompt) -> Candidates:
    """The candidates, each corrected where it contradicts a click of ``prompt``.

    What a candidate lacks at the clicks is spread over their surroundings by simple kriging with a Gaussian
    covariance (Rasmussen and Williams 2006, equation 2.25): zero where a click is obeyed already, so that a
    correction of one click leaves the others in force. A candidate without a fault is not changed.
    """
    if candidates.honours(prompt).all():
        return candidates
    side = candidates.low_res.shape[-1]
    places = torch.from_numpy(candidates.frame.to_input(prompt.points)).view(-1, 2)
    places = (places + 0.5) * side / candidates.frame.size - 0.5
    steps = torch.arange(side, dtype=torch.float32)
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).view(-1, 2)
    among = covariance(places, places, side) + SOFTNESS * torch.eye(len(places))
    spread = torch.linalg.solve(among, covariance(places, grid, side))
    wanted = THRESHOLD + MARGIN * (2.0 * torch.tensor(prompt.labels) - 1)
    for _ in range(PASSES):
        honoured = candidates.honours(prompt)
        lacking = torch.where(honoured, 0.0, wanted - candidates.at(prompt.points))
        change = (lacking @ spread).view_as(candidates.low_res)
        candidates = replace(candidates, low_res=candidates.low_res + change)
    return candidates


def covariance(first: Tensor, second: Tensor, side: int) -> Tensor:
    """Gaussian of the distances between points (N, 2) and (M, 2) on a map of ``side`` pixels: (N, M)."""
    return torch.exp(-0.5 * (torch.cdist(first, second) / (REACH * side)) ** 2)
