"""Jobs whose scene moves on while they run, on real nodes; work on another thread, cancellation, failures."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from FluoroSAMSlicerLib.mrml import SceneError
from FluoroSAMSlicerLib.mrml.segment.logic import Cancelled
from FluoroSAMSlicerLib.mrml.segment.prompts import SegmentPrompt
from FluoroSAMSlicerLib.segmentation import Prompt
from mrml.bench import (
    SquarePredictor,
    Together,
    drawn_by_hand,
    image_node,
    mask_of,
    new_scene,
    noise,
    replace_pixels,
    segment_logic,
)


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def logic(scene):
    return segment_logic(scene)


@pytest.fixture
def image(scene):
    return image_node(scene)


def answered(logic, request):
    """A request with the result that a worker thread made for it."""
    answer = []
    worker = threading.Thread(target=lambda: answer.append(logic.compute(request)))
    worker.start()
    worker.join(60)
    return request, answer[0]


def test_a_result_for_a_closed_scene_is_dropped_even_if_an_equal_one_was_opened(scene, logic, image):
    request, result = answered(logic, logic.textRequest(image, "left lung")[0])
    identifier = image.GetID()
    del image
    scene.Clear(0)
    same = image_node(scene)
    assert same.GetID() == identifier

    assert "no longer" in logic.stale(request)
    assert logic.apply(request, result) is None
    assert logic.segments(same) == []


@pytest.mark.parametrize("victim", ["volume", "segmentation", "record", "segment"])
def test_a_result_whose_nodes_were_deleted_meanwhile_is_dropped(scene, logic, image, victim):
    (segment,) = logic.segmentByText(image, "left lung")
    logic.addPoint(image, segment, ij=(50, 50))
    request, result = answered(logic, logic.clickRequest(image, segment))
    segmentation = logic.segmentationFor(image)
    if victim == "segment":
        segmentation.GetSegmentation().RemoveSegment(segment)
    else:
        record = scene.GetFirstNodeByName(f"FluoroSAM {image.GetName()}")
        scene.RemoveNode({"volume": image, "segmentation": segmentation, "record": record}[victim])

    assert logic.stale(request)
    assert logic.apply(request, result) is None
    assert segmentation.GetSegmentation().GetNumberOfSegments() == (0 if victim == "segment" else 1)


def test_a_result_for_pixels_that_changed_meanwhile_is_dropped(logic, image):
    request, result = answered(logic, logic.textRequest(image, "left lung")[0])
    replace_pixels(image, noise(seed=9))

    assert "changed" in logic.stale(request)
    assert logic.apply(request, result) is None and logic.segments(image) == []


def test_a_touched_image_with_the_same_pixels_keeps_its_result(logic, image):
    request, result = answered(logic, logic.textRequest(image, "left lung")[0])
    image.GetImageData().Modified()

    assert logic.apply(request, result) == "left_lung"
    assert logic.isEncoded(image)


def test_an_older_result_serves_until_a_newer_one_came_but_not_after_it(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    logic.addPoint(image, segment, ij=(10, 100))
    first = answered(logic, logic.clickRequest(image, segment))
    logic.movePoint(image, segment, 0, ij=(80, 100))
    second = answered(logic, logic.clickRequest(image, segment))

    assert logic.apply(*first) == segment and mask_of(logic, image, segment)[100, 10]
    assert logic.apply(*second) == segment and mask_of(logic, image, segment)[100, 80]
    third = answered(logic, logic.clickRequest(image, segment))
    fourth = answered(logic, logic.clickRequest(image, segment))
    assert logic.apply(*fourth) == segment and logic.apply(*third) is None
    assert logic.apply(*fourth) is None


def test_undo_while_a_job_runs_outdates_it(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    before = mask_of(logic, image, segment)
    logic.addPoint(image, segment, ij=(10, 100))
    job = answered(logic, logic.clickRequest(image, segment))
    requests = logic.undo(image)

    assert logic.apply(*job) is None
    for request in requests:
        logic.run(request)
    assert np.array_equal(mask_of(logic, image, segment), before)


def test_a_segment_removed_and_asked_for_anew_does_not_get_the_old_answer(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    logic.addPoint(image, segment, ij=(10, 100))
    job = answered(logic, logic.clickRequest(image, segment))
    logic.removeSegment(image, segment)
    (again,) = logic.segmentByText(image, "left lung")

    assert logic.apply(*job) is None
    assert logic.segmentState(image, again).positive == 0


def test_edits_made_while_a_job_runs_are_kept(logic, image):
    (segment,) = logic.segmentByText(image, "left lung")
    logic.addPoint(image, segment, ij=(10, 100))
    request, result = answered(logic, logic.clickRequest(image, segment))
    drawn_by_hand(logic, image, segment, slice(90, 95), slice(60, 90))
    edited = mask_of(logic, image, segment)

    with pytest.raises(SceneError, match="by hand"):
        logic.apply(request, result)
    assert np.array_equal(mask_of(logic, image, segment), edited)
    assert logic.apply(request, result, overwriteEdits=True) == segment


def test_two_names_in_flight_at_once_become_two_segments_in_one_step(logic, image):
    jobs = [answered(logic, request) for request in logic.textRequest(image, "left lung, right lung")]
    for job in reversed(jobs):
        logic.apply(*job)

    assert {state.name for state in logic.segments(image)} == {"left lung", "right lung"}
    logic.undoNow(image)
    assert logic.segments(image) == []


def test_names_asked_for_together_take_one_pass_of_a_model_that_can(scene):
    predictor = Together()
    logic = segment_logic(scene, predictor)
    image = image_node(scene)
    names = ["left lung", "right lung", "heart"]
    for request in logic.textRequest(image, ", ".join(names)):
        logic.apply(*answered(logic, request))
    assert predictor.passes == [names]
    assert [asked[0] for asked in predictor.asked] == names, "was asked for one by one"
    assert len(logic.segments(image)) == 3


def test_names_that_were_forgotten_are_asked_for_together_again(scene):
    predictor = Together()
    logic = segment_logic(scene, predictor)
    image = image_node(scene)
    for request in logic.textRequest(image, "left lung, heart"):
        logic.apply(*answered(logic, request))
    both = ["left lung", "heart"]
    (other,) = logic.textRequest(image, "right lung")
    assert other.asked.prompt.beside == ()
    logic.apply(*answered(logic, other))

    logic = segment_logic(scene, predictor)
    lung = logic.segments(image)[0].id
    logic.addPoint(image, lung, ij=(40, 50))
    logic.apply(*answered(logic, logic.clickRequest(image, lung)))
    assert predictor.passes == [both, both]

    stored = SegmentPrompt.from_dict(logic.clickRequest(image, lung).asked.to_dict())
    assert stored.prompt.beside == tuple(both) and len(stored.prompt.points) == 1
    logic.clearPoints(image, lung)
    assert logic.clickRequest(image, lung).asked.prompt == Prompt(text="left lung", beside=tuple(both))


def test_a_cancelled_job_raises_and_changes_nothing(logic, image):
    (request,) = logic.textRequest(image, "left lung")
    with pytest.raises(Cancelled):
        logic.compute(request, cancelled=lambda: True)

    assert logic.segments(image) == [] and not logic.canUndo(image)


def test_progress_rises_to_one(logic, image):
    heard = []
    logic.compute(logic.textRequest(image, "left lung")[0], progress=lambda *told: heard.append(told))

    fractions = [fraction for fraction, _ in heard]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert all(text for _, text in heard)


def test_another_model_reads_the_image_anew(scene, image):
    made = []

    def load(model, device):
        made.append((model, device, SquarePredictor()))
        return made[-1][2]

    from FluoroSAMSlicerLib.mrml.segment.logic import Logic

    logic = Logic(scene, load)
    logic.segmentByText(image, "left lung")
    logic.setModel("/models/large", "cpu")
    assert not logic.isEncoded(image)
    logic.segmentByText(image, "right lung")

    assert [one[:2] for one in made] == [("compact", "auto"), ("/models/large", "cpu")]
    assert all(len(one[2].encoded) == 1 for one in made)


def test_a_graphics_card_that_ran_full_is_told(scene, image):
    class Falling(SquarePredictor):
        device = "cuda"

        def encode(self, radiograph):
            self.device = "cpu"
            return super().encode(radiograph)

    logic = segment_logic(scene, Falling())
    result = logic.compute(logic.textRequest(image, "left lung")[0])
    assert "memory of cuda is full" in result.notes[0]


def test_no_memory_is_an_error_for_the_user(scene, image):
    class Greedy(SquarePredictor):
        def encode(self, radiograph):
            raise MemoryError

    with pytest.raises(SceneError, match="not enough memory"):
        segment_logic(scene, Greedy()).segmentByText(image, "left lung")


def test_closing_drops_what_is_under_way(logic, image):
    job = answered(logic, logic.textRequest(image, "left lung")[0])
    logic.close()

    assert logic.apply(*job) is None
    assert logic.segmentByText(image, "left lung")


def test_importing_the_logic_loads_neither_slicer_nor_torch():
    import subprocess
    import sys

    code = (
        "import sys, FluoroSAMSlicerLib.mrml.segment.logic, FluoroSAMSlicerLib.mrml.export\n"
        "heavy = {'slicer', 'vtk', 'vtkmodules', 'torch', 'transformers', 'numba'}\n"
        "heavy |= {'highdicom', 'SimpleITK', 'pydicom'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_is_read_on_any_thread_and_its_pixels_are_not_copied_again(scene, logic, pytestconfig):
    from FluoroSAMSlicerLib.radiograph import read_radiograph

    sample = pytestconfig.rootpath / "FluoroSAMSlicer" / "Resources" / "SampleData" / "chest_drr.dcm"
    read = []
    worker = threading.Thread(target=lambda: read.append(logic.readImage(sample)))
    worker.start()
    worker.join(60)
    image = logic.addImage(read[0], sample)
    request = logic.encodeRequest(image)
    assert request.pixels.plane is read[0].pixels
    assert np.array_equal(request.pixels.radiograph().pixels, read_radiograph(sample).pixels)

    replace_pixels(image, noise(*read[0].pixels.shape, seed=4))
    assert request.pixels.plane is not logic.encodeRequest(image).pixels.plane


def test_a_result_that_comes_while_the_scene_closes_is_dropped(scene, logic, image):
    request, result = answered(logic, logic.textRequest(image, "left lung")[0])
    given: list = []
    scene.AddObserver(scene.StartCloseEvent, lambda *_: given.append(logic.apply(request, result)))
    scene.Clear(0)
    assert given == [None]
