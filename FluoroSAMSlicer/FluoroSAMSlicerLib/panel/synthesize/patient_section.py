"""The CT, its segmentation, and which structures get masks."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from ..binding import Held, connect
from ..observations import Observations
from ..pictures import swatch
from .context import Context

ROW_PX, SWATCH_PX, SETTLE_MS = 22, 12, 300


class PatientSection:
    """``onPatient(new)`` hears of another CT (``new``) and of one that holds something else, ``onLabels()`` of other
    structures."""

    def __init__(
        self, ui, context: Context, onPatient: Callable[[bool], None], onLabels: Callable[[], None]
    ) -> None:
        self._ui, self._context = ui, context
        self._onPatient, self._onLabelsChanged = onPatient, onLabels
        self._held, self._observations = Held(), Observations()
        self._choices: list = []
        self._leftOut: set[str] = set()
        self._settle = qt.QTimer()
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        connect(self._settle, "timeout()", self._onChanged)
        for selector, slot in ((ui.ctSelector, self._onCT), (ui.labelsSelector, self._onLabels)):
            selector.setMRMLScene(context.logic.scene)
            connect(selector, "currentNodeChanged(vtkMRMLNode*)", slot)
        table = ui.structuresTable
        table.setColumnCount(1)
        table.horizontalHeader().hide()
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(ROW_PX)
        connect(table, "itemChanged(QTableWidgetItem*)", self._onItem)
        connect(ui.allButton, "clicked()", lambda: self._tick(True))
        connect(ui.noneButton, "clicked()", lambda: self._tick(False))
        self._describe()

    @property
    def leftOut(self) -> list[str]:
        """Ids of the structures that are not ticked."""
        return sorted(self._leftOut)

    def choose(self, ct, labels, leftOut=()) -> None:
        """Work on these nodes; ``leftOut`` are ids of structures without a mask."""
        with self._held:
            self._ui.ctSelector.setCurrentNode(ct)
            self._ui.labelsSelector.setCurrentNode(labels)
        self._leftOut = set(leftOut)
        self._take(ct, labels)

    def suggest(self) -> None:
        """Take the only CT and the only segmentation of the scene, if nothing is chosen."""
        if self._ui.ctSelector.currentNode() is not None:
            return
        scene = self._context.logic.scene
        kind = "vtkMRMLScalarVolumeNode"
        found = [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]
        found = [node for node in found if node.GetClassName() == kind and _slices(node) > 1]
        labels = [
            scene.GetNthNodeByClass(n, "vtkMRMLSegmentationNode")
            for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"))
        ]
        if len(found) == 1:
            self.choose(found[0], labels[0] if len(labels) == 1 else None)

    def close(self) -> None:
        self._settle.stop()
        self._observations.clear()

    def _onCT(self, node) -> None:
        if not self._held:
            self._take(node, self._ui.labelsSelector.currentNode())

    def _onLabels(self, node) -> None:
        if not self._held:
            self._leftOut = set()
            self._take(self._ui.ctSelector.currentNode(), node)

    def _take(self, ct, labels) -> None:
        context = self._context
        new = ct is not context.ct
        context.ct, context.labels = ct, labels
        context.status.clear()
        self._observations.clear()
        moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        for node in (ct, labels):
            if node is not None:
                self._observations.add(node, [moved], self._later)
        if ct is not None:
            self._observations.add(ct, [slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent], self._later)
        if labels is not None and hasattr(labels, "GetSegmentation"):
            kind = slicer.vtkSegmentation
            events = [kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified]
            self._observations.add(labels, events, self._later)
        self._list()
        self._onPatient(new)

    def _later(self, *_) -> None:
        self._settle.start()

    def _onChanged(self) -> None:
        if self._context.ct is not None and self._context.ct.GetScene() is not None:
            self._list()
            self._onPatient(False)

    def _list(self) -> None:
        context, table = self._context, self._ui.structuresTable
        there = context.labels is not None and context.labels.GetScene() is not None
        self._choices = (context.attempt(context.logic.structures, context.labels) or []) if there else []
        with self._held:
            table.setRowCount(len(self._choices))
            for row, choice in enumerate(self._choices):
                item = qt.QTableWidgetItem(choice.name)
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
                item.setCheckState(qt.Qt.Unchecked if choice.id in self._leftOut else qt.Qt.Checked)
                item.setIcon(swatch(choice.color, SWATCH_PX))
                table.setItem(row, 0, item)
        self._describe()

    def _describe(self) -> None:
        context, ui = self._context, self._ui
        ticked = [one.id for one in self._choices if one.id not in self._leftOut]
        context.segments = ticked if context.labels is not None else None
        if context.labels is None:
            text = _("No labels: images without masks")
        else:
            text = _("{ticked} of {all} structures").format(ticked=len(ticked), all=len(self._choices))
        ui.structuresInfoLabel.setText(text)
        ui.structuresTable.setVisible(bool(self._choices))
        for button in (ui.allButton, ui.noneButton):
            button.setEnabled(bool(self._choices))

    def _onItem(self, item) -> None:
        if self._held:
            return
        choice = self._choices[item.row()]
        change = self._leftOut.discard if item.checkState() == qt.Qt.Checked else self._leftOut.add
        change(choice.id)
        self._describe()
        self._onLabelsChanged()

    def _tick(self, on: bool) -> None:
        self._leftOut = set() if on else {one.id for one in self._choices}
        self._list()
        self._onLabelsChanged()


def _slices(node) -> int:
    return node.GetImageData().GetDimensions()[2] if node.GetImageData() is not None else 0
