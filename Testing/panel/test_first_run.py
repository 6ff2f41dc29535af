"""The first run: what is missing is told, installed by a click, and nothing else is touched."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shlex
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
import slicer
from FluoroSAMSlicerLib.panel import requirements
from FluoroSAMSlicerLib.panel.installer import InstallationError, Installer
from FluoroSAMSlicerLib.panel.requirements import Requirements
from panel.bench import MODULE, new_bench

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # a dependency of pytest there

FILE = MODULE / "Resources" / "requirements.txt"


@pytest.fixture
def versions(monkeypatch):
    """Installed packages by name, in the place of this Python's own."""
    there = {"numpy": "2.2.6", "SimpleITK": "2.5.0", "pydicom": "3.0.1", "Pillow": "11.0.0", "torch": "2.7.0"}
    monkeypatch.setattr(requirements, "installed_version", lambda name: there.get(name, ""))
    found = importlib.util.find_spec
    there_or_none = lambda name: None if name == "torch" and name not in there else found(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", there_or_none)
    return there


@pytest.fixture
def pip(monkeypatch, versions):
    """Slicer's packaging module; ``runs`` are (arguments, content of the constraints file)."""
    made = SimpleNamespace(runs=[], fails=False)

    def pip_install(arguments, constraints=None, requester=None, show_progress=True):
        with open(constraints) as file:
            made.runs.append((arguments, file.read()))
        if made.fails:
            raise subprocess.CalledProcessError(1, "pip")
        for one in arguments:
            name = one.split(">")[0].split("=")[0]
            versions[name] = {"transformers": "5.12.0", "tokenizers": "0.23.1"}.get(name, "3.99")

    packaging = ModuleType("slicer.packaging")
    packaging.pip_install = pip_install
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    return made


@pytest.fixture
def installer():
    return Installer(Requirements(FILE))


@pytest.fixture
def pytorch(monkeypatch, versions):
    """The PyTorch extension; ``installs`` says what it is asked for and ``works`` whether it does."""
    made = SimpleNamespace(asked=[], works=True)

    def install(**named):
        made.asked.append(named)
        if made.works:
            versions["torch"] = "2.8.0"
        return "torch" if made.works else None

    module = ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = lambda: SimpleNamespace(installTorch=install)
    module.__spec__ = importlib.util.spec_from_loader("PyTorchUtils", None)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    return made


def test_only_what_is_missing_or_too_old_is_needed(installer, versions):
    names = [need.name for need in installer.needs()]
    assert names == ["rapidfuzz", "safetensors", "tokenizers", "transformers"]
    versions.update(transformers="4.57.0", rapidfuzz="3.14.0", torch="2.1.0")
    assert [(need.name, need.installed) for need in installer.needs()] == [
        ("torch", "2.1.0"),
        ("safetensors", ""),
        ("tokenizers", ""),
        ("transformers", "4.57.0"),
    ]


def test_the_requirements_are_those_of_the_python_package():
    project = tomllib.loads((MODULE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = set(project["dependencies"])
    asked = {line for line in Requirements(FILE)._lines()} | {requirements.TORCH + requirements.TORCH_VERSION}
    not_asked = {line.split(">")[0] for line in wanted - asked}
    # Slicer brings the first two; the others belong to the command line.
    assert asked <= wanted and not_asked == {"numpy", "SimpleITK", "click", "tqdm"}


def test_installing_holds_on_to_numpy_torch_and_simpleitk(installer, pip):
    assert installer.install() is False
    ((arguments, constraints),) = pip.runs
    assert arguments == ["rapidfuzz>=3.9", "safetensors>=0.4.5", "tokenizers>=0.22", "transformers>=5.10,<6"]
    assert set(constraints.split()) == {"numpy==2.2.6", "SimpleITK==2.5.0", "torch==2.7.0"}
    assert installer.needs() == []


def test_torch_comes_from_the_pytorch_extension(installer, pip, pytorch, versions):
    del versions["torch"]
    installer.install()
    assert pytorch.asked == [{"askConfirmation": False, "torchVersionRequirement": ">=2.4"}]
    assert not any("torch" in one for arguments, _ in pip.runs for one in arguments)
    # What was installed a moment ago is not replaced either.
    assert "torch==2.8.0" in pip.runs[0][1]


def test_without_that_extension_torch_comes_by_pip(installer, pip, versions):
    del versions["torch"]
    installer.install()
    assert [arguments for arguments, _ in pip.runs][0] == ["torch>=2.4"]


def test_a_refused_pytorch_is_a_message(installer, pip, pytorch, versions):
    del versions["torch"]
    pytorch.works = False
    with pytest.raises(InstallationError, match="PyTorch module"):
        installer.install()


def test_a_torch_that_is_too_old_is_left_alone(installer, pip, pytorch, versions):
    versions["torch"] = "2.1.0"
    with pytest.raises(InstallationError, match="left as it is"):
        installer.install()
    assert pip.runs == [] and pytorch.asked == []


def test_offline_everything_comes_from_a_folder(installer, pip, pytorch, versions, tmp_path):
    del versions["torch"]
    with pytest.raises(InstallationError, match="holds no wheels"):
        installer.install(tmp_path)
    (tmp_path / "torch-2.8.0-py3-none-any.whl").touch()
    installer.install(tmp_path)
    assert pytorch.asked == []
    for arguments, _constraints in pip.runs:
        assert arguments[:3] == ["--no-index", "--find-links", tmp_path.as_posix()]
    assert pip.runs[0][0][3:] == ["torch>=2.4"] and len(pip.runs) == 2


def test_a_slicer_without_packaging_installs_by_its_older_function(installer, versions, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    given = []

    def pip_install(requirement):
        given.append(shlex.split(requirement))
        versions.update(
            rapidfuzz="3.14", safetensors="0.6", tokenizers="0.23", transformers="5.12", torch="2.7.0"
        )

    monkeypatch.setattr(slicer.util, "pip_install", pip_install)
    installer.install()
    assert given[0][:4] == [
        "rapidfuzz>=3.9",
        "safetensors>=0.4.5",
        "tokenizers>=0.22",
        "transformers>=5.10,<6",
    ]
    assert given[0][4] == "-c"


def test_a_failure_says_what_to_do(installer, pip):
    pip.fails = True
    with pytest.raises(InstallationError, match="folder of wheels"):
        installer.install()


def test_this_environment_lacks_nothing():
    assert importlib.metadata.version("transformers") and Installer(Requirements(FILE)).needs() == []


def test_the_panel_tells_what_is_missing_and_works_after_a_click(
    application, tmp_path, versions, pip, installer
):
    with new_bench(application, tmp_path, installer=installer) as bench:
        ui = bench.ui
        assert ui.installFrame.isVisibleTo(ui.root)
        for word in ("rapidfuzz", "transformers", "compact model itself comes with this module"):
            assert word in ui.installLabel.text
        bench.add_image()
        ui.textEdit.setText("heart")
        ui.textEdit.returnPressed.emit()
        bench.wait()
        assert not ui.segmentButton.enabled and not ui.addButton.enabled and bench.names() == []

        ui.installButton.click()
        bench.wait()
        assert not ui.installFrame.isVisibleTo(ui.root) and "ready" in ui.imageInfoLabel.text
        bench.ask("heart")
        assert bench.names() == ["heart"]


def test_a_failed_installation_is_told_and_can_be_tried_again(
    application, tmp_path, versions, pip, installer
):
    with new_bench(application, tmp_path, installer=installer) as bench:
        pip.fails = True
        bench.ui.installButton.click()
        assert "failed" in bench.ui.installLabel.text and bench.ui.installButton.enabled
        pip.fails = False
        bench.dialogs.path = tmp_path
        (tmp_path / "rapidfuzz-3.14.0.whl").touch()
        bench.ui.offlineButton.click()
        assert not bench.ui.installFrame.isVisibleTo(bench.ui.root)
        assert pip.runs[-1][0][0] == "--no-index"


def test_the_panel_opens_where_none_of_the_packages_is_there(tmp_path):
    """In a Python of its own, in which they cannot be imported."""
    code = f"""
import sys
sys.path[:0] = [{str(MODULE)!r}, {str(MODULE.parent / "Testing")!r}]
MISSING = ["torch", "transformers", "tokenizers", "safetensors", "rapidfuzz", "pydicom", "PIL", "numba", "scipy"]
sys.modules.update(dict.fromkeys(MISSING))
import importlib.metadata
version = importlib.metadata.version
def installed_version(name):
    if name in (*MISSING, "Pillow"):
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = installed_version
import os
from pathlib import Path
import numpy as np
import slicer, vtk
from panel import bench, pythonqt, slicer_parts
application = bench.QtWidgets.QApplication([])
bench.use_settings(Path(sys.argv[1]))
scene = slicer.mrmlScene = slicer.vtkMRMLScene()
from FluoroSAMSlicerLib.mrml.segment.logic import Logic
from FluoroSAMSlicerLib.panel.segment.tab import segment_panel
from FluoroSAMSlicerLib.panel.segment.slice_views import SliceViews
layout = slicer_parts.LayoutManager(scene)
slicer.util.setSliceViewerLayers = layout.show
window, answers = pythonqt.pythonqt(bench.QtWidgets.QWidget)(), bench.Answers()
resources = Path({str(MODULE)!r}) / "Resources"
panel = segment_panel(resources, Logic(scene), answers, SliceViews(layout), window)
panel.enter()
node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "film")
slicer.util.updateVolumeFromArray(node, np.ones((1, 9, 9), np.float32))
panel.ui.imageSelector.setCurrentNode(node)
assert panel.context.volume is node
panel.ui.textEdit.setText("heart")
panel.text.explain()
panel.text._completer._offer("heart")
panel.text.ask()
assert panel.ui.installFrame.isVisibleTo(panel.ui.root), "nothing is told"
assert "PyTorch" in panel.ui.installLabel.text, panel.ui.installLabel.text
panel.ui.loadImageButton.click()
answers.path = resources / "SampleData" / "chest_drr.dcm"
panel.ui.loadImageButton.click()
while panel.jobs.busy:
    application.processEvents()
assert "pydicom" in panel.ui.messageLabel.text, panel.ui.messageLabel.text
panel.cleanup()
print("opened")
sys.stdout.flush()
os._exit(0)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.stdout.strip().endswith("opened") and "Traceback" not in done.stderr, done.stderr
