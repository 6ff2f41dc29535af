"""The rendered image: onwards to the Segment tab, and how well the model finds what is in it."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ...mrml.synthesize.check import DiceRow, mean_dice
from ..binding import connect
from .context import Context

STRUCTURE, DICE, EXPECTED, REMARKS = range(4)
ROW_PX = 22


class DiceSection:
    """``onOpen(volume)`` is asked to show the image in the Segment tab, ``onCheck()`` to have the model checked."""

    def __init__(self, ui, context: Context, onOpen: Callable, onCheck: Callable[[], None]) -> None:
        self._ui, self._context = ui, context
        table = ui.diceTable
        table.setColumnCount(4)
        table.setHorizontalHeaderLabels([_("Structure"), _("Dice"), _("Expected"), _("Remarks")])
        table.horizontalHeader().setSectionResizeMode(STRUCTURE, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(REMARKS, qt.QHeaderView.Stretch)
        for column in (DICE, EXPECTED):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(ROW_PX)
        connect(ui.openButton, "clicked()", lambda: onOpen(context.image))
        connect(ui.diceButton, "clicked()", onCheck)
        self.fill(())

    def refresh(self) -> None:
        """Say which image it is."""
        context, ui = self._context, self._ui
        image = context.image
        truth = context.logic.truthFor(image) if image is not None else None
        ui.renderedLabel.setText(image.GetName() if image is not None else _("Nothing was rendered yet."))
        ui.openButton.setEnabled(image is not None)
        ui.diceButton.setEnabled(truth is not None)

    def fill(self, rows: tuple[DiceRow, ...]) -> None:
        """Show the Dice of each structure, the worst first."""
        table = self._ui.diceTable
        rows = sorted(rows, key=lambda row: (row.dice is None, row.dice or 0.0, row.structure))
        table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            texts = (
                row.structure,
                "\N{EN DASH}" if row.dice is None else f"{row.dice:.2f}",
                "" if row.score is None else f"{row.score:.2f}",
                row.remark,
            )
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                item.setToolTip(row.remark or _("{pixels} pixels of the true mask").format(pixels=row.pixels))
                table.setItem(number, column, item)
        mean = mean_dice(rows)
        count = sum(row.dice is not None for row in rows)
        self._ui.meanLabel.setText(
            ""
            if mean is None
            else _("Mean Dice of {count} structures: {mean:.2f}").format(count=count, mean=mean)
        )
        table.setColumnHidden(REMARKS, not any(row.remark for row in rows))
        table.setVisible(bool(rows))
        self._ui.meanLabel.setVisible(mean is not None)
