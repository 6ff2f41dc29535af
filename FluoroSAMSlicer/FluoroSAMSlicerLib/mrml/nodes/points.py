"""A segment's clicks as a markups node: selected control points lie inside the structure, others outside.

The selection is what Slicer colours by and what it saves, so that what is seen is what is meant. Points
that are still following the mouse do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..library import scene_library
from .placement import pixel_from_ras, ras_from_pixel

SEGMENT_KEY = "FluoroSAM.segment"
INSIDE, OUTSIDE = (0.24, 0.86, 0.35), (1.0, 0.27, 0.27)
Click = tuple[float, float, bool]


def make_points_node(scene, volume_node, name: str, key: str):
    """An empty vtkMRMLMarkupsFiducialNode for the segment ``key``, under the volume's transform."""
    slicer = scene_library()
    node = slicer.vtkMRMLMarkupsFiducialNode()
    node.SetName(name)
    node.SetAttribute(SEGMENT_KEY, key)
    node.SetControlPointLabelFormat("+")
    node = scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    display = node.GetDisplayNode()
    display.SetSelectedColor(*INSIDE)
    display.SetColor(*OUTSIDE)
    display.SetUseGlyphScale(True)
    display.SetGlyphScale(2.0)
    display.SetTextScale(3.0)
    display.SetPropertiesLabelVisibility(False)
    display.SetSnapMode(slicer.vtkMRMLMarkupsDisplayNode.SnapModeUnconstrained)
    # A point that an image shown elsewhere in space would leave out still belongs to this image.
    display.SetSliceProjection(True)
    display.SetSliceProjectionUseFiducialColor(True)
    display.SetVisibility3D(False)
    return node


def defined_points(node) -> list[int]:
    """Indices of the control points that were placed, in order."""
    placed = scene_library().vtkMRMLMarkupsNode.PositionDefined
    count = node.GetNumberOfControlPoints()
    return [index for index in range(count) if node.GetNthControlPointPositionStatus(index) == placed]


def clicks(node, volume_node) -> list[Click]:
    """The placed points as (x, y, inside), in pixels of the volume."""
    found = []
    for index in defined_points(node):
        world = [0.0, 0.0, 0.0]
        node.GetNthControlPointPositionWorld(index, world)
        found.append((*pixel_from_ras(volume_node, world), bool(node.GetNthControlPointSelected(index))))
    return found


def add_click(node, ras: Sequence[float], positive: bool) -> int:
    """Add a placed point; returns its number among the placed ones."""
    index = node.AddControlPointWorld(*(float(value) for value in ras))
    set_sign(node, index, positive)
    return len(defined_points(node)) - 1


def set_sign(node, index: int, positive: bool) -> None:
    node.SetNthControlPointSelected(index, positive)
    node.SetNthControlPointLabel(index, "+" if positive else "\N{MINUS SIGN}")
    node.SetNthControlPointDescription(index, "inside the structure" if positive else "outside the structure")


def set_clicks(node, volume_node, wanted: Iterable[Click]) -> None:
    """Make the node's points the ``wanted`` ones; observers hear of it once."""
    modifying = node.StartModify()
    try:
        node.RemoveAllControlPoints()
        for x, y, positive in wanted:
            add_click(node, ras_from_pixel(volume_node, x, y), positive)
    finally:
        node.EndModify(modifying)


def show(node, active: bool) -> None:
    """Points of the active segment can be seen and moved, others neither."""
    node.SetDisplayVisibility(active)
    node.SetLocked(not active)
