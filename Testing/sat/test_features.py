"""Features of windows that are kept: temporary ones go when nobody needs them; unfit places are told."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest
from FluoroSAMSlicerLib.sat import SatError
from FluoroSAMSlicerLib.sat.features import TEMPORARY, own_folder, require_room


@pytest.mark.skipif(os.name != "posix", reason="only there a process is asked whether it lives")
def test_what_a_killed_process_left_goes_and_what_a_living_one_uses_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f"{TEMPORARY}{dead.pid}-abc"
    left.mkdir()
    (left / "window.pt").write_bytes(b"features")
    used = own_folder()
    other = own_folder()
    assert not left.exists() and used.is_dir() and other.is_dir() and used != other


def test_a_place_that_cannot_hold_features_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SatError, match="is a file"):
        require_room(tmp_path / "file" / "features", 1)
    require_room(tmp_path / "not" / "there" / "yet", 1)
