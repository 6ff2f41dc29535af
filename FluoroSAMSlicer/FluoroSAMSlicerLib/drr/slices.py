"""Where the slices of a DICOM volume lie, from what each of them says itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import VolumeError

TURNED = 2e-3
"""Largest difference of direction cosines within a volume: a tenth of a degree; headers round to 4 digits."""
UNEVEN = 0.05
"""Share of the slice distance by which a slice may miss its place on the straight line through all."""
UNEVEN_IF_ROUNDED = 0.2
"""The same where the decimals of the positions explain it; a slice that is missing shifts others by 0.3 at least."""
DECIMALS = 3


@dataclass(frozen=True)
class Stack:
    """``order``: the slices from first to last; origin (3,), spacing (i, j, k) and direction 3x3, LPS mm.

    The third axis runs from slice to slice, whether or not it is at right angles to them.
    """

    order: tuple[int, ...]
    origin: np.ndarray
    spacing: np.ndarray
    direction: np.ndarray


def stacked(positions, orientations, spacings, what: str = "slices") -> Stack:
    """The grid of slices with the given Image Positions (N, 3), Orientations (N, 6) and Spacings (N, 2).

    PS3.3 C.7.6.2.1.1: column i, row j of a slice lies at position + i x column spacing x the first three
    cosines + j x row spacing x the last three. Slices are put in order along their normal, and their places
    compared with the best straight line of even steps, for headers round them (0.625 mm to 0.6 and 0.7). Gantry
    tilt and other shear are kept: the third axis is that line. Raises VolumeError for slices that are
    turned or scaled against each other, lie twice in one place, miss places, or drift sideways unevenly, and
    for a single one.
    """
    positions, orientations, spacings = (
        np.asarray(one, np.float64) for one in (positions, orientations, spacings)
    )
    if (
        not all(np.isfinite(one).all() for one in (positions, orientations, spacings))
        or (spacings <= 0).any()
    ):
        raise VolumeError(f"some {what} state no usable position, orientation or pixel spacing")
    count = len(positions)
    if np.abs(orientations - orientations[0]).max() > TURNED:
        raise VolumeError(
            f"its {what} are turned against each other (Image Orientation differs); they belong to several scans"
        )
    if np.abs(spacings / spacings[0] - 1).max() > 1e-3:
        raise VolumeError(f"its {what} differ in pixel spacing; they belong to several scans")
    right, down = (
        part / max(np.linalg.norm(part), 1e-9) for part in (orientations[0][:3], orientations[0][3:])
    )
    if abs(right @ down) > 0.01 or min(np.linalg.norm(orientations[0].reshape(2, 3), axis=1)) < 0.9:
        raise VolumeError(
            "its Image Orientation is no pair of directions at right angles; the header is damaged"
        )
    normal = np.cross(right, down)
    if count < 2:
        raise VolumeError(f"is one single slice; a volume needs at least two {what}")
    order = np.argsort(positions @ normal, kind="stable")
    placed = positions[order]
    steps = np.diff(placed @ normal)
    usual = float(np.median(steps))
    if (steps < 1e-3 * max(usual, 1e-3)).any() or usual <= 1e-4:
        twice = int((steps < 1e-3 * max(usual, 1e-3)).sum())
        sideways = np.linalg.norm(np.diff(placed, axis=0), axis=1)
        if usual <= 1e-4 and (sideways > 1e-3).all():
            raise VolumeError(f"its {what} lie side by side in one plane; they are no volume")
        raise VolumeError(
            f"{twice} of {count} {what} lie where another one does (doubled, or several phases or"
            " reconstructions in one series); keep one of each place"
        )
    slope, middle = _line(placed)
    astray = placed - middle - (np.arange(count) - (count - 1) / 2)[:, None] * slope
    allowed = max(UNEVEN * usual, min(UNEVEN_IF_ROUNDED * usual, _rounding(placed)))
    if np.abs(astray @ normal).max() > allowed:
        gaps = steps / usual
        whole = np.abs(gaps - np.rint(gaps)).max() < 2 * UNEVEN and gaps.max() > 1.5
        missing = int(np.rint(gaps).sum()) - len(gaps)
        why = (
            (f"1 {what.removesuffix('s')} is missing" if missing == 1 else f"{missing} {what} are missing")
            if whole
            else f"{what} are missing, or belong to several scans"
        )
        raise VolumeError(f"slices are {steps.min():.3g} to {steps.max():.3g} mm apart; {why}")
    sideways = float(np.abs(astray).max())
    if sideways > max(allowed, 0.02):
        raise VolumeError(
            f"its {what} are shifted sideways against each other by up to {sideways:.3g} mm, unevenly;"
            " they belong to several scans"
        )
    length = float(np.linalg.norm(slope))
    row_spacing, column_spacing = spacings[0]
    spacing = np.array([column_spacing, row_spacing, length])
    origin = middle - (count - 1) / 2 * slope
    return Stack(tuple(order.tolist()), origin, spacing, np.stack([right, down, slope / length], axis=1))


def _line(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step (3,) and middle (3,) of the straight line of even steps that is nearest to ``places`` (N, 3)."""
    number = np.arange(len(places)) - (len(places) - 1) / 2
    middle = places.mean(axis=0)
    return number @ (places - middle) / (number @ number), middle


def _rounding(places: np.ndarray) -> float:
    """Millimetres by which the decimals of ``places`` let them be off: half the last one, and a little."""
    for decimals in range(DECIMALS):
        if np.abs(places - np.round(places, decimals)).max() < 1e-6:
            break
    else:
        decimals = DECIMALS
    return 0.6 * 10.0**-decimals
