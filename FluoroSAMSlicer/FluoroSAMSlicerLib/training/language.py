"""Teach the text tower: every way to type a name gets the code that the images gave to its structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..model import FluoroSAM
from ..model.text import UNUSED_ROW
from ..model.tokens import CompactTokenizer

PHRASES = 128
RATE = 2e-3


def teach(
    network: FluoroSAM,
    tokenizer: CompactTokenizer,
    phrases: Mapping[str, Sequence[str]],
    rows: dict[str, int],
    seed: int,
    steps: int,
    on_step: Callable[[int, int], None] | None = None,
) -> None:
    """Fit tower and MLP of ``network`` to the codebook's ``rows`` of names, by their ``phrases``.

    The nearest row of the codebook is what counts, so a phrase's distances to all of them are trained as a
    classifier, sharp enough to part neighbours, beside the distance to its own. Names without a row of their own
    then get the code that the tower makes of them, in rows behind the others, as far as there are any.
    """
    text = network.text.train()
    text.requires_grad_(True)
    names, index = list(rows), torch.tensor(list(rows.values()))
    table = text.codebook.rows.detach()[index].clone()
    spread = float(table.var(0).sum()) or 1.0
    between = torch.cdist(table, table).square() + 1e9 * torch.eye(len(table))
    nearest = max(float(between.min(1).values.mean()), 1e-3 * spread)
    parameters = [p for name, p in text.named_parameters() if not name.startswith("codebook")]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    rng = np.random.default_rng([seed, 11])
    for step in range(steps):
        chosen = rng.integers(len(names), size=PHRASES)
        typed = [said(phrases[names[n]], rng) for n in chosen]
        target = torch.from_numpy(chosen)
        made = text.mlp(text.tower(tokenizer.encode(typed)))
        distance = torch.cdist(made, table).square()
        own = distance.gather(1, target[:, None]).mean()
        loss = F.cross_entropy(-2 * distance / nearest, target) + own / spread
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if on_step:
            on_step(step + 1, steps)
    add_codes(network, tokenizer, phrases, rows)


@torch.no_grad()
def add_codes(
    network: FluoroSAM,
    tokenizer: CompactTokenizer,
    phrases: Mapping[str, Sequence[str]],
    rows: dict[str, int],
) -> None:
    """Fill the codebook behind the learned ``rows`` with the codes that the tower makes of all other names.

    A code that would lie nearer to a phrase of a learned name than this name's own is left out.
    """
    text = network.text.eval()
    table = text.codebook.rows

    def made(typed: Sequence[str]) -> Tensor:
        return text.mlp(text.tower(tokenizer.encode(typed)))

    free = torch.ones(len(table), dtype=torch.bool)
    free[list(rows.values())] = False
    places = free.nonzero()[:, 0]
    table[places] = UNUSED_ROW
    others = [name for name in phrases if name not in rows][: len(places)]
    if not others:
        return
    codes, harmless = made(others), torch.ones(len(others), dtype=torch.bool)
    for name, row in rows.items():
        typed = made(phrases[name])
        own = torch.linalg.vector_norm(typed - table[row], dim=1)
        harmless &= (torch.cdist(codes, typed) > own).all(1)
    table[places[: int(harmless.sum())]] = codes[harmless]


def said(phrases: Sequence[str], rng: np.random.Generator) -> str:
    """The name itself, or one of the other ways to type it."""
    return phrases[0] if rng.random() < 0.3 else phrases[rng.integers(len(phrases))]
