"""What a user does in both tabs, as the budget of the main thread counts it: one function an action.

Each has all that it needs ready when it is called and returns what has to be done, as (action, busy) of
``main_thread.cost``.
"""

from __future__ import annotations

import numpy as np
from panel.bench import MODULE, QtWidgets
from panel.pythonqt import pythonqt

SAMPLE = MODULE / "Resources" / "SampleData" / "chest_drr.dcm"
LARGE, STEPS = 3000, np.linspace(0.55, 0.9, 13)
FOUR = "left lung, right lung, heart, sacrum"
MANY = 61


def load(bench, path):
    """A file is chosen, read, shown and prepared."""
    return lambda: bench.panel.image.load(path), lambda: bench.panel.jobs.busy


def sample(bench):
    return bench.ui.sampleButton.click, lambda: bench.panel.jobs.busy


def ask(bench, text: str = FOUR):
    """Names are typed, and Enter is pressed."""
    bench.ui.textEdit.setText(text)
    return bench.ui.segmentButton.click, lambda: bench.panel.jobs.busy


def threshold(bench, steps=STEPS):
    """The slider of the chosen segment is dragged, a step as soon as the mouse moves, and let go."""
    slider = bench.ui.thresholdSlider

    def drag() -> None:
        for value in steps:
            slider.dragged(float(value))
            bench.application.processEvents()
        slider.setValue(float(steps[-1]))

    return drag, lambda: bench.panel.jobs.busy


def export(bench, title: str, path):
    """A format is chosen and written to ``path``."""
    box = bench.ui.formatComboBox
    box.setCurrentIndex(next(row for row in range(box.count) if box.itemText(row).startswith(title)))
    bench.dialogs.path = path
    return bench.ui.exportButton.click, lambda: bench.panel.jobs.busy


def checked_image(bench, side: int = 1024, count: int = MANY):
    """A rendered image with so many true masks, discs of which many overlap; its volume node."""
    from FluoroSAMSlicerLib.mrml import segmentation_node
    from FluoroSAMSlicerLib.mrml.synthesize.scene import TRUTH
    from mrml.bench import image_node

    image = image_node(bench.scene, side, side, name="rendered")
    truth = segmentation_node(bench.scene, image, "rendered truth")
    image.SetNodeReferenceID(TRUTH, truth.GetID())
    fill_with_discs(truth, image, side, count)
    return image


def many_segments(bench, side: int = 1024) -> None:
    """The Segment tab's image has many segments, most of which overlap others."""
    image = bench.add_image(height=side, width=side)
    fill_with_discs(bench.logic.segmentationFor(image), image, side, MANY)
    bench.panel.refresh()


def fill_with_discs(segmentation, image, side: int, count: int) -> None:
    from FluoroSAMSlicerLib.anatomy import vocabulary
    from FluoroSAMSlicerLib.mrml import set_segment

    rows, columns = np.ogrid[:side, :side]
    structures = [one for one in vocabulary() if not one.is_group][:count]
    for number, structure in enumerate(structures):
        row, column = (number * 0.37 % 1) * side, (number * 0.61 % 1) * side
        disc = (rows - row) ** 2 + (columns - column) ** 2 < (side / 6) ** 2
        set_segment(segmentation, image, structure, disc, {})


def check(bench, image):
    """*Dice* of the Synthesize tab."""
    bench.panel.context.image = image
    bench.panel.refresh()
    return bench.ui.diceButton.click, lambda: bench.panel.busy


def large_file(folder, side: int = LARGE):
    """A 16-bit PNG file of side x side pixels; its path."""
    from PIL import Image

    path = folder / f"large_{side}.png"
    pixels = np.random.default_rng(0).integers(0, 60000, (side // 10, side // 10), dtype=np.uint16)
    Image.fromarray(np.kron(pixels, np.ones((10, 10), np.uint16))).save(path)
    return path


def window():
    return pythonqt(QtWidgets.QWidget)()
