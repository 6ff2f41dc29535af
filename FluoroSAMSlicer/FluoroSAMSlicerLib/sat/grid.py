"""Where voxels are: orientation by permutation, and the grid that SAT sees a scan on.

A *placement* is a 4x4 matrix from array index (i, j, k) to world RAS millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import ScanError

SPACING = (1.0, 1.0, 3.0)
"""Millimetres of SAT's grid: right, anterior, superior."""
KEPT = 1e-3
"""Millimetres by which an axis' spacing may differ and still be kept; also how near to identity a resampling
must be to be left out."""
CORNER = 1e-8
RAS = "RAS"
DIRECTIONS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


@dataclass(frozen=True)
class Turn:
    """A permutation with flips: output axis n is input axis ``axes[n]``, reversed where ``flips[n]``."""

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """A view of the array in its new order."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        return array.transpose(self.axes)[steps]

    def place(self, placement: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """The placement of the turned array, whose ``shape`` was this before."""
        turned = placement.copy()
        for out, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            column = placement[:3, axis]
            turned[:3, out] = -column if flip else column
            if flip:
                turned[:3, 3] += column * (shape[axis] - 1)
        return turned


def turn_to(placement: np.ndarray, code: str = RAS) -> Turn:
    """The turn after which array axis n runs towards the n-th letter of ``code``, such as RAS.

    Raises :class:`ScanError` for a code that does not name each axis once, and for a placement that is none.
    """
    _check(placement)
    wanted = [DIRECTIONS[letter] for letter in code if letter in DIRECTIONS]
    if len(code) != 3 or sorted(row for row, _ in wanted) != [0, 1, 2]:
        raise ScanError(f"{code!r} is no orientation: give three letters such as RAS or ASR")
    columns = placement[:3, :3] / np.linalg.norm(placement[:3, :3], axis=0)
    u, _, vt = np.linalg.svd(columns)
    nearest = u @ vt
    world: dict[int, tuple[int, int]] = {}
    free = [0, 1, 2]
    for axis in np.argsort(-np.abs(nearest).max(0), kind="stable"):
        row = max(free, key=lambda r: abs(nearest[r, axis]))
        free.remove(row)
        world[row] = (int(axis), 1 if nearest[row, axis] >= 0 else -1)
    axes = tuple(world[row][0] for row, _ in wanted)
    flips = tuple(world[row][1] != sign for row, sign in wanted)
    return Turn(axes, flips)


@dataclass(frozen=True, eq=False)
class Regrid:
    """A resampling: the new grid's ``shape`` and ``placement``, and ``steps`` from new to old index (4x4)."""

    shape: tuple[int, int, int]
    placement: np.ndarray
    steps: np.ndarray
    needed: bool


def regrid(
    shape: tuple[int, int, int],
    placement: np.ndarray,
    spacing: tuple[float, float, float] = SPACING,
) -> Regrid:
    """The grid of about ``spacing`` mm over the same extent, first voxels on each other.

    Its axes are as the input's, made square (the triangular factor of their products). Where no corner voxel of the
    input is the smallest on all new axes, which happens to oblique placements rounded to float32, the
    grids' middles are matched as the reference does it, half a voxel aside.
    """
    own = placement[:3, :3]
    lengths = np.linalg.norm(own, axis=0)
    target = np.where(np.abs(lengths - spacing) <= KEPT, lengths, spacing)
    square = own @ np.linalg.inv(np.linalg.cholesky(own.T @ own).T)
    new = np.eye(4)
    new[:3, :3] = square * target
    last = np.array(shape) - 1
    corners = np.array([(a, b, c) for a in (0, last[0]) for b in (0, last[1]) for c in (0, last[2])], float)
    # In this order, with this library's rounding: sizes that lie between two whole numbers hang on it.
    there = (np.linalg.inv(new[:3, :3]) @ own @ corners.T).T
    size = np.round(np.ptp(there, axis=0) + 1).astype(int)
    low = there.min(0)
    first = [corner for corner, at in zip(corners, there, strict=True) if np.allclose(at, low, 0, CORNER)]
    if first:
        new[:3, 3] = own @ first[0] + placement[:3, 3]
    else:
        new[:3, 3] = own @ (np.array(shape) / 2) + placement[:3, 3] - new[:3, :3] @ (size / 2)
    steps = np.linalg.inv(placement) @ new
    same = np.allclose(steps, np.eye(4), 0, KEPT) and tuple(size) == tuple(shape)
    return Regrid(tuple(int(n) for n in size), new, steps, not same)


def _check(placement: np.ndarray) -> None:
    own = placement[:3, :3]
    if placement.shape != (4, 4) or not np.isfinite(placement).all() or abs(np.linalg.det(own)) < 1e-9:
        raise ScanError("the volume's axes do not span space; check its orientation and spacing")
