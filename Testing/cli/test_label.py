"""`fluorosam label`, and SAT's models in `fluorosam models`."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.dataset.layers import read_layers
from FluoroSAMSlicerLib.drr import CTVolume
from safetensors.numpy import load_file


@pytest.fixture
def ct(sat_fixture, tmp_path):
    """The small parity volume as a file."""
    facts = json.loads((sat_fixture / "config.json").read_text())
    case = min(facts["e2e"], key=lambda name: len(facts["e2e"][name]["windows"]))
    inputs = load_file(sat_fixture / "inputs.safetensors")
    affine = inputs[f"{case}.affine"].copy()
    affine[:2] *= -1
    image = sitk.GetImageFromArray(np.ascontiguousarray(inputs[f"{case}.image"].transpose(2, 1, 0)))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    return tmp_path / "ct.nii.gz"


def test_names_become_segments_of_a_file_on_the_ct_s_grid(run, small_sat, ct, tmp_path):
    output = tmp_path / "labels.seg.nrrd"
    arguments = [
        "--text",
        "liver",
        "--text",
        "kidneys",
        "--text",
        "stapes",
        "--model",
        small_sat,
        "--threads",
        "1",
    ]
    result = run("label", str(ct), *arguments, "--output", str(output))
    assert result.exit_code == 0, result.stderr
    assert "none stated" in result.stdout and "1 window," in result.stdout
    assert "stapes" in result.stdout and "not trained" in result.stdout and "not trained" in result.stderr
    header = output.read_bytes().split(b"\n\n")[0].decode()
    names = [line.partition(":=")[2] for line in header.splitlines() if "_Name:=" in line]
    assert names == ["liver", "left kidney", "right kidney", "stapes"]
    assert "10200004" in header and "SAT.trained:no" in header
    grid = CTVolume.read(ct).grid
    found = {}
    for layer in read_layers(output):
        assert layer.grid.coincides(grid)
        for name, values in layer.structures.items():
            found[name] = int(np.isin(layer.labels, values).sum())
    told = {line.split(":")[0].strip(): line for line in result.stdout.splitlines() if "voxels" in line}
    assert all(f"{name}: {count} voxels" in told[name] for name, count in found.items()) and len(found) >= 3


def test_the_labels_can_be_rendered_at_once(run, small_sat, ct, tmp_path):
    output = tmp_path / "labels.seg.nrrd"
    assert (
        run("label", str(ct), "--text", "liver", "--model", small_sat, "--output", str(output)).exit_code == 0
    )
    settings = ["--count", "1", "--seed", "1", "--output", str(tmp_path / "set"), "--set", "--size", "64"]
    made = run("synthesize", str(ct), "--labels", str(output), *settings)
    assert made.exit_code == 0, made.stderr


def test_several_names_may_stand_in_one_text(run, small_sat, ct, tmp_path):
    output = tmp_path / "labels.seg.nrrd"
    names = "liver, portal vein and splenic vein; left and right kidney"
    arguments = ["--text", names, "--text", "femur, left", "--model", small_sat, "--output", str(output)]
    result = run("label", str(ct), *arguments)
    assert result.exit_code == 0, result.stderr
    told = [line.split(":")[0].strip() for line in result.stdout.splitlines()[1:-1]]
    assert told == ["liver", "portal vein and splenic vein", "left kidney", "right kidney", "left femur"]


def test_values_are_made_hounsfield_units_by_slope_and_intercept(run, small_sat, ct, tmp_path):
    image = sitk.ReadImage(str(ct))
    sitk.WriteImage(sitk.Cast(image + 1100, sitk.sitkUInt16), str(tmp_path / "raw.nrrd"))
    output = tmp_path / "labels.seg.nrrd"
    given = ["--text", "liver", "--model", small_sat, "--output", str(output)]
    assert "no CT" in run("label", str(tmp_path / "raw.nrrd"), *given).stderr
    assert run("label", str(tmp_path / "raw.nrrd"), *given, "--rescale", "1,-1100").exit_code == 0
    raw, wanted = output.read_bytes().split(b"\n\n", 1)[1], tmp_path / "plain.seg.nrrd"
    run("label", str(ct), "--text", "liver", "--model", small_sat, "--output", str(wanted))
    assert wanted.read_bytes().split(b"\n\n", 1)[1] == raw


def test_what_cannot_be_written_is_told_before_the_ct_is_looked_through(
    run, small_sat, ct, tmp_path, monkeypatch
):
    from FluoroSAMSlicerLib.segmentation import Labeller

    monkeypatch.setattr(Labeller, "label", lambda *_: pytest.fail("the CT was looked through"))
    (tmp_path / "taken.seg.nrrd").mkdir()
    (tmp_path / "file").write_text("")
    given = ["label", str(ct), "--text", "liver", "--model", small_sat]
    taken = run(*given, "--output", str(tmp_path / "taken.seg.nrrd"))
    assert taken.exit_code == 1 and "is a folder" in taken.stderr
    keep = ["--output", str(tmp_path / "a.seg.nrrd"), "--keep", str(tmp_path / "file")]
    kept = run(*given, *keep)
    assert kept.exit_code == 1 and "is a file" in kept.stderr


def test_who_stops_a_search_hears_that_it_can_go_on_where_features_are_kept(
    run, small_sat, ct, tmp_path, monkeypatch
):
    from FluoroSAMSlicerLib.segmentation import Labeller

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Labeller, "label", stopped)
    given = [
        "label",
        str(ct),
        "--text",
        "liver",
        "--model",
        small_sat,
        "--output",
        str(tmp_path / "a.seg.nrrd"),
    ]
    assert "goes on" not in run(*given).stderr
    result = run(*given, "--keep", str(tmp_path / "kept"))
    assert result.exit_code == 130 and "goes on from there" in result.stderr


def test_a_model_is_verified_by_its_folder_too(run, small_sat, user_models):
    result = run("models", "verify", str(user_models / small_sat), small_sat)
    assert result.exit_code == 0 and result.stdout.count("intact") == 2, result.stderr


def test_an_estimate_alone_writes_nothing(run, small_sat, ct, tmp_path):
    output = tmp_path / "labels.seg.nrrd"
    result = run(
        "label", str(ct), "--text", "liver", "--model", small_sat, "--output", str(output), "--estimate"
    )
    assert result.exit_code == 0 and "about" in result.stdout and not output.exists()


def test_features_are_kept_for_the_next_run(run, small_sat, ct, tmp_path):
    arguments = [
        "--model",
        small_sat,
        "--keep",
        str(tmp_path / "kept"),
        "--output",
        str(tmp_path / "a.seg.nrrd"),
    ]
    assert run("label", str(ct), "--text", "liver", *arguments).exit_code == 0
    again = run("label", str(ct), "--text", "spleen", *arguments)
    assert "1 of them done before" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--text", "knee"], 1, "can mean"),
        (["--text", ""], 1, "empty"),
        (["--text", "liver", "--model", "sat-pro"], 1, "models install"),
        (["--text", "liver", "--modality", "drawing"], 1, "CT, MR or PET"),
        (["--text", "liver", "--region", "1,2,3"], 2, "six numbers"),
        (["--text", "liver", "--region", "9000,9000,9000,9001,9001,9001"], 1, "outside"),
        (["--text", "liver", "--output", "labels.png"], 2, ".seg.nrrd"),
        (["--text", "liver", "--output", "nowhere/labels.seg.nrrd"], 1, "no such folder"),
        ([], 2, "--text"),
    ],
)
def test_what_cannot_be_is_one_line_and_no_file(run, small_sat, ct, tmp_path, arguments, code, words):
    before = sorted(path.name for path in tmp_path.iterdir())
    given = ["--model", small_sat, "--output", str(tmp_path / "labels.seg.nrrd"), *arguments]
    result = run("label", str(ct), *given)
    assert result.exit_code == code and words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr and sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("voxels", "words"),
    [
        (np.zeros((1, 1, 1), np.int16), "1 x 1 x 1"),
        (np.full((8, 8, 8), -900, np.int16), "no voxel above 0"),
        (np.random.default_rng(0).integers(0, 900, (8, 8, 8)).astype(np.int16), "no CT"),
        (np.full((8, 8, 8), np.nan, np.float32), "not finite"),
        (np.linspace(-1, 1, 512, dtype=np.float32).reshape(8, 8, 8), "no Hounsfield units"),
    ],
)
def test_volumes_that_are_no_ct_are_one_line_before_the_model_is_loaded(
    run, small_sat, tmp_path, monkeypatch, voxels, words
):
    from FluoroSAMSlicerLib.segmentation import Labeller

    monkeypatch.setattr(Labeller, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "odd.nrrd"))
    output = tmp_path / "labels.seg.nrrd"
    result = run(
        "label", str(tmp_path / "odd.nrrd"), "--text", "liver", "--model", small_sat, "--output", str(output)
    )
    assert result.exit_code == 1 and words in result.stderr and not output.exists()
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent.nrrd", None, "no such file"),
        ("empty.nrrd", b"", "the file is empty"),
        ("text.nrrd", b"a CT of mine", "not a readable volume"),
    ],
)
def test_files_that_are_no_volume_are_one_line(run, small_sat, tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run("label", name, "--text", "liver", "--model", small_sat, "--output", str(tmp_path / "a.seg.nrrd"))
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1 and line.startswith(f"fluorosam: {name}: ") and words in line


def test_a_published_model_is_installed_with_its_text_encoder_and_no_licence_is_said(
    run, sat_fixture, user_models
):
    files = [str(sat_fixture / "like_nano.pth"), "--text-encoder", str(sat_fixture / "like_text_encoder.pth")]
    refused = run("models", "install", *files)
    assert refused.exit_code == 2 and "no licence stated by the authors" in refused.stdout
    done = run("models", "install", *files, "--accept-licence")
    # The tile of the published models is another than that of the reduced ones; the rest is the same.
    assert done.exit_code == 0 and "licence none stated" in done.stdout
    listed = json.loads(run("models", "list", "--json").stdout)
    entry = next(entry for entry in listed if entry["name"] == "sat")
    assert entry["licence"] == "none stated" and entry["origin"] == "installed"
    assert run("models", "verify", "sat").stdout.startswith("sat: intact")


def test_installing_without_the_text_encoder_or_with_another_s_leaves_nothing(run, sat_fixture, user_models):
    network, text = sat_fixture / "like_nano.pth", sat_fixture / "like_text_encoder.pth"
    for files, words in (
        ([network], "text encoder is needed"),
        ([text], "is a text encoder"),
        ([network, "--text-encoder", network], "not a text encoder"),
    ):
        result = run("models", "install", *map(str, files), "--accept-licence")
        assert result.exit_code == 1 and words in result.stderr
    assert not user_models.exists() or not list(user_models.iterdir())
