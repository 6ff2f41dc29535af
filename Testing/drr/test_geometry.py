"""C-arm views: where source and detector stand, how the image hangs, where points land."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import CTVolume, DRRError, GeometryError, ProjectionGeometry, presets, project

ISOCENTRE = np.array([12.0, -30.0, 250.0])
LEFT, ANTERIOR, HEAD = np.eye(3) * (1, -1, 1)  # LPS: x to the left, y to the back, z to the head


def towards_detector(view: ProjectionGeometry) -> np.ndarray:
    ray = view.detector_centre - view.source
    return ray / np.linalg.norm(ray)


@pytest.mark.parametrize(
    ("primary", "secondary", "direction"),
    [
        (0, 0, ANTERIOR),
        (90, 0, LEFT),
        (-90, 0, -LEFT),
        (180, 0, -ANTERIOR),
        (0, 90, HEAD),
        (0, -90, -HEAD),
        (30, 0, np.sqrt(0.75) * ANTERIOR + 0.5 * LEFT),
        (0, 30, np.sqrt(0.75) * ANTERIOR + 0.5 * HEAD),
    ],
)
def test_the_detector_stands_where_dicom_angles_put_it(primary, secondary, direction):
    """PS3.3 C.8.7.5.1.2: LAO (positive primary) at the left, CRA (positive secondary) at the head."""
    view = ProjectionGeometry.c_arm(ISOCENTRE, primary, secondary)
    assert np.allclose(towards_detector(view), direction, atol=1e-12)


def test_distances_are_those_asked_for_and_the_central_ray_meets_the_isocentre():
    view = ProjectionGeometry.c_arm(ISOCENTRE, 37, -21, sdd_mm=1100, sid_mm=640, size=(301, 201))
    assert np.linalg.norm(ISOCENTRE - view.source) == pytest.approx(640)
    assert view.source_detector_mm == pytest.approx(1100)
    assert np.allclose(view.project_points(ISOCENTRE), [[150, 100]])


@pytest.mark.parametrize(("primary", "secondary"), [(0, 0), (35, 20), (-80, 10), (20, -35)])
def test_axes_are_orthonormal_and_the_head_stays_up(primary, secondary):
    view = ProjectionGeometry.c_arm(ISOCENTRE, primary, secondary)
    frame = np.array([view.column_axis, view.row_axis, towards_detector(view)])
    assert np.allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    feet, head = view.project_points([ISOCENTRE - 50 * HEAD, ISOCENTRE + 50 * HEAD])
    assert head[1] < feet[1]


def test_a_frontal_view_hangs_with_the_patients_right_on_the_image_left():
    view = ProjectionGeometry.c_arm(ISOCENTRE)
    right, left = view.project_points([ISOCENTRE - 60 * LEFT, ISOCENTRE + 60 * LEFT])
    assert right[0] < left[0]
    assert right[1] == pytest.approx(left[1])


def test_a_mirrored_view_from_the_front_hangs_the_same_way():
    behind = ProjectionGeometry.c_arm(ISOCENTRE, 180)
    hung = ProjectionGeometry.c_arm(ISOCENTRE, 180, mirrored=True)
    points = [ISOCENTRE - 60 * LEFT, ISOCENTRE + 60 * LEFT]
    assert np.diff(behind.project_points(points)[:, 0]) < 0 < np.diff(hung.project_points(points)[:, 0])


def test_in_plane_rotation_turns_the_anatomy_clockwise():
    view = ProjectionGeometry.c_arm(ISOCENTRE, in_plane_rotation_deg=90, size=257)
    head = view.project_points(ISOCENTRE + 20 * HEAD)[0]
    assert head[0] > 140
    assert head[1] == pytest.approx(128)


def test_an_offset_moves_the_detector_and_so_the_anatomy_the_other_way():
    view = ProjectionGeometry.c_arm(ISOCENTRE, size=257, pixel_mm=0.5, offset=(10, -4))
    assert np.allclose(view.project_points(ISOCENTRE), [[128 - 20, 128 + 8]])


def test_resizing_keeps_the_field_of_view():
    view = ProjectionGeometry.c_arm(ISOCENTRE, size=(400, 300), pixel_mm=(0.5, 0.8))
    small = view.resized((100, 60))
    assert small.pixel_mm == pytest.approx((2.0, 4.0))
    edges = [view.pixel_positions([-0.5, -0.5]), view.pixel_positions([399.5, 299.5])]
    assert np.allclose([small.pixel_positions([-0.5, -0.5]), small.pixel_positions([99.5, 59.5])], edges)


def test_the_matrix_takes_pixel_positions_back_to_their_pixels():
    view = ProjectionGeometry.c_arm(ISOCENTRE, 25, 40, pixel_mm=(0.4, 0.7), in_plane_rotation_deg=13)
    pixels = np.array([[0, 0], [255, 0], [17.25, 200.5]])
    on_the_ray = view.source + 0.3 * (view.pixel_positions(pixels) - view.source)
    assert np.allclose(view.project_points(view.pixel_positions(pixels)), pixels, atol=1e-9)
    assert np.allclose(view.project_points(on_the_ray), pixels, atol=1e-9)
    assert view.projection_matrix()[2] @ [*on_the_ray[0], 1] == pytest.approx(0.3)


def test_points_at_or_behind_the_source_have_no_pixel():
    view = ProjectionGeometry.c_arm(ISOCENTRE)
    assert np.isnan(view.project_points([view.source, view.source - towards_detector(view)])).all()


@pytest.mark.parametrize(
    ("primary", "secondary", "turn"), [(0, 0, 0), (90, 0, 0), (35, 25, 0), (-50, -15, 30)]
)
def test_points_land_on_the_rendered_balls(primary, secondary, turn):
    """The centroid of a ball's shadow lies within 0.15 pixels of its projected centre: a 6 mm ball is seen
    under half a degree, so perspective shifts the centroid by less, and 1 mm voxels round the ball."""
    shape = np.array([44, 48, 52])
    corner = ISOCENTRE - (shape[::-1] - 1) / 2
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)[..., ::-1] + corner
    for shift in ([0, 0, 0], [14, -10, 8], [-12, 9, -13]):
        centre = ISOCENTRE + shift
        ball = np.where(np.linalg.norm(grid - centre, axis=-1) < 6, 0, -1000)
        view = ProjectionGeometry.c_arm(
            ISOCENTRE, primary, secondary, size=(210, 180), pixel_mm=0.7, in_plane_rotation_deg=turn
        )
        image = project(CTVolume(ball, corner), view, threads=1).line_integral
        rows, columns = np.indices(image.shape)
        centroid = np.array([(columns * image).sum(), (rows * image).sum()]) / image.sum()
        assert np.abs(centroid - view.project_points(centre)[0]).max() < 0.15


GOOD = dict(source=(0, 500, 0), detector_centre=(0, -500, 0), column_axis=(1, 0, 0), row_axis=(0, 0, -1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": (0, np.nan, 0)}, "source must be three finite numbers"),
        ({"source": "left"}, "source must be three finite numbers"),
        ({"source": (100, -500, 30)}, "lies in the detector plane"),
        ({"column_axis": (0, 0, 0)}, "column_axis has no length"),
        ({"row_axis": (1, 0, 1)}, "perpendicular"),
        ({"row_axis": (1, 0, 0)}, "perpendicular"),
        ({"pixel_mm": (1, 0)}, "pixel_mm"),
        ({"pixel_mm": "fine"}, "pixel_mm"),
        ({"size": (0, 100)}, "size"),
        ({"size": (10.5, 100)}, "size"),
        ({"size": (10, 10, 10)}, "size"),
        ({"size": None}, "size"),
        ({"size": (float("inf"), 1)}, "size"),
        ({"size": (2**20, 2**20)}, "too big"),
    ],
)
def test_what_is_no_view_is_refused(change, words):
    with pytest.raises(GeometryError, match=words) as caught:
        ProjectionGeometry(**{**GOOD, **change})
    assert isinstance(caught.value, DRRError)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"primary_deg": float("nan")}, "not a finite number"),
        ({"primary_deg": "LAO"}, "not a finite number"),
        ({"offset": (1, 2, 3)}, "not a finite number"),
        ({"sid_mm": 0}, "greater than zero"),
        ({"sdd_mm": 400}, "in front of the isocentre"),
        ({"size": 0}, "size"),
        ({"isocentre": (0, 0)}, "isocentre"),
    ],
)
def test_a_c_arm_that_cannot_be_built_is_refused(change, words):
    with pytest.raises(GeometryError, match=words):
        ProjectionGeometry.c_arm(**{"isocentre": ISOCENTRE, **change})


@pytest.mark.parametrize("offset", [(0, 0), (12.5, -7)])
def test_intrinsics_and_extrinsics_are_the_projection_matrix(offset):
    view = ProjectionGeometry.c_arm(
        ISOCENTRE, 25, -30, pixel_mm=(0.4, 0.7), size=(300, 200), in_plane_rotation_deg=20, offset=offset
    )
    matrix = view.intrinsic_matrix() @ view.extrinsic_matrix()[:3]
    assert np.allclose(matrix / view.source_detector_mm, view.projection_matrix(), atol=1e-9)
    assert np.allclose(view.principal_point, [149.5 - offset[0] / 0.4, 99.5 - offset[1] / 0.7])
    assert np.linalg.det(view.extrinsic_matrix()) == pytest.approx(-1)
    assert np.linalg.det(view.mirrored().extrinsic_matrix()) == pytest.approx(1)


def test_a_tilted_detector_has_its_principal_point_at_the_perpendicular():
    view = ProjectionGeometry((0, 900, 0), (40, -100, 0), (0.8, 0.6, 0), (0, 0, -1), (1, 1), (101, 51))
    foot = view.pixel_positions(view.principal_point)
    assert np.allclose(np.cross(foot - view.source, view.normal), 0, atol=1e-9)


def test_rays_go_through_the_points_that_their_pixels_come_from():
    view = ProjectionGeometry.c_arm(
        ISOCENTRE, -35, 20, in_plane_rotation_deg=70, offset=(5, 9), mirrored=True
    )
    points = ISOCENTRE + np.random.default_rng(1).normal(0, 60, (20, 3))
    source, directions = view.rays(view.project_points(points))
    assert np.allclose(np.linalg.norm(directions, axis=1), 1)
    away = np.cross(points - source, directions)
    assert np.linalg.norm(away, axis=1).max() < 1e-9


@pytest.mark.parametrize("name", presets.PRESETS)
def test_presets_show_the_isocentre_with_the_head_up(name):
    preset = presets.PRESETS[name]
    view = presets.view(name, ISOCENTRE, pixels=300)
    assert max(view.size) == 300
    assert np.array(view.size) * view.pixel_mm == pytest.approx(preset.field_mm, abs=1.0)
    assert view.source_detector_mm == pytest.approx(preset.sdd_mm)
    assert np.linalg.norm(view.source - ISOCENTRE) == pytest.approx(preset.sdd_mm - preset.object_mm)
    assert np.allclose(view.project_points(ISOCENTRE), [(np.array(view.size) - 1) / 2])
    head, feet = view.project_points([ISOCENTRE + 50 * HEAD, ISOCENTRE - 50 * HEAD])
    assert head[1] < feet[1]
    assert preset.source


@pytest.mark.parametrize("name", ["chest PA", "chest AP", "pelvis AP"])
def test_frontal_presets_hang_the_patients_right_on_the_left(name):
    right, left = presets.view(name, ISOCENTRE).project_points([ISOCENTRE - 40 * LEFT, ISOCENTRE + 40 * LEFT])
    assert right[0] < left[0]


def test_an_unknown_preset_and_an_image_without_pixels_are_refused():
    with pytest.raises(GeometryError, match="choose one of"):
        presets.view("ear", ISOCENTRE)
    with pytest.raises(GeometryError, match="at least one pixel"):
        presets.view("chest PA", ISOCENTRE, pixels=0)
