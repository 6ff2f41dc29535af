"""The tool that makes a labelled CT of surfaces: what lies where, how dense it is, and what it refuses."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset import Body
from FluoroSAMSlicerLib.drr import tools

TOOLS = Path(__file__).resolve().parents[2] / "Resources" / "Tools"
SHAFT, BALL = "right tibia", "right talus"


@pytest.fixture(scope="module")
def tool():
    pytest.importorskip("vtk")
    pytest.importorskip("SimpleITK")
    sys.path.insert(0, str(TOOLS))
    try:
        return importlib.import_module("body_of_meshes")
    finally:
        sys.path.remove(str(TOOLS))


def save(mesh, path: Path, move=(0, 0, 0), scale=1.0) -> None:
    """As an STL in text."""
    lines = ["solid"]
    for corners in (mesh.points[mesh.triangles] * scale + move).tolist():
        points = [f"vertex {x} {y} {z}" for x, y, z in corners]
        lines += ["facet normal 0 0 0", "outer loop", *points, "endloop", "endfacet"]
    path.write_text("\n".join([*lines, "endsolid"]), encoding="ascii")


@pytest.fixture(scope="module")
def meshes(tool, tmp_path_factory) -> Path:
    """A rod of 24 mm across and 160 mm long, upright, and a ball of 20 mm below it."""
    folder = tmp_path_factory.mktemp("meshes")
    rod = tools.make("rod", length_mm=160.0, diameter_mm=24.0, bend_mm=0.01).mesh
    axis = int(np.argmax(np.ptp(rod.points, axis=0)))
    rod = type(rod)(np.roll(rod.points, 2 - axis, axis=1), rod.triangles)
    middle = (rod.points.min(0) + rod.points.max(0)) / 2
    save(rod, folder / "rod.stl", -middle)
    ball = tools.make("ball marker", diameter_mm=20.0).mesh
    save(ball, folder / "ball.stl", (0, 0, -95) - (ball.points.min(0) + ball.points.max(0)) / 2)
    shaft = {"name": SHAFT, "flesh_mm": {"back": [15, 30, 15], "front": 8, "above": 40}}
    (folder / "names.json").write_text(json.dumps({"rod": shaft, "ball": BALL}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def body(tool, meshes, tmp_path_factory) -> Body:
    ct, labels, _ = tool.make(
        meshes, meshes / "names.json", tmp_path_factory.mktemp("made") / "limb", 1.5, cut=["above"]
    )
    return Body.read(ct, labels)


def at(body: Body, x: float, y: float, z: float) -> tuple[int, ...]:
    return tuple(np.rint((np.array([x, y, z]) - body.origin) / body.spacing).astype(int)[::-1])


def test_bones_lie_where_their_surfaces_are(body):
    where = np.argwhere(np.isin(body.labels, body.structures[BALL]))[:, ::-1] * body.spacing + body.origin
    assert np.allclose(where.mean(axis=0), (0, 0, -95), atol=0.5)
    assert np.allclose(np.ptp(where, axis=0) + body.spacing, 20, atol=1.6)
    volume = len(where) * np.prod(body.spacing)
    assert volume == pytest.approx(np.pi / 6 * 20**3, rel=0.06)


def test_a_shaft_has_a_cortex_around_marrow_and_a_short_bone_is_spongy(body):
    assert body.hu[at(body, 10.5, 0, 0)] > 900
    assert abs(body.hu[at(body, 4, 4, 0)]) < 120
    assert 100 < body.hu[at(body, 0, 0, -95)] < 450


def test_flesh_is_as_thick_as_asked_with_fat_and_air_around(body):
    line = body.hu[at(body, 0, 0, 0)[0], :, at(body, 0, 0, 0)[2]]
    y = body.origin[1] + body.spacing[1] * np.arange(len(line))
    flesh = y[line > -500]
    assert -12 - 8 - 4 < flesh.min() < -12 - 4
    assert 12 + 30 - 7 < flesh.max() < 12 + 30 + 7
    assert line[(y > 14) & (y < flesh.max() - 14)].mean() > -40
    assert line[(y > flesh.max() - 6) & (y < flesh.max() - 3)].mean() < -40
    assert (line[(y > flesh.max() + 4) | (y < flesh.min() - 4)] == -1000).all()


def test_a_cut_ends_the_body_as_a_scan_does(body):
    assert body.hu[-1, at(body, 0, 14, 0)[1], at(body, 0, 14, 0)[2]] > -200
    assert (body.hu[0] == -1000).mean() > 0.9
    assert body.origin[2] + body.spacing[2] * (len(body.hu) - 1) == pytest.approx(80, abs=2)


def test_the_same_seed_gives_the_same_body(tool, meshes, tmp_path, body):
    again = tool.make(meshes, meshes / "names.json", tmp_path / "limb", 1.5, cut=["above"])
    assert np.array_equal(Body.read(again[0], again[1]).hu, body.hu)
    about = json.loads(again[2].read_text(encoding="utf-8"))
    assert [one["text"] for one in about["labels"]] == [SHAFT, BALL]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in again)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({}, "must be like"),
        ({"leg": "right tibia"}, "no file for 'leg'"),
        ({"rod": ""}, "needs the name"),
        ({"rod": {"name": "a", "flesh_mm": {"inside": 3}}}, "out of right, left"),
        ({"rod": {"name": "a", "flesh_mm": {"back": "much"}}}, "out of right, left"),
        ({"rod": "right tibia", "ball": "right tibia"}, "same structure"),
        ({"metres": "right talus"}, "must be mm"),
        ({"hole": "right talus"}, "hole.stl"),
    ],
)
def test_what_makes_no_body_is_refused(tool, meshes, tmp_path, capsys, names, says):
    ball = tools.make("ball marker", diameter_mm=20.0).mesh
    for name in ("rod", "ball"):
        (tmp_path / f"{name}.stl").write_bytes((meshes / f"{name}.stl").read_bytes())
    save(ball, tmp_path / "metres.stl", scale=0.001)
    whole = (meshes / "ball.stl").read_text(encoding="ascii").splitlines()
    (tmp_path / "hole.stl").write_text("\n".join([whole[0], *whole[8:]]), encoding="ascii")
    (tmp_path / "names.json").write_text(json.dumps(names))
    assert tool.main([str(tmp_path), str(tmp_path / "names.json"), str(tmp_path / "out")]) == 1
    assert says in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))
