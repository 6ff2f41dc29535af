"""Which windows a scan is looked at through, and how much each counts where they overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

EXACT, FAST = "exact", "fast"
PLANS = (EXACT, FAST)
"""``exact`` is the published plan, windows that overlap by half; ``fast`` has the fewest that cover. Fast has not
been tried with the published weights."""


@dataclass(frozen=True)
class Window:
    """First voxel and size of a window within the scan; the rest of the tile is zeros behind it."""

    start: tuple[int, int, int]
    size: tuple[int, int, int]

    @property
    def place(self) -> tuple[slice, slice, slice]:
        return tuple(slice(a, a + n) for a, n in zip(self.start, self.size, strict=True))

    def cut(self, values: np.ndarray, tile: tuple[int, int, int]) -> np.ndarray:
        """The window's voxels, float32, zeros (the mean) behind the end of the scan."""
        window = np.zeros(tile, np.float32)
        window[tuple(slice(0, n) for n in self.size)] = values[self.place]
        return window


Box = tuple[tuple[int, int, int], tuple[int, int, int]]
"""First voxel, and the one behind the last."""


def plan_windows(
    shape: tuple[int, int, int],
    tile: tuple[int, int, int],
    plan: str = EXACT,
    region: Box | None = None,
) -> list[Window]:
    """The windows of a scan of this ``shape``, right-left outermost, that cover it or the ``region`` of it.

    A window that covers a region reaches beyond it into the scan rather than into nothing.
    """
    low, high = region or ((0, 0, 0), shape)
    axes = []
    for axis in range(3):
        starts = _starts(high[axis] - low[axis], tile[axis], plan)
        size = min(tile[axis], shape[axis])
        slack = max(0, tile[axis] - (high[axis] - low[axis])) // 2
        axes.append([(min(max(0, low[axis] + start - slack), shape[axis] - size), size) for start in starts])
    return [Window(*zip(*own, strict=True)) for own in product(*axes)]


def _starts(length: int, tile: int, plan: str) -> list[int]:
    last = max(0, length - tile)
    if plan == FAST:
        count = math.ceil(length / tile)
        return [round(last * number / max(1, count - 1)) for number in range(count)]
    count = max(math.ceil(length / (tile / 2)) - 1, 1)
    return [min(number * (tile // 2), last) for number in range(count)]


@lru_cache(maxsize=4)
def importance(tile: tuple[int, int, int]) -> np.ndarray:
    """How much each voxel of a window counts, float32 holding float16 values, never zero.

    A Gaussian of an eighth of the tile about its middle, times ten, in the half precision that the published
    code rounds it to; without that rounding, results near the corners of windows differ.
    """
    curves = [np.exp(-0.5 * ((np.arange(size) - size // 2) / (size / 8)) ** 2) for size in tile]
    weights = (10.0 * curves[0][:, None, None] * curves[1][None, :, None] * curves[2]).astype(np.float16)
    weights[weights == 0] = weights[weights > 0].min()
    weights = weights.astype(np.float32)
    weights.flags.writeable = False
    return weights


def only_air(values: np.ndarray, air: float | None) -> bool:
    """Whether a window of CT shows nothing but what is clipped to air; False for other kinds of images."""
    return air is not None and bool(values.max() <= air + 1e-4)
