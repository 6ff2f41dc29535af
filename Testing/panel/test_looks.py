"""What the tabs look like: narrow panels, what to do next, tools that are on, swatches."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from mrml.bench import Film
from panel.bench import MODULE
from panel.pythonqt import qt_name
from panel.synthesize.bench import new_drr_bench
from PySide6 import QtCore, QtGui, QtWidgets

ICON_ONLY = QtCore.Qt.ToolButtonIconOnly
NARROWEST, SCROLL_BAR, MARGINS = 300, 16, 32
"""A panel of 300 px has so much for a scroll bar, and for the margins of Slicer's panel, tabs and sections."""


def least_width(ui, application) -> int:
    """How wide the content of a tab has to be, all its sections open."""
    ui.root.window().show()
    ui.root.show()
    for name, widget in vars(ui).items():
        if name.endswith("SectionButton"):
            widget.setCollapsed(False)
    for _ in range(5):
        application.processEvents()
    sections = [one for name, one in vars(ui).items() if name.endswith("SectionButton")]
    return max(one.minimumSizeHint().width() for one in sections)


@pytest.fixture
def synthesis(application, tmp_path):
    with new_drr_bench(application, tmp_path) as made:
        yield made


def pixels(icon, mode, state=QtGui.QIcon.Off) -> np.ndarray:
    picture = (
        icon.pixmap(QtCore.QSize(24, 24), mode, state).toImage().convertToFormat(QtGui.QImage.Format_RGBA8888)
    )
    return np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.width(), 4).copy()


def cut_off(ui, application, width: int) -> list[str]:
    """Widgets whose text does not fit, or that reach beyond what can be seen, in a panel of this width."""
    ui.root.resize(width - MARGINS, 900)
    for _ in range(5):
        application.processEvents()
    content, found = ui.scrollContent, []
    view = QtWidgets.QWidget.width(ui.scrollArea.viewport())
    for name, one in vars(ui).items():
        if name == "root" or not content.isAncestorOf(one) or not one.isVisible():
            continue
        have = QtWidgets.QWidget.width(one)
        right = one.mapTo(content, QtCore.QPoint(have, 0)).x()
        text = ""
        if isinstance(one, (QtWidgets.QToolButton, QtWidgets.QPushButton, QtWidgets.QCheckBox)):
            only = isinstance(one, QtWidgets.QToolButton) and one.toolButtonStyle == ICON_ONLY
            shown = not only or one.icon.isNull()
            text = one.text if shown else ""
        elif isinstance(one, QtWidgets.QLabel) and not one.wordWrap:
            text = one.text
        needed = one.fontMetrics().horizontalAdvance(text.strip())
        if right > view or have < needed:
            found.append(f"{name}: {have} px of {needed}, to {right} of {view}")
    return found


@pytest.mark.parametrize("width", [300, 350, 450, 600])
def test_nothing_of_the_segment_tab_is_cut_off(bench, application, width):
    bench.add_image()
    bench.ask("left lung, right lung, frobnicator, heart")
    bench.ui.textEdit.setText("left lung, right lung, frobnicator")
    bench.panel.text.explain()

    assert least_width(bench.ui, application) <= NARROWEST - SCROLL_BAR - MARGINS
    assert cut_off(bench.ui, application, width) == []


@pytest.mark.parametrize("width", [300, 380])
def test_nothing_of_the_row_of_a_run_is_cut_off(bench, application, width):
    film = Film(bench.scene, [np.full((40, 40), number, np.float32) for number in range(12)])
    bench.ui.imageSelector.setCurrentNode(film.volume)
    bench.wait()

    assert not bench.ui.runFrame.isHidden()
    assert least_width(bench.ui, application) <= NARROWEST - SCROLL_BAR - MARGINS
    assert cut_off(bench.ui, application, width) == []


@pytest.mark.parametrize("width", [300, 350, 450, 600])
def test_nothing_of_the_synthesize_tab_is_cut_off(synthesis, application, width):
    ct, _labels = synthesis.add_patient()
    ct.SetName("A CT with a name that nobody would ever want to read to its very end")
    synthesis.ui.primarySlider.setValue(-135.5)
    synthesis.ui.secondarySlider.setValue(-22.5)

    assert least_width(synthesis.ui, application) <= NARROWEST - SCROLL_BAR - MARGINS
    assert cut_off(synthesis.ui, application, width) == []


def test_a_form_that_is_too_wide_is_found_out(bench, application):
    bench.add_image()
    bench.ui.newSegmentButton.setText("A segment with a name that has no room in any panel of this world")
    least_width(bench.ui, application)
    bench.ui.newSegmentButton.setFixedWidth(60)

    assert [text.split(":")[0] for text in cut_off(bench.ui, application, 600)] == ["newSegmentButton"]


def test_what_has_nothing_to_show_takes_no_room(bench, synthesis):
    hidden = (bench.ui.imageInfoLabel, bench.ui.meaningLabel, bench.ui.takeSliceButton)
    empty = (synthesis.ui.previewLabel, synthesis.ui.structuresTable, synthesis.ui.diceTable)
    assert all(one.isHidden() for one in (*hidden, *empty))

    synthesis.add_patient()
    assert not any(one.isHidden() for one in empty[:2])


def test_one_line_says_what_to_do_next(bench):
    line = bench.ui.messageLabel
    seen = [line.text]
    bench.add_image()
    seen.append(line.text)
    bench.ask("heart")
    seen.append(line.text)

    assert ["sample" in seen[0], "names" in seen[1], "export" in seen[2]] == [True] * 3
    assert all(len(text) < 50 for text in seen)
    bench.panel.context.status.warn("Trouble")
    bench.panel.refresh()
    assert "Trouble" in line.text, "what was said is not taken away by it"
    bench.panel.context.status.clear()
    assert line.text == seen[2]


def test_so_does_the_synthesize_tab(synthesis):
    line = synthesis.ui.messageLabel
    seen = [line.text]
    synthesis.add_patient()
    seen.append(line.text)
    synthesis.ui.renderButton.click()
    synthesis.wait()
    synthesis.panel.context.status.clear()
    seen.append(line.text)

    assert ["CT" in seen[0], "Render" in seen[1], "Dice" in seen[2]] == [True] * 3


def test_a_tool_that_is_on_is_seen_at_a_glance(bench):
    for button in (bench.ui.addButton, bench.ui.removeButton, bench.ui.boxButton):
        assert button.text and button.toolButtonStyle == QtCore.Qt.ToolButtonTextUnderIcon
        off, on = (
            pixels(button.icon, QtGui.QIcon.Normal, state) for state in (QtGui.QIcon.Off, QtGui.QIcon.On)
        )
        # Off is a drawing on nothing, on is a filled tile.
        assert (off[..., 3] > 128).mean() < 0.5 < 0.8 < (on[..., 3] > 128).mean()


def test_every_picture_of_a_tool_is_there():
    names = {path.name for path in (MODULE / "Resources" / "Icons").glob("FluoroSAM*.png")}
    tools = {f"FluoroSAM{tool}{on}.png" for tool in ("Inside", "Outside", "Box") for on in ("", "On")}
    assert tools | {"FluoroSAMUndo.png", "FluoroSAMRedo.png"} <= names


def test_the_swatch_of_the_chosen_row_keeps_its_colour(bench):
    bench.add_image()
    bench.ask("left lung, heart")
    bench.ui.segmentTable.setCurrentCell(1, 0)
    icon = bench.ui.segmentTable.item(1, 0).icon()

    shown = pixels(icon, QtGui.QIcon.Selected)[8, 8, :3]
    assert np.abs(shown / 255 - bench.state(1).color).max() < 0.01


def test_remarks_take_room_only_where_there_are_any(bench):
    table = bench.ui.segmentTable
    bench.add_image()
    bench.ask("heart")
    assert table.isColumnHidden(2)
    bench.ask("frobnicator")
    assert not table.isColumnHidden(2)


def test_render_dice_and_training_set_are_outside_what_scrolls(synthesis):
    ui = synthesis.ui
    for button in (ui.renderButton, ui.diceButton, ui.setButton):
        assert not ui.scrollArea.isAncestorOf(button)
    assert qt_name(type(ui.scrollArea)) == "QScrollArea"
    ui.setButton.click()
    assert not ui.setSectionButton.collapsed


def test_the_camera_is_moved_to_the_c_arm_once_when_it_is_first_shown(synthesis):
    view = synthesis.layout.threeDWidget(0).threeDView()
    assert view.resets == 0
    synthesis.add_patient()
    synthesis.ui.primarySlider.setValue(40)
    synthesis.panel.exit()
    synthesis.panel.enter()
    assert view.resets == 1, "whoever has turned the view keeps it"
    synthesis.panel.setParameters(None)
    synthesis.add_patient()
    assert view.resets == 2, "another scene has another C-arm"


def test_a_rendered_image_is_shown_large_until_the_c_arm_moves(synthesis):
    ct, _labels = synthesis.add_patient()
    synthesis.layout.show(ct)
    synthesis.layout.setLayout(3)
    shown = synthesis.layout.sliceWidget("Red").mrmlSliceCompositeNode()
    synthesis.ui.renderButton.click()
    synthesis.wait()

    assert shown.GetBackgroundVolumeID() == synthesis.panel.context.image.GetID()
    assert synthesis.layout.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    synthesis.ui.primarySlider.setValue(40)
    assert shown.GetBackgroundVolumeID() == ct.GetID() and synthesis.layout.layout == 3


def test_the_chosen_segment_is_filled_more_than_the_others(bench):
    bench.add_image()
    bench.ask("left lung, heart")
    bench.ui.segmentTable.setCurrentCell(1, 0)
    bench.panel.refresh()
    display = bench.logic.segmentationFor(bench.panel.context.volume).GetDisplayNode()
    lung, heart = (state.id for state in bench.logic.segments(bench.panel.context.volume))

    def fill(one):
        return display.GetOpacity2DFill() * display.GetSegmentOpacity2DFill(one)

    assert fill(heart) > 2 * fill(lung) > 0 and fill(lung) < 0.2
    bench.ui.segmentTable.setCurrentCell(0, 0)
    bench.panel.refresh()
    assert fill(lung) > 2 * fill(heart)
    assert display.GetSliceIntersectionThickness() == 1 and display.GetOpacity2DOutline() == 1

    bench.ui.fillSlider.setValue(80)
    assert fill(lung) == pytest.approx(0.8)
    bench.ui.fillSlider.setValue(0)
    assert fill(lung) == fill(heart) == 0 and display.GetSegmentOpacity2DOutline(lung) == 1


def test_the_slider_tells_what_the_scene_says(bench):
    assert not bench.ui.fillSlider.enabled
    bench.add_image()
    bench.ask("heart")
    bench.logic.segmentationFor(bench.panel.context.volume).GetDisplayNode().SetOpacity2DFill(0.7)
    bench.panel.refresh()
    assert bench.ui.fillSlider.enabled and bench.ui.fillSlider.value == 70


def test_looking_again_changes_no_display(bench):
    bench.add_image()
    bench.ask("left lung, heart")
    bench.panel.refresh()
    display = bench.logic.segmentationFor(bench.panel.context.volume).GetDisplayNode()
    before = display.GetMTime()
    bench.panel.refresh()
    assert display.GetMTime() == before


def test_widgets_of_the_forms_are_no_wider_than_their_text_needs(bench):
    for box in (bench.ui.formatComboBox, bench.ui.modelComboBox, bench.ui.imageSelector):
        assert box.sizePolicy.horizontalPolicy() == QtWidgets.QSizePolicy.Ignored and box.minimumWidth > 50
