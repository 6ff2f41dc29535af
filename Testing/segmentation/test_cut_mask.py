"""Masks kept small: what they hold, where it is, and how little room it takes."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.segmentation.cut_mask import CutMask, fingerprint


def some_mask(height: int = 120, width: int = 90) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[30:70, 10:50] = np.random.default_rng(3).random((40, 40)) > 0.4
    return mask


def test_it_holds_what_the_mask_holds_and_tells_it_apart():
    mask = some_mask()
    cut = CutMask.of(mask)
    rows, columns = np.nonzero(mask)
    assert (cut.top, cut.left) == (rows.min(), columns.min())
    assert cut.part.shape == cut.shape == (np.ptp(rows) + 1, np.ptp(columns) + 1)
    assert cut.part.dtype == bool
    np.testing.assert_array_equal(cut.part, mask[cut.top : rows.max() + 1, cut.left : columns.max() + 1])
    np.testing.assert_array_equal(cut.mask, mask)
    assert cut.fingerprint == fingerprint(mask) != CutMask.of(~mask).fingerprint


def test_area_and_centroid_are_those_of_the_pixels_set():
    mask = some_mask(91, 77)
    cut = CutMask.of(mask)
    rows, columns = mask.nonzero()
    assert cut.area == mask.sum() and cut.centroid == pytest.approx((columns.mean(), rows.mean()))


def test_an_empty_mask_is_cut_to_nothing():
    cut = CutMask.of(np.zeros((7, 5), bool))
    assert cut.part.size == 0 and cut.size == (7, 5) and cut.area == 0 and cut.centroid is None
    assert cut.mask.shape == (7, 5) and not cut.mask.any()
    assert cut.fingerprint == CutMask.empty((7, 5)).fingerprint != CutMask.empty((5, 7)).fingerprint


def test_a_thousand_discs_take_less_room_than_ten_plain_masks():
    rows, columns = np.mgrid[:1024, :1024]
    cut = CutMask.of(np.hypot(rows - 500, columns - 480) < 300)
    assert len(cut.bits) * 1000 < 10 * 1024 * 1024
