"""Slicer's slice views: showing an image, finding where it is shown, and what lies under the mouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import slicer
import slicer.util
import vtk

from ..binding import connect

PARALLEL = 0.7
"""Cosine beyond which a view looks at an image's face and not at its edge."""


class SliceViews:
    """``layoutManager`` is None where Slicer runs without a main window; nothing is shown then."""

    def __init__(self, layoutManager) -> None:
        self._layoutManager = layoutManager
        self._before: tuple | None = None

    def onLayoutChanged(self, callback: Callable[[], None]) -> None:
        """Have ``callback()`` called when views come and go, until `stop`."""
        if self._layoutManager is not None:
            self._callback = lambda _layout: callback()
            connect(self._layoutManager, "layoutChanged(int)", self._callback)

    def stop(self) -> None:
        if self._layoutManager is not None:
            self._layoutManager.disconnect("layoutChanged(int)", self._callback)

    def show(self, volume, alone: bool) -> None:
        """Show an image in all slice views, its plane facing the user; ``alone``: in one large view."""
        if self._layoutManager is None:
            return
        self._keepVolume()
        if alone:
            self._layoutManager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
        # Without None, a CT's labels of the other tab would stay in front of the image.
        slicer.util.setSliceViewerLayers(
            background=volume, foreground=None, label=None, fit=True, rotateToVolumePlane=True
        )

    def restore(self) -> None:
        """Show the volume with its layers again that was shown before the first image."""
        if self._before is None:
            return
        layout, *layers = self._before
        self._before = None
        background, foreground, label = (
            slicer.mrmlScene.GetNodeByID(layer) if layer else None for layer in layers
        )
        if background is not None:
            self._layoutManager.setLayout(layout)
            slicer.util.setSliceViewerLayers(
                background=background, foreground=foreground, label=label, fit=True
            )

    def _keepVolume(self) -> None:
        """Remember what is shown, where it is a volume and not an image of one slice."""
        for widget in self.all():
            composite = widget.mrmlSliceCompositeNode()
            node = slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
            data = node and node.GetImageData()
            if data and data.GetDimensions()[2] > 1:
                layers = composite.GetForegroundVolumeID(), composite.GetLabelVolumeID()
                self._before = self._layoutManager.layout, node.GetID(), *layers
            return

    def all(self) -> Iterator:
        """The slice widgets of all layouts that were shown so far."""
        if self._layoutManager is not None:
            for name in self._layoutManager.sliceViewNames():
                yield self._layoutManager.sliceWidget(name)

    def showing(self, volume) -> Iterator:
        """The slice widgets that have the image, or a volume, in the background."""
        return (widget for widget in self.all() if isShown(widget, volume))

    def sliceShown(self, volume) -> int:
        """The slice of a stack that the first view shows."""
        last = volume.GetImageData().GetDimensions()[2] - 1
        for widget in self.showing(volume):
            toRas = widget.mrmlSliceNode().GetSliceToRAS()
            centre = [toRas.GetElement(row, 3) for row in range(3)]
            return min(max(round(_toIjk(volume).TransformPoint(centre)[2]), 0), last)
        return last // 2


def isShown(widget, volume) -> bool:
    return volume is not None and widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()


def rasAt(sliceNode, place: tuple[int, int]) -> tuple[float, float, float]:
    """World position (mm) under a position in the view (pixels of the screen, from the lower left)."""
    return sliceNode.GetXYToRAS().MultiplyPoint((place[0], place[1], 0.0, 1.0))[:3]


def placeOf(sliceNode, ras) -> tuple[float, float]:
    """Where in the view a world position is drawn."""
    toXY = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(sliceNode.GetXYToRAS(), toXY)
    return toXY.MultiplyPoint((*ras, 1.0))[:2]


def faces(sliceNode, volume) -> bool:
    """Whether the view looks at the image and not along its plane."""
    axes = vtk.vtkTransform()
    axes.DeepCopy(_toIjk(volume))
    axes.Inverse()
    normal = _unit(
        [b - a for a, b in zip(axes.TransformPoint(0, 0, 0), axes.TransformPoint(0, 0, 1), strict=True)]
    )
    toRas = sliceNode.GetSliceToRAS()
    view = _unit([toRas.GetElement(row, 2) for row in range(3)])
    return abs(sum(a * b for a, b in zip(normal, view, strict=True))) > PARALLEL


def _toIjk(volume):
    """World to voxel indices, the volume's own transform taken into account."""
    toLocal, toIjk = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(None, volume.GetParentTransformNode(), toLocal)
    volume.GetRASToIJKMatrix(toIjk)
    vtk.vtkMatrix4x4.Multiply4x4(toIjk, toLocal, toIjk)
    transform = vtk.vtkTransform()
    transform.SetMatrix(toIjk)
    return transform


def _unit(vector: list[float]) -> list[float]:
    length = sum(value * value for value in vector) ** 0.5 or 1.0
    return [value / length for value in vector]
