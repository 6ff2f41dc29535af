"""``fluorosam segment`` from an image file to its files."""

from __future__ import annotations

import json
import shutil
import signal
import time

import numpy as np
import pytest
from FluoroSAMSlicerLib.cli.output import unique_stems
from PIL import Image


def segments(path):
    """The tags of every segment in a .seg.nrrd file, by segment name."""
    import slicer
    from FluoroSAMSlicerLib.mrml import load_segmentation

    node = load_segmentation(slicer.vtkMRMLScene(), path)
    segmentation = node.GetSegmentation()
    kept = ("FluoroSAM.prompt", "FluoroSAM.score", "FluoroSAM.model", "TerminologyEntry")
    every = [segmentation.GetNthSegment(number) for number in range(segmentation.GetNumberOfSegments())]
    return {segment.GetName(): {tag: _text(segment, tag) for tag in kept} for segment in every}


def _text(segment, tag):
    from vtkmodules.vtkCommonCore import reference

    value = reference("")
    return str(value) if segment.GetTag(tag, value) else None


def test_writes_segmentation_picture_and_summary(run, image, model_folder, tmp_path):
    result = run(
        "segment", image, "--text", "lt femur, heart", "--point", "left femur:60,45,+", "--point",
        "left femur:5,80,-", "--box", "patella:20,20,90,80", "--model", model_folder, "--device", "cpu",
        "--overlay", "--json", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    folder = tmp_path / "out"
    assert sorted(p.name for p in folder.iterdir()) == ["knee.json", "knee.overlay.png", "knee.seg.nrrd"]
    assert all(str(path.relative_to(tmp_path)) in result.stdout for path in folder.iterdir())

    found = segments(folder / "knee.seg.nrrd")
    assert list(found) == ["left femur", "heart", "patella"]
    tags = found["left femur"]
    assert tags["FluoroSAM.prompt"] == "lt femur; 60,45,+; 5,80,-"
    assert tags["FluoroSAM.model"].startswith("random ") and "Femur" in tags["TerminologyEntry"]
    assert found["patella"]["FluoroSAM.prompt"] == "patella; box 20,20,90,80"

    summary = json.loads((folder / "knee.json").read_text(encoding="utf-8"))
    assert summary["size"] == [120, 90] and summary["frame"] == 1
    assert summary["spacing_mm"] is None and summary["spacing_source"] == "unknown"
    assert summary["model"]["name"] == "random" and summary["model"]["licence"] == "Apache-2.0"
    assert {"read", "encode", "prompts", "write segmentation", "write overlay"} <= summary["seconds"].keys()
    femur = summary["structures"][0]
    assert (femur["typed"], femur["name"]) == ("lt femur", "left femur")
    assert femur["points"] == [[60, 45, 1], [5, 80, 0]]
    assert float(tags["FluoroSAM.score"]) == pytest.approx(femur["score"], abs=2e-4)
    assert femur["area_mm2"] is None

    with Image.open(folder / "knee.overlay.png") as picture:
        assert picture.mode == "RGB" and max(picture.size) >= 900


def test_summary_agrees_with_the_masks_in_millimetres(run, shared_data, model_folder, tmp_path):
    import SimpleITK as sitk

    path = shared_data("xray/dicom_synthetic/cr_12bit_rescale_two_windows_anisotropic_spacing.dcm")
    result = run(
        "segment", path, "--text", "spine", "--box", "spine:4,4,250,156", "--model", model_folder,
        "--device", "cpu", "--json", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    stem = path.name.removesuffix(".dcm")
    summary = json.loads((tmp_path / "out" / f"{stem}.json").read_text(encoding="utf-8"))
    (spine,) = summary["structures"]
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / f"{stem}.seg.nrrd")))
    assert spine["area_px"] == np.count_nonzero(stored) > 0
    x, y = summary["spacing_mm"]
    assert x != y and spine["area_mm2"] == pytest.approx(spine["area_px"] * x * y, rel=1e-4)
    assert summary["spacing_source"] != "unknown"
    x1, y1, x2, y2 = spine["box"]
    assert 0 <= x1 <= x2 < summary["size"][0] and 0 <= y1 <= y2 < summary["size"][1]


def test_a_frame_is_named_in_the_results(run, shared_data, model_folder, tmp_path):
    path = shared_data("xray/dicom_synthetic/xa_multiframe_12bit_imager_spacing_only.dcm")
    command = ("segment", path, "--text", "spine", "--model", model_folder, "--output", "out", "--json")
    ninth = run(*command, "--frame", 9)
    assert ninth.exit_code == 0 and "frame 9 of 9" in ninth.stdout
    (summary,) = (tmp_path / "out").glob("*_frame9.json")
    assert json.loads(summary.read_text(encoding="utf-8"))["frame"] == 9
    wrong = run(*command, "--frame", 99)
    assert wrong.exit_code == 1 and "no frame 99; it holds 9 frames, numbered 1 to 9" in wrong.stderr
    assert run(*command, "--frame", 0).exit_code == 2


def test_a_picture_can_be_said_to_be_inverted(run, image, model_folder, tmp_path):
    picture = np.asarray(Image.open(image).convert("L"))
    Image.fromarray(255 - picture).save(tmp_path / "dark.png")
    command = ("--text", "spine", "--model", model_folder, "--output", "out", "--json")
    assert run("segment", image, *command, "--no-invert").exit_code == 0
    assert run("segment", "dark.png", *command, "--invert").exit_code == 0
    shown, turned = (
        json.loads((tmp_path / "out" / f"{name}.json").read_text(encoding="utf-8"))["structures"]
        for name in (image.stem, "dark")
    )
    assert shown[0]["score"] == pytest.approx(turned[0]["score"], abs=1e-4)
    assert shown[0]["area_px"] == turned[0]["area_px"]


def test_many_images_load_the_model_once_and_one_failure_stops_no_other(
    run, image, model_folder, tmp_path, monkeypatch
):
    from FluoroSAMSlicerLib.segmentation import Predictor

    loads = []
    load = Predictor.load.__func__
    monkeypatch.setattr(
        Predictor,
        "load",
        classmethod(lambda cls, *args, **kwargs: loads.append(args) or load(cls, *args, **kwargs)),
    )
    broken = tmp_path / "broken.png"
    broken.write_bytes(image.read_bytes()[:60])
    other = tmp_path / "visit 2" / "knee.png"
    other.parent.mkdir()
    shutil.copy(image, other)
    result = run(
        "segment",
        image,
        broken,
        "absent.dcm",
        other,
        "--text",
        "patella",
        "--model",
        model_folder,
        "--output",
        "out",
    )
    assert result.exit_code == 1
    assert len(loads) == 1
    first, second = result.stderr.splitlines()
    assert "absent.dcm" in first and str(broken) in second
    assert "2 of 4 images segmented" in result.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["knee.seg.nrrd", "visit 2_knee.seg.nrrd"]


def test_a_file_given_twice_is_done_once_and_that_is_told(run, image, model_folder, tmp_path):
    result = run("segment", image, image, "--text", "patella", "--model", model_folder, "--output", "out")
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert image.name in line and "more than once" in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["knee.seg.nrrd"]
    assert result.stdout.count("score") + result.stdout.count("nothing found") == 1


def test_a_name_that_means_nothing_stops_no_other(run, image, model_folder, tmp_path):
    result = run(
        "segment", image, "--text", "patella, xyzzy, heart", "--text", "phalanx", "--point", "qwrty:3,4,+",
        "--model", model_folder, "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 1
    assert list(segments(tmp_path / "out" / "knee.seg.nrrd")) == ["patella", "heart"]
    first, second, third = result.stderr.splitlines()
    assert "xyzzy" in first and "phalanx" in second and "qwrty" in third


def test_names_that_all_mean_nothing_are_told_and_nothing_is_loaded(run, image, tmp_path):
    result = run("segment", image, "--text", "xyzzy, qwrty", "--model", "absent", "--output", "out")
    assert result.exit_code == 1 and not (tmp_path / "out").exists()
    first, second = result.stderr.splitlines()
    assert "xyzzy" in first and "qwrty" in second


def test_results_of_equal_names_do_not_meet(tmp_path):
    paths = [
        tmp_path / name for name in ("a/x.dcm", "b/x.dcm", "b/X.png", "b/x.tif", "1.2.840.7", "ct.nii.gz")
    ]
    assert unique_stems(paths) == ["x", "b_x", "X_2", "x_3", "1.2.840.7", "ct"]


def test_an_older_result_is_replaced(run, image, model_folder, tmp_path):
    command = ("segment", image, "--model", model_folder, "--output", "out", "--text")
    assert run(*command, "patella").exit_code == 0
    assert run(*command, "heart").exit_code == 0
    assert list(segments(tmp_path / "out" / "knee.seg.nrrd")) == ["heart"]
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_interrupted_work_leaves_whole_files_only(start, image, model_folder, tmp_path):
    many = [tmp_path / f"knee{number}.png" for number in range(200)]
    for path in many:
        shutil.copy(image, path)
    process = start(
        "segment", *many, "--text", "patella", "--overlay", "--model", model_folder, "--output", "out"
    )
    process.stdout.readline()
    deadline = time.monotonic() + 200
    while len(list((tmp_path / "out").glob("knee*.seg.nrrd"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 130 and err.splitlines()[-1] == "fluorosam: stopped"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert not [name for name in names if name.startswith(".")]
    finished = {name.removesuffix(".seg.nrrd") for name in names if name.endswith(".seg.nrrd")}
    pictures = {name.removesuffix(".overlay.png") for name in names if name.endswith(".overlay.png")}
    assert len(finished) >= 2 and finished == pictures and len(finished) < len(many)


def test_a_part_is_asked_for_as_the_whole_and_corrections_are_told(run, image, model_folder, tmp_path):
    result = run(
        "segment", image, "--text", "left olecranon", "--text", "left humorus",
        "--text", "left tibial plateau, left tibia",
        "--model", model_folder, "--device", "cpu", "--json", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "left olecranon: part of left ulna, which the model was asked for" in result.stdout
    told = [line.split("  score")[0].split("  nothing")[0].strip() for line in result.stdout.splitlines()]
    assert "left olecranon (as left ulna)" in told and "left tibial plateau (as left tibia)" in told
    assert "left tibia" in told
    assert '"humorus" was read as "humerus"' in result.stdout
    summary = json.loads((tmp_path / "out" / "knee.json").read_text(encoding="utf-8"))
    by_name = {one["name"]: one for one in summary["structures"]}
    assert list(by_name) == ["left olecranon", "left humerus", "left tibial plateau", "left tibia"]
    assert by_name["left olecranon"]["part_of"] == "left ulna" and by_name["left tibia"]["part_of"] is None
    assert by_name["left humerus"]["corrections"] == [["humorus", "humerus"]]
    assert by_name["left tibial plateau"]["area_px"] == by_name["left tibia"]["area_px"]
    assert any("part of left ulna" in note for note in summary["notes"])
    assert list(segments(tmp_path / "out" / "knee.seg.nrrd")) == list(by_name)


def test_the_picture_s_legend_names_the_whole_whose_mask_a_part_has(run, image, model_folder, monkeypatch):
    from FluoroSAMSlicerLib.segmentation import overlay

    drawn = []
    real = overlay.overlay
    monkeypatch.setattr(
        overlay, "overlay", lambda pixels, layers, *more: drawn.extend(layers) or real(pixels, layers, *more)
    )
    result = run(
        "segment", image, "--text", "right tibial plateau, right femur", "--model", model_folder, "--overlay",
        "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert [layer.name for layer in drawn] == ["right tibial plateau (as right tibia)", "right femur"]


def test_a_picture_that_is_turned_says_so(run, image, model_folder, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    with Image.open(image) as picture:
        width, height = picture.size
        picture.save(tmp_path / "turned.png", exif=exif)
    result = run("segment", "turned.png", "--text", "heart", "--model", model_folder, "--output", "out")
    assert result.exit_code == 0, result.output
    assert "note: turned as the file asks" in result.stdout and f"{height} x {width} pixels" in result.stdout


def test_an_answer_that_the_model_doubts_is_told_as_unsure(run, image, model_folder):
    result = run("segment", image, "--text", "left femur", "--model", model_folder, "--json", "--output", "out")
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("  left femur")]
    score = float(line.split("score ")[1].split()[0])
    assert line.endswith("unsure") == (score < 0.5)
