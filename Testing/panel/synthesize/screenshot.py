"""A picture of the Synthesize tab: python Testing/panel/synthesize/screenshot.py PNG CT LABELS PRESET [OPTION]...

Options: dark, set (the training set's form), names=heart,liver (structures that are ticked), up=100 (mm towards the
head). CT and LABELS are volume files, LABELS.json beside them names the labels. Shown on the display if there is one
(``xvfb-run`` gives one to machines without), else drawn off screen.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
WIDTH = 380


def main(path: str, ct: str, labels: str, preset: str, *options: str) -> None:
    sys.path[:0] = [str(ROOT / "FluoroSAMSlicer"), str(ROOT / "Testing")]
    os.environ["QT_QPA_PLATFORM"] = "xcb" if os.environ.get("DISPLAY") else "offscreen"
    up = next((float(one[3:]) for one in options if one.startswith("up=")), 0.0)
    names = next((one[6:].split(",") for one in options if one.startswith("names=")), [])
    import slicer
    from mrml.bench import new_scene
    from mrml.synthesize.bench import add_patient
    from panel import bench, pythonqt, slicer_parts
    from panel.segment import screenshot
    from PySide6 import QtCore, QtGui, QtWidgets

    application = QtWidgets.QApplication([])
    application.setStyle("Fusion")
    screenshot.use_palette(application, "dark" if "dark" in options else "light")
    QtCore.QCoreApplication.setOrganizationName("FluoroSAMSlicer screenshot")
    scene = new_scene()
    slicer.mrmlScene = scene
    slicer_parts.STAND_INS["ctkSliderWidget"] = slider_widget(slicer_parts, QtCore, QtWidgets)
    slicer.util.loadUI = pythonqt.Loader(slicer_parts.STAND_INS).form

    from FluoroSAMSlicerLib.mrml.synthesize.logic import Logic
    from FluoroSAMSlicerLib.panel.synthesize.big_views import BigViews
    from FluoroSAMSlicerLib.panel.synthesize.tab import synthesize_panel

    window = pythonqt.pythonqt(QtWidgets.QWidget)()
    logic = Logic(scene)
    panel = synthesize_panel(
        ROOT / "FluoroSAMSlicer" / "Resources",
        logic,
        bench.Answers(),
        lambda volume: None,
        BigViews(None, None),
    )
    ui = panel.ui
    if "set" in options:
        for section in (ui.patientSectionButton, ui.viewSectionButton, ui.resultSectionButton):
            section.setCollapsed(True)
        ui.setSectionButton.setCollapsed(False)
        # The stand-in shows all that is in a section.
        for part in (ui.setProgressBar, ui.stopButton, ui.samplesLabel):
            part.setVisible(False)
    rows = QtWidgets.QVBoxLayout(window)
    rows.addWidget(panel.ui.root)
    window.resize(WIDTH, 400)
    window.show()
    panel.enter()

    def wait(busy) -> None:
        end = time.monotonic() + 600
        while busy() and time.monotonic() < end:
            application.processEvents()
        for _ in range(20):
            application.processEvents()

    add_patient(scene, Path(ct), Path(labels))
    panel.patient.suggest()
    wait(lambda: panel.jobs.busy)
    ui.presetComboBox.setCurrentIndex(ui.presetComboBox.findData(preset))
    ui.isocentreSSpinBox.setValue(ui.isocentreSSpinBox.value + up)
    if names:
        ui.noneButton.click()
        for row in range(ui.structuresTable.rowCount):
            item = ui.structuresTable.item(row, 0)
            if item.text() in names:
                item.setCheckState(QtCore.Qt.Checked)
    ui.renderButton.click()
    wait(lambda: panel.jobs.busy)
    if "set" in options:
        ui.folderEdit.setText("/data/sets/abdomen")
        ui.samplesButton.click()
    else:
        ui.diceButton.click()
    wait(lambda: panel.jobs.busy)
    panel.context.status.clear()
    # As high as shows all that the tab would scroll through.
    seen = QtWidgets.QWidget.height(ui.scrollArea.viewport())
    more = max(ui.scrollContent.sizeHint().height(), ui.scrollContent.minimumSizeHint().height()) - seen
    window.resize(WIDTH, QtWidgets.QWidget.height(window) + more)
    for _ in range(20):
        application.processEvents()
    picture = window.grab() if not os.environ.get("DISPLAY") else window.screen().grabWindow(window.winId())
    assert isinstance(picture, QtGui.QPixmap) and picture.save(path, "PNG")
    panel.cleanup()
    # VTK and Qt are not torn down in an order that suits both.
    sys.stdout.flush()
    os._exit(0)


def slider_widget(slicer_parts, QtCore, QtWidgets):
    """The stand-in with the range, decimals and suffix of the form."""

    class ctkSliderWidget(slicer_parts.ctkSliderWidget):
        _isQt = True

        def __init__(self, parent=None) -> None:
            super().__init__(parent)
            self.__dict__["box"].setButtonSymbols(QtWidgets.QAbstractSpinBox.UpDownArrows)

        def event(self, event) -> bool:
            if event.type() == QtCore.QEvent.Polish:
                read = QtCore.QObject.property
                low, high = read(self, "minimum"), read(self, "maximum")
                box, slider = self.__dict__["box"], self.__dict__["slider"]
                for part in (box, slider):
                    part.blockSignals(True)
                box.setDecimals(read(self, "decimals"))
                box.setRange(low, high)
                box.setSuffix(read(self, "suffix") or "")
                box.setSingleStep(1)
                slider.setRange(round(low), round(high))
                box.setFixedWidth(84)
                self._place(self.__dict__["now"])
                for part in (box, slider):
                    part.blockSignals(False)
            return super().event(event)

        def _place(self, value: float) -> None:
            self.__dict__["box"].setValue(value)
            self.__dict__["slider"].setValue(round(value))

        def setValue(self, value: float) -> None:
            changed = abs(value - self.__dict__["now"]) > 1e-9
            self.__dict__["now"] = float(value)
            for part in ("box", "slider"):
                self.__dict__[part].blockSignals(True)
            self._place(value)
            for part in ("box", "slider"):
                self.__dict__[part].blockSignals(False)
            if changed:
                self.emitted("valueChanged(double)", float(value))

    return ctkSliderWidget


if __name__ == "__main__":
    main(*sys.argv[1:])
