"""``fluorosam render``: labelled images of a CT, with the geometry that made them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from FluoroSAMSlicerLib.cli.render import ViewType
from PIL import Image


@pytest.mark.parametrize(
    ("typed", "angles", "mirrored", "name"),
    [
        ("LAO 30 CRA 10", (30, 10), False, "lao30_cra10"),
        ("rao20", (-20, 0), False, "rao20"),
        ("CAU 5", (0, -5), False, "cau5"),
        ("PA", (0, 0), False, "pa"),
        ("AP", (180, 0), True, "ap"),
        ("llat", (90, 0), False, "llat"),
        ("LAO 12.5", (12.5, 0), False, "lao12.5"),
    ],
)
def test_views_are_dicom_positioner_angles(typed, angles, mirrored, name):
    view = ViewType().convert(typed, None, None)
    assert ((view.primary, view.secondary), view.mirrored, view.name) == (angles, mirrored, name)


@pytest.mark.parametrize(
    "typed", ["", "LAO", "30", "LAO 30 RAO 10", "CRA 10 CAU 5", "LAO x", "LAO 30 CRA 10 CAU 2"]
)
def test_what_is_no_view_is_wrong_usage(run, typed):
    assert run("render", "ct.nrrd", "--view", typed, "--output", "out").exit_code == 2


@pytest.fixture(scope="session")
def rendered(shared_data, tmp_path_factory):
    from click.testing import CliRunner
    from FluoroSAMSlicerLib.cli import main

    folder = tmp_path_factory.mktemp("rendered") / "out"
    ct, labels = (shared_data(f"ct/ts_real_abdopelvis_{kind}.nrrd") for kind in ("ct", "labels"))
    command = [
        "render",
        ct,
        "--labels",
        labels,
        "--view",
        "PA",
        "--view",
        "AP",
        "--size",
        128,
        "--output",
        folder,
    ]
    result = CliRunner().invoke(main, [str(part) for part in command])
    assert result.exit_code == 0, result.output
    return folder


def test_the_16_bit_image_holds_line_integrals(rendered, shared_data):
    from FluoroSAMSlicerLib.drr import CTVolume, ProjectionGeometry, project

    description = json.loads((rendered / "ts_real_abdopelvis_ct_pa.json").read_text(encoding="utf-8"))
    geometry = ProjectionGeometry(**description["geometry_lps_mm"])
    expected = project(CTVolume.read(shared_data("ct/ts_real_abdopelvis_ct.nrrd")), geometry).line_integral
    stored = np.asarray(Image.open(rendered / "ts_real_abdopelvis_ct_pa_line_integral.png"))
    assert stored.dtype == np.uint16
    scale = description["line_integral_per_count"]
    assert np.abs(stored * scale - expected).max() <= scale


def test_masks_are_drawn_as_in_training_sets(rendered, shared_data):
    from FluoroSAMSlicerLib.dataset import Body
    from FluoroSAMSlicerLib.dataset.generation import structure_masks
    from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, ProjectionGeometry, project

    ct, labels = (shared_data(f"ct/ts_real_abdopelvis_{kind}.nrrd") for kind in ("ct", "labels"))
    description = json.loads((rendered / "ts_real_abdopelvis_ct_pa.json").read_text(encoding="utf-8"))
    geometry = ProjectionGeometry(**description["geometry_lps_mm"])
    shown = project(CTVolume.read(ct), geometry, labels=LabelVolume.read(labels))
    expected = structure_masks(Body.read(ct, labels), shown.label_values, shown.label_path_mm)
    written = {entry["text"]: rendered / entry["mask"] for entry in description["masks"]}
    assert written.keys() == expected.keys() == description["mask_threshold_mm"].keys()
    for name, mask in expected.items():
        assert np.array_equal(np.asarray(Image.open(written[name])) > 127, mask), name


@pytest.mark.parametrize("view", ["pa", "ap"])
def test_images_hang_as_radiographs_do(rendered, view):
    def centre(name):
        mask = np.asarray(Image.open(rendered / f"ts_real_abdopelvis_ct_{view}_{name}.png")) > 127
        return np.argwhere(mask).mean(0)

    assert centre("right_kidney")[1] < 64 < centre("left_kidney")[1]
    assert centre("liver")[0] < centre("right_hip_bone")[0]


def test_bone_is_bright(rendered):
    shown = np.asarray(Image.open(rendered / "ts_real_abdopelvis_ct_pa.png")).astype(float)
    spine = np.asarray(Image.open(rendered / "ts_real_abdopelvis_ct_pa_L3_vertebra.png")) > 127
    assert shown.dtype == float and shown[spine].mean() > shown.mean() + 20


def test_its_manifest_can_be_evaluated(rendered, run, model_folder, tmp_path):
    lines = (rendered / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    entry = json.loads(lines[0])
    chosen = [s for s in entry["structures"] if s["text"] in ("liver", "left kidney")]
    manifest = rendered / "two.jsonl"
    manifest.write_text(json.dumps({**entry, "structures": chosen}), encoding="utf-8")
    result = run("evaluate", manifest, "--clicks", "1,0", "--model", model_folder, "--output", "out")
    assert result.exit_code == 0, result.output
    assert "liver" in result.stdout and "left kidney" in result.stdout
    rows = (tmp_path / "out" / "evaluation.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("image,text,clicks,dice") and len(rows) == 1 + 2 * 2
    summary = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert set(summary["mean_dice"]) == {"0", "1"}
    assert all(0 <= row["dice"] <= 1 for row in summary["rows"])


def test_failures_name_the_file(fails, shared_data, tmp_path):
    ct, labels = (shared_data(f"ct/ts_real_abdopelvis_{kind}.nrrd") for kind in ("ct", "labels"))
    assert "absent.nrrd" in fails("render", "absent.nrrd", "--view", "PA", "--output", "out")
    line = fails(
        "render", ct, "--labels", labels, "--names", "absent.json", "--view", "PA", "--output", "out"
    )
    assert "absent.json" in line
    (tmp_path / "names.json").write_text("[]")
    line = fails("render", ct, "--labels", labels, "--names", "names.json", "--view", "PA", "--output", "out")
    assert "names.json" in line
    assert "isocentre" in fails(
        "render", ct, "--view", "PA", "--sid", "900", "--sdd", "500", "--output", "out"
    )
    assert not (tmp_path / "out").exists()


def test_evaluation_of_what_is_no_manifest(fails, model_folder, tmp_path):
    assert "absent.jsonl" in fails("evaluate", "absent.jsonl", "--model", model_folder)
    (tmp_path / "m.jsonl").write_text('{"image": 3}\n')
    assert "line 1" in fails("evaluate", "m.jsonl", "--model", model_folder, "--output", "out")
    assert not (tmp_path / "out").exists()
