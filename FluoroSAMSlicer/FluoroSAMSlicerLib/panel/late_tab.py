"""A tab that is made when it is first needed, a step in each turn of the event loop, so that none is a long one."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import qt
from slicer.i18n import tr as _

from .slices import Slices


class LateTab:
    """``page`` goes into the tab widget at once. ``steps()`` is a generator that yields between the steps of making
    a panel and returns it; until its last step nothing outside may know of it. ``onMade(tab)`` is called at the end.
    """

    def __init__(self, steps: Callable[[], Generator[None, None, Any]], onMade: Callable[[LateTab], None]) -> None:
        self._steps, self._onMade = steps, onMade
        self._begun, self._turns = False, Slices(lambda action, *args: action(*args), seconds=0)
        self.panel = None
        self.page = qt.QWidget()
        layout = qt.QVBoxLayout(self.page)
        layout.setContentsMargins(0, 0, 0, 0)
        self._label = qt.QLabel(_("Opening\N{HORIZONTAL ELLIPSIS}"))
        self._label.setAlignment(qt.Qt.AlignCenter)
        self._label.setWordWrap(True)
        layout.addWidget(self._label)

    @property
    def making(self) -> bool:
        """Whether the making has begun and is not over."""
        return self._turns.busy

    def start(self) -> None:
        """Make the panel in the turns to come, unless that was begun before."""
        if not self._begun:
            self._begun = True
            self._turns.submit(self._made(), lambda: self._onMade(self))

    def finish(self):
        """The panel, for somebody who cannot wait: what is left to do is done now. None once the tab was stopped."""
        self.start()
        self._turns.finish()
        return self.panel

    def stop(self) -> None:
        """Make it no more; a panel that was made is forgotten."""
        self._turns.stop()
        self._begun, self.panel = True, None

    def _made(self) -> Generator:
        try:
            panel = yield from self._steps()
        except Exception:
            self._label.setText(_("This tab could not be opened. The Python console says why."))
            raise
        self.panel = panel
        self._label.setVisible(False)
        self.page.layout().addWidget(panel.ui.root)


def made_at_once(steps: Generator):
    """What a generator of steps returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
