"""Stand-ins for the few widgets and parts of the application that the panel meets in Slicer."""

from __future__ import annotations

from types import SimpleNamespace

import slicer
import vtk
from panel.pythonqt import CONNECTED, pythonqt
from PySide6 import QtCore, QtGui, QtWidgets

KEPT = "keep-current"
"""As a layer: what it was before."""


class qMRMLNodeComboBox(pythonqt(QtWidgets.QComboBox)):
    """Lists the nodes of its types; as the real one it chooses none where ``noneEnabled`` is set."""

    _isQt = True
    SIGNALS = ("currentNodeChanged(vtkMRMLNode*)", "nodeAddedByUser(vtkMRMLNode*)")

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self.__dict__.update(scene=None, nodes=[None], current=None)
        self.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self.currentIndexChanged.connect(self._onIndex)

    def setMRMLScene(self, scene) -> None:
        self.__dict__["scene"] = scene
        for event in (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent):
            scene.AddObserver(event, self._list)
        self._list()

    def currentNode(self):
        return self.__dict__["current"]

    def setCurrentNode(self, node) -> None:
        self._list()
        self.setCurrentIndex(self.__dict__["nodes"].index(node))

    def addNode(self) -> None:
        """The user creates a node of the first type, which is chosen at once."""
        (kind, *_others) = QtCore.QObject.property(self, "nodeTypes")
        node = self.__dict__["scene"].AddNewNodeByClass(kind)
        self.setCurrentNode(node)
        self.emitted("nodeAddedByUser(vtkMRMLNode*)", node)

    def _list(self, *_) -> None:
        kinds = QtCore.QObject.property(self, "nodeTypes") or []
        scene, current = self.__dict__["scene"], self.__dict__["current"]
        found = [
            node
            for kind in kinds
            for number in range(scene.GetNumberOfNodesByClass(kind))
            if (node := scene.GetNthNodeByClass(number, kind)).GetClassName() == kind
        ]
        self.__dict__["nodes"] = [None, *found]
        was = self.blockSignals(True)
        self.clear()
        self.addItem(QtCore.QObject.property(self, "noneDisplay") or "None")
        for node in found:
            self.addItem(node.GetName())
        self.setCurrentIndex(self.__dict__["nodes"].index(current) if current in found else 0)
        self.blockSignals(was)
        if current is not None and current not in found:
            self._onIndex(0)

    def _onIndex(self, index: int) -> None:
        node = self.__dict__["nodes"][max(index, 0)]
        if node is not self.__dict__["current"]:
            self.__dict__["current"] = node
            self.emitted("currentNodeChanged(vtkMRMLNode*)", node)


class ctkCollapsibleButton(pythonqt(QtWidgets.QAbstractButton)):
    """A header that shows and hides what is laid out below it."""

    _isQt = True

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self.__dict__["collapsed_"] = False

    def isCollapsed(self) -> bool:
        return self.__dict__["collapsed_"]

    def setCollapsed(self, collapsed: bool) -> None:
        """What the program hid stays hidden when the section is opened, as in CTK."""
        children = self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindDirectChildrenOnly)
        folded = self.__dict__.setdefault("folded", [])
        if collapsed:
            folded += [child for child in children if child not in folded and not _hidden(child)]
        for child in children if collapsed else folded:
            child.setVisible(not collapsed)
        if not collapsed:
            folded.clear()
        self.__dict__["collapsed_"] = collapsed
        self.setMaximumHeight(self._header() if collapsed else 16777215)
        self.updateGeometry()

    def _header(self) -> int:
        return self.fontMetrics().height() + 10

    collapsed = QtCore.Property(bool, isCollapsed, setCollapsed)

    def event(self, event) -> bool:
        if event.type() == QtCore.QEvent.LayoutRequest or event.type() == QtCore.QEvent.Polish:
            if self.layout() is not None:
                self.layout().setContentsMargins(6, self._header() + 6, 6, 6)
            if self.isCollapsed():
                self.setCollapsed(True)
        return super().event(event)

    def sizeHint(self) -> QtCore.QSize:
        header = QtCore.QSize(100, self.fontMetrics().height() + 10)
        return header if self.isCollapsed() or self.layout() is None else self.layout().totalSizeHint()

    def minimumSizeHint(self) -> QtCore.QSize:
        return (
            self.sizeHint()
            if self.isCollapsed() or self.layout() is None
            else self.layout().totalMinimumSize()
        )

    def paintEvent(self, _event) -> None:
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.text = ("\u25b8  " if self.isCollapsed() else "\u25be  ") + QtCore.QObject.property(
            self, "text"
        )
        option.rect = QtCore.QRect(0, 0, QtWidgets.QWidget.width(self), self.fontMetrics().height() + 10)
        painter = QtGui.QPainter(self)
        self.style().drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option, painter, self)
        place = option.rect.adjusted(8, 0, 0, 0)
        painter.drawText(place, QtCore.Qt.AlignVCenter | QtCore.Qt.AlignLeft, option.text)
        painter.end()


def _hidden(widget) -> bool:
    """Whether somebody hid it; whoever was never shown counts as hidden to Qt."""
    return widget.isHidden() and widget.testAttribute(QtCore.Qt.WA_WState_ExplicitShowHide)


class ctkSliderWidget(pythonqt(QtWidgets.QWidget)):
    """A slider and a spin box. With ``tracking`` off it says ``valueIsChanging`` until it is let go."""

    _isQt = True
    SIGNALS = ("valueChanged(double)", "valueIsChanging(double)")

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        slider, box = QtWidgets.QSlider(QtCore.Qt.Horizontal), QtWidgets.QDoubleSpinBox()
        box.setSingleStep(0.01)
        slider.setRange(2, 98)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(slider)
        row.addWidget(box)
        self.__dict__.update(now=0.5, slider=slider, box=box)
        slider.sliderMoved.connect(lambda place: self.dragged(place / 100))
        slider.sliderReleased.connect(lambda: self.setValue(slider.value() / 100))
        box.valueChanged.connect(self.setValue)

    def read(self) -> float:
        return self.__dict__["now"]

    def setValue(self, value: float) -> None:
        changed = abs(value - self.__dict__["now"]) > 1e-9
        self.__dict__["now"] = float(value)
        for part, shown in ((self.__dict__["slider"], round(value * 100)), (self.__dict__["box"], value)):
            was = part.blockSignals(True)
            part.setValue(shown)
            part.blockSignals(was)
        if changed:
            self.emitted("valueChanged(double)", float(value))

    def dragged(self, value: float) -> None:
        """The user moves the slider and has not let go."""
        self.emitted("valueIsChanging(double)", float(value))

    value = QtCore.Property(float, read, setValue)


class ctkColorPickerButton(pythonqt(QtWidgets.QPushButton)):
    _isQt = True
    SIGNALS = ("colorChanged(QColor)",)

    def setColor(self, color) -> None:
        if color != self.__dict__.get("shown"):
            self.__dict__["shown"] = color
            pixmap = QtGui.QPixmap(14, 14)
            pixmap.fill(color)
            self.setIcon(QtGui.QIcon(pixmap))
            self.emitted("colorChanged(QColor)", color)


STAND_INS = {
    kind.__name__: kind
    for kind in (qMRMLNodeComboBox, ctkCollapsibleButton, ctkSliderWidget, ctkColorPickerButton)
}


class SliceView:
    """A view of 400 x 400 pixels with a real interactor, whose events a test makes."""

    def __init__(self) -> None:
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self.cursor = None

    def interactor(self):
        return self._interactor

    def setViewCursor(self, cursor) -> None:
        self.cursor = cursor

    def unsetViewCursor(self) -> None:
        self.cursor = None


class SliceWidget:
    """Its nodes are singletons, as in Slicer: they outlive a scene that is closed."""

    def __init__(self, scene, name: str, orientation: str) -> None:
        # Made by the scene, so that they know its orientations.
        self._node = scene.CreateNodeByClass("vtkMRMLSliceNode")
        self._composite = scene.CreateNodeByClass("vtkMRMLSliceCompositeNode")
        for node in (self._node, self._composite):
            node.UnRegister(None)
            node.SetSingletonTag(name)
            node.SetName(name)
            scene.AddNode(node)
        self._node.SetOrientation(orientation)
        self._node.SetDimensions(400, 400, 1)
        self._view = SliceView()

    def sliceView(self) -> SliceView:
        return self._view

    def mrmlSliceNode(self):
        return self._node

    def mrmlSliceCompositeNode(self):
        return self._composite

    def mouse(self, ras, *events: str, control: bool = False, shift: bool = False) -> list[bool]:
        """Send mouse events at a world position; for each whether Slicer's own handlers saw it."""
        inverse = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self._node.GetXYToRAS(), inverse)
        x, y = inverse.MultiplyPoint((*ras, 1.0))[:2]
        interactor, seen = self._view.interactor(), []
        interactor.SetEventInformation(round(x), round(y), int(control), int(shift))
        for event in events:
            passed: list[bool] = []
            tag = interactor.AddObserver(event, lambda *_, passed=passed: passed.append(True), 0.0)
            interactor.InvokeEvent(event)
            interactor.RemoveObserver(tag)
            seen.append(bool(passed))
        return seen

    def click(self, ras, **keys: bool) -> list[bool]:
        return self.mouse(ras, "LeftButtonPressEvent", "LeftButtonReleaseEvent", **keys)


def add_interaction_node(scene) -> None:
    """Which tool of Slicer's own has the mouse; the application puts it into every scene."""
    if scene.GetFirstNodeByClass("vtkMRMLInteractionNode") is None:
        node = slicer.vtkMRMLInteractionNode()
        node.SetSingletonTag("Singleton")
        scene.AddNode(node)


class ThreeDView:
    """``resets`` counts how often its camera was moved to where all is seen."""

    def __init__(self) -> None:
        self.resets = 0

    def resetFocalPoint(self) -> None:
        pass

    def resetCamera(self) -> None:
        self.resets += 1


class ThreeDWidget:
    def __init__(self) -> None:
        self._view = ThreeDView()

    def threeDView(self) -> ThreeDView:
        return self._view


class LayoutManager:
    """Red and green views, and one in 3-D."""

    threeDViewCount = 1

    def __init__(self, scene) -> None:
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        self._widgets = {
            name: SliceWidget(scene, name, orientation)
            for name, orientation in (("Red", "Axial"), ("Green", "Coronal"))
        }
        self._slots: list = []
        self._solid = ThreeDWidget()
        self.layout = 0

    def threeDWidget(self, _number: int) -> ThreeDWidget:
        return self._solid

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._widgets)

    def sliceWidget(self, name: str) -> SliceWidget:
        return self._widgets[name]

    def setLayout(self, layout: int) -> None:
        self.layout = layout
        for slot in self._slots:
            slot(layout)

    def connect(self, signature: str, slot) -> bool:
        CONNECTED.add(("qSlicerLayoutManager", signature))
        self._slots.append(slot)
        return True

    def disconnect(self, signature: str, slot) -> bool:
        self._slots.remove(slot)
        return True

    def show(self, background, foreground=KEPT, label=KEPT, fit=False, rotateToVolumePlane=False) -> None:
        """As slicer.util.setSliceViewerLayers: layers that are not given stay."""
        for widget in self._widgets.values():
            composite = widget.mrmlSliceCompositeNode()
            if foreground is not KEPT:
                composite.SetForegroundVolumeID(foreground and foreground.GetID())
            if label is not KEPT:
                composite.SetLabelVolumeID(label and label.GetID())
        size = max(
            count * step
            for count, step in zip(
                background.GetImageData().GetDimensions(), background.GetSpacing(), strict=True
            )
        )
        bounds = [0.0] * 6
        background.GetRASBounds(bounds)
        for widget in self._widgets.values():
            widget.mrmlSliceCompositeNode().SetBackgroundVolumeID(background.GetID())
            node = widget.mrmlSliceNode()
            node.SetFieldOfView(size, size, 1)
            node.JumpSliceByCentering(*((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))


def parameter_node_wrapper(kind: type) -> type:
    """Keeps the declared values as Slicer's wrapper does: text in parameters, nodes as references."""

    class Wrapped(kind):
        def __init__(self, node) -> None:
            object.__setattr__(self, "parameterNode", node)

        def __getattribute__(self, name: str):
            declared = kind.__annotations__.get(name)
            if declared is None:
                return object.__getattribute__(self, name)
            node = self.parameterNode
            if declared in (str, bool):
                text = node.GetParameter(name) or ""
                return text == "True" if declared is bool else text
            return node.GetNodeReference(name)

        def __setattr__(self, name: str, value) -> None:
            declared = kind.__annotations__[name]
            if declared in (str, bool):
                if type(value) is not declared:
                    raise TypeError(f"{name} must be {declared.__name__}")
                self.parameterNode.SetParameter(name, str(value))
            else:
                self.parameterNode.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    return Wrapped


def child_widgets(root) -> SimpleNamespace:
    children = root.findChildren(QtWidgets.QWidget)
    names = {QtCore.QObject.property(child, "objectName"): child for child in children}
    return SimpleNamespace(
        **{name: child for name, child in names.items() if name and not name.startswith("qt_")}
    )
