"""Damaged NRRD headers are refused in words before they reach ITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph
from FluoroSAMSlicerLib.radiograph.nrrd_header import nrrd_damage


@pytest.fixture
def whole(tmp_path):
    image = sitk.GetImageFromArray(np.arange(600, dtype=np.uint16).reshape(20, 30))
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    return tmp_path / "a.nrrd"


@pytest.mark.parametrize(
    "kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.float32, np.float64]
)
@pytest.mark.parametrize("packed", [False, True])
def test_whole_files_are_not_complained_of(tmp_path, kind, packed):
    image = sitk.GetImageFromArray(np.ones((3, 4, 5), kind))
    image.SetMetaData("Segment0_Name", "左肺: (a=b)")
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"), packed)
    sitk.WriteImage(image, str(tmp_path / "b.nhdr"), packed)
    assert nrrd_damage(tmp_path / "a.nrrd") == "" == nrrd_damage(tmp_path / "b.nhdr")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"\n\n", b"\n\0", "no text"),
        (b"sizes: 30 20", b"sizes: 30 99", "truncated"),
        (b"sizes: 30 20", b"sizes: -3 20", "damaged"),
        (b"dimension: 2", b"dimension: 7", "damaged"),
        (b"type: ", b"tyqe: ", "no type"),
        (b"encoding: raw", b"encoding!!raw", "damaged"),
        (b"sizes: 30 20", b"sizes: 999999999 999999", "declares"),
    ],
)
def test_what_is_wrong_is_told(whole, old, new, words):
    content = whole.read_bytes()
    assert old in content
    whole.write_bytes(content.replace(old, new, 1))
    with pytest.raises(RadiographError, match=words):
        read_radiograph(whole)
