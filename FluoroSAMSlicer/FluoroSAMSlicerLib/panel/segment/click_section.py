"""The tools that ask by clicks: their buttons and keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ..binding import connect
from ..pictures import tool_icon
from .slice_tool import ADD, BOX, OFF, REMOVE


class ClickSection:
    """``onTool(tool)`` hears of the tool that is on; ``actions`` are called by the buttons and keys named
    ``newSegment``, ``startFromMask``, ``clearClicks``, ``undo``, ``redo``, ``removeSegment``, ``candidate``,
    ``nextDoubt``, ``previous`` and ``next``. Keys work while the module is open, ``window`` is the window they work
    in, ``icons`` the folder of the module's icons.
    """

    def __init__(
        self,
        ui,
        onTool: Callable[[str], None],
        actions: dict[str, Callable[[], None]],
        window,
        icons: Path,
    ) -> None:
        self._ui, self._onTool, self._actions = ui, onTool, actions
        self._tools = {ADD: ui.addButton, REMOVE: ui.removeButton, BOX: ui.boxButton}
        self._shortcuts: list = []
        for tool, button in self._tools.items():
            connect(button, "clicked(bool)", lambda on, tool=tool: self.use(tool if on else OFF))
        for name in ("newSegment", "startFromMask", "clearClicks", "undo", "redo", "removeSegment"):
            connect(getattr(ui, f"{name}Button"), "clicked()", actions[name])
        for name, button in (
            ("Inside", ui.addButton),
            ("Outside", ui.removeButton),
            ("Box", ui.boxButton),
            ("Undo", ui.undoButton),
            ("Redo", ui.redoButton),
        ):
            button.setIcon(tool_icon(icons, name))
        self._addKeys(window)

    @property
    def tool(self) -> str:
        return next((tool for tool, button in self._tools.items() if button.checked), OFF)

    def use(self, tool: str) -> None:
        """Turn this tool on and all others off."""
        for one, button in self._tools.items():
            button.setChecked(one == tool)
        self._onTool(tool)

    def refresh(self, usable: bool, chosen: bool, undo: bool, redo: bool) -> None:
        """``usable``: there is an image; ``chosen``: and a segment of it is chosen."""
        ui = self._ui
        for button in (*self._tools.values(), ui.newSegmentButton):
            button.setEnabled(usable)
        for button in (ui.startFromMaskButton, ui.clearClicksButton, ui.removeSegmentButton):
            button.setEnabled(chosen)
        ui.undoButton.setEnabled(undo)
        ui.redoButton.setEnabled(redo)

    def enableKeys(self, on: bool) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(on)

    def close(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts.clear()

    def _addKeys(self, window) -> None:
        """The keys of Slicer's Segment Editor where it has them; every one is told in a tooltip."""
        ui = self._ui
        keys = (
            ("A", ui.addButton, lambda: self._toggle(ADD)),
            ("S", ui.removeButton, lambda: self._toggle(REMOVE)),
            ("D", ui.boxButton, lambda: self._toggle(BOX)),
            ("Esc", None, lambda: self.use(OFF)),
            ("Z", ui.undoButton, self._actions["undo"]),
            ("Y", ui.redoButton, self._actions["redo"]),
            ("N", ui.newSegmentButton, self._actions["newSegment"]),
            ("U", ui.nextDoubtButton, self._actions["nextDoubt"]),
            ("C", ui.nextCandidateButton, self._actions["candidate"]),
            ("Q", None, self._actions["previous"]),
            ("W", None, self._actions["next"]),
        )
        for key, button, action in keys:
            if button is not None:
                button.setToolTip(button.toolTip + " " + _("(key {key})").format(key=key))
            if window is not None:
                shortcut = qt.QShortcut(qt.QKeySequence(key), window)
                connect(
                    shortcut, "activated()", lambda action=action, button=button: self._press(action, button)
                )
                self._shortcuts.append(shortcut)
        self.enableKeys(False)

    def _press(self, action: Callable[[], None], button) -> None:
        if button is None or button.enabled:
            action()

    def _toggle(self, tool: str) -> None:
        self.use(OFF if self.tool == tool else tool)
