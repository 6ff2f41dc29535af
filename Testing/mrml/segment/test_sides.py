"""Left and right that were found in one place."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.anatomy import resolve
from FluoroSAMSlicerLib.mrml.segment.sides import Sides, mirrored, overlap
from FluoroSAMSlicerLib.segmentation.cut_mask import CutMask


def block(rows: slice, columns: slice) -> CutMask:
    mask = np.zeros((40, 60), bool)
    mask[rows, columns] = True
    return CutMask.of(mask)


FEMUR = block(slice(5, 30), slice(20, 40))
NEARLY = block(slice(5, 31), slice(20, 40))
ASIDE = block(slice(5, 30), slice(35, 55))


@pytest.mark.parametrize(
    ("name", "other"),
    [("left femur", "right femur"), ("right fifth rib", "left fifth rib"), ("heart", None), ("lungs", None)],
)
def test_the_other_side_of_a_structure(name, other):
    assert mirrored(resolve(name)) == (other and resolve(other))


def test_the_second_side_in_the_same_place_is_told_whichever_it_is():
    for first, second in (("left femur", "right femur"), ("right femur", "left femur")):
        sides = Sides()
        assert sides.note("image", resolve(first), FEMUR) == ""
        assert "one and the same mask" in sides.note("image", resolve(second), NEARLY)


def test_two_places_two_images_and_two_bones_are_nothing_to_tell():
    sides = Sides()
    sides.note("image", resolve("left femur"), FEMUR)
    assert sides.note("image", resolve("right femur"), ASIDE) == ""
    assert sides.note("another", resolve("right femur"), FEMUR) == ""
    assert sides.note("image", resolve("right tibia"), FEMUR) == ""
    assert sides.note("image", None, FEMUR) == ""


def test_the_newest_mask_of_a_side_counts():
    sides = Sides()
    sides.note("image", resolve("left femur"), FEMUR)
    sides.note("image", resolve("left femur"), ASIDE)
    assert sides.note("image", resolve("right femur"), FEMUR) == ""


def test_overlap_is_dice():
    mask, other = np.zeros((40, 60), bool), np.zeros((40, 60), bool)
    mask[3:20, 10:40], other[10:30, 25:50] = True, True
    expected = 2 * (mask & other).sum() / (mask.sum() + other.sum())
    assert overlap(CutMask.of(mask), CutMask.of(other)) == pytest.approx(expected)
    assert overlap(CutMask.empty((40, 60)), CutMask.empty((40, 60))) == 0
    assert overlap(CutMask.of(mask), CutMask.empty((40, 60))) == 0
