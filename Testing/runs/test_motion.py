"""Motion between frames, found and applied to masks and clicks."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.runs.following import deepest
from FluoroSAMSlicerLib.runs.motion import Motion, motion, small
from FluoroSAMSlicerLib.segmentation.overlap import dice
from runs.made import scene, sliding


@pytest.mark.parametrize("step", [(2, 1), (-3, 2), (0, 0)])
def test_a_shift_moves_clicks_and_masks_along(step):
    before, after = sliding(2, step)
    found = motion(small(before), small(after), before.shape)
    ((x, y),) = found.points(((60.0, 70.0),))
    assert (x, y) == pytest.approx((60 + step[0], 70 + step[1]), abs=0.5)
    mask = np.zeros(before.shape, bool)
    mask[40:80, 50:90] = True
    expected = np.roll(mask, step[::-1], (0, 1))
    assert dice(found.mask(mask), expected) > 0.96
    assert found.likeness > 0.95


def test_motion_is_in_the_pixels_of_the_image_not_of_the_small_copy():
    before, after = sliding(2, (8, -4), side=384)
    found = motion(small(before), small(after), before.shape)
    ((x, y),) = found.points(((200.0, 150.0),))
    assert (x, y) == pytest.approx((208, 146), abs=1.5)


def test_a_part_that_moves_alone_is_followed_and_the_rest_stays():
    from scipy.ndimage import map_coordinates

    before = scene(128, 128)
    rows, columns = np.mgrid[:128, :128].astype(float)
    push = 3 * np.exp(-((rows - 64) ** 2 + (columns - 64) ** 2) / 300)
    after = map_coordinates(before, [rows, columns - push], order=1, mode="nearest").astype(np.float32)
    found = motion(small(before), small(after), before.shape)
    (middle, corner) = found.points(((64.0, 64.0), (10.0, 10.0)))
    assert middle[0] == pytest.approx(67, abs=1) and corner == pytest.approx((10, 10), abs=0.5)


def test_motions_one_after_the_other_are_one():
    first, second, third = sliding(3, (3, 1))
    moved = motion(small(first), small(second), first.shape).then(
        motion(small(second), small(third), first.shape)
    )
    ((x, y),) = moved.points(((60.0, 70.0),))
    assert (x, y) == pytest.approx((66, 72), abs=0.7)
    still = Motion.none(first.shape)
    assert still.is_still and still.then(moved).flow is moved.flow and moved.then(still).flow is moved.flow


def test_a_coarser_copy_of_a_mask_moves_as_the_mask_does():
    before, after = sliding(2, (8, -4), side=384)
    found = motion(small(before), small(after), before.shape)
    mask = np.zeros(before.shape, bool)
    mask[120:240, 150:270] = True
    assert dice(found.mask(mask[::2, ::2]), found.mask(mask)[::2, ::2]) > 0.97


def test_uniform_frames_and_tiny_ones_stay_where_they_are():
    flat = np.zeros((64, 64), np.float32)
    assert motion(flat, flat, (64, 64)).is_still
    assert motion(scene(6, 6), scene(6, 6, 1), (6, 6)).is_still


def test_frames_of_different_content_are_unlike():
    assert motion(scene(128, 128), scene(128, 128, 5), (128, 128)).likeness < 0.5


def test_the_deepest_place_of_a_mask_is_inside_of_it():
    rows, columns = np.mgrid[:200, :300]
    ring = np.hypot(rows - 90, columns - 160)
    mask = (ring < 60) & (ring > 30)
    x, y = deepest(mask)
    assert mask[round(y), round(x)] and 42 < np.hypot(y - 90, x - 160) < 48
    wire = np.zeros((400, 400), bool)
    wire[np.arange(400), np.arange(400)] = True
    x, y = deepest(wire)
    assert wire[round(y), round(x)]
