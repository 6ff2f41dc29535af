"""Fixtures every room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("FLUOROSAM_DATA") or ROOT.parent / "shared" / "data")


def shared_data_path(relative: str) -> Path:
    """A file of the shared test data (``FLUOROSAM_DATA`` or ``../shared/data``).

    Absent data skips the test, except under ``CI=true`` where it fails it.
    """
    path = SHARED / relative
    if not path.exists():
        message = f"test data {path} is absent; set FLUOROSAM_DATA to the folder that holds it"
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
    if not path.exists():
        message = f"parity fixture {path} is absent; set FLUOROSAM_FIXTURE to the folder that holds it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def packed_dolls(tmp_path_factory) -> Path:
    """A folder of made bodies, packed for quick exposures; every region is in one of them."""
    from dolls import packed

    return packed(tmp_path_factory.mktemp("packed"))
