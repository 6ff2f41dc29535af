"""Surfaces: chords of rays through them, files, and what is no closed surface."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import CTVolume, GeometryError, Mesh, MeshError, ProjectionGeometry, Tool, project
from FluoroSAMSlicerLib.drr.mesh import joined
from FluoroSAMSlicerLib.drr.tools import ball_marker, make

CENTRE = np.array([3.0, 7.0, -20.0])


def box(low, high) -> Mesh:
    corners = np.array(list(itertools.product(*zip(low, high, strict=True))), dtype=float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]))


def empty_ct() -> CTVolume:
    return CTVolume(np.full((4, 4, 4), -1000, np.int16), CENTRE - 1.5)


def paths(mesh: Mesh, view: ProjectionGeometry) -> np.ndarray:
    return project(empty_ct(), view, tools=[Tool("it", mesh)], threads=1).tool_path_mm[0]


def c_arm(primary=0, secondary=0, size=64, pixel_mm=1.0):
    return ProjectionGeometry.c_arm(CENTRE, primary, secondary, size=size, pixel_mm=pixel_mm)


@pytest.mark.parametrize(("primary", "secondary"), [(0, 0), (90, 0), (33, 21), (0, 90)])
def test_a_box_has_its_chords(primary, secondary):
    low, high = CENTRE - [6, 9, 12], CENTRE + [7, 8, 5]
    view = c_arm(primary, secondary, size=(70, 60))
    rows, columns = np.indices((60, 70))
    source, directions = view.rays(np.stack([columns, rows], axis=-1))
    with np.errstate(divide="ignore"):
        planes = (np.array([low, high])[:, None, None] - source) / directions
    chords = (planes.max(axis=0).min(axis=-1) - planes.min(axis=0).max(axis=-1)).clip(0)
    assert chords.max() > 9
    assert np.abs(paths(box(low, high), view) - chords).max() < 2e-5


def test_rays_through_edges_and_corners_cross_an_even_number_of_times():
    """A box whose corners, edges and face diagonals lie on rays exactly: inside is inside, outside is zero."""
    view = ProjectionGeometry((0, 0, -1024), (0, 0, 1024), (1, 0, 0), (0, 1, 0), (2, 2), (65, 65))
    got = project(
        CTVolume(np.full((2, 2, 2), -1000, np.int16)),
        view,
        tools=[Tool("box", box((-8, -8, -512), (8, 8, 0)))],
    ).tool_path_mm[0]
    rows, columns = np.indices((65, 65)) - 32
    across = np.maximum(abs(rows), abs(columns))
    assert (got[across > 16] == 0).all()
    assert (got[across < 8] > 500).all()


def test_a_ball_has_its_chords_and_volume():
    """128-sided ball of 20 mm: the flat facets lie inside the sphere by up to 0.5 %."""
    ball = ball_marker(diameter_mm=40).mesh
    mesh = Mesh(ball.points + CENTRE, ball.triangles)
    view = c_arm(25, 40, size=96)
    rows, columns = np.indices((96, 96))
    source, directions = view.rays(np.stack([columns, rows], axis=-1))
    nearest = np.linalg.norm(np.cross(CENTRE - source, directions), axis=-1)
    chords = 2 * np.sqrt(np.maximum(20.0**2 - nearest**2, 0))
    got = paths(mesh, view)
    assert np.abs(got - chords)[nearest < 18].max() < 0.5
    assert (got[nearest > 20] == 0).all()
    assert mesh.volume_mm3 == pytest.approx(4 / 3 * np.pi * 8000, rel=0.015)


def test_overlapping_parts_count_once_and_inner_walls_make_a_hollow():
    outer, inner = box(CENTRE - 10, CENTRE + 10), box(CENTRE - 5, CENTRE + 5)
    inside_out = Mesh(inner.points, inner.triangles[:, ::-1])
    hollow, both = joined([outer, inside_out]), joined([outer, inner])
    view = ProjectionGeometry.c_arm(CENTRE, size=1)
    assert paths(both, view)[0, 0] == pytest.approx(20)
    assert paths(hollow, view)[0, 0] == pytest.approx(10)


@pytest.mark.parametrize("suffix", ["stl", "ply", "obj", "vtp"])
def test_files_give_the_surface_they_hold(tmp_path, suffix):
    vtk = pytest.importorskip("vtk")
    from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

    mesh = make("screw").mesh
    surface, points, cells = vtk.vtkPolyData(), vtk.vtkPoints(), vtk.vtkCellArray()
    points.SetData(numpy_to_vtk(mesh.points.astype(np.float32), deep=True))
    rows = np.hstack([np.full((len(mesh.triangles), 1), 3), mesh.triangles]).astype(np.int64)
    cells.SetCells(len(rows), numpy_to_vtkIdTypeArray(rows.ravel(), deep=True))
    surface.SetPoints(points)
    surface.SetPolys(cells)
    writer = {
        "stl": vtk.vtkSTLWriter, "ply": vtk.vtkPLYWriter, "obj": vtk.vtkOBJWriter, "vtp": vtk.vtkXMLPolyDataWriter
    }[suffix]()  # fmt: skip
    path = tmp_path / f"screw.{suffix}"
    writer.SetFileName(str(path))
    writer.SetInputData(surface)
    writer.Write()
    read = Mesh.read(path)
    assert read.volume_mm3 == pytest.approx(mesh.volume_mm3, rel=1e-3)
    turned = Mesh.read(path, space="RAS")
    assert np.allclose(turned.points.min(axis=0)[:2], -read.points.max(axis=0)[:2])


def test_a_real_bone_weighs_what_its_shadow_says(shared_data):
    """Path length x pixel area at the bone's depth, summed, is the volume: 2 % for perspective."""
    pytest.importorskip("vtk")
    mesh = Mesh.read(shared_data("mesh/opensim/arm_r_scaphoid.vtp"))
    size = np.ptp(mesh.points, axis=0).max()
    pose = np.eye(4) * 30 / size
    pose[3, 3] = 1
    pose[:3, 3] = CENTRE - 30 / size * (mesh.points.min(axis=0) + mesh.points.max(axis=0)) / 2
    placed = mesh.moved(pose)
    view = ProjectionGeometry.c_arm(CENTRE, 20, 30, sdd_mm=5000, sid_mm=4500, size=200, pixel_mm=0.25)
    assert paths(placed, view).sum() * (0.25 * 0.9) ** 2 == pytest.approx(placed.volume_mm3, rel=0.02)


def test_a_mesh_with_holes_is_refused_and_says_how_many_edges_are_open():
    whole = box((0, 0, 0), (1, 1, 1))
    with pytest.raises(MeshError, match="holes .3 open edges.; close it"):
        Mesh(whole.points, whole.triangles[1:])
    flipped = whole.triangles.copy()
    flipped[0] = flipped[0, ::-1]
    with pytest.raises(MeshError, match="disagree about which side is outside"):
        Mesh(whole.points, flipped)


@pytest.mark.parametrize(
    ("points", "triangles", "words"),
    [
        (np.zeros((3, 2)), [[0, 1, 2]], "finite numbers"),
        (np.full((3, 3), np.nan), [[0, 1, 2]], "finite numbers"),
        (np.eye(3), np.empty((0, 3), int), "no triangles"),
        (np.eye(3), [[0, 1, 5]], "does not have"),
    ],
)
def test_what_is_no_mesh_is_refused(points, triangles, words):
    with pytest.raises(MeshError, match=words):
        Mesh(points, np.array(triangles))


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(MeshError, match=r"scan\.dcm: not a mesh file"):
        Mesh.read(tmp_path / "scan.dcm")
    with pytest.raises(MeshError, match=r"absent\.stl: no such file"):
        Mesh.read(tmp_path / "absent.stl")
    (tmp_path / "bad.stl").write_bytes(b"this is not a surface")
    pytest.importorskip("vtk")
    with pytest.raises(MeshError, match=r"bad\.stl"):
        Mesh.read(tmp_path / "bad.stl")
    with pytest.raises(MeshError, match="LPS or RAS"):
        Mesh.read(tmp_path / "bad.stl", space="XYZ")


def test_poses_that_flatten_and_tools_behind_the_source_are_refused():
    mesh = box(CENTRE - 1, CENTRE + 1)
    for pose in (np.zeros((4, 4)), np.eye(3), np.full((4, 4), np.nan)):
        with pytest.raises(MeshError, match="4x4 matrix"):
            mesh.moved(pose)
    view = c_arm()
    behind = np.eye(4)
    behind[:3, 3] = view.source - CENTRE
    with pytest.raises(GeometryError, match="to the X-ray source or behind it"):
        project(empty_ct(), view, tools=[Tool("it", mesh, pose=behind)])
