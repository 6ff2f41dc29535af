"""Both tabs in the module: who has the views, and what becomes of an image on its way from one to the other."""

from __future__ import annotations

import slicer
from mrml.bench import SquarePredictor, image_node
from mrml.synthesize.bench import labelled_ct
from panel.test_module import enter, leave, new_widget, opened, widget  # noqa: F401

SEGMENT, SYNTHESIZE = 0, 1


def rendered(bench, widget):  # noqa: F811
    """An image was rendered in the Synthesize tab; its volume node."""
    tab = widget.synthesis
    ct, labels = labelled_ct(bench.scene)
    widget.tabs.setCurrentIndex(SYNTHESIZE)
    tab.ui.ctSelector.setCurrentNode(ct)
    tab.ui.labelsSelector.setCurrentNode(labels)
    tab.ui.columnsSpinBox.setValue(64)
    tab.ui.rowsSpinBox.setValue(64)
    tab.ui.pixelSpinBox.setValue(3.0)
    tab.ui.renderButton.click()
    bench.until(lambda: not tab.busy, 60)
    return tab.context.image


def test_the_c_arm_is_shown_while_its_tab_is_looked_at(opened, widget):  # noqa: F811
    bench = enter(opened, widget)
    rendered(bench, widget)
    (body, _field) = widget.synthesis.cArm.models
    assert body.GetDisplayNode().GetVisibility()
    widget.tabs.setCurrentIndex(SEGMENT)
    assert not body.GetDisplayNode().GetVisibility()
    widget.tabs.setCurrentIndex(SYNTHESIZE)
    assert body.GetDisplayNode().GetVisibility()
    leave(opened, widget)
    assert not body.GetDisplayNode().GetVisibility()


def test_an_image_goes_on_to_the_segment_tab_and_is_segmented_there(opened, widget):  # noqa: F811
    bench = enter(opened, widget)
    image = rendered(bench, widget)
    widget.synthesis.ui.openButton.click()
    bench.wait()
    assert widget.tabs.currentIndex == SEGMENT and widget.panel.context.volume is image
    bench.ask("liver")
    assert bench.names() == ["liver"]

    # What was found there is what the check measures.
    widget.tabs.setCurrentIndex(SYNTHESIZE)
    widget.synthesis.ui.diceButton.click()
    bench.until(lambda: not widget.synthesis.busy, 60)
    assert widget.synthesis.ui.diceTable.rowCount == 3 and len(bench.names()) == 3


def test_a_closed_scene_leaves_an_empty_tab(opened, widget):  # noqa: F811
    bench = enter(opened, widget)
    rendered(bench, widget)
    bench.scene.Clear(0)
    tab = widget.synthesis
    assert tab.context.ct is None and tab.context.image is None and not tab.ui.renderButton.enabled
    assert tab.ui.previewLabel.pixmap.isNull()
    rendered(bench, widget)
    assert tab.cArm.models[0].GetScene() is bench.scene


def test_the_logic_of_the_module_renders_for_scripts(opened, monkeypatch):  # noqa: F811
    new_widget(opened, monkeypatch, SquarePredictor()).cleanup()
    logic = opened.module.FluoroSAMSlicerLogic()
    ct, labels = labelled_ct(slicer.mrmlScene)
    view = logic.drrLogic.presetView("extremity table-top", ct, labels)
    image = logic.drrLogic.render(ct, labels, view)
    assert image.GetName().startswith("CT AP")
    assert len(logic.drrLogic.dice(image)) == 3
    assert [state.name for state in logic.segments(image)] == ["L3 vertebra", "left kidney", "liver"]
    logic.close()


def test_going_back_to_the_synthesize_tab_shows_the_ct_with_its_layers_again(opened, widget):  # noqa: F811
    ct, _segmentation = labelled_ct(opened.scene)
    labels = opened.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    opened.layout.setLayout(3)
    for view in opened.layout.sliceViewNames():
        composite = opened.layout.sliceWidget(view).mrmlSliceCompositeNode()
        composite.SetBackgroundVolumeID(ct.GetID())
        composite.SetLabelVolumeID(labels.GetID())
    image = image_node(opened.scene)
    widget.views.show(image, alone=True)
    assert composite.GetBackgroundVolumeID() == image.GetID() and composite.GetLabelVolumeID() is None
    widget.showTab(1)
    assert composite.GetBackgroundVolumeID() == ct.GetID() and opened.layout.layout == 3
    assert composite.GetLabelVolumeID() == labels.GetID()
    widget.views.show(image, alone=False)
    opened.scene.RemoveNode(ct)
    widget.views.restore()
    assert composite.GetBackgroundVolumeID() == image.GetID()


def test_the_second_tab_is_made_when_it_is_first_looked_at_and_takes_over_the_scene(opened, widget):  # noqa: F811
    bench = enter(opened, widget)
    assert widget.synthesizeTab.panel is None
    ct, _labels = labelled_ct(bench.scene)
    opened.module.FluoroSAMSlicerLogic().getSynthesizeParameters().drrCT = ct
    widget.tabs.setCurrentIndex(SYNTHESIZE)
    assert widget.synthesis.context.ct is ct
    assert widget.synthesis.ui.root.parent() is widget.synthesizeTab.page
