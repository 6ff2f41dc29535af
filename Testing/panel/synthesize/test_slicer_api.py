"""Whatever the Synthesize tab does with its widgets exists in a running Slicer, as recorded from one.

The names in its files, and its form, are looked up in test_slicer_api with those of the whole module.
"""

from __future__ import annotations

import pytest
from conftest import install_small_sat
from panel.pythonqt import CONNECTED, USED
from panel.synthesize.bench import Parameters, new_drr_bench
from panel.test_slicer_api import FILES, FORMS, has_member, has_signal


@pytest.fixture(scope="module")
def everything_pressed(application, tmp_path_factory, sat_fixture):
    """Every part of the tab has done its work, and so has shown what it uses of its widgets."""
    folder = tmp_path_factory.mktemp("pressed")
    with pytest.MonkeyPatch.context() as patch, new_drr_bench(application, folder) as bench:
        ui, panel = bench.ui, bench.panel
        ui.namesHowButton.click()
        patch.setenv("FLUOROSAM_MODELS", str(folder / "models"))
        install_small_sat(sat_fixture)
        panel.names.listModels()
        panel.setParameters(Parameters(bench.scene))
        bench.add_patient()
        ui.presetComboBox.setCurrentIndex(1)
        ui.primarySlider.dragged(12.0)
        ui.columnsSpinBox.setValue(64)
        ui.rowsSpinBox.setValue(64)
        ui.pixelSpinBox.setValue(3.0)
        for button in (ui.noneButton, ui.allButton, ui.centreButton, ui.renderButton):
            button.click()
            bench.wait()
        for button in (ui.diceButton, ui.openButton):
            button.click()
            bench.wait()
        panel.cArm.handles.SetNthControlPointPositionWorld(0, 1.0, 2.0, 3.0)
        ui.sidSlider.setValue(5000.0)
        bench.wait()
        ui.cancelButton.click()
        ui.namesPlanComboBox.setCurrentIndex(1)
        ui.namesPlanComboBox.activated.emit(1)
        ui.namesRegionSelector.addNode()
        ui.namesEdit.setText("liver")
        bench.until(lambda: "window" in ui.namesEstimateLabel.text)
        ui.namesButton.click()
        bench.wait()
        ui.namesStopButton.click()
        ui.countSpinBox.setValue(2)
        ui.sizeComboBox.setCurrentIndex(0)
        ui.laoCheckBox.setChecked(False)
        bench.dialogs.path = folder / "set"
        ui.folderButton.click()
        ui.samplesButton.click()
        bench.wait()
        ui.generateButton.click()
        bench.wait()
        ui.stopButton.click()
        panel.remember()
        panel.exit()
        panel.setParameters(None)
    return set(USED), set(CONNECTED)


def test_the_files_and_the_form_are_looked_up_with_all_others():
    assert {"panel.py", "set_form.py", "tab.py"} <= {
        path.name for path in FILES if path.parent.name == "synthesize"
    }
    assert "FluoroSAMSynthesize.ui" in {path.name for path in FORMS}


def test_every_member_of_a_widget_exists(everything_pressed, live):
    members, _signals = everything_pressed
    used = {("QPixmap", "loadFromData"), ("QDoubleSpinBox", "setValue"), ("QTableWidget", "setRowCount")}
    assert used - {("QPixmap", "loadFromData")} <= members
    assert [one for one in members if not has_member(live, *one)] == []


def test_every_signal_that_is_connected_exists(everything_pressed, live, declared):
    _members, connected = everything_pressed
    assert {("QSpinBox", "valueChanged(int)"), ("ctkSliderWidget", "valueIsChanging(double)")} <= connected
    assert [one for one in connected if not has_signal(live, declared, *one)] == []


def test_pictures_use_what_pixmaps_have(live):
    """QPixmap is no QObject, so that its use is not noticed by the stand-ins."""
    assert {"loadFromData", "scaled", "fill"} <= live["qt.QPixmap"]
