"""Fixtures of the panel's tests. They need the Qt of PySide6, and so a few libraries of the system."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

try:
    from panel.bench import QtWidgets, new_bench, use_settings
except ImportError as error:
    if os.environ.get("CI") == "true":
        raise
    collect_ignore_glob = ["test_*.py", "*/test_*.py"]
    LEFT_OUT = (
        f"Testing/panel was left out, since Qt cannot be loaded: {error}. On Debian and Ubuntu: apt install "
        "libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0"
    )

    def pytest_terminal_summary(terminalreporter) -> None:
        terminalreporter.write_line(LEFT_OUT, yellow=True)


@pytest.fixture(scope="session")
def application():
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication([])


@pytest.fixture
def settings(tmp_path):
    use_settings(tmp_path)
    from FluoroSAMSlicerLib.panel.settings import Settings

    return Settings()


@pytest.fixture
def predictor():
    from mrml.bench import SquarePredictor

    return SquarePredictor()


@pytest.fixture
def bench(application, tmp_path, predictor):
    with new_bench(application, tmp_path, predictor) as made:
        yield made


@pytest.fixture
def image(bench):
    """The panel works on a radiograph that is ready."""
    return bench.add_image()


@pytest.fixture(scope="session")
def slicer_api() -> Path:
    """The folder with what a running Slicer offers (``FLUOROSAM_SLICER_API`` or beside the shared data)."""
    import conftest

    path = Path(os.environ.get("FLUOROSAM_SLICER_API") or conftest.SHARED.parent / "slicer")
    return conftest.present(path, "Slicer's recorded interface", "FLUOROSAM_SLICER_API")


@pytest.fixture(scope="session")
def live(slicer_api):
    recorded = json.loads((slicer_api / "qt_api_live_names.json").read_text())
    return {name: set(members) for name, members in recorded.items()}


@pytest.fixture(scope="session")
def declared(slicer_api):
    return json.loads((slicer_api / "qt_api.json").read_text())
