"""Going on from a trained model with a set of one's own: in minutes, on a processor."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .course import Course

FINE_COURSE = Course(
    steps=200, size=256, rate=3e-4, codes=False, warmup=10, fall=120, average=0.9, names_first=0, language=0,
    settled=True,
)  # fmt: skip
"""Short and gentle, with the codes and the batch norms as they are: every name of the vocabulary has its code."""

MOVED = 0.6
"""How far the result lies on the way from the weights that the training began with to those that it ended with. What
was known before is mostly kept so, at a small price in what is new (Wortsman et al. 2022, arXiv:2109.01903)."""


def between(start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights ``MOVED`` of the way from ``start`` to ``end``; what are no floats are those of ``end``."""
    return {
        name: start[name].float().lerp(value.float(), MOVED) if value.is_floating_point() else value
        for name, value in end.items()
    }
