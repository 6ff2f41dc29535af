"""A picture of the Segment tab with the sample radiograph: python Testing/panel/segment/screenshot.py PNG [dark]

Shown on the display if there is one (``xvfb-run`` gives one to machines without), else drawn off screen.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
WIDTH, HEIGHT = 380, 850
DARK = {"Window": 0x353535, "Base": 0x232323, "Button": 0x404040, "ToolTipBase": 0x353535}
LIGHT_TEXT = ("WindowText", "Text", "ButtonText", "ToolTipText", "BrightText")


def main(path: str, palette: str = "light") -> None:
    sys.path[:0] = [str(ROOT / "FluoroSAMSlicer"), str(ROOT / "Testing")]
    os.environ["QT_QPA_PLATFORM"] = "xcb" if os.environ.get("DISPLAY") else "offscreen"
    import slicer
    from mrml.bench import new_scene
    from panel import bench, pythonqt, slicer_parts
    from PySide6 import QtCore, QtGui, QtWidgets

    application = QtWidgets.QApplication([])
    application.setStyle("Fusion")
    use_palette(application, palette)
    QtCore.QCoreApplication.setOrganizationName("FluoroSAMSlicer screenshot")
    scene = new_scene()
    slicer.mrmlScene = scene
    layout = slicer_parts.LayoutManager(scene)
    slicer.util.setSliceViewerLayers = layout.show

    from FluoroSAMSlicerLib.mrml.segment.logic import Logic
    from FluoroSAMSlicerLib.panel.segment.slice_views import SliceViews
    from FluoroSAMSlicerLib.panel.segment.tab import segment_panel

    window = pythonqt.pythonqt(QtWidgets.QWidget)()
    views, resources = SliceViews(layout), ROOT / "FluoroSAMSlicer" / "Resources"
    logic = Logic(scene)
    panel = segment_panel(resources, logic, bench.Answers(), views, window, bench.NothingMissing())
    rows = QtWidgets.QVBoxLayout(window)
    rows.addWidget(panel.ui.root)
    window.resize(WIDTH, HEIGHT)
    window.show()
    panel.enter()

    def wait() -> None:
        end = time.monotonic() + 300
        while panel.jobs.busy and time.monotonic() < end:
            application.processEvents()
        panel.refresh()
        application.processEvents()

    panel.image.load(resources / "SampleData" / "chest_drr.dcm")
    wait()
    panel.ui.textEdit.setText("lt lung, right lung, heart, spine")
    panel.text.ask()
    wait()
    panel.prompting.click(logic.rasFromPixel(panel.context.volume, 500, 450), True)
    wait()
    panel.clicks.use("add")
    panel.context.status.clear()
    for _ in range(20):
        application.processEvents()
    picture = window.grab() if not os.environ.get("DISPLAY") else window.screen().grabWindow(window.winId())
    assert isinstance(picture, QtGui.QPixmap) and picture.save(path, "PNG")
    panel.cleanup()
    # VTK and Qt are not torn down in an order that suits both.
    sys.stdout.flush()
    os._exit(0)


def use_palette(application, palette: str) -> None:
    """The dark colours of Slicer where ``palette`` is "dark"."""
    from PySide6 import QtCore, QtGui

    if palette != "dark":
        return
    colors = QtGui.QPalette()
    for role, color in DARK.items():
        colors.setColor(getattr(QtGui.QPalette, role), QtGui.QColor(color))
    for role in LIGHT_TEXT:
        colors.setColor(getattr(QtGui.QPalette, role), QtCore.Qt.white)
    for role in LIGHT_TEXT[:3]:
        colors.setColor(QtGui.QPalette.Disabled, getattr(QtGui.QPalette, role), QtGui.QColor(0x808080))
    colors.setColor(QtGui.QPalette.Link, QtGui.QColor(0x7AB8FF))
    application.setPalette(colors)


if __name__ == "__main__":
    main(*sys.argv[1:])
