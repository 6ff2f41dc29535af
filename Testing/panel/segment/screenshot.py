"""A picture of the Segment tab with the sample: python Testing/panel/segment/screenshot.py PNG [dark] [run]

With "run" the sample slides through a run of 80 frames, and the picture is of the segments and the run's row alone.
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


FRAMES, SHOWN, SIDE = 80, 11, 240


def main(path: str, *options: str) -> None:
    sys.path[:0] = [str(ROOT / "FluoroSAMSlicer"), str(ROOT / "Testing")]
    os.environ["QT_QPA_PLATFORM"] = "xcb" if os.environ.get("DISPLAY") else "offscreen"
    import slicer
    from mrml.bench import Film, SquarePredictor, new_scene, segment_logic
    from panel import bench, pythonqt, slicer_parts
    from PySide6 import QtCore, QtGui, QtWidgets

    application = QtWidgets.QApplication([])
    application.setStyle("Fusion")
    use_palette(application, "dark" if "dark" in options else "light")
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
    # The masks of a run are not in the picture.
    logic = segment_logic(scene, SquarePredictor()) if "run" in options else Logic(scene)
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

    sample = resources / "SampleData" / "chest_drr.dcm"
    if "run" in options:
        film = Film(scene, sliding(sample))
        film.show(SHOWN)
        panel.ui.imageSelector.setCurrentNode(film.volume)
    else:
        panel.image.load(sample)
    wait()
    panel.ui.textEdit.setText("lt lung, right lung, heart, spine")
    panel.ui.textEdit.setCursorPosition(0)
    panel.text.ask()
    wait()
    if "run" not in options:
        panel.prompting.click(logic.rasFromPixel(panel.context.volume, 500, 450), True)
        wait()
    panel.clicks.use("add")
    panel.context.status.clear()
    for _ in range(20):
        application.processEvents()
    picture = window.grab() if not os.environ.get("DISPLAY") else window.screen().grabWindow(window.winId())
    if "run" in options:
        picture = picture.copy(segments_part(panel.ui, window))
    assert isinstance(picture, QtGui.QPixmap) and picture.save(path, "PNG")
    panel.cleanup()
    # VTK and Qt are not torn down in an order that suits both.
    sys.stdout.flush()
    os._exit(0)


def sliding(sample: Path) -> list:
    """Frames, float32 (SIDE, SIDE), in which the sample moves by a pixel each."""
    import numpy as np
    from FluoroSAMSlicerLib.radiograph import read_radiograph

    pixels = read_radiograph(sample).pixels[::2, ::2]
    left = np.arange(FRAMES) + (pixels.shape[1] - SIDE - FRAMES) // 2
    top = (pixels.shape[0] - SIDE) // 2
    return [pixels[top : top + SIDE, one : one + SIDE].astype(np.float32) for one in left]


def segments_part(ui, window):
    """Where the segments' section is in the window."""
    from PySide6 import QtCore, QtWidgets

    section = ui.segmentsSectionButton
    corner = QtWidgets.QWidget.mapTo(section, window, QtCore.QPoint(0, 0))
    width, height = (getattr(QtWidgets.QWidget, one)(section) for one in ("width", "height"))
    return QtCore.QRect(corner.x() - 6, corner.y() - 6, width + 6, height + 12)


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
