"""The C-arm's sliders and the exposure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from slicer.i18n import tr as _

from ...mrml.synthesize.view import ViewSettings, primary_words, secondary_words
from ..binding import Held, connect
from .context import Context

SLIDERS = {
    "primarySlider": "primary_deg",
    "secondarySlider": "secondary_deg",
    "rotationSlider": "rotation_deg",
    "sddSlider": "sdd_mm",
    "sidSlider": "sid_mm",
}
ISOCENTRE = ("isocentreRSpinBox", "isocentreASpinBox", "isocentreSSpinBox")


class ViewSection:
    """``onView(view, settled)`` hears of every change that the user makes; not ``settled`` while a slider is dragged.
    ``onCentre()`` and ``onRender()`` are the buttons, ``onShown(visible)`` the C-arm's check box."""

    def __init__(
        self,
        ui,
        context: Context,
        onView: Callable[[ViewSettings, bool], None],
        onCentre: Callable[[], None],
        onRender: Callable[[], None],
        onShown: Callable[[bool], None],
    ) -> None:
        from ...drr import KILOVOLTS

        self._ui, self._context, self._onView = ui, context, onView
        self._held = Held()
        self._view = ViewSettings()
        ui.presetComboBox.addItem(_("Choose..."), "")
        for name in context.logic.presets():
            ui.presetComboBox.addItem(name[:1].upper() + name[1:], name)
        for kilovolts in KILOVOLTS:
            ui.kilovoltsComboBox.addItem(f"{kilovolts} kV", kilovolts)
        for widget, name in SLIDERS.items():
            slider = getattr(ui, widget)
            connect(
                slider,
                "valueIsChanging(double)",
                lambda value, name=name: self._change(False, **{name: value}),
            )
            connect(
                slider, "valueChanged(double)", lambda value, name=name: self._change(True, **{name: value})
            )
        for widget in (*ISOCENTRE, "pixelSpinBox", "doseSpinBox"):
            connect(getattr(ui, widget), "valueChanged(double)", self._onBox)
        for widget in ("columnsSpinBox", "rowsSpinBox"):
            connect(getattr(ui, widget), "valueChanged(int)", self._onBox)
        connect(ui.kilovoltsComboBox, "currentIndexChanged(int)", self._onBox)
        for widget in ("scatterCheckBox", "blurCheckBox"):
            connect(getattr(ui, widget), "toggled(bool)", self._onBox)
        ui.previewLabel.setVisible(False)
        connect(ui.presetComboBox, "currentIndexChanged(int)", self._onPreset)
        connect(ui.centreButton, "clicked()", onCentre)
        connect(ui.renderButton, "clicked()", onRender)
        connect(ui.cArmCheckBox, "toggled(bool)", onShown)

    def show(self, view: ViewSettings, words_only: bool = False) -> None:
        """Let the widgets say what the view is; ``words_only`` while one of them is being dragged."""
        self._view = view
        ui = self._ui
        with self._held:
            if not words_only:
                for widget, name in SLIDERS.items():
                    getattr(ui, widget).setValue(getattr(view, name))
                for widget, mm in zip(ISOCENTRE, view.isocentre, strict=True):
                    getattr(ui, widget).setValue(mm)
                ui.columnsSpinBox.setValue(view.size[0])
                ui.rowsSpinBox.setValue(view.size[1])
                ui.pixelSpinBox.setValue(view.pixel_mm)
                ui.kilovoltsComboBox.setCurrentIndex(max(0, ui.kilovoltsComboBox.findData(view.kilovolts)))
                ui.doseSpinBox.setValue(view.dose_ugy)
                ui.scatterCheckBox.setChecked(view.scatter)
                ui.blurCheckBox.setChecked(view.blur)
        ui.primaryLabel.setText(primary_words(round(view.primary_deg, 1)))
        ui.secondaryLabel.setText(secondary_words(round(view.secondary_deg, 1)))
        ui.fieldLabel.setText(self._field(view))
        ui.doseLabel.setText(self._photons(view))

    def _change(self, settled: bool, **named) -> None:
        if self._held:
            return
        self._view = replace(self._view, **named)
        self.show(self._view, words_only=True)
        self._onView(self._view, settled)

    def _onBox(self, *_) -> None:
        if self._held:
            return
        ui = self._ui
        self._change(
            True,
            isocentre=tuple(float(getattr(ui, widget).value) for widget in ISOCENTRE),
            size=(int(ui.columnsSpinBox.value), int(ui.rowsSpinBox.value)),
            pixel_mm=float(ui.pixelSpinBox.value),
            kilovolts=int(ui.kilovoltsComboBox.itemData(ui.kilovoltsComboBox.currentIndex)),
            dose_ugy=float(ui.doseSpinBox.value),
            scatter=bool(ui.scatterCheckBox.checked),
            blur=bool(ui.blurCheckBox.checked),
        )

    def _onPreset(self, index: int) -> None:
        name = self._ui.presetComboBox.itemData(index)
        if not name or self._held:
            return
        view = self._context.attempt(self._context.logic.presetView, name, None, None, self._view)
        if view is not None:
            self.show(view)
            self._onView(view, True)

    def _field(self, view: ViewSettings) -> str:
        """What the field measures at the isocentre."""
        scale = view.sid_mm / view.sdd_mm if view.sdd_mm else 0
        width, height = (side * view.pixel_mm * scale for side in view.size)
        return _("{width:.0f} \N{MULTIPLICATION SIGN} {height:.0f} mm").format(width=width, height=height)

    def _photons(self, view: ViewSettings) -> str:
        from ...drr import DRRError

        try:
            photons = view.photons()
        except DRRError:
            return ""
        if not math.isfinite(photons):
            return _("no noise")
        return _("{photons} photons a pixel").format(photons=f"{float(f'{photons:.2g}'):,.0f}")
