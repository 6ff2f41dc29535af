"""The segments of the image: shown or not, name, score, and what to know about each."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ..binding import Held, connect
from ..pictures import swatch
from ..status_line import WARNING

NAME, SCORE, REMARKS = range(3)
SWATCH_PX = 14
ROW_PX = 24
NARROWEST_PX = 36


class SegmentTable:
    """``onChosen(id)``, ``onShown(id, visible)`` and ``onRenamed(id, name)`` hear of what the user does."""

    def __init__(self, ui, onChosen: Callable, onShown: Callable, onRenamed: Callable) -> None:
        self._table = ui.segmentTable
        self._onChosen, self._onShown, self._onRenamed = onChosen, onShown, onRenamed
        self._states: list = []
        self._shown: list[bool] = []
        self._filling = Held()
        table = self._table
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Segment"), _("Score"), _("Remarks")])
        table.horizontalHeader().setSectionResizeMode(NAME, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(SCORE, qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(REMARKS, qt.QHeaderView.Stretch)
        table.horizontalHeader().setMinimumSectionSize(NARROWEST_PX)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(ROW_PX)
        table.setColumnHidden(REMARKS, True)
        connect(table, "itemSelectionChanged()", self._onSelection)
        connect(table, "itemChanged(QTableWidgetItem*)", self._onItem)

    @property
    def ids(self) -> list[str]:
        return [state.id for state in self._states]

    @property
    def current(self) -> str | None:
        row = self._table.currentRow()
        return self._states[row].id if 0 <= row < len(self._states) else None

    def fill(self, states: list, shown: list[bool], chosen: str | None) -> None:
        """Show these segments; ``shown`` says which are visible in the views."""
        if (states, shown) != (self._states, self._shown):
            with self._filling:
                self._table.setRowCount(len(states))
                for row, state in enumerate(states):
                    self._fillRow(row, state, shown[row])
            self._table.setColumnHidden(REMARKS, not any(remarks(state) for state in states))
            self._states, self._shown = list(states), list(shown)
        self.choose(chosen)

    def choose(self, segmentId: str | None) -> None:
        with self._filling:
            if segmentId in self.ids:
                self._table.setCurrentCell(self.ids.index(segmentId), NAME)
            else:
                self._table.setCurrentCell(-1, -1)

    def step(self, by: int) -> None:
        """Choose the segment so many rows further down, going round."""
        if self._states:
            row = self._table.currentRow()
            self._table.setCurrentCell((row + by) % len(self._states) if row >= 0 else 0, NAME)

    def _fillRow(self, row: int, state, shown: bool) -> None:
        name = self._item(row, NAME, state.name, editable=True)
        name.setCheckState(qt.Qt.Checked if shown else qt.Qt.Unchecked)
        name.setIcon(swatch(state.color, SWATCH_PX))
        name.setToolTip(_("Ticked: shown in the views. Double-click to rename.") + "\n" + prompts(state))
        score = "" if state.score is None else f"{state.score:.2f}"
        score = self._item(row, SCORE, f"{score} {WARNING}" if state.low_confidence else score)
        score.setToolTip(
            _("Overlap with the true structure that the model expects: 1 is perfect.")
            + ("\n" + _("The model is unsure: look at this mask closely.") if state.low_confidence else "")
        )
        remark = self._item(row, REMARKS, remarks(state))
        remark.setToolTip("\n".join(filter(None, (remarks(state), prompts(state)))))

    def _item(self, row: int, column: int, text: str, editable: bool = False):
        item = self._table.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem()
            flags = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled
            if editable:
                flags = flags | qt.Qt.ItemIsEditable | qt.Qt.ItemIsUserCheckable
            item.setFlags(flags)
            self._table.setItem(row, column, item)
        item.setText(text)
        return item

    def _onSelection(self) -> None:
        if not self._filling:
            self._onChosen(self.current)

    def _onItem(self, item) -> None:
        row = item.row()
        if self._filling or item.column() != NAME or row >= len(self._states):
            return
        state = self._states[row]
        shown = item.checkState() == qt.Qt.Checked
        if shown != self._shown[row]:
            self._shown[row] = shown
            self._onShown(state.id, shown)
        name = item.text().strip()
        if name != state.name:
            self._onRenamed(state.id, name)


def remarks(state) -> str:
    """What is special about a segment, in a few words."""
    found = []
    if not state.ours:
        found.append(_("drawn by hand"))
    if not state.known:
        found.append(_("unknown name"))
    if state.low_confidence:
        found.append(_("unsure"))
    if state.missed:
        found.append(_("{count} clicks missed").format(count=len(state.missed)))
    return ", ".join(found)


def prompts(state) -> str:
    """What the segment was asked for by."""
    parts = [_('text "{text}"').format(text=state.typed)] if state.typed else []
    if state.positive or state.negative:
        clicks = _("{inside} clicks inside, {outside} outside")
        parts.append(clicks.format(inside=state.positive, outside=state.negative))
    if state.box:
        parts.append(_("a box"))
    if state.start:
        parts.append(_("an earlier mask"))
    return _("Asked for by {prompts}.").format(prompts=", ".join(parts)) if parts else _("No prompts.")
