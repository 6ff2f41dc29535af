"""Structures of the CT by name: for those who have no segmentation, with a model that the user installed."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer.util
from slicer.i18n import tr as _

from ...anatomy import complete
from ..background import BackgroundJobs
from ..binding import connect
from ..name_completer import NameCompleter
from ..settings import Settings
from .context import Context, explained

MODEL, PLAN = "labelModel", "labelPlan"
EXACT, FAST = "exact", "fast"
NARROW = 240


class NamesSection:
    """Shows a line for names where a model is installed, else how to get one. The search has a thread of its own,
    so that views can be looked at meanwhile. ``onFound(result, node)`` hears what is in the scene now."""

    def __init__(
        self, ui, context: Context, settings: Settings, background: BackgroundJobs, onFound: Callable
    ) -> None:
        self._ui, self._context, self._settings = ui, context, settings
        self._background, self._onFound = background, onFound
        background.listener = self
        self._completer = NameCompleter(ui.namesEdit, complete)
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
        connect(ui.namesEdit, "textChanged(QString)", lambda _text: self.refresh())
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

    def stop(self) -> None:
        """End the search; the windows that were finished are kept for the next one."""
        self._background.cancel()
        if self.busy:
            self._ui.namesProgressBar.setFormat(_("Stopping..."))

    def close(self) -> None:
        self._background.close()

    def jobProgress(self, _request, fraction: float, text: str) -> None:
        bar = self._ui.namesProgressBar
        bar.setValue(round(1000 * max(fraction, 0)))
        bar.setFormat(text)
        bar.setToolTip(text)

    def jobDone(self, request, result) -> None:
        context = self._context

        def put():
            with slicer.util.RenderBlocker():
                return context.logic.apply(request, result)

        node = context.attempt(put)
        if node is not None:
            self._onFound(result, node)

    def jobFailed(self, _request, error: Exception) -> None:
        self._context.status.warn(explained(error))

    def jobsFinished(self) -> None:
        self._running(False)
        self.refresh()

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
        there = self._context.ct is not None and bool(self._ui.namesEdit.text.strip())
        self._ui.namesButton.setEnabled(there and not self.busy)

    def find(self) -> None:
        """Look for the structures that the line names."""
        ui, context = self._ui, self._context
        context.status.clear()
        request = context.attempt(
            context.logic.labelRequest,
            context.ct,
            ui.namesEdit.text,
            ui.namesModelComboBox.currentData or "",
            ui.namesPlanComboBox.currentData or EXACT,
        )
        if request is not None:
            self._background.submit(request)
            self._running(True)

    def _running(self, running: bool) -> None:
        ui = self._ui
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

    def _onPlan(self, _index: int) -> None:
        self._settings.set(PLAN, self._ui.namesPlanComboBox.currentData or EXACT)

    def _onHow(self) -> None:
        """Tell how a model is installed, and look whether one has been meanwhile."""
        from ...mrml.synthesize.labels import how_to_install

        label = self._ui.namesHowLabel
        label.setText(how_to_install())
        label.setVisible(not label.visible)
        # A collapsible section does not ask its labels how high they get when their lines are broken.
        label.setMinimumHeight(label.heightForWidth(max(label.width, NARROW)))
        self.listModels()
