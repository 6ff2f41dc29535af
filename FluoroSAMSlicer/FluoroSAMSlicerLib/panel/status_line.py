"""What the panel says: one message, or else what to do next, and the progress of the work under way."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from .binding import connect

WARNING = "\N{WARNING SIGN}"
DELAY_MS = 250
"""Work that is done sooner shows no progress, so that the panel stays still while points are dragged."""


class StatusLine:
    """``onCancel()`` is called when the user calls the work off."""

    def __init__(self, ui, onCancel) -> None:
        self._ui = ui
        self.text = self._hint = ""
        self._delay = qt.QTimer()
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        connect(self._delay, "timeout()", lambda: self._setBarVisible(True))
        connect(ui.cancelButton, "clicked()", onCancel)
        self.clear()
        self.hideProgress()

    def say(self, text: str) -> None:
        self._show(text)

    def warn(self, text: str) -> None:
        """A message that asks for attention."""
        self._show(f"{WARNING} {text}")

    def hint(self, text: str) -> None:
        """What to do next: shown while there is nothing else to say."""
        self._hint = text
        self._show(self.text)

    def clear(self) -> None:
        self._show("")

    def showProgress(self, fraction: float, text: str) -> None:
        """``fraction`` of the work is done; a negative one says that nobody knows."""
        bar = self._ui.progressBar
        bar.setRange(0, 0 if fraction < 0 else 100)
        bar.setValue(round(100 * max(fraction, 0)))
        bar.setFormat(text)
        bar.setToolTip(text)
        if not self._delay.isActive() and not bar.isVisible():
            self._delay.start()

    def hideProgress(self) -> None:
        self._delay.stop()
        self._setBarVisible(False)

    def cancelling(self) -> None:
        self.showProgress(-1, _("Stopping..."))

    def _setBarVisible(self, visible: bool) -> None:
        # Progress takes the place of the message, so that what is below stays where it is.
        self._ui.progressBar.setVisible(visible)
        self._ui.cancelButton.setVisible(visible)
        self._ui.messageLabel.setVisible(not visible)

    def _show(self, text: str) -> None:
        self.text = text
        self._ui.messageLabel.setText(text or self._hint)
