"""Voxels that tell where labels meet, and marches that rely on them."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, ProjectionGeometry, project
from FluoroSAMSlicerLib.drr.surfaces import HIGHEST_HU, SURFACE, marked


@pytest.fixture
def labels() -> LabelVolume:
    return LabelVolume(np.random.default_rng(3).choice(4, (6, 7, 8), p=[0.85, 0.05, 0.05, 0.05]))


def ct_of(labels: LabelVolume, lowest: int = -2000, highest: int = HIGHEST_HU) -> CTVolume:
    hu = (
        np.random.default_rng(4)
        .integers(lowest, highest, labels.labels.shape, endpoint=True)
        .astype(np.int16)
    )
    hu.flat[:2] = lowest, highest
    return CTVolume(hu)


def meets_another(labels: np.ndarray) -> np.ndarray:
    """Whether a face of the voxel is shared with one of another label, by looking at all six."""
    around = np.pad(labels, 1, mode="edge")
    found = np.zeros(labels.shape, bool)
    for axis in range(3):
        for step in (-1, 1):
            found |= np.roll(around, step, axis)[1:-1, 1:-1, 1:-1] != labels
    return found


def test_voxels_are_marked_where_labels_meet_and_nowhere_else(labels):
    ct = ct_of(labels)
    surface = meets_another(labels.labels.astype(int))
    assert 0.1 < surface.mean() < 0.9
    voxels = marked(labels, ct)
    assert np.array_equal(voxels < -1000, surface)
    assert np.array_equal(voxels.astype(int) + SURFACE * surface, np.maximum(ct.hu, -1000))
    assert np.array_equal(marked(labels, None), np.where(surface, -SURFACE, 0))


def test_marked_voxels_are_made_once_for_a_ct(labels):
    ct = ct_of(labels)
    first = marked(labels, ct)
    assert marked(labels, ct) is first
    assert np.array_equal(marked(labels, ct_of(labels, highest=100)) < -1000, first < -1000)
    kept = weakref.ref(marked(labels, ct))
    del first
    gc.collect()
    assert kept() is not None


def test_marked_voxels_go_with_their_labels():
    labels = LabelVolume(np.eye(4)[None])
    kept = weakref.ref(marked(labels, None))
    del labels
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("highest", [HIGHEST_HU, 32767])
@pytest.mark.parametrize("silhouettes", [False, True])
def test_labels_leave_the_image_as_it_is_whatever_the_range_of_hu(labels, highest, silhouettes):
    ct = ct_of(labels, highest=highest)
    shifted = LabelVolume(labels.labels, origin=(1e-9, 0, 0))
    for angle, tilt in ((0, 0), (45, 30), (90, -20), (10, 90)):
        view = ProjectionGeometry.c_arm(ct.centre, angle, tilt, size=24, pixel_mm=0.6)
        alone = project(ct, view, materials=True)
        together = project(ct, view, [labels, shifted], materials=True, silhouettes=silhouettes)
        assert np.array_equal(together.line_integral, alone.line_integral)
        for material, density in alone.area_density.items():
            assert np.allclose(together.area_density[material], density, rtol=1e-6)
        for value in (1, 2, 3):
            assert together.mask(value, layer=0).any()
            assert np.array_equal(together.mask(value, layer=0), together.mask(value, layer=1))
