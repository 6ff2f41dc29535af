"""CTs as hospitals hand them over: series and frames by the geometry that they state, values that are no HU."""

from __future__ import annotations

import gzip
import struct
import warnings

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, VolumeError
from FluoroSAMSlicerLib.drr.slices import stacked
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED = "1.2.840.10008.5.1.4.1.1.2.1"
ROWS, COLUMNS, COUNT = 10, 12, 8
UPRIGHT = (1, 0, 0, 0, 1, 0)


def body() -> np.ndarray:
    hu = np.full((COUNT, ROWS, COLUMNS), -1000, np.int16)
    hu[2:6, 3:7, 4:9] = 40
    hu[5, 4, 8] = 1200
    return hu


def dataset(plane, sop=CT, modality="CT", uid="1.2.3.4"):
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = sop
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    one.SeriesInstanceUID, one.Modality, one.SeriesDescription = uid, modality, "Thorax"
    one.Rows, one.Columns = plane.shape[-2:]
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated = one.BitsStored = 16
    one.HighBit, one.PixelRepresentation = 15, 1
    one.RescaleSlope, one.RescaleIntercept = 1, -1024
    one.PixelData = (plane.astype(np.int16) + 1024).astype("<i2").tobytes()
    return one


def series(folder, step=(0, 0, 3), orientation=UPRIGHT, edit=None, skip=(), uid="1.2.3.4", modality="CT"):
    """A folder of slices whose names say nothing of their order; ``edit`` changes each data set."""
    folder.mkdir(exist_ok=True)
    for number, plane in enumerate(body()):
        if number in skip:
            continue
        one = dataset(plane, uid=uid, modality=modality)
        one.ImagePositionPatient = list(np.array([-20, -30, -40.0]) + number * np.array(step, float))
        one.ImageOrientationPatient, one.PixelSpacing = list(orientation), [2, 1.5]
        if edit:
            edit(number, one)
        one.save_as(folder / f"{(number * 5) % COUNT}_{uid}.dcm", enforce_file_format=True)
    return folder


def frames(path, edit=None, stated=COUNT):
    """An enhanced CT; ``edit`` changes the data set before it is written."""
    one = dataset(body(), sop=ENHANCED)
    del one.RescaleSlope, one.RescaleIntercept
    one.NumberOfFrames = stated
    shared, measures, turn, scale = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, turn.ImageOrientationPatient = [2, 1.5], list(UPRIGHT)
    scale.RescaleSlope, scale.RescaleIntercept = 1, -1024
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turn]
    shared.PixelValueTransformationSequence = [scale]
    own = []
    for number in range(COUNT):
        place, group = Dataset(), Dataset()
        place.ImagePositionPatient = [-20, -30, -40 + 3 * number]
        group.PlanePositionSequence = [place]
        own.append(group)
    one.SharedFunctionalGroupsSequence, one.PerFrameFunctionalGroupsSequence = [shared], own
    if edit:
        edit(one)
    one.save_as(path, enforce_file_format=True)
    return path


def bead(ct: CTVolume) -> np.ndarray:
    k, j, i = (axis[0] for axis in np.nonzero(ct.hu == 1200))
    return ct.origin + ct.grid.index_to_world @ [i, j, k]


def turned(degrees):
    angle = np.radians(degrees)
    return (1, 0, 0, 0, np.cos(angle), np.sin(angle))


@pytest.mark.parametrize(
    ("step", "orientation"),
    [
        ((0, 0, 3), UPRIGHT),
        ((0, 0, -3), UPRIGHT),
        ((0, 0, 3), turned(20)),
        ((0, 0, 3), turned(-12)),
        ((0.5, 0, 3), UPRIGHT),
        ((0, 2, 0), (1, 0, 0, 0, 0, -1)),
        ((3, 0, 0), (0, 1, 0, 0, 0, -1)),
        ((0, 0, 3), (0, 1, 0, -1, 0, 0)),
    ],
)
def test_a_voxel_lies_where_its_slice_puts_it(tmp_path, step, orientation):
    ct = CTVolume.read(series(tmp_path / "ct", step, orientation))
    right, down = np.array(orientation[:3]), np.array(orientation[3:])
    expected = np.array([-20, -30, -40]) + 5 * np.array(step) + 8 * 1.5 * right + 4 * 2 * down
    assert np.allclose(bead(ct), expected, atol=1e-3)


def other_orientation(number, one):
    one.ImageOrientationPatient = list(turned(5 if number == 3 else 0))


def moved(where):
    def edit(number, one):
        if number in where:
            one.ImagePositionPatient = list(where[number])

    return edit


def without(keyword):
    def edit(number, one):
        if number == 2:
            del one[keyword]

    return edit


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"skip": (3,)}, "3 to 6 mm apart; 1 slice is missing"),
        ({"skip": (2, 3, 5)}, "slices are missing"),
        ({"edit": moved({4: (-20, -30, -27)})}, "apart"),
        ({"edit": moved({4: (-20, -30, -29)})}, "apart"),
        ({"edit": moved({4: (-20, -30, -31)})}, "lie where another one does"),
        ({"edit": moved({4: (-12, -30, -28)})}, "sideways"),
        ({"edit": other_orientation}, "turned against each other"),
        ({"edit": without("ImagePositionPatient")}, "1 of 8 slices have no ImagePositionPatient"),
        ({"edit": without("PixelSpacing")}, "no PixelSpacing"),
        ({"skip": tuple(range(1, 8))}, "one single slice"),
        ({"modality": "MR"}, "modality MR, not CT; give --any-modality"),
        ({"modality": "PT"}, "modality PT"),
    ],
)
def test_a_series_that_is_no_volume_says_why(tmp_path, how, words):
    if "modality" in how:
        how = {**how, "edit": lambda _, one: setattr(one, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.7")}
    with pytest.raises(VolumeError, match=words):
        CTVolume.read(series(tmp_path / "ct", **how))


@pytest.mark.parametrize("distance", [1.25, 0.75, 0.625, 0.5, 2.5, 0.7])
@pytest.mark.parametrize("decimals", [1, 2, 3])
@pytest.mark.parametrize("start", [0.0, -113.3, 88.888])
@pytest.mark.parametrize("count", [2, 3, 8, 301])
@pytest.mark.parametrize("turn", [0, 20])
def test_positions_that_are_rounded_are_even(distance, decimals, start, count, turn):
    places = np.zeros((count, 3))
    places[:, 2] = start + distance * np.arange(count)
    stack = stacked(np.round(places, decimals), [turned(turn)] * count, [(1, 1)] * count)
    made = stack.origin + np.arange(count)[:, None] * stack.spacing[2] * stack.direction[:, 2]
    assert np.abs(made - places).max() < 1.1 * 10**-decimals


@pytest.mark.parametrize("count", [3, 4, 10, 200])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_a_missing_slice_is_told_of_however_positions_are_rounded(count, place, decimals):
    distance = 1.0 if decimals == 0 else 0.7
    numbers = np.delete(np.arange(count + 1), 1 + int(place * (count - 1)))
    places = np.zeros((count, 3))
    places[:, 2] = np.round(distance * numbers, decimals)
    with pytest.raises(VolumeError, match="1 slice is missing|slices are missing"):
        stacked(places, [UPRIGHT] * count, [(1, 1)] * count)


def test_another_modality_is_read_where_that_is_asked_for(tmp_path):
    folder = series(
        tmp_path / "ct", modality="XA", edit=lambda _, one: setattr(one, "SOPClassUID", generate_uid())
    )
    with pytest.raises(VolumeError, match="modality XA"):
        CTVolume.read(folder)
    assert CTVolume.read(folder, any_modality=True).hu.shape == (COUNT, ROWS, COLUMNS)


def test_localizers_and_copies_are_left_out(tmp_path):
    folder = series(tmp_path / "study")
    scout = dataset(body()[3])
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.save_as(folder / "scout_in_the_series.dcm", enforce_file_format=True)
    other = dataset(body()[3], uid="9.9")
    other.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    other.save_as(folder / "topogram.dcm", enforce_file_format=True)
    (folder / "copy.dcm").write_bytes((folder / "0_1.2.3.4.dcm").read_bytes())
    (folder / "DICOMDIR").write_bytes(b"no image")
    assert np.array_equal(CTVolume.read(folder).hu, body())


def scout(path, number, orientation, description="Thorax", uid="1.2.3.4"):
    one = dataset(np.zeros((30, 7), np.int16), uid=uid)
    one.ImagePositionPatient, one.ImageOrientationPatient = [0, -50 - number, 40], list(orientation)
    one.PixelSpacing, one.SeriesDescription = [1, 1], description
    one.save_as(path / f"scout{number}{uid}.dcm", enforce_file_format=True)


CORONAL, SAGITTAL = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)


@pytest.mark.parametrize("uid", ["1.2.3.4", "1.2.3.9"])
@pytest.mark.parametrize("turns", [[CORONAL], [SAGITTAL], [CORONAL, SAGITTAL], [CORONAL, CORONAL]])
def test_scouts_that_do_not_say_so_are_left_out(tmp_path, turns, uid):
    folder = series(tmp_path / "ct")
    for number, turn in enumerate(turns):
        scout(folder, number, turn, "Topogram" if uid == "1.2.3.9" else "Thorax", uid=uid)
    assert np.array_equal(CTVolume.read(folder).hu, body())


def test_screens_saved_into_the_series_are_left_out(tmp_path):
    folder = series(tmp_path / "ct")
    screen = dataset(np.zeros((40, 50), np.int16), sop="1.2.840.10008.5.1.4.1.1.7")
    screen.save_as(folder / "0screen.dcm", enforce_file_format=True)
    assert np.array_equal(CTVolume.read(folder).hu, body())


def test_the_slice_that_is_damaged_is_named(tmp_path):
    folder = series(tmp_path / "ct")
    path = sorted(folder.iterdir())[3]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(VolumeError, match=f"ct: {path.name}: its pixels cannot be decoded"):
        CTVolume.read(folder)


def test_a_series_of_scouts_alone_is_no_volume(tmp_path):
    (tmp_path / "ct").mkdir()
    scout(tmp_path / "ct", 0, CORONAL)
    scout(tmp_path / "ct", 1, SAGITTAL)
    with pytest.raises(VolumeError, match="nothing but localizers"):
        CTVolume.read(tmp_path / "ct")


@pytest.mark.parametrize("depth", ["SER1", "PAT1/STU1/SER1", "DICOM/.hidden/7"])
def test_a_series_in_folders_within_the_folder_is_found(tmp_path, depth):
    inner = tmp_path / "export" / depth
    inner.parent.mkdir(parents=True)
    series(inner)
    (tmp_path / "export" / "DICOMDIR").write_bytes(b"\0" * 200)
    (tmp_path / "export" / "readme.txt").write_text("viewer")
    assert np.array_equal(CTVolume.read(tmp_path / "export").hu, body())


def test_a_series_whose_slices_lie_in_several_folders_is_one(tmp_path):
    folder = series(tmp_path / "ct")
    for number, file in enumerate(sorted(folder.iterdir())):
        (folder / str(number % 3)).mkdir(exist_ok=True)
        file.rename(folder / str(number % 3) / "IM1" if number < 3 else folder / str(number % 3) / file.name)
    assert np.array_equal(CTVolume.read(folder).hu, body())


def test_of_several_volumes_one_is_chosen_by_the_end_of_its_uid(tmp_path):
    folder = series(tmp_path / "study")
    series(folder, uid="1.2.3.77", step=(0, 0, 5))
    with pytest.raises(VolumeError, match=r"--series.*1\.2\.3\.4 \(CT, 8 slices, 'Thorax'\)"):
        CTVolume.read(folder)
    assert CTVolume.read(folder, series="1.2.3.77").spacing[2] == 5
    assert CTVolume.read(folder, series="77").spacing[2] == 5
    with pytest.raises(VolumeError, match=r"no DICOM series 8; there are"):
        CTVolume.read(folder, series="8")


def test_an_enhanced_ct_is_read_by_its_functional_groups(tmp_path):
    def backwards(one):
        for number, group in enumerate(one.PerFrameFunctionalGroupsSequence):
            group.PlanePositionSequence[0].ImagePositionPatient = [-20, -30, -40 + 3 * (COUNT - 1 - number)]

    assert np.array_equal(CTVolume.read(frames(tmp_path / "e.dcm")).hu, body())
    assert np.array_equal(CTVolume.read(frames(tmp_path / "b.dcm", backwards)).hu, body()[::-1])
    (tmp_path / "folder").mkdir()
    frames(tmp_path / "folder" / "e.dcm")
    assert np.array_equal(CTVolume.read(tmp_path / "folder").hu, body())


def fewer_groups(one):
    one.PerFrameFunctionalGroupsSequence = one.PerFrameFunctionalGroupsSequence[:5]


def no_positions(one):
    del one.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence


def no_orientation(one):
    del one.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def no_groups(one):
    del one.PerFrameFunctionalGroupsSequence


def too_few_pixels(one):
    one.PixelData = one.PixelData[: len(one.PixelData) // 2]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (fewer_groups, "8 frames and describes 5"),
        (no_groups, "8 frames and describes 0"),
        (no_positions, "1 of 8 frames have no ImagePositionPatient"),
        (no_orientation, "8 of 8 frames have no ImageOrientationPatient"),
        (too_few_pixels, "cannot be decoded|truncated"),
    ],
)
def test_an_enhanced_ct_with_frames_or_groups_missing_says_so(tmp_path, edit, words):
    with pytest.raises(VolumeError, match=words):
        CTVolume.read(frames(tmp_path / "e.dcm", edit))


def test_a_single_slice_and_a_localizer_ask_for_the_folder(tmp_path):
    one = dataset(body()[3])
    one.save_as(tmp_path / "s.dcm", enforce_file_format=True)
    with pytest.raises(VolumeError, match="one single slice; give the folder"):
        CTVolume.read(tmp_path / "s.dcm")
    one.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    one.save_as(tmp_path / "l.dcm", enforce_file_format=True)
    with pytest.raises(VolumeError, match="localizer"):
        CTVolume.read(tmp_path / "l.dcm")


def test_padding_outside_the_field_of_view_is_air(tmp_path):
    def edit(_, one):
        words = np.frombuffer(one.PixelData, "<i2").reshape(ROWS, COLUMNS).copy()
        words[:2], words[-2:] = 32000, 32000
        one.PixelData = words.tobytes()
        one.add_new("PixelPaddingValue", "US", 32000)

    ct = CTVolume.read(series(tmp_path / "ct", edit=edit))
    assert (ct.hu[:, :2] == -1000).all() and ct.hu.max() == 1200


# NIfTI


def nifti(path, voxels, *, sform=None, qform=None, pixdim=(1, 1, 1), slope=1.0, inter=0.0, order="<"):
    kind = {"int16": 4, "float32": 16, "uint8": 2, "float64": 64, "uint16": 512}[voxels.dtype.name]
    header = bytearray(352)
    struct.pack_into(f"{order}i", header, 0, 348)
    struct.pack_into(f"{order}8h", header, 40, 3, *voxels.shape[::-1], 1, 1, 1, 1)
    struct.pack_into(f"{order}2h", header, 70, kind, 8 * voxels.dtype.itemsize)
    struct.pack_into(f"{order}8f", header, 76, 1, *pixdim, 0, 0, 0, 0)
    struct.pack_into(f"{order}3f", header, 108, 352, slope, inter)
    struct.pack_into(f"{order}2h", header, 252, 0 if qform is None else 1, 0 if sform is None else 1)
    if qform is not None:
        struct.pack_into(f"{order}6f", header, 256, *qform)
    if sform is not None:
        struct.pack_into(f"{order}12f", header, 280, *np.asarray(sform, float).ravel())
    header[344:348] = b"n+1\0"
    content = bytes(header) + voxels.astype(voxels.dtype.newbyteorder(order)).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_nifti_keeps_axes_that_are_not_at_right_angles(tmp_path, name, order):
    sform = np.array([[-2, 0.02, 0, 30], [0, 2, 0.5, -10], [0, 0, 3, 5.0]])
    ct = CTVolume.read(nifti(tmp_path / name, body(), sform=sform, order=order))
    lps = (sform[:, :3] @ [8, 4, 5] + sform[:, 3]) * [-1, -1, 1]
    assert np.allclose(bead(ct), lps, atol=1e-4)


def test_nifti_with_a_qform_lies_where_itk_puts_it(tmp_path):
    path = nifti(tmp_path / "q.nii", body(), qform=(0.1, 0.2, 0.3, 5, 6, 7), pixdim=(1.5, 2, 3))
    image = sitk.ReadImage(str(path))
    assert np.allclose(bead(CTVolume.read(path)), image.TransformIndexToPhysicalPoint((8, 4, 5)), atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_what_is_not_a_number_is_refused_in_every_format(tmp_path, bad, suffix):
    voxels = body().astype(np.float32)
    voxels[0] = bad
    path = tmp_path / f"ct{suffix}"
    if "nii" in suffix:
        nifti(path, voxels, sform=np.eye(3, 4))
    else:
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path))
    with pytest.raises(VolumeError, match="not finite"):
        CTVolume.read(path)
    with pytest.raises(VolumeError, match="NaN"):
        LabelVolume.read(path)


@pytest.mark.parametrize(
    "change", [{"slope": 0.99997}, {"inter": 0.0004}, {"slope": np.nan}, {"slope": 0.0}, {"slope": 1.0002}]
)
def test_labels_that_are_nearly_whole_are_those_labels(tmp_path, change):
    voxels = np.arange(COUNT * ROWS * COLUMNS).reshape(COUNT, ROWS, COLUMNS) % 4
    path = nifti(tmp_path / "l.nii.gz", voxels.astype(np.int16), sform=np.eye(3, 4), **change)
    assert np.array_equal(LabelVolume.read(path).labels, voxels)


def test_a_truncated_nifti_is_refused(tmp_path):
    path = nifti(tmp_path / "ct.nii", body(), sform=np.eye(3, 4))
    for keep in (0, 100, 351, 900, path.stat().st_size - 1):
        (tmp_path / "t.nii").write_bytes(path.read_bytes()[:keep])
        with pytest.raises(VolumeError, match=r"t\.nii: .*(truncated|shorter|damaged|empty)"):
            CTVolume.read(tmp_path / "t.nii")


# Hounsfield units


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda hu: (hu + 1024).astype(np.int16), "1024 added"),
        (lambda hu: (hu + 1000).astype(np.float32), "1024 added"),
        (lambda hu: np.clip(hu, -100, None), "no voxel is below -500"),
        (lambda hu: (1300 - hu).astype(np.int16), "inverted.*-1,1300"),
        (lambda hu: (-hu).astype(np.int16), "inverted.*-1,0"),
        (lambda hu: (3071 - hu).astype(np.float32), "inverted.*-1,3071"),
        (lambda hu: padded(hu + 1024, -2000), "padding of -2000, .*1024 added.*1,-1024"),
        (lambda hu: padded(hu + 1024, -3024), "padding of -3024, .*1024 added"),
        (lambda hu: eight_bits(hu).astype(np.uint8), "0 to 255: a picture of 8 bits"),
        (lambda hu: eight_bits(hu).astype(np.float32), "0 to 255: a picture of 8 bits"),
        (lambda hu: ((hu + 1000.0) * 20).astype(np.uint16), "stretched to 16 bits.*0.0625"),
        (lambda hu: np.digitize(hu, [-500, 100]).astype(np.uint8), "is it a label map"),
    ],
)
def test_values_that_are_no_hu_are_warned_of_with_the_likely_cause(tmp_path, change, words):
    path = nifti(tmp_path / "ct.nii", change(body()), sform=np.eye(3, 4))
    with pytest.warns(UserWarning, match=f"no Hounsfield units.*{words}"):
        CTVolume.read(path)


def padded(hu, value):
    hu = hu.astype(np.int16)
    hu[:, :2], hu[:, -2:] = value, value
    return hu


def eight_bits(hu):
    noisy = hu + np.random.default_rng(1).integers(0, 400, hu.shape)
    return (noisy - noisy.min()) * (255 / np.ptp(noisy))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda hu: (hu + 1000) / 2200, "scaled; --rescale.*4095,-1024"),
        (lambda hu: (hu + 1000) / 1000, "relative to water.*1000,-1000"),
        (lambda hu: hu / 1000, "by 1000.*1000,0"),
        (lambda hu: hu / 1200.0, "--rescale"),
        (lambda hu: np.where(hu < -500, -3.024, hu / 1000), "by 1000"),
        (lambda hu: np.where(hu > 1000, 1e30, hu), "1e\\+30, which no scanner writes.*set them to -1000"),
        (lambda hu: np.where(hu < -500, -3.4e38, hu), "no scanner writes"),
        (lambda hu: hu > 0, "0 and 1 alone: a mask"),
        (lambda hu: 255 * (hu > 0), "0 and 255 alone: a mask"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_values_that_cannot_be_used_are_refused_with_the_likely_cause(tmp_path, change, words, suffix):
    values = change(body())
    path = tmp_path / f"ct{suffix}"
    kind = "f4" if values.dtype.kind == "f" else "u1"
    sitk.WriteImage(sitk.GetImageFromArray(values.astype(kind)), path)
    with pytest.raises(VolumeError, match=f"no Hounsfield units.*{words}"):
        CTVolume.read(path)


@pytest.mark.parametrize(
    ("change", "rescale"),
    [
        (lambda hu: (hu + 1000) / 1000, (1000, -1000)),
        (lambda hu: hu / 1000, (1000, 0)),
        (lambda hu: 3071 - hu, (-1, 3071)),
        (lambda hu: hu + 1024, (1, -1024)),
    ],
)
def test_the_remedy_that_is_named_makes_hu(tmp_path, change, rescale):
    path = nifti(tmp_path / "ct.nii", change(body()).astype(np.float32), sform=np.eye(3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(CTVolume.read(path, rescale=rescale).hu, body())


@pytest.mark.parametrize("padding", [-1024, -2000, -3024])
def test_padding_beside_air_is_not_warned_of(tmp_path, padding):
    path = nifti(tmp_path / "ct.nii", padded(body(), padding), sform=np.eye(3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CTVolume.read(path)


def test_a_rescale_makes_hu_of_them(tmp_path):
    path = nifti(tmp_path / "ct.nii", ((body() + 1000) / 2200).astype(np.float32), sform=np.eye(3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(CTVolume.read(path, rescale=(2200, -1000)).hu, body())


def test_a_ct_with_air_is_not_warned_of(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CTVolume.read(series(tmp_path / "ct"))


def test_reading_leaves_the_files_as_they_are(tmp_path):
    path = frames(tmp_path / "e.dcm")
    before = path.read_bytes()
    CTVolume.read(path)
    assert path.read_bytes() == before and pydicom.dcmread(path).NumberOfFrames == COUNT
