"""A tab that is made when it is first needed, a step in each turn of the event loop, so that none is a long one."""

from __future__ import annotations

from collections.abc import Callable, Generator

import qt
from slicer.i18n import tr as _

from .binding import connect

TURN_MS = 2
"""Between two steps, for keys, the mouse and drawing. Not 0: those would be made in one turn."""


class LateTab:
    """``page`` goes into the tab widget at once. ``steps()`` is a generator that yields between the steps of making
    a panel and returns it; until its last step nothing outside may know of it. ``onMade(tab)`` is called at the end.
    """

    def __init__(self, steps: Callable[[], Generator], onMade: Callable[[LateTab], None]) -> None:
        self._steps, self._onMade = steps, onMade
        self._left: Generator | None = None
        self._over = False
        self.panel = None
        self.page = qt.QWidget()
        layout = qt.QVBoxLayout(self.page)
        layout.setContentsMargins(0, 0, 0, 0)
        self._label = qt.QLabel(_("Opening\N{HORIZONTAL ELLIPSIS}"))
        self._label.setAlignment(qt.Qt.AlignCenter)
        self._label.setWordWrap(True)
        layout.addWidget(self._label)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(TURN_MS)
        connect(self._timer, "timeout()", self._onTurn)

    @property
    def making(self) -> bool:
        """Whether the making has begun and is not over."""
        return self._left is not None

    def start(self) -> None:
        """Make the panel in the turns to come, unless that was begun before."""
        if not self._over and self._left is None:
            self._left = self._steps()
            self._timer.start()

    def finish(self):
        """The panel, for somebody who cannot wait: what is left to do is done now. None once the tab was stopped."""
        self.start()
        while self._left is not None:
            self._step()
        return self.panel

    def stop(self) -> None:
        """Make it no more; a panel that was made is forgotten."""
        self._timer.stop()
        self._over, self._left, self.panel = True, None, None

    def _onTurn(self) -> None:
        self._step()
        if self._left is not None:
            self._timer.start()

    def _step(self) -> None:
        left = self._left
        if left is None:
            return
        try:
            next(left)
        except StopIteration as end:
            self._timer.stop()
            self._over, self._left, self.panel = True, None, end.value
            self._label.setVisible(False)
            self.page.layout().addWidget(end.value.ui.root)
            self._onMade(self)
        except Exception:
            self._timer.stop()
            self._over, self._left = True, None
            self._label.setText(_("This tab could not be opened. The Python console says why."))
            raise


def made_at_once(steps: Generator):
    """What a generator of steps returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
