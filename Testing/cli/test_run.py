"""``fluorosam segment --frames``: from a run's file to one sequence, a table, pictures and a DICOM SEG."""

from __future__ import annotations

import csv
import json
import signal
import time

import click
import numpy as np
import pytest
from FluoroSAMSlicerLib.cli.run import read_frames
from PIL import Image
from runs.made import dicom_run, sliding


@pytest.fixture
def film(tmp_path):
    frames = (np.stack(sliding(6)) * 4000).astype(np.uint16)
    return dicom_run(tmp_path / "film.dcm", frames, CineRate=10, ImagerPixelSpacing=[0.4, 0.5])


def loaded(path):
    """Frames of labels, (N, H, W), and index values, as Slicer's own storage node reads them."""
    import slicer
    from vtkmodules.util.numpy_support import vtk_to_numpy

    scene = slicer.vtkMRMLScene()
    sequence = scene.AddNode(slicer.vtkMRMLSequenceNode())
    storage = slicer.vtkMRMLVolumeSequenceStorageNode()
    storage.SetFileName(str(path))
    scene.AddNode(storage)
    assert storage.ReadData(sequence)
    nodes = [sequence.GetNthDataNode(number) for number in range(sequence.GetNumberOfDataNodes())]
    assert {node.GetClassName() for node in nodes} == {"vtkMRMLLabelMapVolumeNode"}
    width, height, _ = nodes[0].GetImageData().GetDimensions()
    frames = [
        vtk_to_numpy(node.GetImageData().GetPointData().GetScalars()).reshape(height, width) for node in nodes
    ]
    values = [int(sequence.GetNthIndexValue(number)) for number in range(len(nodes))]
    return np.stack(frames), values, nodes[0].GetSpacing()


def table(path) -> list[dict]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_becomes_a_sequence_a_table_and_pictures(run, film, model_folder, tmp_path):
    result = run(
        "segment", film, "--text", "left femur", "--point", "right lung:60,60,+", "--frames", "all", "--model",
        model_folder, "--device", "cpu", "--overlay", "--json", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    folder = tmp_path / "out"
    labels, values, spacing = loaded(folder / "film.seg.seq.nrrd")
    assert values == [1, 2, 3, 4, 5, 6] and labels.shape == (6, 128, 128)
    assert spacing == pytest.approx((0.5, 0.4, 1.0))
    rows = table(folder / "film.csv")
    assert [(row["frame"], row["structure"]) for row in rows[:3]] == [
        ("1", "left femur"),
        ("1", "right lung"),
        ("2", "left femur"),
    ]
    assert len(rows) == 12 and float(rows[2]["time (s)"]) == pytest.approx(0.1)
    lung = next(row for row in rows if row["structure"] == "right lung")
    assert float(lung["area (mm2)"]) == pytest.approx(int(lung["pixels"]) * 0.2)
    assert sorted(path.name for path in (folder / "film_frames").iterdir()) == [
        f"{n:05d}.png" for n in range(1, 7)
    ]
    summary = json.loads((folder / "film.json").read_text(encoding="utf-8"))
    assert summary["done"] == [1, 2, 3, 4, 5, 6] and summary["structures"] == ["left femur", "right lung"]
    assert "6 of 6 frames" in result.stdout
    for name in ("left femur", "right lung"):
        (line,) = (one for one in result.stdout.splitlines() if one.startswith(f"  {name}"))
        scores = [float(row["predicted IoU"]) for row in rows if row["structure"] == name]
        assert f"score {np.mean(scores):.2f} (least {min(scores):.2f} in frame" in line
        assert summary["scores"][name]["least"] == pytest.approx(min(scores), abs=1e-4)


def test_a_range_and_a_start_bound_what_is_done(run, film, model_folder, tmp_path):
    result = run(
        "segment", film, "--point", "left femur:60,60,+", "--frames", "2-4", "--start", "3", "--model",
        model_folder, "--device", "cpu", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    labels, values, _ = loaded(tmp_path / "out" / "film.seg.seq.nrrd")
    assert values == [2, 3, 4]
    assert labels[1, 60, 60] == 1


def test_a_dicom_run_becomes_a_dicom_seg_whose_frames_refer_to_its_own(run, film, model_folder, tmp_path):
    highdicom = pytest.importorskip("highdicom")
    import pydicom

    result = run(
        "segment", film, "--text", "left femur", "--point", "right lung:60,60,+", "--frames", "1-3", "--model",
        model_folder, "--device", "cpu", "--dicom-seg", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    stored = highdicom.seg.segread(tmp_path / "out" / "film.seg.dcm")
    rows = {
        (int(row["frame"]), row["structure"]): int(row["pixels"])
        for row in table(tmp_path / "out" / "film.csv")
    }
    names = {item.SegmentNumber: item.SegmentLabel for item in stored.SegmentSequence}
    found = {}
    for groups, mask in zip(
        stored.PerFrameFunctionalGroupsSequence, stored.pixel_array.reshape(-1, 128, 128), strict=True
    ):
        frame = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        name = names[groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        assert list(groups.FrameContentSequence[0].DimensionIndexValues)[1] == frame
        found[frame, name] = int(mask.sum())
    assert found == {key: pixels for key, pixels in rows.items() if pixels}
    source = pydicom.dcmread(film, stop_before_pixels=True)
    item = stored.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_without_a_dicom_seg_the_rest_of_a_run_is_written(run, film, model_folder, tmp_path, monkeypatch):
    from FluoroSAMSlicerLib.mrml.export import ExportError, dicom_seg_run

    def refuse(*_):
        raise ExportError("All segments are empty.")

    monkeypatch.setattr(dicom_seg_run, "write_dicom_seg_run", refuse)
    result = run(
        "segment", film, "--text", "left femr", "--frames", "1-2", "--model", model_folder, "--device", "cpu",
        "--dicom-seg", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 1 and "the other files were: All segments are empty." in result.output
    assert 'note: "femr" was read as "femur"' in result.output
    assert {one.name for one in (tmp_path / "out").iterdir()} == {"film.csv", "film.seg.seq.nrrd"}


def test_pictures_of_an_earlier_call_do_not_stay(run, film, model_folder, tmp_path):
    for frames in ("all", "2-3"):
        asked = ("--frames", frames, "--model", model_folder, "--device", "cpu", "--overlay", "--output", "out")
        assert run("segment", film, "--text", "left femur", *asked).exit_code == 0
    pictures = {one.name for one in (tmp_path / "out" / "film_frames").iterdir()}
    assert pictures == {"00002.png", "00003.png"}


def test_a_folder_of_frames_has_no_dicom_seg(run, tmp_path):
    result = run("segment", tmp_path, "--text", "left femur", "--frames", "all", "--dicom-seg", "--output", "out")
    assert result.exit_code == 2 and "a folder of frames has none" in result.output


def test_a_change_of_the_picture_is_told_and_what_is_done_is_written(run, model_folder, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    pictures = [*sliding(3), *(frame[::-1, ::-1] * 0.5 for frame in sliding(2, side=128))]
    for number, frame in enumerate(pictures):
        Image.fromarray((frame * 255).astype(np.uint8)).save(folder / f"{number}.png")
    result = run(
        "segment", folder, "--point", "left femur:60,60,+", "--frames", "all", "--model", model_folder,
        "--device", "cpu", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Stopped at frame 4" in result.stdout and "3 of 5 frames" in result.stdout
    assert loaded(tmp_path / "out" / "frames.seg.seq.nrrd")[1] == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--frames", "0-3"), "numbers from 1"),
        (("--frames", "5-2"), "numbers from 1"),
        (("--frames", "all", "--frame", "2"), "no --frame"),
        (("--start", "2"), "give --frames"),
        (("--dicom-seg",), "give --frames"),
        (("--frames", "1-2", "--start", "3"), "give --frames 1-2,3"),
        (("--frames", "1,6", "--start", "3"), "give --frames 1,6,3"),
    ],
)
def test_wrong_usage_is_told_before_the_model_is_loaded(run, film, arguments, told):
    result = run("segment", film, "--text", "heart", *arguments, "--output", "out")
    assert result.exit_code == 2 and told in result.stderr


def test_one_frame_and_frames_that_are_not_there_are_told_in_one_line(fails, image, film, model_folder):
    more = ("--text", "heart", "--model", model_folder, "--device", "cpu", "--output", "out")
    assert "one frame only" in fails("segment", image, "--frames", "all", *more)
    assert "numbered 1 to 6" in fails("segment", film, "--frames", "9-12", *more)
    assert "no frame 9" in fails("segment", film, "--frames", "all", "--start", "9", *more)


def test_what_is_wrong_with_a_run_is_told_before_the_model_is_loaded(fails, film, no_model, tmp_path):
    more = ("--frames", "all", "--output", "out")
    (tmp_path / "bad.dcm").write_bytes(film.read_bytes()[:900])
    assert "no frame 9" in fails("segment", film, "--text", "heart", "--start", "9", *more)
    assert "outside the image" in fails("segment", film, "--point", "heart:900,20,+", *more)
    assert "bad.dcm" in fails("segment", "bad.dcm", "--text", "heart", *more)
    assert "absent.dcm" in fails("segment", "absent.dcm", "--text", "heart", *more)


def test_the_pictures_of_frames_to_look_at_say_so(film, monkeypatch):
    from types import SimpleNamespace

    from FluoroSAMSlicerLib.cli.run import picture_of_frame
    from FluoroSAMSlicerLib.runs import open_run
    from FluoroSAMSlicerLib.segmentation import overlay

    titles = []
    monkeypatch.setattr(overlay, "overlay", lambda _pixels, _layers, title, _spacing: titles.append(title))
    for doubts in ((), ("heart: jumped",)):
        picture_of_frame(open_run(film), [], SimpleNamespace(frame=2, masks=(), doubts=doubts))
    assert titles == ["film.dcm 3/6", "film.dcm 3/6: look at this frame"]


def test_frames_beyond_the_end_are_told_and_one_frame_is_no_frames(run, film, model_folder, tmp_path):
    result = run(
        "segment", film, "--text", "left femur", "--frames", "6-20", "--model", model_folder, "--device", "cpu",
        "--json", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "note: frames 7-20 are not there; the run has 6 frames" in result.stdout
    assert "1 of 1 frame," in result.stdout and "1 frames" not in result.stdout
    summary = json.loads((tmp_path / "out" / "film.json").read_text(encoding="utf-8"))
    assert summary["done"] == [6] and any("7-20" in note for note in summary["notes"])


def test_a_range_that_following_does_not_reach_is_told(run, model_folder, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate([*sliding(2), *(one[::-1, ::-1] * 0.5 for one in sliding(2))]):
        Image.fromarray((frame * 255).astype(np.uint8)).save(folder / f"{number}.png")
    result = run(
        "segment", folder, "--text", "left femur", "--frames", "1,4", "--start", "1", "--model", model_folder,
        "--device", "cpu", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "1 of 2 frames" in result.stdout and "Stopped at frame 3" in result.stdout


def test_frames_are_read_as_people_count_them():
    assert read_frames("all") is None and read_frames(" ALL ") is None
    assert read_frames("1-3, 7") == (0, 1, 2, 6)
    with pytest.raises(click.UsageError):
        read_frames("three")


def test_stopped_by_ctrl_c_what_is_done_is_written(start, model_folder, tmp_path):
    frames = (np.stack(sliding(400, (0, 0))) * 4000).astype(np.uint16)
    path = dicom_run(tmp_path / "long.dcm", frames)
    process = start(
        "segment", path, "--point", "left femur:60,60,+", "--frames", "all", "--model", model_folder,
        "--device", "cpu", "--output", "out",
    )  # fmt: skip
    process.stdout.readline()  # the model is loaded
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130 and "what was done is written" in told
    labels, values, _ = loaded(tmp_path / "out" / "long.seg.seq.nrrd")
    assert 1 <= len(values) < 400 and values[0] == 1
