"""What survives saving and reopening, and the kinds of images that come from real scenes and files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
import torch
from FluoroSAMSlicerLib.model import CompactTokenizer, FluoroSAM, Provenance, save_model
from FluoroSAMSlicerLib.model import train_tokenizer as trained
from FluoroSAMSlicerLib.mrml import NotOneImage, SceneError
from FluoroSAMSlicerLib.mrml.segment.logic import Cancelled, Logic
from FluoroSAMSlicerLib.segmentation import Predictor
from mrml.bench import (
    SquarePredictor,
    drawn_by_hand,
    image_node,
    mask_of,
    new_scene,
    noise,
    segment_logic,
    transform_node,
)
from small_networks import SMALL_SWIN


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """The compact network with random weights."""
    torch.manual_seed(0)
    config = SMALL_SWIN
    tokenizer = CompactTokenizer(trained(["left lung", "right lung", "heart"], 300), config.text.context)
    provenance = Provenance("random", "Apache-2.0", "made by a test")
    folder = save_model(FluoroSAM(config), tmp_path_factory.mktemp("model") / "random", provenance, tokenizer)
    return Predictor.load(folder, device="cpu", threads=1)


def reopened(scene, path, clear=True):
    """The scene after it was saved as a bundle and read into another one."""
    assert scene.WriteToMRB(str(path), None)
    other = new_scene()
    if not clear:
        image_node(other, name="already here")
        other.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    assert other.ReadFromMRB(str(path), clear)
    return other


@pytest.mark.parametrize("clear", [True, False])
def test_a_saved_scene_goes_on_where_it_was(scene, tmp_path, clear):
    logic, image = segment_logic(scene), image_node(scene)
    image.SetAndObserveTransformNodeID(transform_node(scene).GetID())
    lung, heart, edited = logic.segmentByText(image, "left lung, heart, Flurb")
    logic.click(image, lung, ij=(40, 100))
    logic.click(image, lung, ij=(60, 110), positive=False)
    logic.nextCandidate(image, lung)
    logic.setThreshold(image, heart, probability=0.7)
    logic.box(image, heart, (10, 20, 60, 70))
    logic.startFromSegment(image, heart)
    drawn_by_hand(logic, image, edited, slice(100, 110), slice(0, 30))

    other = reopened(scene, tmp_path / "scene.mrb", clear)
    again = segment_logic(other)
    same = other.GetFirstNodeByName("chest")
    assert [_told(state) for state in again.segments(same)] == [
        _told(state) for state in logic.segments(image)
    ]
    for segment in (lung, heart, edited):
        assert np.array_equal(mask_of(again, same, segment), mask_of(logic, image, segment))
        assert again.isEdited(same, segment) == (segment == edited)

    for logic_, image_ in ((logic, image), (again, same)):
        logic_.click(image_, lung, ij=(80, 100))
        logic_.click(image_, heart, ij=(80, 100))
    for segment in (lung, heart, edited):
        assert np.array_equal(mask_of(again, same, segment), mask_of(logic, image, segment))
    assert again.undoNow(same) and again.undoNow(same) and not again.canUndo(same)


def test_a_damaged_prompt_in_a_scene_leaves_the_rest_usable(scene):
    logic, image = segment_logic(scene), image_node(scene)
    lung, heart = logic.segmentByText(image, "left lung, heart")
    record = scene.GetFirstNodeByName("FluoroSAM chest")
    record.SetParameter("prompt left lung", json.dumps({"format": 99}))

    fresh = segment_logic(scene)
    assert [state.name for state in fresh.segments(image)] == ["left lung", "heart"]
    fresh.click(image, heart, ij=(40, 40))
    with pytest.raises(Exception, match="format 99"):
        fresh.click(image, lung, ij=(40, 40))
    assert fresh.undoNow(image)


def test_a_deleted_segmentation_is_replaced_by_an_empty_one(scene):
    logic, image = segment_logic(scene), image_node(scene)
    (lung,) = logic.segmentByText(image, "left lung")
    logic.click(image, lung, ij=(40, 100))
    scene.RemoveNode(logic.segmentationFor(image))

    assert logic.segments(image) == [] and not logic.canUndo(image)
    logic.segmentByText(image, "heart")
    assert [state.name for state in logic.segments(image)] == ["heart"]
    assert logic.undoNow(image) and logic.undoNow(image)
    (state,) = logic.segments(image)
    assert state.name == "left lung" and state.positive == 1


def test_a_stack_is_refused_with_its_number_of_slices_and_one_slice_of_it_taken(scene):
    logic = segment_logic(scene)
    stack = slicer.vtkMRMLScalarVolumeNode()
    voxels = np.random.default_rng(0).random((7, 40, 50)).astype(np.float32)
    slicer.util.updateVolumeFromArray(stack, voxels)
    stack.SetName("CT")
    stack = scene.AddNode(stack)
    stack.SetSpacing(1, 2, 3)
    with pytest.raises(NotOneImage, match="DRR tab") as raised:
        logic.checkVolume(stack)
    assert raised.value.slices == 7

    one = logic.sliceVolume(stack, 4)
    assert logic.checkVolume(one) is None
    assert np.array_equal(slicer.util.arrayFromVolume(one)[0], voxels[4])
    assert logic.rasFromPixel(one, 0, 0)[2] == 12
    assert logic.segmentByText(one, "left lung")
    with pytest.raises(SceneError, match="no slice 7"):
        logic.sliceVolume(stack, 7)


@pytest.mark.parametrize("kind", ["nothing", "empty", "labels", "model"])
def test_what_is_no_image_is_refused_in_words(scene, kind):
    classes = {"empty": "Scalar", "labels": "LabelMap"}
    node = None
    if kind == "model":
        node = scene.AddNewNodeByClass("vtkMRMLModelNode")
    elif kind != "nothing":
        node = scene.AddNewNodeByClass(f"vtkMRML{classes[kind]}VolumeNode")
    with pytest.raises(SceneError, match="[Cc]hoose|Load"):
        segment_logic(scene).checkVolume(node)


def test_a_colour_image_is_segmented_by_its_luminance(scene):
    logic = segment_logic(scene)
    node = slicer.vtkMRMLVectorVolumeNode()
    colours = np.random.default_rng(0).integers(0, 255, (1, 50, 70, 3), dtype=np.uint8)
    slicer.util.updateVolumeFromArray(node, colours)
    node.SetName("photo")
    node = scene.AddNode(node)
    (segment,) = logic.segmentByText(node, "left lung")
    assert mask_of(logic, node, segment).shape == (50, 70)


def test_each_frame_of_a_sequence_has_segments_of_its_own(scene):
    logic, image = segment_logic(scene), image_node(scene, name="run")
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    for number in range(3):
        frame = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(frame, noise(seed=number)[np.newaxis])
        sequence.SetDataNodeAtValue(frame, str(number))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    sequences = slicer.vtkSlicerSequencesLogic()
    sequences.SetMRMLScene(scene)
    sequences.UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    scene.RemoveNode(image)

    for number in (0, 2):
        browser.SetSelectedItemNumber(number)
        sequences.UpdateProxyNodesFromSequences(browser)
        assert logic.frameOf(proxy) == number
        logic.segmentByText(proxy, "left lung" if number else "heart")
        logic.showFrame(proxy)
    shared = logic.segmentationFor(proxy)
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    request = logic.textRequest(proxy, "right lung")[0]
    result = logic.compute(request)
    browser.SetSelectedItemNumber(0)
    sequences.UpdateProxyNodesFromSequences(browser)
    logic.showFrame(proxy)
    assert logic.segmentationFor(proxy) is shared and shared.GetDisplayVisibility()
    assert [state.name for state in logic.segments(proxy)] == ["heart"]

    logic.apply(request, result)
    assert [state.name for state in logic.segments(proxy)] == ["heart"]
    browser.SetSelectedItemNumber(2)
    sequences.UpdateProxyNodesFromSequences(browser)
    assert [state.name for state in logic.segments(proxy)] == ["left lung", "right lung"]


def test_a_monochrome1_file_is_segmented_bone_bright(scene, shared_data):
    from FluoroSAMSlicerLib.radiograph import read_radiograph

    path = shared_data("xray/dicom_synthetic/dx_monochrome1_14bit_voi_lut_sequence.dcm")
    seen = []

    class Looking(SquarePredictor):
        def encode(self, radiograph):
            seen.append(radiograph.pixels)
            return super().encode(radiograph)

    logic = segment_logic(scene, Looking())
    image = logic.loadImage(path)
    (segment,) = logic.segmentByText(image, "left lung")
    expected = read_radiograph(path).pixels
    assert np.array_equal(seen[0], expected)
    assert mask_of(logic, image, segment).shape == expected.shape


def test_fifty_segments_stay_apart_and_quick_to_list(scene):
    import time

    logic, image = segment_logic(scene), image_node(scene, 300, 400)
    ribs = [f"{side} rib {number}" for side in ("left", "right") for number in range(1, 13)]
    spine = [f"T{number} vertebra" for number in range(1, 13)] + [
        f"L{number} vertebra" for number in range(1, 6)
    ]
    names = ribs + spine + ["heart", "left lung", "right lung", "sacrum", "left femur", "right femur"]
    names += ["left clavicle", "right clavicle", "trachea"]
    segments = logic.segmentByText(image, "; ".join(names))
    assert len(set(segments)) == len(names) == 50
    before = mask_of(logic, image, segments[7])
    logic.click(image, segments[20], ij=(200, 200))

    start = time.perf_counter()
    assert len(logic.segments(image)) == 50
    assert time.perf_counter() - start < 1
    assert np.array_equal(mask_of(logic, image, segments[7]), before)
    assert logic.undoNow(image) and logic.undoNow(image) and logic.segments(image) == []


def test_an_image_of_36_megapixels(scene):
    logic, image = segment_logic(scene), image_node(scene, 6000, 6000)
    (segment,) = logic.segmentByText(image, "left lung")
    logic.click(image, segment, ij=(5900, 5800))

    mask = mask_of(logic, image, segment)
    assert mask.shape == (6000, 6000) and mask[5800, 5900]
    assert not logic.isEdited(image, segment)


def test_the_real_network_goes_the_same_way(scene, predictor, tmp_path):
    logic, image = Logic(scene, lambda model, device: predictor), image_node(scene, 240, 180)
    heard = []
    request = logic.encodeRequest(image)
    logic.apply(request, logic.compute(request, progress=lambda *told: heard.append(told[0])))
    assert logic.isEncoded(image) and len(heard) > 20 and heard == sorted(heard)

    (lung,) = logic.segmentByText(image, "left lung")
    direct = predictor.predict(request_embedding(logic, image), text="left lung")
    assert np.array_equal(mask_of(logic, image, lung), direct.mask)
    logic.click(image, lung, ij=(90, 120))
    logic.nextCandidate(image, lung)
    logic.startFromSegment(image, lung, overwriteEdits=True) if mask_of(logic, image, lung).any() else None
    logic.box(image, lung, (20, 30, 150, 200))
    before = mask_of(logic, image, lung)

    other = reopened(scene, tmp_path / "scene.mrb")
    again, same = Logic(other, lambda model, device: predictor), other.GetFirstNodeByName("chest")
    again.click(same, lung, ij=(60, 60))
    logic.click(image, lung, ij=(60, 60))
    assert np.array_equal(mask_of(again, same, lung), mask_of(logic, image, lung))
    logic.undoNow(image)
    assert np.array_equal(mask_of(logic, image, lung), before)


def test_reading_an_image_can_be_cancelled_between_the_networks_layers(scene, predictor):
    logic, image = Logic(scene, lambda model, device: predictor), image_node(scene, 100, 100, seed=8)
    heard = []

    def cancelled():
        return len(heard) > 8

    with pytest.raises(Cancelled):
        logic.compute(logic.encodeRequest(image), cancelled, lambda fraction, text: heard.append(fraction))
    assert heard[-1] < 0.8
    logic.run(logic.encodeRequest(image))
    assert logic.isEncoded(image)


def request_embedding(logic, image):
    return logic.clickRequest(image, logic.segments(image)[0].id).embedding


def _told(state) -> tuple:
    """What a list shows; colours are stored with six digits."""
    told = {name: getattr(state, name) for name in state.__dataclass_fields__}
    told["color"] = tuple(round(channel, 4) for channel in state.color)
    return tuple(told.values())
