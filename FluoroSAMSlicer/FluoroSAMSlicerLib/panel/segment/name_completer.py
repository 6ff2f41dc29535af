"""Completion of one name among several in a line."""

from __future__ import annotations

from collections.abc import Callable

import qt

from ..binding import connect

SHOWN = 10
SEPARATORS = ",;"


class NameCompleter:
    """Offers names for the one at the cursor, with what a synonym stands for.

    ``complete(prefix, limit)`` gives objects with ``text`` and ``structure.name``.
    """

    def __init__(self, lineEdit, complete: Callable) -> None:
        self._edit, self._complete = lineEdit, complete
        self._names: dict[str, str] = {}
        self._chosen = False
        self._model = qt.QStringListModel()
        self._completer = qt.QCompleter()
        self._completer.setModel(self._model)
        self._completer.setCompletionMode(qt.QCompleter.UnfilteredPopupCompletion)
        self._completer.setCaseSensitivity(qt.Qt.CaseInsensitive)
        # Set on the line edit itself, it would replace the whole line.
        self._completer.setWidget(lineEdit)
        connect(lineEdit, "textEdited(QString)", self._offer)
        connect(self._completer, "highlighted(QString)", self._onHighlighted)
        connect(self._completer, "activated(QString)", self._take)

    @property
    def choosing(self) -> bool:
        """Whether Enter takes the highlighted name and does not end the line.

        The first row of an unfiltered popup is its current one before anybody chose it, and Enter would take that.
        """
        return self._completer.popup().isVisible() and self._chosen

    def _onHighlighted(self, shown: str) -> None:
        self._chosen = shown in self._names

    def _offer(self, text: str) -> None:
        start, end = self._name(text)
        typed = text[start:end].strip()
        self._names = {}
        for found in self._complete(typed, SHOWN) if typed else ():
            meant = found.structure.name
            shown = found.text if found.text == meant else f"{found.text}  \N{RIGHTWARDS ARROW}  {meant}"
            self._names.setdefault(shown, found.text)
        self._model.setStringList(list(self._names))
        self._chosen = False
        if self._names and list(self._names.values()) != [typed]:
            self._completer.complete()
        else:
            self._completer.popup().hide()

    def _take(self, shown: str) -> None:
        if not self._chosen or shown not in self._names:
            return
        text = self._edit.text
        start, end = self._name(text)
        before = text[:start] + (" " if start else "")
        self._edit.setText(before + self._names[shown] + text[end:])
        self._edit.setCursorPosition(len(before + self._names[shown]))

    def _name(self, text: str) -> tuple[int, int]:
        """Start and end of the name at the cursor."""
        cursor = self._edit.cursorPosition
        start = max(text.rfind(mark, 0, cursor) for mark in SEPARATORS) + 1
        ends = [place for mark in SEPARATORS if (place := text.find(mark, cursor)) >= 0]
        return start, min(ends, default=len(text))
