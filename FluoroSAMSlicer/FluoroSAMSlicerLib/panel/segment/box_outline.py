"""The box of a segment, or one being drawn, as a rectangle in the slice views."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

COLOR = (0.24, 0.86, 0.35)
LINE = 1 / 150
"""Diameter of the line as a share of the box's diagonal."""


class BoxOutline:
    """A markups curve that is neither saved nor listed nor moved. ``corners`` are four world positions."""

    def __init__(self, scene) -> None:
        self._scene, self._node = scene, None

    def show(self, corners: Sequence[Sequence[float]]) -> None:
        node = self._node
        if node is None or node.GetScene() is None:
            node = self._node = self._made()
        modifying = node.StartModify()
        # As thick beside a hand as beside a chest.
        across = sum((b - a) ** 2 for a, b in zip(corners[0], corners[2], strict=True)) ** 0.5
        node.GetDisplayNode().SetLineDiameter(max(across * LINE, 1e-3))
        node.RemoveAllControlPoints()
        for corner in corners:
            node.AddControlPointWorld(*corner)
        node.EndModify(modifying)
        node.SetDisplayVisibility(True)

    def hide(self) -> None:
        if self._node is not None and self._node.GetScene() is not None:
            self._node.SetDisplayVisibility(False)

    def remove(self) -> None:
        if self._node is not None and self._node.GetScene() is not None:
            self._scene.RemoveNode(self._node)
        self._node = None

    def _made(self):
        node = slicer.vtkMRMLMarkupsClosedCurveNode()
        node.SetName("FluoroSAM box")
        node.SetCurveTypeToLinear()
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.SetLocked(True)
        node = self._scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetSelectedColor(*COLOR)
        display.SetColor(*COLOR)
        display.SetPointLabelsVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        # The glyph's scale would scale the line as well, until nobody sees it.
        display.SetCurveLineSizeMode(display.UseLineDiameter)
        display.SetGlyphTypeFromString("Vertex2D")
        display.SetSliceProjection(True)
        display.SetSliceProjectionUseFiducialColor(True)
        display.SetVisibility3D(False)
        return node
