"""Questions that stop the user: as few as possible, all of them here."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer.util
from slicer.i18n import tr as _


class Dialogs:
    """Slicer's own message boxes and the system's file choosers; ``parent`` is the window they belong to."""

    def __init__(self, parent=None) -> None:
        self._parent = parent

    def confirm(self, question: str, details: str = "") -> bool:
        more = {"detailedText": details} if details else {}
        return bool(slicer.util.confirmYesNoDisplay(question, _("FluoroSAM"), self._parent, **more))

    def accept(self, text: str) -> bool:
        """A text, such as a licence, that has to be accepted."""
        return bool(slicer.util.confirmOkCancelDisplay(text, _("FluoroSAM"), self._parent))

    def openFile(self, title: str, filters: str, start: str = "") -> Path | None:
        return _path(qt.QFileDialog.getOpenFileName(self._parent, title, start, filters))

    def saveFile(self, title: str, filters: str, start: str = "") -> Path | None:
        return _path(qt.QFileDialog.getSaveFileName(self._parent, title, start, filters))

    def folder(self, title: str, start: str = "") -> Path | None:
        return _path(qt.QFileDialog.getExistingDirectory(self._parent, title, start))


def _path(chosen: str) -> Path | None:
    return Path(chosen) if chosen else None
