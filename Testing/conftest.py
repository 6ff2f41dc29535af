"""Fixtures every room shares."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("FLUOROSAM_DATA") or ROOT.parent / "shared" / "data")


def shared_data_path(relative: str) -> Path:
    """A file of the shared test data (``FLUOROSAM_DATA`` or ``../shared/data``).

    Absent data skips the test, except under ``CI=true`` where it fails it.
    """
    return present(SHARED / relative, "test data", "FLUOROSAM_DATA")


def present(path: Path, what: str, variable: str) -> Path:
    """``path``, if it is there; else the test is skipped, or failed under ``CI=true``, and told of ``variable``."""
    if not path.exists():
        message = f"{what} {path} is absent; set {variable} to the folder that holds it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def shared_data():
    return shared_data_path


@pytest.fixture(scope="session")
def reference_fixture() -> Path:
    """The published model's parity fixture (``FLUOROSAM_FIXTURE`` or beside the shared data)."""
    path = Path(os.environ.get("FLUOROSAM_FIXTURE") or SHARED.parent / "spec" / "fluorosam" / "fixture")
    return present(path, "parity fixture", "FLUOROSAM_FIXTURE")


@pytest.fixture(scope="session")
def sat_fixture() -> Path:
    """SAT's parity fixture (``FLUOROSAM_SAT_FIXTURE`` or beside the shared data)."""
    path = Path(os.environ.get("FLUOROSAM_SAT_FIXTURE") or SHARED.parent / "spec" / "sat" / "fixture")
    return present(path, "parity fixture", "FLUOROSAM_SAT_FIXTURE")


@pytest.fixture(scope="session")
def sat_spec() -> Path:
    """The folder with SAT's class names and the keys of its published files."""
    return shared_data_path("../spec/sat")


@pytest.fixture
def user_models(tmp_path, monkeypatch) -> Path:
    """An empty folder for the user's models."""
    folder = tmp_path / "models"
    monkeypatch.setenv("FLUOROSAM_MODELS", str(folder))
    return folder


@pytest.fixture
def small_sat(sat_fixture, user_models) -> str:
    """The name of a small SAT model, installed from files of the published form."""
    return install_small_sat(sat_fixture)


def install_small_sat(sat_fixture: Path) -> str:
    """Install the parity fixture's model where FLUOROSAM_MODELS says; its name."""
    from FluoroSAMSlicerLib.sat import install_sat_checkpoint

    facts = json.loads((sat_fixture / "config.json").read_text())
    return install_sat_checkpoint(
        sat_fixture / "like_nano.pth",
        sat_fixture / "like_text_encoder.pth",
        "small",
        sat_fixture / "vocab.txt",
        tile=tuple(facts["tile"]),
        heads=facts["nhead"],
    ).name


@pytest.fixture(scope="session")
def packed_dolls(tmp_path_factory) -> Path:
    """A folder of made bodies, packed for quick exposures; every region is in one of them."""
    from dolls import packed

    return packed(tmp_path_factory.mktemp("packed"))
