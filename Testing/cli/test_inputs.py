"""Files that are not there are told at once: before torch is imported, and so before any model is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from FluoroSAMSlicerLib.cli.inputs import fault, without_repeats
from PIL import Image

PROGRAM = "import sys; sys.modules['torch'] = None; from FluoroSAMSlicerLib.cli import main; main()"
"""With this entry, importing torch fails."""


@pytest.fixture
def told_at_once(tmp_path):
    """Run the program where torch cannot be imported, expect exit code 1 and return its only line."""
    folder = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer"

    def check(*arguments: object) -> str:
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120,
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(folder)}, check=False,
        )  # fmt: skip
        assert result.returncode == 1, result.stderr
        (line,) = result.stderr.splitlines()
        assert line.startswith("fluorosam: ") and "torch" not in line
        assert not (tmp_path / "out").exists()
        return line

    return check


@pytest.fixture
def manifest(tmp_path, image):
    """Write a manifest of one image and these structures, (text, mask); the mask "mask.png" is there."""
    Image.new("L", (120, 90), 255).save(tmp_path / "mask.png")

    def write(*structures: tuple[str, str]) -> Path:
        entry = {"image": image.name, "structures": [{"text": t, "mask": m} for t, m in structures]}
        path = tmp_path / "m.jsonl"
        path.write_text("\n".join([json.dumps(entry)] * 2), encoding="utf-8")
        return path

    return write


def test_an_image_that_is_absent(told_at_once):
    line = told_at_once("segment", "absent.dcm", "--text", "patella", "--output", "out")
    assert line.count("absent.dcm") == 1 and "No such file" in line


def test_a_file_that_is_no_image(told_at_once, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear colleague, " * 50)
    line = told_at_once("segment", "letter.txt", "--text", "patella", "--output", "out")
    assert "letter.txt" in line and "no image" in line


def test_a_run_that_is_absent(told_at_once):
    line = told_at_once("segment", "absent.dcm", "--text", "patella", "--frames", "all", "--output", "out")
    assert "absent.dcm" in line


@pytest.mark.parametrize("absent", ["ct", "labels", "names"])
def test_a_ct_its_labels_or_their_names_that_are_absent(told_at_once, image, absent):
    files = {"ct": image, "labels": image, "names": image, absent: "absent.nrrd"}
    line = told_at_once(
        "render", files["ct"], "--labels", files["labels"], "--names", files["names"], "--view", "PA",
        "--output", "out",
    )  # fmt: skip
    assert "absent.nrrd" in line


def test_a_ct_to_label_that_is_absent(told_at_once):
    assert "absent.nii.gz" in told_at_once(
        "label", "absent.nii.gz", "--text", "liver", "--output", "a.seg.nrrd"
    )


def test_a_manifest_that_is_absent(told_at_once):
    assert "absent.jsonl" in told_at_once("evaluate", "absent.jsonl", "--output", "out")


def test_a_mask_of_a_manifest_that_is_absent_is_named_once(told_at_once, manifest):
    line = told_at_once("evaluate", manifest(("patella", "absent.png")), "--output", "out")
    assert line.count("absent.png") == 1 and "no such mask" in line


def test_a_name_of_a_manifest_that_means_nothing_is_told_with_its_entry(told_at_once, manifest, image):
    line = told_at_once("evaluate", manifest(("patella", "mask.png"), ("xyzzy", "mask.png")), "--output", "out")
    assert "m.jsonl" in line and image.name in line and line.count("xyzzy") == 1


def test_a_misspelt_name_of_a_manifest_is_told_once_and_read_as_the_nearest(run, manifest, image, model_folder):
    result = run("evaluate", manifest(("femurr", "mask.png")), "--clicks", "0", "--model", model_folder)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
    assert image.name in line and '"femurr" was read as "femur"' in line


def test_names_do_not_matter_where_boxes_alone_are_asked_with(run, manifest, model_folder):
    made = manifest(("xyzzy", "mask.png"))
    result = run("evaluate", made, "--clicks", "0", "--start", "box", "--model", model_folder)
    assert result.exit_code == 0, result.output


def test_a_mask_that_is_no_picture_is_named_once(fails, manifest, tmp_path, model_folder):
    (tmp_path / "text.png").write_text("no picture")
    line = fails("evaluate", manifest(("patella", "text.png")), "--clicks", "0", "--model", model_folder)
    assert line.count("text.png") == 1


def test_what_can_be_read_has_no_fault(image, tmp_path):
    assert fault(image) is None and fault(tmp_path) is None
    (tmp_path / "empty.png").touch()
    assert "empty" in fault(tmp_path / "empty.png")


def test_a_file_is_itself_under_another_spelling(image, tmp_path):
    other = tmp_path / "b.png"
    other.write_bytes(image.read_bytes())
    spelled = tmp_path / "sub" / ".." / image.name
    (tmp_path / "sub").mkdir()
    assert without_repeats([image, other, spelled, image]) == ([image, other], [spelled, image])
