"""Masks from a scene, taken as they lie in a segment, and back."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from FluoroSAMSlicerLib.anatomy import resolve
from FluoroSAMSlicerLib.mrml import segmentation_node, set_segment
from FluoroSAMSlicerLib.mrml.nodes import segments
from FluoroSAMSlicerLib.mrml.nodes.masks import TakenMask
from FluoroSAMSlicerLib.mrml.nodes.segments import one_modification, take_mask
from FluoroSAMSlicerLib.segmentation.cut_mask import CutMask
from mrml.bench import image_node, place, transform_node


def some_mask(height: int = 120, width: int = 90) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[30:70, 10:50] = np.random.default_rng(3).random((40, 40)) > 0.4
    return mask


@pytest.fixture
def scene():
    return slicer.vtkMRMLScene()


def segment(scene, image, mask):
    node = segmentation_node(scene, image, "masks")
    return node, set_segment(node, image, resolve("heart"), mask, {})


def test_a_cut_mask_and_a_whole_one_make_the_same_segment(scene):
    image, mask = image_node(scene), some_mask()
    for wanted in (mask, CutMask.of(mask)):
        node, identifier = segment(scene, image, wanted)
        assert np.array_equal(take_mask(node, identifier, image).mask(), mask)


@pytest.mark.parametrize(
    ("top", "left", "seen"), [(-2, -1, (0, 0, 2, 3)), (5, 4, (5, 4, 7, 6)), (20, 20, (0, 0, 0, 0))]
)
def test_voxels_outside_of_the_image_are_left_out(top, left, seen):
    labels = np.full((4, 4), 3, np.uint8)
    labels[0, 0] = 1
    mask = TakenMask((7, 6), top, left, labels, 3).mask()
    expected = np.zeros((7, 6), bool)
    expected[seen[0] : seen[2], seen[1] : seen[3]] = True
    if (top, left) == (5, 4):
        expected[5, 4] = False
    assert np.array_equal(mask, expected)


def test_nothing_is_resampled_where_the_grids_are_one(scene, monkeypatch):
    image, mask = image_node(scene), some_mask()
    turned = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0))
    place(image, turned, (3.0, -8.0, 21.0), (0.2, 0.3, 1.0))
    transform = transform_node(scene)
    image.SetAndObserveTransformNodeID(transform.GetID())
    node, identifier = segment(scene, image, mask)
    monkeypatch.setattr(segments, "_empty_grid", forbidding(segments._empty_grid))
    assert np.array_equal(take_mask(node, identifier, image).mask(), mask)


def forbidding(make):
    """``_empty_grid`` that makes no grid with pixels, which only resampling needs."""

    def checked(segmentation, volume_node, extent):
        assert extent[1] < extent[0], "the mask was resampled"
        return make(segmentation, volume_node, extent)

    return checked


def test_a_mask_on_another_grid_is_resampled(scene):
    image, mask = image_node(scene, spacing=(0.2, 0.2)), some_mask()
    node, identifier = segment(scene, image, mask)
    other = image_node(scene, 60, 45, name="half", spacing=(0.4, 0.4))
    # Its pixels are as large as four of the image, and its first one lies on the middle of those.
    place(other, ((-1, 0, 0), (0, -1, 0), (0, 0, 1)), (-0.1, -0.1, 0.0), (0.4, 0.4, 1.0))
    half = take_mask(node, identifier, other).mask()
    assert half.shape == (60, 45)
    share = mask.reshape(60, 2, 45, 2).mean(axis=(1, 3))
    assert not half[share == 0].any() and half[share == 1].all() and half.any()


def test_several_segments_share_a_labelmap_and_are_told_apart(scene):
    image, first = image_node(scene), some_mask()
    node, one = segment(scene, image, first)
    second = np.zeros_like(first)
    second[90:100, 60:80] = True
    other = set_segment(node, image, resolve("liver"), second, {})
    assert node.GetSegmentation().GetNumberOfLayers() == 2
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    assert np.array_equal(take_mask(node, one, image).mask(), first)
    assert np.array_equal(take_mask(node, other, image).mask(), second)


def test_taking_a_mask_keeps_what_was_there_then(scene):
    image, mask = image_node(scene), some_mask()
    node, identifier = segment(scene, image, mask)
    taken = take_mask(node, identifier, image)
    set_segment(node, image, resolve("heart"), ~mask, {})
    assert np.array_equal(taken.mask(), mask)


def test_several_segments_made_at_once_are_announced_at_once(scene):
    image, mask = image_node(scene), some_mask()
    node, _ = segment(scene, image, mask)
    heard: list[str] = []
    kind = slicer.vtkSegmentation
    for event in ("SegmentAdded", "SegmentModified", "RepresentationModified", "SegmentRemoved"):
        node.AddObserver(getattr(kind, event), lambda *_, event=event: heard.append(event))
    with one_modification(node):
        for name in ("heart", "liver", "left lung", "right lung"):
            set_segment(node, image, resolve(name), ~mask, {"score": 0.5})
        assert heard == []
    assert heard.count("SegmentAdded") == 1 and len(heard) == len(set(heard))
    assert node.GetSegmentation().GetNumberOfSegments() == 4
