"""The C-arm in the 3-D views: source, detector, field, and two points to drag."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..library import scene_library
from .view import RAS_TO_LPS, ViewSettings

ISOCENTRE, SOURCE = 0, 1
HANDLE_LABELS = ("Isocentre", "X-ray source")
SOURCE_RADIUS_MM = 18.0
FRAME_MM = 3.0
BODY_COLOR, FIELD_COLOR, HANDLE_COLOR = (0.78, 0.80, 0.83), (0.98, 0.83, 0.35), (0.95, 0.55, 0.15)


class CArm:
    """Two model nodes, source with detector and the field between them, and a markups node with the isocentre and
    the source. They follow a view and are not saved: the view is. The models are moved by a transform; new surfaces
    are made only for another distance or another detector."""

    def __init__(self, scene) -> None:
        self._scene = scene
        self._body = self._field = self._handles = self._transform = None
        self._shape: tuple | None = None

    @property
    def handles(self):
        """The markups node; None before it was shown. Point ISOCENTRE sets the isocentre, SOURCE the angles."""
        return _there(self._handles)

    @property
    def models(self) -> tuple:
        return tuple(node for node in (_there(self._body), _there(self._field)) if node is not None)

    def show(self, view: ViewSettings, moving: bool = False) -> None:
        """Draw the C-arm of this view. Raises GeometryError for settings that describe none.

        moving: leave the field out. What is half transparent takes most of the time that a view is drawn in.
        """
        place, shape = placement(view), shape_of(view)
        self._transform = self._placed(place)
        if shape != self._shape or len(self.models) < 2:
            body, field = surfaces(*shape)
            self._body = self._model(self._body, "C-arm", body, BODY_COLOR, 1.0)
            self._field = self._model(self._field, "C-arm field", field, FIELD_COLOR, 0.18)
            self._shape = shape
        handles = self._handles = self.handles or self._made_handles()
        source = view.geometry().source * RAS_TO_LPS
        modifying = handles.StartModify()
        for place, position in ((ISOCENTRE, np.array(view.isocentre, float)), (SOURCE, source)):
            if handles.GetNumberOfControlPoints() <= place:
                handles.AddControlPointWorld(*position.tolist())
                handles.SetNthControlPointLabel(place, HANDLE_LABELS[place])
            elif np.abs(np.array(handles.GetNthControlPointPositionWorld(place)) - position).max() > 1e-6:
                handles.SetNthControlPointPositionWorld(place, *position.tolist())
        # A deleted point would leave the C-arm without its isocentre.
        handles.SetFixedNumberOfControlPoints(True)
        handles.EndModify(modifying)
        self._set_visible(True, field=not moving)

    def hide(self) -> None:
        self._set_visible(False)

    def remove(self) -> None:
        for node in (*self.models, self.handles, _there(self._transform)):
            if node is not None:
                self._scene.RemoveNode(node)
        self._body = self._field = self._handles = self._transform = None

    def dragged(self, view: ViewSettings) -> ViewSettings:
        """The view that the handles ask for: a moved isocentre takes the C-arm along, a moved source turns it."""
        handles = self.handles
        if handles is None or handles.GetNumberOfControlPoints() <= SOURCE:
            return view
        isocentre = np.array(handles.GetNthControlPointPositionWorld(ISOCENTRE))
        if np.abs(isocentre - view.isocentre).max() > 1e-3:
            return replace(view, isocentre=tuple(round(float(mm), 2) for mm in isocentre))
        source = np.array(handles.GetNthControlPointPositionWorld(SOURCE))
        if np.abs(source - view.geometry().source * RAS_TO_LPS).max() > 1e-3:
            return view.turned_to(source)
        return view

    def _set_visible(self, visible: bool, field: bool = True) -> None:
        for node in (*self.models, self.handles):
            if node is not None and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(visible and (field or node is not self._field))

    def _placed(self, place: np.ndarray):
        """The transform that the models are under, made to place them so."""
        from vtkmodules.vtkCommonMath import vtkMatrix4x4

        node = _there(self._transform)
        if node is None:
            node = scene_library().vtkMRMLLinearTransformNode()
            node.SetName("FluoroSAM C-arm placement")
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            node = self._scene.AddNode(node)
        matrix = vtkMatrix4x4()
        matrix.DeepCopy(place.ravel().tolist())
        node.SetMatrixTransformToParent(matrix)
        return node

    def _model(self, node, name: str, surface, color, opacity: float):
        node = _there(node)
        if node is None:
            slicer = scene_library()
            node = slicer.vtkMRMLModelNode()
            node.SetName(f"FluoroSAM {name}")
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            node.SetSelectable(False)
            node = self._scene.AddNode(node)
            node.CreateDefaultDisplayNodes()
            display = node.GetDisplayNode()
            display.SetSaveWithScene(False)
            display.SetColor(*color)
            display.SetOpacity(opacity)
            display.SetBackfaceCulling(False)
            display.SetVisibility2D(False)
        node.SetAndObservePolyData(surface)
        node.SetAndObserveTransformNodeID(self._transform.GetID())
        return node

    def _made_handles(self):
        slicer = scene_library()
        node = slicer.vtkMRMLMarkupsFiducialNode()
        node.SetName("FluoroSAM C-arm handles")
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node = self._scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetSelectedColor(*HANDLE_COLOR)
        display.SetColor(*HANDLE_COLOR)
        display.SetGlyphScale(2.5)
        display.SetTextScale(2.5)
        return node


def placement(view: ViewSettings) -> np.ndarray:
    """4 x 4, from the C-arm's own millimetres to world RAS: the source is its origin, x runs along the detector's
    columns, z towards the detector. Raises GeometryError."""
    geometry = view.geometry()
    width, height = geometry.size
    left, right, middle = (
        geometry.pixel_positions(np.array([at]))[0] * RAS_TO_LPS
        for at in ((-0.5, -0.5), (width - 0.5, -0.5), (width / 2 - 0.5, height / 2 - 0.5))
    )
    source = geometry.source * RAS_TO_LPS
    x, z = ((end - begin) / np.linalg.norm(end - begin) for begin, end in ((left, right), (source, middle)))
    place = np.eye(4)
    # A mirrored view's rows run the other way, which a rectangle does not show.
    place[:3, :3] = np.column_stack([x, np.cross(z, x), z])
    place[:3, 3] = source
    return place


def shape_of(view: ViewSettings) -> tuple[float, float, float]:
    """(source to detector, detector's width, its height), mm: all that the surfaces depend on."""
    return view.sdd_mm, view.size[0] * view.pixel_mm, view.size[1] * view.pixel_mm


def surfaces(sdd_mm: float, width_mm: float, height_mm: float) -> tuple:
    """(source and detector, field of view), vtkPolyData in the C-arm's own mm, which `placement` places."""
    x, y, source = width_mm / 2, height_mm / 2, np.zeros(3)
    corners = np.array([(-x, -y, sdd_mm), (x, -y, sdd_mm), (x, y, sdd_mm), (-x, y, sdd_mm)])
    apex = np.vstack([source, corners])
    field = _poly_data(apex, [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 1), (1, 2, 3, 4)])
    return _body(source, corners), field


def _body(source: np.ndarray, corners: np.ndarray):
    """A ball for the source, a frame around the detector, the central ray and the field's edges as thin rods."""
    from vtkmodules.vtkFiltersCore import vtkAppendPolyData, vtkTubeFilter
    from vtkmodules.vtkFiltersSources import vtkSphereSource

    lines = [(1, 2, 3, 4, 1), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]
    tubes = vtkTubeFilter()
    tubes.SetInputData(_poly_data(np.vstack([source, corners, corners.mean(0)]), [], lines))
    tubes.SetRadius(FRAME_MM / 2)
    tubes.SetNumberOfSides(8)
    ball = vtkSphereSource()
    ball.SetCenter(*source.tolist())
    ball.SetRadius(SOURCE_RADIUS_MM)
    ball.SetThetaResolution(24)
    ball.SetPhiResolution(24)
    both = vtkAppendPolyData()
    both.AddInputConnection(tubes.GetOutputPort())
    both.AddInputConnection(ball.GetOutputPort())
    both.Update()
    return both.GetOutput()


def _poly_data(points: np.ndarray, faces, lines=()):
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    made, places = vtkPolyData(), vtkPoints()
    for point in points:
        places.InsertNextPoint(*point.tolist())
    made.SetPoints(places)
    for cells, put in ((faces, made.SetPolys), (lines, made.SetLines)):
        array = vtkCellArray()
        for cell in cells:
            array.InsertNextCell(len(cell))
            for index in cell:
                array.InsertCellPoint(index)
        put(array)
    return made


def _there(node):
    return node if node is not None and node.GetScene() is not None else None
