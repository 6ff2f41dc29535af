"""CT and label volumes: grids, number types, files and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.drr import CTVolume, DRRError, Grid, LabelVolume, VolumeError
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph


def test_a_grid_places_its_voxels_in_the_world():
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    grid = Grid((4, 5, 6), (10, 20, 30), (1, 2, 3), turn)
    assert np.allclose(grid.centre, [10 - 2 * 2, 20 + 2.5, 30 + 1.5 * 3])
    assert np.allclose(grid.world_to_index([10 - 2 * 4, 20 + 3, 30 + 3 * 2]), [3, 4, 2])


def test_grids_coincide_when_they_hold_the_same_voxels():
    grid = Grid((40, 50, 60), (1, 2, 3), (1, 1, 2), np.eye(3))
    assert grid.coincides(Grid((40, 50, 60), (1.0002, 2, 3), (1, 1, 2), np.eye(3)))
    assert not grid.coincides(Grid((40, 50, 60), (1.5, 2, 3), (1, 1, 2), np.eye(3)))
    assert not grid.coincides(Grid((40, 50, 60), (1, 2, 3), (1, 1, 2.01), np.eye(3)))
    assert not grid.coincides(Grid((40, 50, 61), (1, 2, 3), (1, 1, 2), np.eye(3)))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float32, np.float64])
def test_number_types_become_whole_hounsfield_units(dtype):
    ct = CTVolume(np.full((2, 3, 4), 40, dtype=dtype))
    assert ct.hu.dtype == np.int16
    assert ct.hu_range == (40, 40)


def test_numbers_outside_int16_are_clipped_not_wrapped():
    ct = CTVolume(np.array([[[-1e6, 12.6, 1e6]]]))
    assert ct.hu.tolist() == [[[-32768, 13, 32767]]]


def test_label_values_are_those_that_occur():
    labels = np.zeros((3, 4, 5), dtype=np.int64)
    labels[0, 0, 0], labels[2, 3, 4] = 7, 65535
    assert LabelVolume(labels).values.tolist() == [7, 65535]


@pytest.mark.parametrize(
    ("voxels", "words"),
    [
        (np.full((2, 2, 2), np.nan), "not finite"),
        (np.full((2, 2, 2), np.inf), "not finite"),
        (np.zeros((2, 2)), "3-D"),
        (np.zeros((0, 2, 2)), "no voxels"),
        (np.full((2, 2, 2), "bone"), "numbers"),
        (np.zeros((2, 2, 2), dtype=complex), "numbers"),
    ],
)
def test_what_is_no_ct_is_refused(voxels, words):
    with pytest.raises(VolumeError, match=words) as caught:
        CTVolume(voxels)
    assert isinstance(caught.value, DRRError)


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"spacing": (1, 0, 1)}, "spacing must be greater"),
        ({"spacing": (1, 1)}, "spacing"),
        ({"origin": (0, np.nan, 0)}, "origin"),
        ({"direction": np.ones((3, 3))}, "do not span space"),
        ({"direction": np.eye(2)}, "direction"),
    ],
)
def test_a_grid_that_fills_no_space_is_refused(grid, words):
    with pytest.raises(VolumeError, match=words):
        CTVolume(np.zeros((2, 2, 2), np.int16), **grid)


@pytest.mark.parametrize(
    "voxels", [np.full((2, 2, 2), 0.5), np.full((2, 2, 2), -1), np.full((2, 2, 2), 70000)]
)
def test_what_is_no_label_map_is_refused(voxels):
    with pytest.raises(VolumeError, match="label"):
        LabelVolume(voxels)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_files_keep_voxels_and_oblique_grid(tmp_path, suffix):
    angle = 0.3
    direction = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1]])
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = sitk.GetImageFromArray(voxels)
    image.SetOrigin((1.5, -2, 30))
    image.SetSpacing((0.5, 0.75, 2))
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / f"ct{suffix}"))
    for volume, array in (
        (ct := CTVolume.read(tmp_path / f"ct{suffix}"), ct.hu),
        (label := LabelVolume.read(tmp_path / f"ct{suffix}"), label.labels),
    ):
        assert np.array_equal(array, voxels)
        assert volume.grid.coincides(Grid((2, 3, 4), (1.5, -2, 30), (0.5, 0.75, 2), direction))


def test_a_dicom_series_reads_like_the_label_map_made_on_it(shared_data):
    ct = CTVolume.read(shared_data("ct/ts_real_dicom_slab"))
    labels = LabelVolume.read(shared_data("ct/ts_real_dicom_slab_labels.nrrd"))
    assert ct.grid.coincides(labels.grid)
    assert ct.hu_range[0] <= -900 and ct.hu_range[1] > 500


@pytest.mark.parametrize(
    ("name", "content"),
    [("ct.nrrd", b"not a volume"), ("ct.nii.gz", b""), ("ct.nrrd", b"NRRD0004\ntype: short\ndimension: 3\n")],
)
def test_an_unreadable_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VolumeError, match=name):
        CTVolume.read(tmp_path / name)


@pytest.mark.parametrize("read", [CTVolume.read, LabelVolume.read, read_radiograph])
@pytest.mark.parametrize(
    ("name", "harm", "words"),
    [
        ("ct.nrrd", lambda content: content[: len(content) // 2], "truncated|damaged"),
        ("ct.nrrd", lambda content: content[:60], "truncated|damaged"),
        ("ct.mha", lambda content: content[: len(content) // 2], "truncated"),
        ("ct.mha", lambda content: b"hello" * 50, "of no kind that is read here"),
        ("ct.hdr", lambda content: b"hello" * 50, "of no kind that is read here"),
        ("ct.vtk", lambda content: b"hello" * 50, "can be read here|no kind that is read here|truncated"),
        ("expected.nrrd", lambda content: content[:60], "truncated|damaged"),
    ],
)
def test_the_text_of_itk_stays_away_from_the_user(tmp_path, capfd, read, name, harm, words):
    whole = tmp_path / ("whole.mha" if name.endswith(("hdr", "vtk")) else f"whole{name[name.index('.') :]}")
    noise = np.random.default_rng(1).integers(0, 999, (1, 30, 30)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(noise), whole, useCompression=True)
    (tmp_path / name).write_bytes(harm(whole.read_bytes()))
    with pytest.raises((VolumeError, RadiographError), match=words) as caught:
        read(tmp_path / name)
    told = str(caught.value).replace(str(tmp_path), "")
    assert "itk" not in told.lower() and "0x" not in told and "Reason" not in told and "\n" not in told
    assert capfd.readouterr().err == ""


def test_an_absent_file_an_empty_folder_and_a_flat_image_are_named(tmp_path):
    with pytest.raises(VolumeError, match=r"absent\.nrrd: no such file"):
        CTVolume.read(tmp_path / "absent.nrrd")
    with pytest.raises(VolumeError, match="no DICOM series"):
        CTVolume.read(tmp_path)
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4), np.int16)), str(tmp_path / "flat.nrrd"))
    with pytest.raises(VolumeError, match=r"flat\.nrrd: is 2-D"):
        CTVolume.read(tmp_path / "flat.nrrd")


def test_a_file_with_not_a_number_in_it_is_named(tmp_path):
    voxels = np.zeros((2, 2, 2), np.float32)
    voxels[1, 1, 1] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "hole.nrrd"))
    with pytest.raises(VolumeError, match=r"hole\.nrrd.*not finite"):
        CTVolume.read(tmp_path / "hole.nrrd")
