"""A scene that is closed, with a real subject hierarchy in it: segmentations that have left it stay silent."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from mrml.bench import image_node
from panel.test_module import opened, widget, working  # noqa: F401
from panel.test_tabs import rendered

SEGMENT_EVENTS = ("SegmentAdded", "SegmentRemoved", "SegmentModified")


class Hierarchy:
    """What Slicer's subject hierarchy does for segmentations: an item for each as it comes, none from the moment it
    is about to go, and a complaint of every change of segments without an item.

    Its plugins need Qt; the node they keep is the real one.
    """

    def __init__(self, scene) -> None:
        self.scene, self.complaints = scene, []
        self.node = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        self._watched: set[str] = set()
        kind = slicer.vtkMRMLScene
        scene.AddObserver(kind.NodeAddedEvent, self._onAdded)
        scene.AddObserver(kind.NodeAboutToBeRemovedEvent, self._onGoing)
        self._onAdded()

    def _all(self) -> list:
        kind = "vtkMRMLSegmentationNode"
        return [
            self.scene.GetNthNodeByClass(number, kind)
            for number in range(self.scene.GetNumberOfNodesByClass(kind))
        ]

    def hierarchy(self):
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)

    def _onAdded(self, *_) -> None:
        for node in self._all():
            if node.GetAddressAsString("") not in self._watched:
                self._watched.add(node.GetAddressAsString(""))
                there = self.hierarchy()
                there.CreateItem(there.GetSceneItemID(), node)
                for name in SEGMENT_EVENTS:
                    event = getattr(slicer.vtkSegmentation, name)
                    node.AddObserver(event, lambda node, _event, name=name: self._onSegments(node, name))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onGoing(self, _scene, _event, node) -> None:
        if isinstance(node, slicer.vtkMRMLSegmentationNode):
            there = self.hierarchy()
            item = there.GetItemByDataNode(node)
            if item:
                there.RemoveItem(item, False)

    def _onSegments(self, node, event: str) -> None:
        there = self.hierarchy()
        if there is None or not there.GetItemByDataNode(node):
            self.complaints.append((event, node.GetName()))


@pytest.fixture
def hierarchy(opened) -> Hierarchy:  # noqa: F811
    return Hierarchy(opened.scene)


def closed(bench) -> None:
    bench.scene.Clear(0)
    for _ in range(30):
        bench.application.processEvents()


def test_the_hierarchy_here_complains_as_slicers_does(opened, hierarchy):  # noqa: F811
    from FluoroSAMSlicerLib.anatomy import resolve
    from FluoroSAMSlicerLib.mrml import segmentation_node, set_segment

    image = image_node(opened.scene)
    node = segmentation_node(opened.scene, image, "masks")
    set_segment(node, image, resolve("heart"), image_mask(image), {})
    assert hierarchy.complaints == []
    opened.scene.RemoveNode(node)
    node.GetSegmentation().GetNthSegment(0).SetName("renamed")
    assert hierarchy.complaints == [("SegmentModified", "masks")]


def image_mask(image) -> np.ndarray:
    width, height, _slices = image.GetImageData().GetDimensions()
    mask = np.zeros((height, width), bool)
    mask[2:9, 3:12] = True
    return mask


def test_segments_with_clicks_boxes_and_colours(opened, widget, hierarchy):  # noqa: F811
    bench = working(opened, widget, "heart, left lung")
    bench.ui.addButton.click()
    bench.red().click(bench.at(50, 50))
    bench.wait()
    bench.panel.onColor((0.1, 0.2, 0.3))
    closed(bench)
    assert hierarchy.complaints == []


def test_names_under_way_and_a_threshold_that_moves(opened, widget, hierarchy):  # noqa: F811
    bench = working(opened, widget)
    bench.ui.thresholdSlider.dragged(0.7)
    bench.panel.onAsk("liver, left lung, right lung")
    closed(bench)
    bench.until(lambda: not bench.panel.jobs.busy)
    assert hierarchy.complaints == []


def test_a_rendered_image_its_truth_and_its_check(opened, widget, hierarchy):  # noqa: F811
    bench = working(opened, widget)
    rendered(bench, widget)
    widget.synthesis.ui.diceButton.click()
    bench.until(lambda: not widget.synthesis.busy, 60)
    closed(bench)
    assert hierarchy.complaints == []


def test_a_check_under_way(opened, widget, hierarchy):  # noqa: F811
    bench = working(opened, widget)
    rendered(bench, widget)
    widget.synthesis.ui.diceButton.click()
    bench.until(lambda: widget.synthesis._answers or not widget.synthesis.busy, 60)
    closed(bench)
    bench.until(lambda: not widget.synthesis.busy)
    assert hierarchy.complaints == []
