"""What is said where a package that a file needs is not installed."""

from __future__ import annotations

import sys

import pytest
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph


@pytest.mark.parametrize(("package", "file"), [("pydicom", "chest.dcm"), ("PIL", "chest.png")])
def test_a_missing_package_is_said_to_be_missing_and_the_file_is_not_called_damaged(
    package, file, tmp_path, monkeypatch
):
    heads = {"chest.dcm": b"\0" * 128 + b"DICM", "chest.png": b"\x89PNG\r\n\x1a\n"}
    (tmp_path / file).write_bytes(heads[file] + b"\0" * 64)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    for room in ("dicom", "decoding", "picture"):
        monkeypatch.delitem(sys.modules, f"FluoroSAMSlicerLib.radiograph.{room}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RadiographError, match=f"{package} is needed to read it") as caught:
        read_radiograph(tmp_path / file)
    assert "damaged" not in str(caught.value)
