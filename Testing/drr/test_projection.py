"""The march against analytic shapes, a plain float64 reference, and another program's projections."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.drr import (
    CTVolume,
    DRRError,
    GeometryError,
    LabelVolume,
    ProjectionGeometry,
    VolumeError,
    project,
)
from FluoroSAMSlicerLib.drr.material import density

WATER = 0.02  # 1/mm
CENTRE = np.array([5.0, -8.0, 40.0])


def rays(view: ProjectionGeometry) -> tuple[np.ndarray, np.ndarray]:
    """Source-to-pixel unit directions (H, W, 3) and lengths (H, W)."""
    rows, columns = np.indices(view.size[::-1])
    steps = view.pixel_positions(np.stack([columns, rows], axis=-1)) - view.source
    lengths = np.linalg.norm(steps, axis=-1)
    return steps / lengths[..., None], lengths


def box_chords(view, low, high) -> np.ndarray:
    """Length (H, W) of each ray inside the world-aligned box low..high, mm."""
    directions, lengths = rays(view)
    with np.errstate(divide="ignore"):
        crossings = (np.array([low, high])[:, None, None] - view.source) / directions
    entry, leave = crossings.min(axis=0).max(axis=-1), crossings.max(axis=0).min(axis=-1)
    return np.maximum(np.minimum(leave, lengths) - np.maximum(entry, 0), 0)


def siddon(volume: np.ndarray, grid, view) -> np.ndarray:
    """Siddon's sum of value x length (H, W) float64: all plane crossings, sorted, one lookup a piece."""
    directions, lengths = rays(view)
    image = np.zeros(lengths.shape)
    start = grid.world_to_index(view.source) + 0.5
    slopes = directions @ np.linalg.inv(grid.index_to_world).T
    size = np.array(volume.shape[::-1])
    for pixel in np.ndindex(image.shape):
        slope = slopes[pixel]
        with np.errstate(divide="ignore", invalid="ignore"):
            planes = [(np.arange(n + 1) - s) / d for n, s, d in zip(size, start, slope, strict=True)]
        crossings = np.concatenate([[0, lengths[pixel]], *planes])
        crossings = np.sort(
            crossings[np.isfinite(crossings) & (crossings >= 0) & (crossings <= lengths[pixel])]
        )
        middles = (crossings[1:] + crossings[:-1]) / 2
        voxels = np.floor(start + middles[:, None] * slope).astype(int)
        inside = ((voxels >= 0) & (voxels < size)).all(axis=1)
        i, j, k = voxels[inside].T
        image[pixel] = (np.diff(crossings)[inside] * volume[k, j, i]).sum()
    return image


def attenuation(hu) -> np.ndarray:
    return WATER * np.maximum(1 + np.asarray(hu, dtype=np.float64) / 1000, 0)


def rotation(angles) -> np.ndarray:
    a, b, c = angles
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    return about_z @ about_y @ about_x


def centred(shape, spacing, direction=None) -> dict:
    """Grid arguments of a volume whose middle is CENTRE."""
    direction = np.eye(3) if direction is None else direction
    half = (np.array(shape[::-1]) - 1) / 2 * spacing
    return {"origin": CENTRE - direction @ half, "spacing": spacing, "direction": direction}


def random_pair(shape=(9, 11, 13), labels=6):
    rng = np.random.default_rng(3)
    return (
        rng.integers(-1100, 3000, shape).astype(np.int16),
        rng.integers(0, labels, shape).astype(np.uint16),
    )


def c_arm(primary=0, secondary=0, size=24, pixel_mm=3.0, **more):
    return ProjectionGeometry.c_arm(CENTRE, primary, secondary, size=size, pixel_mm=pixel_mm, **more)


VIEWS = [(0, 0), (90, 0), (180, 0), (0, 90), (45, 0), (37, -24), (-110, 33)]


@pytest.mark.parametrize(("primary", "secondary"), VIEWS)
def test_a_water_box_has_its_chord_as_path_and_integral(primary, secondary):
    """Float32 results: 1e-5 mm of up to 60 mm for paths, 2e-7 of 1.2 for integrals, with margin."""
    shape, spacing = (10, 15, 20), np.array([2.0, 3.0, 2.5])
    grid = centred(shape, spacing)
    view = c_arm(primary, secondary, size=(30, 26), pixel_mm=5.3)
    result = project(
        CTVolume(np.zeros(shape, np.int16), **grid),
        view,
        LabelVolume(np.ones(shape, np.uint16), **grid),
        threads=1,
    )
    half = spacing * shape[::-1] / 2
    chords = box_chords(view, CENTRE - half, CENTRE + half)
    assert chords.max() > 19 and chords.min() == 0
    assert np.abs(result.label_path_mm[0] - chords).max() < 2e-5
    assert np.abs(result.line_integral - WATER * chords).max() < 1e-6


def test_a_water_ball_has_its_chord_but_for_the_voxels_roundness():
    """0.75 mm voxels of a 20 mm ball: the mean chord agrees within 0.5 %, and a chord more than 2 mm inside
    the rim within 1.5 mm (a stair of one voxel at each end)."""
    spacing, radius = 0.75, 20.0
    shape = (60, 60, 60)
    grid = centred(shape, np.full(3, spacing))
    away = [(np.arange(n) - (n - 1) / 2) * spacing for n in shape]
    inside = np.add.outer(np.add.outer(away[0] ** 2, away[1] ** 2), away[2] ** 2) < radius**2
    view = c_arm(28, 17, size=40, pixel_mm=2.2)
    result = project(
        CTVolume(np.where(inside, 0, -1000), **grid), view, LabelVolume(inside, **grid), threads=1
    )
    directions, _ = rays(view)
    nearest = np.linalg.norm(np.cross(CENTRE - view.source, directions), axis=-1)
    chords = 2 * np.sqrt(np.maximum(radius**2 - nearest**2, 0))
    path = result.label_path_mm[0]
    assert path.sum() == pytest.approx(chords.sum(), rel=5e-3)
    assert np.abs(path - chords)[nearest < radius - 2].max() < 1.5
    assert (path[nearest > radius + spacing] == 0).all()
    assert np.allclose(result.line_integral, WATER * path, atol=1e-5)


@pytest.mark.parametrize(("primary", "secondary"), VIEWS)
def test_the_march_is_siddons_sum(primary, secondary):
    """Relative to the image's largest value, 1e-6 of the float64 reference, on an oblique, anisotropic grid."""
    hu, labels = random_pair()
    grid = centred(hu.shape, np.array([1.5, 2.5, 4.0]), rotation([0.4, -0.2, 0.9]))
    ct, label_map = CTVolume(hu, **grid), LabelVolume(labels, **grid)
    view = c_arm(primary, secondary, size=14, pixel_mm=6.1)
    result = project(ct, view, label_map, threads=1)
    reference = siddon(attenuation(hu), ct.grid, view)
    assert np.abs(result.line_integral - reference).max() < 1e-6 * reference.max()
    for value, path in zip(result.label_values, result.label_path_mm, strict=True):
        reference = siddon(labels == value, ct.grid, view)
        assert np.abs(path - reference).max() < 1e-6 * max(reference.max(), 40.0)


def test_rays_along_the_grid_and_a_source_inside_the_volume():
    """Axis-parallel rays cross no plane of the other two axes; a source inside sees what lies ahead only."""
    hu, _ = random_pair((8, 8, 8))
    hu[4, 5, 4] = -1000
    ct = CTVolume(hu, **centred(hu.shape, np.ones(3)))
    for distance in (500.0, 1.3):
        source = CENTRE + [0.25, distance, 0.25]
        view = ProjectionGeometry(
            source, CENTRE + [0.25, -300, 0.25], (1, 0, 0), (0, 0, -1), (20, 20), (5, 5)
        )
        reference = siddon(attenuation(hu), ct.grid, view)
        assert np.allclose(project(ct, view, threads=1).line_integral, reference, rtol=1e-6, atol=1e-7)


def test_a_detector_inside_the_volume_ends_the_rays():
    ct = CTVolume(np.zeros((20, 20, 20), np.int16), **centred((20, 20, 20), np.ones(3)))
    view = ProjectionGeometry(CENTRE + [0, 400, 0], CENTRE, (1, 0, 0), (0, 0, -1), (1, 1), (1, 1))
    assert project(ct, view, threads=1).line_integral[0, 0] == pytest.approx(WATER * 10, rel=1e-6)


def test_a_rotated_world_gives_the_same_image():
    hu, labels = random_pair()
    spacing, turn = np.array([2.0, 3.0, 2.5]), rotation([0.7, 0.3, -0.5])
    straight, turned = centred(hu.shape, spacing), centred(hu.shape, spacing, turn)
    view = c_arm(20, 10)
    moved = ProjectionGeometry(
        CENTRE + turn @ (view.source - CENTRE),
        CENTRE + turn @ (view.detector_centre - CENTRE),
        turn @ view.column_axis,
        turn @ view.row_axis,
        view.pixel_mm,
        view.size,
    )
    first = project(CTVolume(hu, **straight), view, LabelVolume(labels, **straight), threads=1)
    second = project(CTVolume(hu, **turned), moved, LabelVolume(labels, **turned), threads=1)
    assert np.allclose(first.line_integral, second.line_integral, atol=2e-6)
    assert np.allclose(first.label_path_mm, second.label_path_mm, atol=2e-5)


def test_an_oblique_grid_shows_the_world_not_its_axes():
    """A ball in 1 mm voxels, on a straight and on an oblique grid: the images differ by rounding of the rim only,
    so they correlate above 0.995."""
    images = []
    for direction in (np.eye(3), rotation([0.5, -0.4, 0.3])):
        grid = centred((40, 44, 48), np.ones(3), direction)
        index = np.stack(np.meshgrid(*[np.arange(n) for n in (40, 44, 48)], indexing="ij"), -1)[..., ::-1]
        world = grid["origin"] + index @ direction.T
        ball = np.linalg.norm(world - CENTRE - [6, -4, 3], axis=-1) < 11
        images.append(project(CTVolume(np.where(ball, 0, -1000), **grid), c_arm(30, 15, 40, 2.0), threads=1))
    first, second = (image.line_integral.ravel() for image in images)
    assert np.corrcoef(first, second)[0, 1] > 0.995


def test_every_axis_order_and_flip_gives_the_same_image():
    hu, labels = random_pair((5, 6, 7))
    spacing = np.array([2.0, 3.0, 4.0])
    grid = centred(hu.shape, spacing, rotation([0.2, 0.1, -0.3]))
    view = c_arm(25, 40, size=12, pixel_mm=6)
    reference = project(CTVolume(hu, **grid), view, LabelVolume(labels, **grid), threads=1)
    count = 0
    for order, flips in itertools.product(
        itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)
    ):
        flipped = tuple(slice(None, None, step) for step in flips)
        axes = (
            2 - np.array(order)[::-1]
        )  # of (i, j, k) in the new array, from the (K, J, I) order of the old one
        direction = grid["direction"][:, axes] * np.array(flips)[::-1]
        size = np.array(hu.shape)[list(order)][::-1]
        half = direction @ ((size - 1) / 2 * spacing[axes])
        same = {"origin": CENTRE - half, "spacing": spacing[axes], "direction": direction}
        result = project(
            CTVolume(hu.transpose(order)[flipped], **same),
            view,
            LabelVolume(labels.transpose(order)[flipped], **same),
            threads=1,
        )
        assert np.allclose(result.line_integral, reference.line_integral, atol=1e-6), (order, flips)
        assert np.allclose(result.label_path_mm, reference.label_path_mm, atol=1e-5), (order, flips)
        count += 1
    assert count == 48


def test_labels_may_lie_on_their_own_grid():
    hu, labels = random_pair()
    ct = CTVolume(hu, **centred(hu.shape, np.array([2.0, 3.0, 2.5])))
    own = centred(labels.shape, np.array([1.0, 1.5, 3.0]), rotation([0.3, 0.6, 0.1]))
    label_map = LabelVolume(labels, **own)
    view = c_arm(15, -20, size=14, pixel_mm=5)
    result = project(ct, view, label_map, threads=1)
    assert np.array_equal(result.line_integral, project(ct, view, threads=1).line_integral)
    reference = siddon(labels == 2, label_map.grid, view)
    assert np.abs(result.label_path_mm[result.label_values.tolist().index(2)] - reference).max() < 4e-5


def test_a_label_map_twice_as_fine_gives_the_same_paths():
    hu, labels = random_pair()
    grid = centred(hu.shape, np.array([2.0, 3.0, 2.5]))
    fine = labels.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    fine_grid = centred(fine.shape, np.array([1.0, 1.5, 1.25]))
    coarse = project(CTVolume(hu, **grid), c_arm(15, 5), LabelVolume(labels, **grid), threads=1)
    own = project(CTVolume(hu, **grid), c_arm(15, 5), LabelVolume(fine, **fine_grid), threads=1)
    assert np.allclose(coarse.label_path_mm, own.label_path_mm, atol=2e-5)


def test_chosen_labels_come_in_the_order_asked_for():
    hu, labels = random_pair()
    grid = centred(hu.shape, np.full(3, 2.0))
    ct, label_map = CTVolume(hu, **grid), LabelVolume(labels, **grid)
    everything = project(ct, c_arm(), label_map, threads=1)
    chosen = project(ct, c_arm(), label_map, label_values=(4, 1, 900), threads=1)
    assert everything.label_values.tolist() == [1, 2, 3, 4, 5]
    assert np.array_equal(chosen.label_path_mm[:2], everything.label_path_mm[[3, 0]])
    assert not chosen.label_path_mm[2].any()
    assert np.array_equal(chosen.mask(4, 1), (chosen.label_path_mm[0] + chosen.label_path_mm[1]) > 0)
    with pytest.raises(DRRError, match="label 2 was not projected"):
        chosen.mask(2)


def test_threads_change_nothing():
    hu, labels = random_pair()
    grid = centred(hu.shape, np.full(3, 2.0))
    results = [
        project(
            CTVolume(hu, **grid),
            c_arm(33, 12, 50),
            LabelVolume(labels, **grid),
            materials=True,
            threads=count,
        )
        for count in (1, 3)
    ]
    assert np.array_equal(results[0].line_integral, results[1].line_integral)
    assert np.array_equal(results[0].label_path_mm, results[1].label_path_mm)
    assert np.array_equal(results[0].area_density["bone"], results[1].area_density["bone"])


def test_slabs_have_the_area_density_of_their_material():
    """Ten mm a slab along the central ray: air, soft tissue 40 HU, bone 900 HU, metal at the 12-bit limit."""
    hu = np.repeat(np.array([-1000, 40, 900, 3071], np.int16), 10)[None, :, None] * np.ones(
        (21, 1, 21), np.int16
    )
    view = c_arm(size=1)
    density_g_cm2 = project(
        CTVolume(hu, **centred(hu.shape, np.ones(3))), view, materials=True, threads=1
    ).area_density
    assert {name: float(image[0, 0]) for name, image in density_g_cm2.items()} == pytest.approx(
        {"soft": 1.0 * (1.03 + 0.0005886 * 40), "bone": 1.0 * (1.03 + 0.0005886 * 900), "metal": 4.43},
        rel=1e-6,
    )


def test_density_follows_the_two_lines_and_never_falls_below_zero():
    assert density([-1024, -500, 0, 1000]) == pytest.approx([0.0, 0.5155, 1.03, 1.6186], abs=0.001)
    assert density(-2000) == 0


def refined(ct: CTVolume, times: int) -> CTVolume:
    """The CT interpolated trilinearly on a grid ``times`` as fine that fills the same box."""
    values = ct.hu.astype(np.float32)
    for axis, count in enumerate(ct.hu.shape):
        at = np.clip((np.arange(count * times) + 0.5) / times - 0.5, 0, count - 1)
        low = np.minimum(at.astype(int), count - 2)
        weight = (at - low).astype(np.float32).reshape([-1 if other == axis else 1 for other in range(3)])
        values = values.take(low, axis) * (1 - weight) + values.take(low + 1, axis) * weight
    shift = ct.grid.index_to_world @ np.full(3, 0.5 - 0.5 / times)
    return CTVolume(values, ct.origin - shift, ct.spacing / times, ct.direction)


@pytest.fixture(scope="module")
def real(shared_data):
    ct = CTVolume.read(shared_data("ct/ts_real_abdopelvis_ct.nrrd"))
    labels = LabelVolume.read(shared_data("ct/ts_real_abdopelvis_labels.nrrd"))
    names = json.loads(shared_data("ct/ts_real_abdopelvis_labels.json").read_text())["labels"]
    return ct, refined(ct, 2), labels, {entry["name"]: entry["value"] for entry in names}


@pytest.mark.parametrize("angle", [0, 90])
def test_a_real_ct_agrees_with_an_independent_sampler(shared_data, real, angle):
    """The reference samples the 3 mm CT trilinearly and labels by nearest voxel every 1.5 mm; the march sees box
    voxels. On the CT as it is the two models of a voxel differ by 0.4-0.7 % a pixel; on the CT refined
    trilinearly, where both models meet, they agree closely. Label paths differ by the sampling step at
    both ends of each piece."""
    ct, fine, labels, values = real
    folder = shared_data("ct/drr_reference")
    description = json.loads((folder / "ts_real_abdopelvis_drr_reference.json").read_text())
    (stored,) = [view for view in description["views"] if view["angle_deg"] == angle]
    width, height = description["detector_pixels"]
    every = 2
    view = ProjectionGeometry(
        stored["source"],
        np.array(stored["detector_centre"])
        - description["pixel_mm"] / 2 * (np.array(stored["column_axis"]) + stored["row_axis"]),
        stored["column_axis"],
        stored["row_axis"],
        [description["pixel_mm"] * every] * 2,
        (width // every, height // every),
    )

    def read(name):
        return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / stored[name])))[..., ::every, ::every]

    reference, paths = read("line_integral").squeeze(), read("label_path_mm")
    wanted = [values[name] for name in stored["labels_in_stack_order"]]
    result = project(ct, view, labels, label_values=wanted, threads=1)
    inside = reference > 0.05

    assert np.corrcoef(result.line_integral.ravel(), reference.ravel())[0, 1] > 0.998
    assert (np.abs(result.line_integral - reference)[inside] / reference[inside]).mean() < 0.01
    assert result.line_integral[inside].mean() == pytest.approx(reference[inside].mean(), rel=1e-3)

    smooth = project(fine, view, threads=1).line_integral
    assert np.corrcoef(smooth.ravel(), reference.ravel())[0, 1] > 0.9995
    assert (np.abs(smooth - reference)[inside] / reference[inside]).mean() < 0.005

    for path, expected in zip(result.label_path_mm, paths, strict=True):
        assert np.abs(path - expected).max() < 4.5
        assert np.abs(path - expected)[expected > 0].mean() < 0.8
        assert path.sum() == pytest.approx(expected.sum(), rel=0.015)
        overlap = 2 * ((path > 0) & (expected > 0)).sum() / ((path > 0).sum() + (expected > 0).sum())
        assert overlap > 0.98


def test_a_frontal_view_of_a_real_ct_hangs_as_radiographs_do(real):
    """Liver (right) on the image's left, spleen on its right, hips below the liver."""
    ct, _, labels, values = real
    view = ProjectionGeometry.c_arm(ct.centre, sdd_mm=1000, sid_mm=700, size=96, pixel_mm=5)
    result = project(ct, view, labels, threads=1)

    def centroid(name):
        rows, columns = np.nonzero(result.mask(values[name]))
        return columns.mean(), rows.mean()

    assert centroid("liver")[0] < centroid("spleen")[0]
    assert centroid("hip_right")[0] < 48 < centroid("hip_left")[0]
    assert centroid("liver")[1] < centroid("hip_right")[1]


def test_arguments_that_cannot_be_projected_are_refused():
    hu, labels = random_pair()
    ct, label_map, view = CTVolume(hu), LabelVolume(labels), c_arm()
    with pytest.raises(DRRError, match="CTVolume is needed"):
        project(hu, view)
    with pytest.raises(DRRError, match="must be a ProjectionGeometry"):
        project(ct, "lateral")
    with pytest.raises(DRRError, match="must be a LabelVolume"):
        project(ct, view, labels)
    with pytest.raises(VolumeError, match="every voxel is background"):
        project(ct, view, LabelVolume(np.zeros((2, 2, 2))))
    for values in ((), (1, 1), (0,), (70000,), (1.5,), ("liver",)):
        with pytest.raises(DRRError, match="label_values must be different whole numbers"):
            project(ct, view, label_map, label_values=values)
    with pytest.raises(DRRError, match="GiB"):
        project(ct, c_arm(size=16384), label_map, label_values=range(1, 11))
    with pytest.raises(DRRError, match="without labels"):
        project(ct, c_arm(size=4), threads=1).mask(1)
    with pytest.raises(GeometryError, match="detector plane"):
        ProjectionGeometry(CENTRE, CENTRE + [4, 0, 0], (1, 0, 0), (0, 0, -1))
