"""Files dropped onto the panel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt


class FileDrop(qt.QObject):
    """An event filter that takes single files; ``onFile(path)`` gets them."""

    def __init__(self, widget, onFile: Callable[[Path], None]) -> None:
        super().__init__()
        self._widget, self._onFile = widget, onFile
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def close(self) -> None:
        self._widget.removeEventFilter(self)
        self._widget = None

    def eventFilter(self, _receiver, event) -> bool:
        if event.type() not in (qt.QEvent.DragEnter, qt.QEvent.Drop):
            return False
        files = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if len(files) != 1 or not files[0].is_file():
            # Folders, several files and nodes go the way they go everywhere in Slicer.
            return False
        event.acceptProposedAction()
        if event.type() == qt.QEvent.Drop:
            self._onFile(files[0])
        return True
