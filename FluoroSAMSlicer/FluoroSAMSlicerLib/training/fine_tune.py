"""Going on from a trained model with a set of one's own: in minutes, on a processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..anatomy import vocabulary
from ..model import FluoroSAM
from ..model.pyramid import PyramidFeatures
from ..model.tokens import CompactTokenizer
from .course import Course, Training
from .state import settle

FINE_COURSE = Course(
    steps=200, size=256, rate=3e-4, codes=False, warmup=10, fall=120, average=0.9, names_first=0, language=0,
    settled=True,
)  # fmt: skip
"""Short and gentle, with the codes and the batch norms as they are: every name of the vocabulary has its code."""

MOVED = 0.6
"""How far the result lies on the way from the weights that the training began with to those that it ended with. What
was known before is mostly kept so, at a small price in what is new (Wortsman et al. 2022, arXiv:2109.01903)."""

REMEMBERED = 24
"""Names a step, none of them of the set, that the model is to answer as it did before."""

REMEMBERING = 1.0
"""Weight of the loss over them. With 48 images of a pelvis (Dice by name: before, without this loss, with it,
with three times of it): the pelvis of a cadaver 0.753, 0.803, 0.800, 0.787, of a patient 0.517, 0.568, 0.540, 0.531;
the legs and feet of the cadaver 0.524, 0.495, 0.527, 0.523; lungs 0.935, 0.940, 0.936, 0.936."""

LEAST = 16.0
"""Cells of a mask up to which an error in it counts by its own size, and beyond which by the share of the mask."""


class FineTuning(Training):
    """A training that goes on from ``start`` and does not forget: what other names than the set's find in the set's
    pictures stays as it was ("learning without forgetting", Li and Hoiem 2016, arXiv:1606.09282)."""

    def __init__(
        self, stream, folder: Path | str, course: Course, device: str, start: FluoroSAM, tokenizer: CompactTokenizer
    ) -> None:
        super().__init__(stream, folder, course, device, start, tokenizer)
        self.before = FluoroSAM(self.network.config)
        self.before.load_state_dict(start.state_dict())
        self.before.to(self.device, memory_format=torch.channels_last).requires_grad_(False)
        settle(self.before)
        self.others = self._others()

    @torch.no_grad()
    def _others(self) -> Tensor:
        """Rows of the codebook of names that are often asked for, but not of this set, int64 (M,)."""
        names = [one.name for one in vocabulary() if one.rank <= 2]
        rows = self.before.text.eval()(self.tokenizer.encode(names).to(self.device)).index.unique()
        return rows[~torch.isin(rows, self.rows)]

    def also(self, pixels: Tensor, features: PyramidFeatures) -> Tensor | float:
        """How far the answers for other names are from those of the model that the training began with."""
        drawn = torch.randperm(len(self.others), generator=self.generator)[:REMEMBERED].to(self.device)
        codes = self.network.text.codebook.rows[self.others[drawn]].detach().expand(len(pixels), -1, -1)
        logits, scores = self.network.decode_names(features, codes)
        with torch.no_grad():
            old, old_scores = self.before.decode_names(self.before.encode_image(pixels), codes)
        return REMEMBERING * (forgotten(logits, old) + (scores - old_scores).square().mean())


def forgotten(logits: Tensor, old: Tensor) -> Tensor:
    """Mean divergence of masks, logits (B, N, h, w), from what they were, by the area of that; 0 for the same."""
    wanted = old.sigmoid()
    loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    loss = loss - F.binary_cross_entropy_with_logits(old, wanted, reduction="none")
    return (loss.sum((-1, -2)) / (wanted.sum((-1, -2)) + LEAST)).mean()


def between(start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights ``MOVED`` of the way from ``start`` to ``end``; what are no floats are those of ``end``."""
    return {
        name: start[name].float().lerp(value.float(), MOVED) if value.is_floating_point() else value
        for name, value in end.items()
    }
