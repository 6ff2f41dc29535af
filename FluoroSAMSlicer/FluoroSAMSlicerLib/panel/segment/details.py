"""The chosen segment: its candidates, its threshold, its colour."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ..binding import Held, connect


class SegmentDetails:
    """``onCandidate(step)``: one back (-1) or further (1). ``onThreshold(value, settled)`` hears of a slider
    at every step, ``settled`` when it was let go. ``onColor((r, g, b))`` in 0 to 1, ``onFill(opacity)`` too."""

    def __init__(
        self, ui, onCandidate: Callable, onThreshold: Callable, onColor: Callable, onFill: Callable
    ) -> None:
        self._ui, self._onThreshold, self._onColor, self._onFill = ui, onThreshold, onColor, onFill
        self._held = Held()
        self._threshold = 0.5
        connect(ui.previousCandidateButton, "clicked()", lambda: onCandidate(-1))
        connect(ui.nextCandidateButton, "clicked()", lambda: onCandidate(1))
        connect(ui.thresholdSlider, "valueIsChanging(double)", lambda value: self._onSlider(value, False))
        connect(ui.thresholdSlider, "valueChanged(double)", lambda value: self._onSlider(value, True))
        connect(ui.fillSlider, "valueChanged(int)", self._onFillSlider)
        connect(ui.colorButton, "colorChanged(QColor)", self._onColorChanged)

    def show(self, state) -> None:
        """Show this segment; None for none."""
        ui = self._ui
        answered = state is not None and state.score is not None
        several = answered and len(state.scores) > 1
        ui.detailsFrame.setEnabled(state is not None)
        ui.thresholdSlider.setEnabled(answered)
        ui.previousCandidateButton.setEnabled(several)
        ui.nextCandidateButton.setEnabled(several)
        ui.candidateLabel.setText(
            _("{number} of {count} ({score:.2f})").format(
                number=state.chosen + 1, count=len(state.scores), score=state.score
            )
            if several
            else _("none")
        )
        with self._held:
            self._threshold = state.threshold if answered else 0.5
            ui.thresholdSlider.setValue(self._threshold)
            color = state.color if state is not None else (0.5, 0.5, 0.5)
            ui.colorButton.setColor(qt.QColor(*(round(255 * channel) for channel in color)))

    def showFill(self, opacity: float | None) -> None:
        """Show how strongly masks are filled; None: there are none."""
        slider = self._ui.fillSlider
        slider.setEnabled(opacity is not None)
        if opacity is not None:
            with self._held:
                slider.setValue(round(100 * opacity))

    def _onFillSlider(self, percent: int) -> None:
        if not self._held:
            self._onFill(percent / 100)

    def _onSlider(self, value: float, settled: bool) -> None:
        if not self._held and (settled or value != self._threshold):
            self._threshold = value
            self._onThreshold(value, settled)

    def _onColorChanged(self, color) -> None:
        if not self._held:
            self._onColor((color.red() / 255, color.green() / 255, color.blue() / 255))
