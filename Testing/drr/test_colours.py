"""Voxels whose colour tells where labels meet, and marches that rely on it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, ProjectionGeometry, project
from FluoroSAMSlicerLib.drr.colours import coloured, colours


@pytest.fixture
def labels() -> LabelVolume:
    return LabelVolume(np.random.default_rng(3).choice(4, (6, 7, 8), p=[0.85, 0.05, 0.05, 0.05]))


def ct_of(labels: LabelVolume, lowest: int = -2000, highest: int = 3071) -> CTVolume:
    hu = (
        np.random.default_rng(4)
        .integers(lowest, highest, labels.labels.shape, endpoint=True)
        .astype(np.int16)
    )
    hu.flat[:2] = lowest, highest
    return CTVolume(hu)


def test_labels_that_share_a_face_differ_in_colour_and_voxels_keep_their_hu(labels):
    for highest, room in ((3095, 4096), (3096, 8192)):
        ct = ct_of(labels, highest=highest)
        voxels, size = coloured(labels, ct)
        assert size == room
        assert np.array_equal((voxels % room).astype(int) - 1000, np.maximum(ct.hu, -1000))
        colour = voxels // room
        for axis in range(3):
            meet = np.diff(labels.labels.astype(int), axis=axis) != 0
            assert 0.1 < meet.mean() < 0.9
            assert np.array_equal(np.diff(colour.astype(int), axis=axis) != 0, meet)


def test_a_hundred_labels_need_few_colours():
    centres = np.random.default_rng(5).uniform(0, 24, (100, 3))
    away = np.linalg.norm(np.indices((24, 24, 24))[:, None] - centres.T[..., None, None, None], axis=0)
    nearest = LabelVolume(away.argmin(axis=0) + 1)
    assert len(nearest.values) == 100
    assert 4 <= colours(nearest.labels).max() + 1 <= 8


def test_labels_without_a_ct_are_their_own_colours(labels):
    voxels, room = coloured(labels, None)
    assert voxels is labels.labels and room == 1


def test_hu_that_leave_too_few_colours_are_told(labels):
    assert coloured(labels, ct_of(labels, highest=15383)) is not None
    for highest in (15384, 32767):
        assert coloured(labels, ct_of(labels, highest=highest)) is None
    one = LabelVolume(np.ones((6, 7, 8)))
    assert coloured(one, ct_of(one, highest=31767))[1] == 32768
    assert coloured(one, ct_of(one, highest=31768)) is None


def test_coloured_voxels_are_made_once_for_a_ct(labels):
    ct = ct_of(labels)
    first = coloured(labels, ct)[0]
    assert coloured(labels, ct)[0] is first
    assert coloured(labels, ct_of(labels, highest=100))[0] is not first
    kept = weakref.ref(coloured(labels, ct)[0])
    del first
    gc.collect()
    assert kept() is not None


def test_coloured_voxels_go_with_their_labels():
    labels = LabelVolume(np.eye(4)[None])
    kept = weakref.ref(coloured(labels, CTVolume(np.eye(4)[None]))[0])
    del labels
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("highest", [3071, 15383, 32767])
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
