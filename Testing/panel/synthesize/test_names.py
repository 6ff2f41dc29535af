"""Structures of a CT by name in the Synthesize tab: from a CT alone to an image with masks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from mrml.synthesize.bench import ct_node, phantom
from panel.synthesize.bench import Parameters, new_drr_bench


@pytest.fixture
def bench(application, tmp_path, small_sat):
    with new_drr_bench(application, tmp_path) as made:
        yield made


@pytest.fixture
def ct(bench):
    ct = ct_node(bench.scene)
    bench.ui.ctSelector.setCurrentNode(ct)
    bench.ui.columnsSpinBox.setValue(64)
    bench.ui.rowsSpinBox.setValue(56)
    bench.ui.pixelSpinBox.setValue(3.0)
    bench.wait()
    return ct


def find(bench, text: str):
    bench.ui.namesEdit.setText(text)
    bench.ui.namesButton.click()
    bench.wait()
    return bench.panel.context.labels


def names_of(node) -> list[str]:
    segments = node.GetSegmentation()
    return [segments.GetNthSegment(n).GetName() for n in range(segments.GetNumberOfSegments())]


def test_names_become_segments_and_an_image_with_masks_without_leaving_the_tab(bench, ct):
    node = find(bench, "liver, kidneys")
    assert bench.ui.labelsSelector.currentNode() is node and "found" in bench.message()
    assert set(names_of(node)) <= {"liver", "left kidney", "right kidney"} and names_of(node)
    segment = node.GetSegmentation().GetSegment(node.GetSegmentation().GetNthSegmentID(0))
    assert segment.GetColor() != (0.5, 0.5, 0.5) and segment.GetName() in segment_tag(
        segment, "FluoroSAM.prompt"
    )
    assert "SCT^" in segment_tag(segment, "TerminologyEntry")
    bench.ui.renderButton.click()
    bench.wait()
    truth = bench.logic.truthFor(bench.panel.context.image)
    assert truth is not None and truth.GetSegmentation().GetNumberOfSegments() > 0


def segment_tag(segment, name: str) -> str:
    from vtkmodules.vtkCommonCore import reference

    value = reference("")
    segment.GetTag(name, value)
    return str(value)


def test_segments_hold_what_the_labeller_found_voxel_by_voxel(bench, ct, small_sat):
    from FluoroSAMSlicerLib.drr import CTVolume
    from FluoroSAMSlicerLib.segmentation import Labeller
    from vtkmodules.util.numpy_support import vtk_to_numpy

    node = find(bench, "liver")
    wanted = Labeller.load(small_sat).label(CTVolume(phantom()[0], (-40, -60, -30), (2, 2.5, 3)), ["liver"])
    image = node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    low_i, high_i, low_j, high_j, low_k, high_k = image.GetExtent()
    whole = np.zeros(phantom()[0].shape, bool)
    inside = vtk_to_numpy(image.GetPointData().GetScalars())
    box = whole[low_k : high_k + 1, low_j : high_j + 1, low_i : high_i + 1]
    box[:] = inside.reshape(box.shape) > 0
    assert np.array_equal(whole, wanted.mask("liver")) and whole.any()


def test_further_names_join_the_first_and_a_name_asked_again_is_one_segment(bench, ct):
    first = find(bench, "liver")
    second = find(bench, "spleen, liver")
    assert second is first and sorted(names_of(first)) == ["liver", "spleen"]


def test_names_that_cannot_be_asked_for_are_told_and_the_scene_stays(bench, ct):
    before = bench.scene.GetNumberOfNodes()
    for text, words in (("knee", "can mean"), ("x" * 300, "200")):
        find(bench, text)
        assert words in bench.message()
    assert bench.panel.context.labels is None and bench.scene.GetNumberOfNodes() == before


def test_a_volume_that_is_no_ct_is_told_and_the_scene_stays(bench):
    bench.ui.ctSelector.setCurrentNode(ct_node(bench.scene, np.abs(phantom()[0]), "MR"))
    bench.wait()
    before = bench.scene.GetNumberOfNodes()
    find(bench, "liver")
    assert "no CT" in bench.message() and bench.scene.GetNumberOfNodes() == before


def test_nothing_to_look_for_or_in_means_no_button(bench):
    assert not bench.ui.namesButton.enabled
    bench.ui.namesEdit.setText("liver")
    assert not bench.ui.namesButton.enabled


def test_views_can_be_looked_at_while_names_are_searched_and_the_search_stopped(bench, ct, monkeypatch):
    import threading

    from FluoroSAMSlicerLib.mrml.segment.job import Cancelled

    begun = threading.Event()

    def endless(_request, cancelled, progress):
        begun.set()
        progress(0.4, "Window 2 of 5, about 3 min in all")
        while not cancelled():
            pass
        raise Cancelled

    monkeypatch.setattr(bench.logic._labels, "compute", endless)
    bench.ui.namesEdit.setText("liver")
    bench.ui.namesButton.click()
    bench.until(lambda: begun.is_set() and "Window 2 of 5" in bench.ui.namesProgressBar.text())
    before = bench.shown()
    bench.ui.primarySlider.setValue(60)
    bench.until(lambda: np.abs(bench.shown().astype(float) - before).mean() > 2)
    assert not bench.ui.namesButton.enabled and bench.panel.names.busy
    bench.ui.namesStopButton.click()
    bench.wait()
    assert bench.message().endswith("Stopped.") and bench.ui.namesButton.enabled


def estimated(bench) -> str:
    """What the tab says that the search will take, once it knows."""
    told = bench.ui.namesEstimateLabel
    bench.until(lambda: "window" in told.text and not told.isHidden())
    return told.text


def test_what_it_takes_is_said_before_it_starts_and_again_for_what_else_is_asked(bench, ct):
    assert bench.ui.namesEstimateLabel.isHidden()
    bench.ui.namesEdit.setText("liver")
    assert "about" in estimated(bench) and "done before" not in estimated(bench)
    assert bench.panel.context.labels is None and bench.ui.namesButton.enabled
    find(bench, "liver")
    assert "done before" in estimated(bench)
    bench.ui.namesEdit.setText("")
    assert bench.ui.namesEstimateLabel.isHidden()


def test_a_name_that_may_mean_several_is_told_while_it_is_typed(bench, ct):
    bench.ui.namesEdit.setText("knee")
    bench.until(lambda: "can mean" in bench.ui.namesEstimateLabel.text)


def test_a_region_of_interest_that_is_created_lies_around_the_ct_and_limits_the_search(bench, ct):
    whole = extent_of(find(bench, "liver"))
    bench.ui.namesRegionSelector.addNode()
    region, bounds, around = bench.panel.names.region, [0.0] * 6, [0.0] * 6
    ct.GetRASBounds(bounds)
    region.GetRASBounds(around)
    assert around == pytest.approx(bounds) and region.GetDisplayNode() is not None
    region.SetCenter(0, 20, 12)
    region.SetSize(40, 40, 30)
    assert bench.ui.namesEstimateLabel.isHidden(), "what is said is of the region as it was"
    estimated(bench)
    part = extent_of(find(bench, "liver"))
    assert all(low >= was for low, was in zip(part[0::2], whole[0::2], strict=True))
    assert part != whole and 2 * (part[1] - part[0]) <= 40 and 3 * (part[5] - part[4]) <= 30


def extent_of(node) -> tuple[int, ...]:
    return node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap").GetExtent()


def test_a_region_that_misses_the_ct_or_is_empty_is_told(bench, ct):
    region = bench.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    bench.ui.namesRegionSelector.setCurrentNode(region)
    find(bench, "liver")
    assert "R is empty" in bench.message()
    region.SetCenter(9000, 0, 0)
    region.SetSize(10, 10, 10)
    find(bench, "liver")
    assert "outside" in bench.message() and bench.panel.context.labels is None


def test_the_region_comes_back_with_the_scene(bench, ct):
    parameters = Parameters(bench.scene)
    bench.panel.setParameters(parameters)
    region = bench.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    bench.ui.namesRegionSelector.setCurrentNode(region)
    bench.panel.remember()
    bench.panel.setParameters(None)
    assert bench.panel.names.region is None
    bench.panel.setParameters(parameters)
    assert bench.panel.names.region is region


def test_values_that_are_no_hounsfield_units_are_told_before_the_model_is_loaded(bench, monkeypatch):
    from FluoroSAMSlicerLib.segmentation import Labeller

    monkeypatch.setattr(Labeller, "load", lambda *_: pytest.fail("the model was loaded"))
    scaled = phantom()[0].astype(np.float32) / 1000
    bench.ui.ctSelector.setCurrentNode(ct_node(bench.scene, scaled, "scaled"))
    bench.wait()
    find(bench, "liver")
    assert "no Hounsfield units" in bench.message()


def test_the_ct_that_went_away_meanwhile_is_told(bench, ct):
    request = bench.logic.labelRequest(ct, "liver")
    result = bench.logic.compute(request)
    bench.scene.RemoveNode(ct)
    with pytest.raises(Exception, match="no longer"):
        bench.logic.apply(request, result)


def test_without_a_model_one_sentence_and_a_button_tell_how_to_get_one(application, tmp_path, user_models):
    with new_drr_bench(application, tmp_path) as bench:
        ui = bench.ui
        assert ui.namesFrame.isHidden() and not ui.namesMissingFrame.isHidden()
        assert ui.namesHowLabel.isHidden()
        ui.namesHowButton.click()
        assert "fluorosam models install" in ui.namesHowLabel.text and not ui.namesHowLabel.isHidden()


def test_a_script_finds_structures_and_renders_them(bench, ct):
    labels = bench.logic.label(ct, "liver; left kidney", plan="fast")
    view = bench.logic.centred(bench.panel.context.view, ct, labels)
    image = bench.logic.render(ct, labels, view)
    assert bench.logic.truthFor(image) is not None


def test_the_line_shows_up_and_names_are_understood_without_torch(small_sat):
    """Images are rendered without torch; the tab must not ask for it before a structure is looked for."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from FluoroSAMSlicerLib.mrml.synthesize.labels import installed_label_models\n"
        "from FluoroSAMSlicerLib.sat import request\n"
        "from FluoroSAMSlicerLib.segmentation import LabelSettings\n"
        "print(installed_label_models(), len(request(['ribs']).names), LabelSettings('fast').modality)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "('small',) 24 ct", done.stderr
