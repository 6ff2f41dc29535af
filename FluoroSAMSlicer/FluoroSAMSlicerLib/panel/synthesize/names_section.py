"""Structures of the CT by name: for those who have no segmentation, with a model that the user installed."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from ...anatomy import complete
from ...mrml.synthesize.labels import ESTIMATE, estimate_told
from ..background import BackgroundJobs
from ..binding import Held, connect
from ..name_completer import NameCompleter
from ..observations import Observations
from ..settings import Settings
from .context import Context, explained

MODEL, PLAN = "labelModel", "labelPlan"
EXACT, FAST = "exact", "fast"
NARROW = 240
SETTLE_MS = 700
"""Without another letter, after which the time that it will take is found out."""


class NamesSection:
    """Shows a line for names where a model is installed, else how to get one. The search has a thread of its own,
    so that views can be looked at meanwhile; what it will take is said before it starts. ``onFound(result, node)``
    hears what is in the scene now, ``onRegion()`` of another region."""

    def __init__(
        self,
        ui,
        context: Context,
        settings: Settings,
        background: BackgroundJobs,
        onFound: Callable,
        onRegion: Callable[[], None],
    ) -> None:
        self._ui, self._context, self._settings = ui, context, settings
        self._background, self._onFound, self._onRegionChosen = background, onFound, onRegion
        background.listener = self
        self._completer = NameCompleter(ui.namesEdit, complete)
        self._searching, self._estimated = False, None
        self._held, self._regionObservations = Held(), Observations()
        self._settle = qt.QTimer()
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        connect(self._settle, "timeout()", self._estimate)
        ui.namesRegionSelector.setMRMLScene(context.logic.scene)
        connect(ui.namesRegionSelector, "currentNodeChanged(vtkMRMLNode*)", self._onRegion)
        connect(ui.namesRegionSelector, "nodeAddedByUser(vtkMRMLNode*)", self._onRegionAdded)
        for title, plan, hint in (
            (_("Exact"), EXACT, _("Windows overlap by half, as published")),
            (_("Fast"), FAST, _("As few windows as cover the CT; not tested with the published weights")),
        ):
            ui.namesPlanComboBox.addItem(title, plan)
            ui.namesPlanComboBox.setItemData(ui.namesPlanComboBox.count - 1, hint, qt.Qt.ToolTipRole)
        ui.namesPlanComboBox.setCurrentIndex(
            max(0, ui.namesPlanComboBox.findData(settings.text(PLAN, EXACT)))
        )
        ui.namesHowLabel.setVisible(False)
        connect(ui.namesEdit, "returnPressed()", self._onReturn)
        connect(ui.namesEdit, "textChanged(QString)", lambda _text: self.changed())
        connect(ui.namesButton, "clicked()", self.find)
        connect(ui.namesHowButton, "clicked()", self._onHow)
        connect(ui.namesStopButton, "clicked()", self.stop)
        connect(ui.namesModelComboBox, "activated(int)", self._onModel)
        connect(ui.namesPlanComboBox, "activated(int)", self._onPlan)
        ui.namesProgressBar.setRange(0, 1000)
        self._running(False)
        self.listModels()

    @property
    def busy(self) -> bool:
        return self._background.busy

    @property
    def region(self):
        """The region of interest that is looked at alone; None for all of the CT."""
        return self._ui.namesRegionSelector.currentNode()

    def chooseRegion(self, node) -> None:
        with self._held:
            self._ui.namesRegionSelector.setCurrentNode(node)
        self._watchRegion(node)
        self.changed()

    def stop(self) -> None:
        """End the search; the windows that were finished are kept for the next one."""
        self._forgetEstimate()
        self._background.cancel()
        if self._searching:
            self._ui.namesProgressBar.setFormat(_("Stopping..."))

    def close(self) -> None:
        self._settle.stop()
        self._regionObservations.clear()
        self._background.close()

    def jobProgress(self, request, fraction: float, text: str) -> None:
        if request.kind == ESTIMATE:
            return
        bar = self._ui.namesProgressBar
        bar.setValue(round(1000 * max(fraction, 0)))
        bar.setFormat(text)
        bar.setToolTip(text)

    def jobDone(self, request, result) -> None:
        context = self._context
        if request.kind == ESTIMATE:
            if request is self._estimated:
                self._tell(estimate_told(result))
            return
        self._searched()

        def put():
            with slicer.util.RenderBlocker():
                return context.logic.apply(request, result)

        node = context.attempt(put)
        if node is not None:
            self._onFound(result, node)

    def jobFailed(self, request, error: Exception) -> None:
        if request.kind == ESTIMATE:
            if request is self._estimated:
                self._tell(explained(error))
            return
        self._searched()
        self._context.status.warn(explained(error))

    def jobsFinished(self) -> None:
        self._searched()

    def _searched(self) -> None:
        """The search has ended; what more names would take is another matter now."""
        if self._searching:
            self._running(False)
            self.changed()

    def listModels(self) -> None:
        """See which models are installed now."""
        ui = self._ui
        names = self._context.attempt(self._context.logic.labelModels) or ()
        ui.namesModelComboBox.clear()
        for name in names:
            ui.namesModelComboBox.addItem(name, name)
        chosen = ui.namesModelComboBox.findData(self._settings.text(MODEL, ""))
        ui.namesModelComboBox.setCurrentIndex(max(0, chosen))
        ui.namesFrame.setVisible(bool(names))
        ui.namesModelComboBox.setVisible(len(names) > 1)
        ui.namesMissingFrame.setVisible(not names)
        self.refresh()

    def refresh(self) -> None:
        """Enable what can be done now."""
        self._ui.namesButton.setEnabled(self._askable and not self._searching)

    def changed(self) -> None:
        """Other names, another CT, region, model or plan: say anew what it will take, as soon as that is known."""
        self.refresh()
        self._forgetEstimate()
        if self._askable and not self._searching:
            self._settle.start()

    @property
    def _askable(self) -> bool:
        ui, context = self._ui, self._context
        return (
            context.ct is not None and bool(ui.namesEdit.text.strip()) and bool(ui.namesModelComboBox.count)
        )

    def _forgetEstimate(self) -> None:
        self._settle.stop()
        self._estimated = None
        self._background.drop(ESTIMATE)
        self._tell("")

    def _tell(self, text: str) -> None:
        self._ui.namesEstimateLabel.setText(text)
        self._ui.namesEstimateLabel.setVisible(bool(text))

    def _request(self, estimate: bool = False):
        ui = self._ui
        return self._context.logic.labelRequest(
            self._context.ct,
            ui.namesEdit.text,
            ui.namesModelComboBox.currentData or "",
            ui.namesPlanComboBox.currentData or EXACT,
            self.region,
            estimate,
        )

    def _estimate(self) -> None:
        """Find out what the search will take. Says why where it cannot be, for the user has not asked for it yet."""
        if not self._askable or self._searching:
            return
        try:
            request = self._request(estimate=True)
        except Exception as error:
            self._tell(explained(error))
            return
        self._estimated = request
        self._background.submit(request)
        self._tell(_("Finding out how long it takes..."))

    def find(self) -> None:
        """Look for the structures that the line names."""
        self._forgetEstimate()
        self._context.status.clear()
        request = self._context.attempt(self._request)
        if request is not None:
            self._background.submit(request)
            self._running(True)

    def _running(self, running: bool) -> None:
        ui, self._searching = self._ui, running
        if running:
            ui.namesProgressBar.setValue(0)
            ui.namesProgressBar.setFormat(_("Beginning..."))
            ui.namesButton.setEnabled(False)
        ui.namesProgressFrame.setVisible(running)

    def _onReturn(self) -> None:
        if not self._completer.choosing and self._ui.namesButton.enabled:
            self.find()

    def _onModel(self, _index: int) -> None:
        self._settings.set(MODEL, self._ui.namesModelComboBox.currentData or "")
        self.changed()

    def _onPlan(self, _index: int) -> None:
        self._settings.set(PLAN, self._ui.namesPlanComboBox.currentData or EXACT)
        self.changed()

    def _onRegion(self, node) -> None:
        if not self._held:
            self._watchRegion(node)
            self.changed()
            self._onRegionChosen()

    def _onRegionAdded(self, node) -> None:
        """A new region begins around the whole CT."""
        if self._context.ct is not None:
            self._context.attempt(self._context.logic.fitRegion, node, self._context.ct)

    def _watchRegion(self, node) -> None:
        self._regionObservations.clear()
        if node is not None:
            events = [
                slicer.vtkMRMLMarkupsNode.PointModifiedEvent,
                slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
                "ModifiedEvent",
            ]
            self._regionObservations.add(node, events, lambda *_: self.changed())

    def _onHow(self) -> None:
        """Tell how a model is installed, and look whether one has been meanwhile."""
        from ...mrml.synthesize.labels import how_to_install

        label = self._ui.namesHowLabel
        label.setText(how_to_install())
        label.setVisible(not label.visible)
        # A collapsible section does not ask its labels how high they get when their lines are broken.
        label.setMinimumHeight(label.heightForWidth(max(label.width, NARROW)))
        self.listModels()
