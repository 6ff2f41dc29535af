"""Both tabs in every state, at several widths: python Testing/panel/screenshots.py FOLDER [dark]

The panel stands in a scroll area that never scrolls sideways, as Slicer's does: what is too wide is cut off. Prints
the least width of each state. Drawn off screen; the images are small, so that a run takes seconds.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WIDTHS, HEIGHT = (300, 350, 450, 600), 760


def main(folder: str, palette: str = "light") -> None:
    sys.path[:0] = [str(ROOT / "FluoroSAMSlicer"), str(ROOT / "Testing")]
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    import slicer
    from mrml.bench import SquarePredictor, image_node, new_scene, segment_logic
    from mrml.synthesize.bench import labelled_ct
    from panel import bench, pythonqt, slicer_parts
    from panel.segment.screenshot import use_palette
    from panel.synthesize.screenshot import slider_widget
    from PySide6 import QtCore, QtWidgets

    application = QtWidgets.QApplication([])
    application.setStyle("Fusion")
    use_palette(application, palette)
    QtCore.QCoreApplication.setOrganizationName("FluoroSAMSlicer screenshots")
    slicer_parts.STAND_INS["ctkSliderWidget"] = slider_widget(slicer_parts, QtCore, QtWidgets)
    slicer.util.loadUI = pythonqt.Loader(slicer_parts.STAND_INS).form
    scene = slicer.mrmlScene = new_scene()
    slicer_parts.add_interaction_node(scene)
    layout = slicer_parts.LayoutManager(scene)
    slicer.util.setSliceViewerLayers = layout.show
    Path(folder).mkdir(parents=True, exist_ok=True)

    from FluoroSAMSlicerLib.mrml.synthesize.logic import Logic
    from FluoroSAMSlicerLib.panel.segment.slice_views import SliceViews
    from FluoroSAMSlicerLib.panel.segment.tab import segment_panel
    from FluoroSAMSlicerLib.panel.synthesize.big_views import BigViews
    from FluoroSAMSlicerLib.panel.synthesize.tab import synthesize_panel

    segments, resources = segment_logic(scene, SquarePredictor()), ROOT / "FluoroSAMSlicer" / "Resources"
    window = pythonqt.pythonqt(QtWidgets.QWidget)()
    views = SliceViews(layout)
    first = segment_panel(resources, segments, bench.Answers(), views, window, bench.NothingMissing())
    second = synthesize_panel(
        resources,
        Logic(scene, lambda: segments),
        bench.Answers(),
        lambda volume: None,
        BigViews(None, None),
        bench.NothingMissing(),
    )
    tabs = QtWidgets.QTabWidget()
    tabs.addTab(first.ui.root, "Segment")
    tabs.addTab(second.ui.root, "Synthesize")
    panel = QtWidgets.QScrollArea()
    panel.setWidgetResizable(True)
    panel.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOff)
    panel.setWidget(tabs)
    panel.show()

    def settle(tab=None) -> None:
        end = time.monotonic() + 120
        while tab is not None and (tab.jobs.busy or getattr(tab, "busy", False)) and time.monotonic() < end:
            application.processEvents()
        if tab is not None:
            tab.refresh()
        for _ in range(30):
            application.processEvents()

    def picture(name: str) -> None:
        settle()
        ui = (first, second)[tabs.currentIndex()].ui
        print(f"{name}: the content is at least {ui.scrollContent.minimumSizeHint().width()} px wide")
        for width in WIDTHS:
            panel.resize(width, HEIGHT)
            settle()
            panel.grab().save(str(Path(folder) / f"{name}_{width}.png"), "PNG")

    def collapse(ui, *opened: str) -> None:
        for name, widget in vars(ui).items():
            if name.endswith("SectionButton"):
                widget.setMaximumHeight(16777215)
                widget.setMinimumHeight(0)
                widget.setCollapsed(name.removesuffix("SectionButton") not in opened)

    first.enter()
    picture("segment_1_nothing")
    first.ui.imageSelector.setCurrentNode(image_node(scene, name="chest radiograph of a patient"))
    settle(first)
    picture("segment_2_image")
    first.ui.textEdit.setText("left lung, right lung, heart, frobnicator")
    first.text.explain()
    first.text.ask()
    settle(first)
    first.ui.segmentTable.setCurrentCell(0, 0)
    first.clicks.use("add")
    picture("segment_3_segments")
    collapse(first.ui, "export", "model")
    picture("segment_4_export")
    first.exit()

    tabs.setCurrentIndex(1)
    second.enter()
    collapse(second.ui, "patient", "view", "result")
    picture("synthesize_1_nothing")
    ct, labels = labelled_ct(scene)
    second.ui.ctSelector.setCurrentNode(ct)
    second.ui.labelsSelector.setCurrentNode(labels)
    second.ui.columnsSpinBox.setValue(256)
    second.ui.rowsSpinBox.setValue(224)
    settle(second)
    picture("synthesize_2_ct")
    second.ui.renderButton.click()
    settle(second)
    second.ui.diceButton.click()
    settle(second)
    picture("synthesize_3_rendered")
    collapse(second.ui, "view", "result")
    picture("synthesize_4_dice")
    collapse(second.ui, "set")
    # The stand-in shows all that is in a section.
    for part in (second.ui.setProgressBar, second.ui.stopButton, second.ui.samplesLabel):
        part.setVisible(False)
    picture("synthesize_5_set")
    sys.stdout.flush()
    # VTK and Qt are not torn down in an order that suits both.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
