"""Tools in the patient: exact composition with the CT, the library made by code, and where tools are put."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import (
    Beam,
    CTVolume,
    DRRError,
    LabelVolume,
    Mesh,
    MeshError,
    ProjectionGeometry,
    Tool,
    VolumeError,
    mass_attenuation,
    project,
    tools,
)

CENTRE = np.array([3.0, 7.0, -20.0])


def block(shape=(30, 34, 38), spacing=2.0) -> CTVolume:
    """Flesh of random HU with a bone inside, in 2 mm voxels about CENTRE."""
    hu = np.random.default_rng(2).normal(40, 30, shape)
    hu[10:20, 12:22, 14:24] = 900
    return CTVolume(hu, CENTRE - (np.array(shape[::-1]) - 1) / 2 * spacing, (spacing,) * 3)


def cube(half: float, centre=CENTRE) -> Mesh:
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half + centre
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]))


def c_arm(primary=0, secondary=0, size=48, pixel_mm=2.0):
    return ProjectionGeometry.c_arm(CENTRE, primary, secondary, size=size, pixel_mm=pixel_mm)


@pytest.mark.parametrize(("primary", "secondary"), [(0, 0), (40, 25)])
def test_a_tool_takes_the_place_of_the_voxels_it_fills(primary, secondary):
    """A cube that fills voxels exactly: the tissue's sums are those of a CT with air in these voxels."""
    ct, view = block(), c_arm(primary, secondary)
    hu = ct.hu.copy()
    hu[12:18, 14:20, 16:22] = -1000
    carved = project(CTVolume(hu, ct.origin, ct.spacing), view, materials=True, threads=1)
    low, high = ct.origin + np.array([16, 14, 12]) * 2.0 - 1, ct.origin + np.array([22, 20, 18]) * 2.0 - 1
    tool = Tool("cube", cube(float(high[0] - low[0]) / 2, (low + high) / 2), "steel")
    got = project(ct, view, materials=True, tools=[tool], threads=1)
    path = got.tool_path_mm[0]
    assert path.max() > 11
    for material in ("soft", "bone", "metal"):
        assert np.abs(got.area_density[material] - carved.area_density[material]).max() < 1e-4
    assert np.allclose(got.area_density["steel"], path * 0.8, atol=1e-5)
    steel = float(mass_attenuation("steel", 64.4)) * 8.0 / 10
    assert np.abs(got.line_integral - carved.line_integral - steel * path).max() < 1e-4


def test_a_tool_attenuates_the_beam_by_its_material():
    ct, view = block(), c_arm()
    dark = []
    for material in ("aluminium", "titanium", "steel"):
        areas = project(
            ct, view, materials=True, tools=[Tool("cube", cube(6), material)], threads=1
        ).area_density
        dark.append(Beam(90).intensity(areas)[24, 24])
    assert dark[0] > dark[1] > dark[2]


def test_where_tools_overlap_the_last_one_counts_and_each_keeps_its_mask():
    view = ProjectionGeometry.c_arm(CENTRE, size=1)
    air = CTVolume(np.full((4, 4, 4), -1000, np.int16), CENTRE - 1.5)
    got = project(
        air, view, materials=True, tools=[Tool("big", cube(10), "titanium"), Tool("small", cube(4), "steel")]
    )
    assert got.tool_path_mm[:, 0, 0] == pytest.approx([20, 8])
    assert got.area_density["titanium"][0, 0] == pytest.approx(1.2 * 4.51)
    assert got.area_density["steel"][0, 0] == pytest.approx(0.8 * 8.0)
    assert got.tool_names == ("big", "small")


def test_metal_of_a_tool_joins_metal_of_the_ct():
    hu = np.full((5, 5, 5), -1000, np.int16)
    hu[:, 0, :] = 3071
    ct = CTVolume(hu, CENTRE - [2, 22, 2], (1, 1, 1))
    got = project(
        ct, ProjectionGeometry.c_arm(CENTRE, size=1), materials=True, tools=[Tool("t", cube(4), "metal")]
    )
    assert got.area_density["metal"][0, 0] == pytest.approx((0.1 + 0.8) * 4.43, rel=1e-5)


def test_masks_and_labels_stay_apart():
    ct, view = block(), c_arm(20, 10)
    labels = LabelVolume((ct.hu > 500).astype(np.uint8), ct.origin, ct.spacing)
    plain = project(ct, view, labels, threads=1)
    got = project(ct, view, labels, tools=[Tool("screw", cube(6))], threads=1)
    assert np.array_equal(plain.label_path_mm, got.label_path_mm)
    assert got.tool_mask("screw").sum() > got.tool_mask("screw", threshold_mm=8).sum() > 0
    assert not (got.line_integral != plain.line_integral)[~got.tool_mask("screw")].any()
    with pytest.raises(DRRError, match="no tool 'nail'"):
        got.tool_mask("nail")


def test_a_tool_behind_the_detector_is_cut_there():
    view = ProjectionGeometry(CENTRE + [0, 500, 0], CENTRE, (1, 0, 0), (0, 0, -1), (1, 1), (1, 1))
    air = CTVolume(np.full((4, 4, 4), -1000, np.int16), CENTRE - 1.5)
    assert project(air, view, tools=[Tool("t", cube(5))]).tool_path_mm[0, 0, 0] == pytest.approx(5)


@pytest.mark.parametrize("projector", ["fast", "preview"])
def test_fast_images_carry_tools_too(projector):
    ct, view = block(), c_arm(30, 10)
    exact, fast = (
        project(ct, view, tools=[Tool("t", cube(6))], threads=1, projector=name)
        for name in ("exact", projector)
    )
    assert np.array_equal(exact.tool_path_mm, fast.tool_path_mm)
    assert np.corrcoef(exact.line_integral.ravel(), fast.line_integral.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("kind", tools.LIBRARY)
def test_every_tool_of_the_library_is_a_solid_of_its_size(kind):
    tool = tools.make(kind)
    assert tool.name == kind
    extent = np.ptp(tool.mesh.points, axis=0)
    assert 1.5 < extent.max() < 500
    assert 0.0005 * extent.prod() < tool.mesh.volume_mm3 < extent.prod()
    pose = np.eye(4)
    pose[:3, 3] = CENTRE - (tool.mesh.points.max(axis=0) + tool.mesh.points.min(axis=0)) / 2
    view = ProjectionGeometry.c_arm(
        CENTRE, 80, 10, sdd_mm=3000, sid_mm=2500, size=900, pixel_mm=0.5, in_plane_rotation_deg=23
    )
    air = CTVolume(np.full((4, 4, 4), -1000, np.int16), CENTRE - 1.5)
    path = project(air, view, tools=[tool.placed(pose)], threads=1).tool_path_mm[0]
    assert path.sum() * (0.5 * 2500 / 3000) ** 2 == pytest.approx(tool.mesh.volume_mm3, rel=0.06)


def test_the_shapes_have_their_analytic_volumes():
    """32-sided circles hold 0.6 % less than round ones."""
    volume = {
        "needle": np.pi / 4 * (1.27**2 - 0.9**2) * 90,
        "nail": np.pi / 4 * (11**2 - 5**2) * 342,
        "plate": 12 * 96 * 3.5 - 6 * np.pi / 4 * 4.5**2 * 3.5,
        "ball marker": np.pi / 6 * 5**3,
    }
    for kind, expected in volume.items():
        assert tools.make(kind).mesh.volume_mm3 == pytest.approx(expected, rel=0.015), kind


def test_random_tools_lie_in_the_patient_under_names_of_their_own():
    ct = block()
    made = tools.random_tools(ct, np.random.default_rng(3), count=25)
    assert len({tool.name for tool in made}) == 25
    assert len({tool.name.rstrip(" 0123456789") for tool in made}) > 6
    low, high = ct.origin - 1, ct.origin + (np.array(ct.hu.shape[::-1]) - 1) * 2 + 1
    for tool in made:
        points = tool.world_mesh.points
        assert ((points.max(axis=0) >= low) & (points.min(axis=0) <= high)).all(), tool.name
        assert np.allclose(tool.pose[:3, :3] @ tool.pose[:3, :3].T, np.eye(3), atol=1e-9)
    again = tools.random_tools(ct, np.random.default_rng(3), count=25)
    assert all(np.array_equal(a.pose, b.pose) and a.name == b.name for a, b in zip(made, again, strict=True))


def test_screws_start_in_bone_and_balls_sit_on_the_skin():
    ct = block()
    for seed in range(8):
        (screw,) = tools.random_tools(ct, np.random.default_rng(seed), kinds=["screw"])
        i, j, k = np.rint(ct.grid.world_to_index(screw.pose[:3, 3])).astype(int)
        assert ct.hu[k, j, i] > 300
        (ball,) = tools.random_tools(ct, np.random.default_rng(seed), kinds=["ball marker"])
        depth = ct.grid.world_to_index(ball.pose[:3, 3])
        assert min(depth.min(), (np.array(ct.hu.shape[::-1]) - 1 - depth).min()) < 6


def test_what_cannot_be_made_or_placed_is_refused():
    with pytest.raises(MeshError, match="choose one of screw"):
        tools.make("hammer")
    with pytest.raises(MeshError, match="greater than zero"):
        tools.make("screw", length_mm=0)
    with pytest.raises(MeshError, match="no such size"):
        tools.make("screw", teeth=3)
    with pytest.raises(MeshError, match="does not fit"):
        tools.make("needle", bore_mm=3.0)
    with pytest.raises(VolumeError, match="no tissue"):
        tools.random_tools(CTVolume(np.full((9, 9, 9), -1000, np.int16)), np.random.default_rng(0))
    with pytest.raises(MeshError, match="no material"):
        Tool("t", cube(1), "wood")
    with pytest.raises(MeshError, match="needs a Mesh"):
        Tool("t", "cube")
    with pytest.raises(MeshError, match="density"):
        Tool("t", cube(1), density=0.0)
    with pytest.raises(DRRError, match="same name"):
        project(block(), c_arm(), tools=[Tool("t", cube(1)), Tool("t", cube(2))])
