"""Runs from files: which frames, when they were taken, what is hidden, how little is read."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph
from FluoroSAMSlicerLib.runs import RunError, Subtraction, open_run
from PIL import Image
from pydicom.dataset import Dataset
from runs.made import dicom_run, scene


@pytest.fixture
def frames():
    return np.stack([scene(48, 64, seed) * 4000 for seed in range(5)]).astype(np.uint16)


def test_a_frame_of_a_run_is_what_reading_it_alone_gives(tmp_path, frames):
    path = dicom_run(tmp_path / "run.dcm", frames)
    run = open_run(path)
    assert run.count == 5
    for number in (3, 0, 4):
        alone = read_radiograph(path, number)
        np.testing.assert_array_equal(run.radiograph(number).pixels, alone.pixels)
        assert run.radiograph(number).frame == number


@pytest.mark.parametrize(
    ("attributes", "times"),
    [
        ({"FrameIncrementPointer": 0x00181063, "FrameTime": 40}, (0, 0.04, 0.08, 0.12, 0.16)),
        (
            {"FrameIncrementPointer": 0x00181065, "FrameTimeVector": [0, 100, 50, 50, 200], "FrameTime": 40},
            (0, 0.1, 0.15, 0.2, 0.4),
        ),
        ({"FrameIncrementPointer": 0x00181065, "FrameTimeVector": [0, 10], "FrameTime": 40}, None),
        ({"CineRate": 10}, (0, 0.1, 0.2, 0.3, 0.4)),
        ({}, ()),
    ],
)
def test_the_header_says_when_frames_were_taken(tmp_path, frames, attributes, times):
    run = open_run(dicom_run(tmp_path / "run.dcm", frames, **attributes))
    # A vector of another length than the run says nothing; the frame time does.
    assert run.times == pytest.approx(times if times is not None else (0, 0.04, 0.08, 0.12, 0.16))


def test_what_is_behind_a_rectangular_and_a_circular_shutter_is_nought(tmp_path, frames):
    edges = {
        "ShutterShape": ["RECTANGULAR", "CIRCULAR"],
        "ShutterLeftVerticalEdge": 11,
        "ShutterRightVerticalEdge": 60,
        "ShutterUpperHorizontalEdge": 1,
        "ShutterLowerHorizontalEdge": 48,
        "CenterOfCircularShutter": [24, 32],
        "RadiusOfCircularShutter": 20,
    }
    run = open_run(dicom_run(tmp_path / "run.dcm", frames, **edges))
    assert not run.shown[:, :10].any() and run.shown[23, 31] and not run.shown[0, 31]
    assert run.radiograph(1).pixels[~run.shown].max() == 0 < run.radiograph(1).pixels[run.shown].min() + 1e-9
    assert any("shutter" in note for note in run.notes)


def test_a_polygonal_shutter_is_recognised(tmp_path, frames):
    corners = [1, 1, 1, 64, 48, 1]
    run = open_run(
        dicom_run(
            tmp_path / "run.dcm", frames, ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=corners
        )
    )
    assert run.shown[0, 0] and run.shown[0, 63] and not run.shown[47, 63]


def test_a_mask_for_subtraction_is_recognised_and_said(tmp_path, frames):
    item = Dataset()
    item.MaskOperation, item.MaskFrameNumbers, item.ApplicableFrameRange = "AVG_SUB", [1, 2], [3, 5]
    run = open_run(dicom_run(tmp_path / "run.dcm", frames, MaskSubtractionSequence=[item]))
    assert run.subtraction == (Subtraction("AVG_SUB", (0, 1), (2, 3, 4)),)
    assert any("subtraction" in note and "1, 2" in note for note in run.notes)


def test_one_frame_is_no_run(tmp_path, frames):
    path = dicom_run(tmp_path / "one.dcm", frames[:1])
    with pytest.raises(RunError, match="one frame only"):
        open_run(path)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "only.png")
    with pytest.raises(RunError, match="one frame only"):
        open_run(tmp_path / "only.png")


def test_a_frame_beyond_the_end_is_refused_by_its_number(tmp_path, frames):
    run = open_run(dicom_run(tmp_path / "run.dcm", frames))
    with pytest.raises(RunError, match="no frame 6; its frames are numbered 1 to 5"):
        run.radiograph(5)


def test_a_folder_is_a_run_in_the_order_of_its_numbers(tmp_path):
    for number in (10, 9, 1):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(tmp_path / f"frame{number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    run = open_run(tmp_path)
    values = [round(float(run.radiograph(number).pixels[0, 0] * 255)) for number in range(run.count)]
    assert values == [1, 9, 10]


def test_dicom_files_of_a_folder_follow_their_instance_numbers(tmp_path, frames):
    for name, number in (("a", 3), ("b", 1), ("c", 2)):
        dicom_run(tmp_path / f"{name}.dcm", frames[number : number + 1], InstanceNumber=number)
    run = open_run(tmp_path)
    for place in range(3):
        expected = read_radiograph(tmp_path / f"{'bca'[place]}.dcm")
        np.testing.assert_array_equal(run.radiograph(place).pixels, expected.pixels)


def test_an_empty_folder_is_no_run(tmp_path):
    with pytest.raises(RunError, match="holds no frames"):
        open_run(tmp_path)


def test_a_frame_cut_off_is_told_with_the_file(tmp_path, frames):
    path = dicom_run(tmp_path / "run.dcm", frames)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(RadiographError, match="run.dcm"):
        open_run(path).radiograph(4)


def test_only_the_frame_that_is_asked_for_is_in_memory(tmp_path):
    frames = np.zeros((40, 512, 512), np.uint16)
    frames[:] = (scene(512, 512) * 4000).astype(np.uint16)
    path = dicom_run(tmp_path / "run.dcm", frames)
    size = frames.nbytes
    del frames
    tracemalloc.start()
    run = open_run(path)
    for number in (0, 20, 39):
        run.radiograph(number)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Five float32 copies of a frame, less than the whole run (21 MB).
    assert peak < size / 2


def test_a_real_multi_frame_file_opens(shared_data):
    run = open_run(shared_data("xray/dicom_synthetic/xa_multiframe_12bit_imager_spacing_only.dcm"))
    assert run.count == 9
    assert run.times[1] == pytest.approx(0.066)
