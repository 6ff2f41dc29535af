"""Images of every kind on their way through the panel."""

from __future__ import annotations

import time

import numpy as np
import pytest
import slicer
from mrml.bench import mask_of, noise, place
from panel.bench import MODULE, new_bench
from PIL import Image


def choose(bench, voxels: np.ndarray, kind: str = "vtkMRMLScalarVolumeNode", name: str = "film"):
    node = bench.scene.AddNewNodeByClass(kind, name)
    slicer.util.updateVolumeFromArray(node, voxels)
    bench.ui.imageSelector.setCurrentNode(node)
    bench.wait()
    return node


def grey(height: int = 120, width: int = 90) -> np.ndarray:
    return (noise(height, width) * 4095).astype(np.uint16)[np.newaxis]


def test_nothing_is_done_without_an_image(bench):
    for button in (bench.ui.segmentButton, bench.ui.addButton, bench.ui.undoButton, bench.ui.exportButton):
        assert not button.enabled
    bench.ui.textEdit.setText("heart")
    bench.ui.textEdit.returnPressed.emit()
    bench.panel.prompting.newSegment()
    bench.panel.prompting.undo()
    bench.wait()
    assert bench.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_text_that_is_no_name_is_a_message(bench, image):
    for text in (", ,", "x" * 300):
        bench.ui.textEdit.setText(text)
        bench.ui.segmentButton.click()
        bench.wait()
        assert bench.ui.meaningLabel.text and bench.names() == []


def test_a_colour_picture_is_segmented(bench):
    node = choose(
        bench,
        np.repeat((noise() * 255).astype(np.uint8)[np.newaxis, ..., None], 3, 3),
        "vtkMRMLVectorVolumeNode",
    )
    assert bench.panel.context.volume is node and "pixel size unknown" in bench.ui.imageInfoLabel.text
    bench.ask("heart")
    assert mask_of(bench.logic, node, bench.state().id).any()


@pytest.mark.parametrize(
    "directions",
    [
        ((-1, 0, 0), (0, 0, -1), (0, 1, 0)),
        ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
        ((0.6, 0.8, 0), (0.8, -0.6, 0), (0, 0, -1)),
    ],
    ids=["coronal", "sagittal", "turned"],
)
def test_clicks_hit_the_pixel_whatever_the_orientation(bench, directions):
    node = choose(bench, grey())
    place(node, directions, (12.0, -30.0, 7.0), (0.3, 0.2, 1.0))
    red = bench.red().mrmlSliceNode()
    # As Slicer turns a view to the plane of an image.
    toRas = slicer.vtkMRMLSliceNode.GetSliceToRAS(red)
    for column, direction in enumerate((directions[0], [-one for one in directions[1]], directions[2])):
        for row in range(3):
            toRas.SetElement(row, column, direction[row])
    red.UpdateMatrices()
    red.JumpSliceByCentering(*bench.at(45, 60))
    red.SetFieldOfView(40, 40, 1)

    bench.ui.addButton.click()
    bench.red().click(bench.at(60, 100))
    bench.wait()
    points = bench.logic.pointsNode(node, bench.state().id)
    x, y = bench.logic.pixelFromRas(node, points.GetNthControlPointPositionWorld(0))
    assert abs(x - 60) < 0.6 and abs(y - 100) < 0.6
    assert mask_of(bench.logic, node, bench.state().id)[100, 60]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_dicom_of_either_polarity_comes_bone_bright(bench, tmp_path, photometric):
    from pydicom import dcmread

    data = dcmread(MODULE / "Resources" / "SampleData" / "chest_drr.dcm")
    stored = data.pixel_array
    if photometric == "MONOCHROME1":
        data.PixelData = (4095 - stored).astype("<u2").tobytes()
        data.PhotometricInterpretation, data.PresentationLUTShape = photometric, "INVERSE"
        data.PixelIntensityRelationshipSign = 1
    data.save_as(tmp_path / "chest.dcm")
    bench.panel.image.load(tmp_path / "chest.dcm")
    bench.wait()
    shown = slicer.util.arrayFromVolume(bench.panel.context.volume)[0]
    assert np.corrcoef(shown.ravel(), stored.ravel())[0, 1] > 0.95
    assert "0.5 mm at the detector" in bench.ui.imageInfoLabel.text


def test_a_png_has_no_pixel_size_and_is_said_to_have_none(bench, tmp_path):
    Image.fromarray((noise() * 255).astype(np.uint8)).save(tmp_path / "hand.png")
    bench.dialogs.path = tmp_path / "hand.png"
    bench.ui.loadImageButton.click()
    bench.wait()
    assert bench.ui.imageInfoLabel.text.startswith("90 \u00d7 120, pixel size unknown")


@pytest.fixture
def run(bench):
    """A sequence of three frames with the browser and proxy that Slicer makes for an XA or RF run."""
    sequence = bench.scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    for number in range(3):
        item = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(item, (noise(seed=number) * 255).astype(np.uint8)[np.newaxis])
        sequence.SetDataNodeAtValue(item, str(number))
    browser = bench.scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    logic = slicer.vtkSlicerSequencesLogic()
    logic.SetMRMLScene(bench.scene)
    logic.UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    bench.ui.imageSelector.setCurrentNode(proxy)
    bench.wait()

    def show(number: int) -> None:
        browser.SetSelectedItemNumber(number)
        logic.UpdateProxyNodesFromSequences(browser)
        proxy.InvokeEvent(slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
        bench.until(lambda: bench.ui.runLabel.text.startswith(f"Frame {number + 1} of "))
        bench.wait()

    return show


def test_every_frame_of_a_run_has_its_own_segments(bench, run):
    assert bench.ui.runLabel.text.startswith("Frame 1 of ")
    bench.ask("heart")
    run(1)
    assert bench.names() == [] and bench.ui.segmentTable.rowCount == 0
    bench.ask("left lung")
    run(0)
    assert bench.names() == ["heart"]
    run(1)
    assert bench.names() == ["left lung"]


def test_an_image_of_6000_by_6000_leaves_the_panel_responsive(application, tmp_path):
    """No single turn of the main thread takes long; its processor time is measured, since the worker and
    other programs take their share of the clock."""
    with new_bench(application, tmp_path) as bench:
        node = bench.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "large")
        slicer.util.updateVolumeFromArray(node, np.tile(grey(600, 600), (1, 10, 10)))
        turns: list[float] = []

        def turn(action=None) -> None:
            start = time.thread_time()
            if action is not None:
                action()
            application.processEvents()
            turns.append(time.thread_time() - start)

        def work(action) -> None:
            turn(action)
            while bench.panel.jobs.busy:
                turn()
            bench.wait(60)

        work(lambda: bench.ui.imageSelector.setCurrentNode(node))
        bench.ui.textEdit.setText("heart")
        work(bench.ui.segmentButton.click)
        bench.ui.addButton.click()
        work(lambda: bench.red().click(bench.at(3000, 3000)))
        assert bench.names() == ["heart"] and bench.state().positive == 1
        assert mask_of(bench.logic, node, bench.state().id)[3000, 3000]
        assert max(turns) < 0.2, sorted(turns)[-5:]


def test_the_panel_stays_at_work_while_a_file_is_read(bench, tmp_path, monkeypatch):
    """Neither another answer nor a view waits for a slow disk."""
    import threading

    from FluoroSAMSlicerLib import radiograph

    ready, read = threading.Event(), radiograph.read_radiograph
    threads: list[str] = []

    def slow(path, frame=0):
        threads.append(threading.current_thread().name)
        assert ready.wait(20)
        return read(path, frame)

    monkeypatch.setattr(radiograph, "read_radiograph", slow)
    first = bench.add_image(name="first")
    Image.fromarray((255 * noise(60, 50)).astype(np.uint8)).save(tmp_path / "second.png")
    bench.panel.image.load(tmp_path / "second.png")
    bench.ui.textEdit.setText("heart")
    bench.ui.segmentButton.click()
    bench.until(lambda: bench.names() == ["heart"])
    assert bench.panel.context.volume is first and bench.panel.jobs.busy

    ready.set()
    bench.wait()
    assert bench.panel.context.volume.GetName() == "second" and threads != [threading.main_thread().name]


def test_a_file_that_was_read_for_a_closed_scene_does_not_come_into_the_next(bench, tmp_path):
    Image.fromarray((255 * noise(60, 50)).astype(np.uint8)).save(tmp_path / "late.png")
    bench.panel.image.load(tmp_path / "late.png")
    bench.until(lambda: not bench.panel.jobs._files._reports.empty())
    bench.panel.setParameters(None)
    bench.scene.Clear(0)
    bench.wait()
    assert bench.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
