"""What is found on SAT's grid comes back to where it is in the stored volume, however that lies in the world."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.sat import ScanError, masks, prepare, restore
from FluoroSAMSlicerLib.sat.grid import turn_to
from FluoroSAMSlicerLib.sat.region import body_box

SHAPE, SPACING = (40, 46, 30), (1.6, 1.3, 2.2)
CENTRE, RADIUS = np.array([8.0, -5.0, 12.0]), 17.0


def placements() -> list[np.ndarray]:
    """All 48 ways to lay the axes along the world's, and three oblique ones."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            axes = np.zeros((3, 3))
            for column, (row, sign) in enumerate(zip(order, signs, strict=True)):
                axes[row, column] = sign
            found.append(axes)
    rng = np.random.default_rng(5)
    found += [np.linalg.qr(np.eye(3) + 0.4 * rng.normal(size=(3, 3)))[0] for _ in range(3)]
    return [_about_the_centre(axes * SPACING) for axes in found]


def _about_the_centre(axes: np.ndarray) -> np.ndarray:
    placement = np.eye(4)
    placement[:3, :3] = axes
    placement[:3, 3] = CENTRE - axes @ ((np.array(SHAPE) - 1) / 2 + (3, -2, 1))
    return placement


def world_of(shape, placement: np.ndarray) -> np.ndarray:
    """World mm of every voxel, (*shape, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return index @ placement[:3, :3].T + placement[:3, 3]


def image_of(placement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A ball in air with something varied in it, and mm from its surface (negative inside)."""
    world = world_of(SHAPE, placement)
    depth = np.linalg.norm(world - CENTRE, axis=-1) - RADIUS
    hu = np.where(depth < 8, 40 + world[..., 0], -1000)
    return hu.astype(np.float32), depth


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("code", ["RAS", "ASR", "LPI"])
def test_a_ball_found_on_the_grid_is_the_ball_in_the_stored_volume(code, linear):
    for placement in placements():
        image, depth = image_of(placement)
        scan = prepare(image, placement, "ct", code)
        grid = world_of(scan.values.shape, placement @ np.linalg.inv(scan.to_grid))
        found = torch.from_numpy(np.linalg.norm(grid - CENTRE, axis=-1) - RADIUS).float()
        mask = restore(torch.sigmoid(-found), scan, linear).whole(image.shape)
        # Half a voxel's diagonal of the coarser grid; a linear mask is nearer.
        unsure = 0.8 if linear else 1.7
        assert mask[depth < -unsure].all() and not mask[depth > unsure].any()


@pytest.mark.parametrize("linear", [True, False])
def test_one_axis_after_the_other_gives_what_all_at_once_give(linear):
    torch.manual_seed(0)
    probability = torch.rand(20, 24, 12)
    box = (slice(3, 40), slice(0, 46), slice(5, 30))
    for placement in placements()[:48]:
        scan = prepare(image_of(placement)[0], placement, "ct")
        assert masks._is_aligned(scan.to_grid)
        one = masks._aligned(probability, scan.to_grid, box, linear)
        other = masks._oblique(probability, scan.to_grid, box, linear)
        assert int((one != other).sum()) <= 2


def test_the_values_on_the_grid_are_those_of_the_place():
    for placement in placements():
        image, depth = image_of(placement)
        scan = prepare(image, placement, "ct")
        grid = world_of(scan.values.shape, placement @ np.linalg.inv(scan.to_grid))
        inside = np.linalg.norm(grid - CENTRE, axis=-1) < RADIUS
        # Within the ball HU grow by 1 a mm to the right, wherever the stored axes run.
        slope, _ = np.polyfit(grid[inside][:, 0], scan.values[inside], 1)
        fitted = np.polyval(np.polyfit(grid[inside][:, 0], scan.values[inside], 1), grid[inside][:, 0])
        assert slope > 0 and np.abs(fitted - scan.values[inside]).max() < 0.02 * np.ptp(scan.values[inside])


def test_a_grid_of_other_spacing_covers_the_same_place():
    placement = placements()[-1]
    image, depth = image_of(placement)
    scan = prepare(image, placement, "ct", spacing=(1.4, 1.4, 4.2))
    grid = world_of(scan.values.shape, placement @ np.linalg.inv(scan.to_grid))
    found = torch.from_numpy(np.linalg.norm(grid - CENTRE, axis=-1) - RADIUS).float()
    mask = restore(torch.sigmoid(-found), scan).whole(image.shape)
    assert mask[depth < -1.2].all() and not mask[depth > 1.2].any()


def test_the_body_is_found_without_the_table_beneath_it():
    hu = np.full((120, 160, 40), -1000, np.float32)
    hu[30:90, 40:100, 3:37] = np.linspace(20, 90, 34)
    hu[5:115, 140:143] = 200
    scan = prepare(hu, np.diag([1.0, 1.0, 3.0, 1.0]), "ct")
    low, high = body_box(scan)
    start = np.array(scan.start)
    assert (np.array(low) + start <= (30, 40, 3)).all() and (np.array(high) + start >= (90, 100, 37)).all()
    assert high[1] + start[1] < 130 and low[0] + start[0] > 10


@pytest.mark.parametrize("code", ["RA", "RRS", "XYZ", "ras", ""])
def test_orientations_that_are_none_are_refused(code):
    with pytest.raises(ScanError, match="orientation"):
        turn_to(np.eye(4), code)


def test_axes_that_do_not_span_space_are_refused():
    flat = np.eye(4)
    flat[2, 2] = 0
    with pytest.raises(ScanError, match="span"):
        prepare(image_of(placements()[0])[0], flat)
