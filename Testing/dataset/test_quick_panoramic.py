"""Panoramic radiographs: the jaw unrolled along its arch, the patient's right on the left, masks where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset.masks import MaskRule
from FluoroSAMSlicerLib.dataset.quick import REGIONS, load_packed, march, pack, stage, staging
from FluoroSAMSlicerLib.dataset.quick.bodies import with_jaws
from FluoroSAMSlicerLib.dataset.quick.panoramic import Ghost, arch_of, draw_panoramic
from FluoroSAMSlicerLib.dataset.quick.regions import Place
from FluoroSAMSlicerLib.dataset.quick.resampling import boxes_of
from own_process import run

SIDE, MM = 96, 1.5
JAW, RIGHT, LEFT, SPINE = 1, 2, 3, 4
TALL_MM, PINS_DEG = 40.0, 50.0


def horseshoe(ghost: float = 0.0, seed: int = 1, views: int = 3):
    """A jaw 40 mm tall around half an ellipse; a pin outside of it at each side, a spine behind it."""
    z, y, x = (MM * (np.arange(n) - n // 2) for n in (60, 110, 90))
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    round_ = np.hypot(x / 45, np.minimum(y, 0) / 60)
    labels = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.uint16)
    labels[(np.abs(round_ - 1) < 0.1) & (y < 35) & (np.abs(z) < TALL_MM / 2)] = JAW
    for value, sign in ((RIGHT, -1), (LEFT, 1)):
        at = np.radians(PINS_DEG)
        far = np.hypot(x - sign * 52 * np.sin(at), y + 69 * np.cos(at))
        labels[(far < 3) & (z > 0) & (z < 15)] = value
    labels[(np.hypot(x, y - 60) < 12) & (z == z)] = SPINE
    tissue = np.where(labels > 0, 700, -1000).astype(np.int16)
    spacing, origin = np.full(3, MM), np.array([x.min(), y.min(), z.min()])
    names = {"mandible": (JAW,), "right first rib": (RIGHT,), "left first rib": (LEFT,), "C4 vertebra": (SPINE,)}
    points = origin + MM * np.argwhere(labels == JAW)[:, ::-1]
    made = []
    for view in range(views):
        geometry = draw_panoramic(points, np.random.default_rng([seed, view]))
        own = Ghost(ghost, geometry.ghost.across, geometry.ghost.along)
        made.append(staging.QuickView("jaws", "panoramic", replace(geometry, ghost=own)))
    return staging.Staged(
        tissue, labels, spacing, origin, names, "horseshoe", tuple(made), boxes_of(labels, SPINE + 1)
    )  # fmt: skip


def lengths(exposures, view: int, value: int) -> np.ndarray:
    plane = list(exposures.values).index(value)
    return exposures.path[view, plane]


def test_the_arch_follows_the_jaw_from_the_right_to_the_left():
    staged = horseshoe()
    points = staged.origin + MM * np.argwhere(staged.labels == JAW)[:, ::-1]
    arch = arch_of(points)
    assert arch[0, 0] < -35 and arch[-1, 0] > 35 and abs(arch[:, 1].min() + 60) < 3
    away = np.hypot(arch[:, 0] / 45, np.minimum(arch[:, 1], 0) / 60) - 1
    assert np.abs(away[20:-20]).max() < 0.12


def test_a_jaw_becomes_a_band_from_side_to_side_with_the_right_on_the_left():
    staged = horseshoe()
    quick = march(staged, SIDE)
    for view, shot in enumerate(staged.views):
        geometry = shot.geometry.resized(SIDE)
        jaw = lengths(quick, view, JAW) > 2
        assert jaw.any(axis=0).mean() > 0.8
        tall = jaw.sum(axis=0)[jaw.any(axis=0)] * geometry.pixel_mm[1]
        assert abs(np.median(tall) - TALL_MM) < 5
        # Beams are square to the jaw: they run through its 9 to 12 mm and not along it.
        assert 6 < np.median(lengths(quick, view, JAW)[jaw]) < 18
        right, left = (np.argwhere(lengths(quick, view, value) > 0)[:, 1].mean() for value in (RIGHT, LEFT))
        assert right < SIDE / 2 < left
        pins = [np.argwhere(lengths(quick, view, value) > 0)[:, 0].mean() for value in (RIGHT, LEFT)]
        assert np.mean(pins) < np.argwhere(jaw)[:, 0].mean()
        assert SPINE not in quick.values or not lengths(quick, view, SPINE)[:, SIDE // 4: -SIDE // 4].any()


def test_the_picture_is_wide_and_nothing_is_seen_beyond_its_rows():
    staged = horseshoe()
    quick = march(staged, SIDE)
    for view, shot in enumerate(staged.views):
        rows = shot.geometry.resized(SIDE).rows
        assert 1.55 < SIDE / (rows.stop - rows.start) < 2.5
        outside = np.ones(SIDE, bool)
        outside[rows] = False
        assert outside.any() and not quick.path[view][:, outside].any()


def test_densities_without_ghosts_are_where_the_paths_are():
    staged = horseshoe()
    quick = march(staged, SIDE)
    for view, shot in enumerate(staged.views):
        rows = shot.geometry.resized(SIDE).rows
        met = quick.path[view][:, rows].sum(axis=0)
        bone = quick.density[view, 1][rows]
        grams = 1.030 + 700 * 0.0005886
        assert np.allclose(bone, met * 0.1 * grams, atol=0.02)


def test_ghosts_are_broad_and_leave_masks_as_they_are():
    plain, haunted = (march(horseshoe(ghost), SIDE) for ghost in (0.0, 1.0))
    assert np.array_equal(plain.path, haunted.path)
    staged = horseshoe()
    for view, shot in enumerate(staged.views):
        rows = shot.geometry.resized(SIDE).rows
        added = (haunted.density - plain.density)[view, 1][rows]
        assert added.min() >= 0 and added.max() > 0.5
        assert np.abs(np.diff(added, axis=1)).max() < 0.25 * added.max()
        # The spine, behind the front teeth.
        assert added[:, SIDE // 2 - 8: SIDE // 2 + 8].mean() > 1.15 * np.quantile(added.mean(axis=0), 0.25)


def test_pixels_can_be_more_and_the_field_stays():
    staged = horseshoe(views=1)
    small, large = march(staged, 48), march(staged, 96)
    few, many = (lengths(one, 0, JAW) for one in (small, large))
    halved = many.reshape(48, 2, 48, 2).mean((1, 3))
    assert np.corrcoef(few.ravel(), halved.ravel())[0, 1] > 0.93
    fine, coarse = (staged.views[0].geometry.resized(side).pixel_mm for side in (96, 48))
    assert np.allclose(2 * fine, coarse, rtol=0.03)


@pytest.fixture(scope="module")
def bodies(packed_dolls):
    return load_packed(packed_dolls)


def jaws(bodies):
    only = load_packed(bodies.files[0].parent)
    only.places = [tuple(p for p in places if p.region.panoramic) for places in bodies.places]
    return only


def test_a_staging_of_jaws_depends_on_seed_and_number_only(bodies):
    one, again = (stage(jaws(bodies), 4, 2, 2) for _ in range(2))
    for a, b in zip(one.views, again.views, strict=True):
        assert a.kind == b.kind == "panoramic" and a.region == "jaws"
        assert np.array_equal(a.geometry.upper, b.geometry.upper)
        assert a.geometry.within_mm == b.geometry.within_mm
    assert not np.array_equal(one.views[0].geometry.upper, one.views[1].geometry.upper)
    assert np.array_equal(march(one, 32).density, march(again, 32).density)


def test_other_radiographs_are_drawn_as_without_panoramic_ones(bodies):
    without = load_packed(bodies.files[0].parent)
    without.places = [tuple(p for p in places if not p.region.panoramic) for places in bodies.places]
    swept = 0
    for number in range(200):
        draws = [
            staging.drawn(these, np.random.default_rng([7, number]), np.random.default_rng([7, number, 5]))
            for these in (bodies, without)
        ]
        if draws[0][1].region.panoramic:
            swept += 1
        else:
            assert draws[0][0] == draws[1][0] and draws[0][1].number == draws[1][1].number
    assert 0 < swept < 40


def test_bodies_packed_before_have_their_jaws_found(bodies):
    number = next(n for n, region in enumerate(REGIONS) if region.panoramic)
    head = bodies.names.index("bp3d_doll")
    old = [place for place in bodies.places[head] if place.number != number]
    found = with_jaws(old)
    assert [place.number for place in found if place not in old] == [number]
    assert len(with_jaws(found)) == len(found) and len(with_jaws([Place(0, np.zeros(3))])) == 1


def test_the_kernel_for_graphics_cards_sweeps_as_the_processor_does(packed_dolls):
    code = """
import sys
import numpy as np
from numba import cuda
from FluoroSAMSlicerLib.dataset.quick import load_packed, march, stage
from FluoroSAMSlicerLib.dataset.quick.marching import slots_of
from FluoroSAMSlicerLib.dataset.quick.marching_cuda import launch
from FluoroSAMSlicerLib.dataset.quick.slits import expose_slits, ghost, on_square
bodies = load_packed(sys.argv[1])
bodies.places = [tuple(p for p in places if p.region.panoramic) for places in bodies.places]
staged = stage(bodies, 1, 3, 1)
quick = march(staged, 8)
values, slots = slots_of(staged, [0])
def traced(beams, rows, planes):
    met = np.zeros((len(beams), 3, rows, 1), np.float32)
    path = np.zeros((len(beams), max(planes, 1), rows, 1), np.float32)
    shown = slots if planes else np.full_like(slots, -1)
    volumes = staged.tissue, staged.labels.view(np.int16), shown, beams
    launch(0, volumes, staged.spacing[0], met, path, lambda array: array)
    return met, path[:, :planes]
geometry = staged.views[0].geometry.resized(8)
sharp, lengths, through = expose_slits(staged, geometry, traced, len(values))
density = on_square(sharp + ghost(through, sharp, geometry), geometry)
assert lengths.any()
# A sample at the border of two voxels may fall to either side of it.
print(np.abs(density - quick.density[0]).max() / quick.density.max())
print(np.abs(lengths - quick.path[0][:, geometry.rows]).max() / staged.spacing[0])
"""
    density, path = map(float, run(code, packed_dolls, NUMBA_ENABLE_CUDASIM="1").split())
    assert density < 0.05 and path < 3


def test_the_jaws_of_a_real_head_are_unrolled(shared_data, tmp_path):
    folder = shared_data("ct/bp3d_head_neck_labels.nrrd").parent
    pack(folder, tmp_path, ["bp3d_head_neck"])
    for number in range(2):
        staged = stage(jaws(load_packed(tmp_path)), 11, number, 2)
        quick = march(staged, 128)
        for view in range(2):
            found = MaskRule().masks(staged.structures, quick.values, quick.path[view])
            masks = {one.structure: one.mask for one in found}
            jaw = masks["mandible"]
            rows = staged.views[view].geometry.resized(128).rows
            middle = {name: np.argwhere(mask)[:, 1].mean() for name, mask in masks.items()}
            assert middle["right maxilla"] < 64 < middle["left maxilla"]
            assert jaw.any(axis=0).mean() > 0.75 and 0.1 < jaw[rows].mean() < 0.6
            # A garland: the body low in the middle, the rami up at both sides.
            upper = np.array([np.flatnonzero(column)[0] if column.any() else 128 for column in jaw.T])
            assert max(upper[:40].min(), upper[-40:].min()) + 10 < np.median(upper[56:72])
