"""DICOM as hospitals have it: real files, and files made here for what the real ones lack."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    XRayAngiographicImageStorage,
)

REAL = {
    # file: (height, width), spacing (x, y), its source, frames, modality
    "dicom_odd_formats/RG1_J2KI.dcm": ((1955, 1841), None, "unknown", 1, "CR"),
    "dicom_odd_formats/RG3_J2KI.dcm": ((1760, 1760), None, "unknown", 1, "CR"),
    "dicom_odd_formats/RG3_J2KR.dcm": ((1760, 1760), None, "unknown", 1, "CR"),
    "dicom_odd_formats/SC_rgb_16bit.dcm": ((100, 100), (1.0, 1.0), "PixelSpacing", 1, "OT"),
    "dicom_odd_formats/SC_rgb_2frame.dcm": ((100, 100), (1.0, 1.0), "PixelSpacing", 2, "OT"),
    "dicom_synthetic/cr_12bit_rescale_two_windows_anisotropic_spacing.dcm":
        ((161, 255), (1.4, 0.955), "PixelSpacing", 1, "CR"),
    "dicom_synthetic/dx_monochrome1_14bit_voi_lut_sequence.dcm":
        ((256, 256), (0.9545, 0.9545), "PixelSpacing", 1, "DX"),
    "dicom_synthetic/rf_signed16_jpeg2000.dcm": ((256, 256), (1.4, 1.4), "ImagerPixelSpacing", 1, "RF"),
    "dicom_synthetic/rf_signed16_uncompressed.dcm": ((256, 256), (1.4, 1.4), "ImagerPixelSpacing", 1, "RF"),
    "dicom_synthetic/sc_rgb_8bit_no_spacing.dcm": ((256, 256), None, "unknown", 1, "OT"),
    "dicom_synthetic/xa_multiframe_12bit_imager_spacing_only.dcm":
        ((256, 256), (1.4, 1.4), "ImagerPixelSpacing", 9, "XA"),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_file_has_its_shape_spacing_and_range(shared_data, name):
    size, spacing, source, frames, modality = REAL[name]
    radiograph = read_radiograph(shared_data(f"xray/{name}"))
    assert radiograph.size == size and radiograph.pixels.dtype == np.float32
    assert radiograph.spacing == (None if spacing is None else pytest.approx(spacing, abs=1e-3))
    assert (radiograph.spacing_source, radiograph.frame_count, radiograph.modality) == (
        source,
        frames,
        modality,
    )
    assert radiograph.pixels.min() >= 0 and radiograph.pixels.max() <= 1 and np.ptp(radiograph.pixels) > 0.6


@pytest.mark.parametrize("name", [name for name in REAL if name.startswith("dicom_synthetic")])
def test_spine_is_brighter_than_the_lungs_beside_it(shared_data, name):
    pixels = read_radiograph(shared_data(f"xray/{name}")).pixels
    columns = np.median(pixels[: pixels.shape[0] // 3], axis=0)
    spine = columns[columns.size // 4 : columns.size // 2].max()
    assert spine > np.percentile(columns, 20) + 0.1


def test_chest_radiograph_in_monochrome1_has_dark_lungs(shared_data):
    pixels = read_radiograph(shared_data("xray/dicom_odd_formats/RG1_J2KI.dcm")).pixels
    assert pixels[500:900, 850:1000].mean() > pixels[500:900, 450:600].mean() + 0.2


def test_leg_in_monochrome1_has_bone_above_flesh_above_air(shared_data):
    for name in ("RG3_J2KI", "RG3_J2KR"):
        pixels = read_radiograph(shared_data(f"xray/dicom_odd_formats/{name}.dcm")).pixels
        row = pixels[600]
        assert row[:300].mean() > 0.9 or row[:300].mean() < 0.2
        tibia, air = row[700:1050].max(), row[480:560].mean()
        assert tibia > air + 0.3


def test_lossy_and_lossless_versions_agree(shared_data):
    one, two = (read_radiograph(shared_data(f"xray/dicom_odd_formats/RG3_J2K{k}.dcm")).pixels for k in "IR")
    assert np.abs(one - two).mean() < 0.01
    plain = read_radiograph(shared_data("xray/dicom_synthetic/rf_signed16_uncompressed.dcm")).pixels
    packed = read_radiograph(shared_data("xray/dicom_synthetic/rf_signed16_jpeg2000.dcm")).pixels
    assert np.array_equal(plain, packed)


def test_frames_differ_and_the_last_one_is_the_last(shared_data):
    path = shared_data("xray/dicom_synthetic/xa_multiframe_12bit_imager_spacing_only.dcm")
    frames = [read_radiograph(path, frame=n) for n in (0, 8)]
    assert frames[1].frame == 8 and not np.array_equal(frames[0].pixels, frames[1].pixels)
    with pytest.raises(RadiographError, match="9 frames, numbers 0 to 8"):
        read_radiograph(path, frame=9)


@pytest.mark.parametrize(
    "name", ["RG2_JLSN.dcm", "RG2_JPLY.dcm", "RG3_JLSL.dcm", "RG3_JPLL.dcm", "XA1_J2KR.dcm", "XA1_JPLL.dcm"]
)
def test_every_compression_is_decoded(shared_data, name):
    radiograph = read_radiograph(shared_data(f"nc/xray/dicom_wg04_no_licence_text/{name}"))
    assert np.ptp(radiograph.pixels) > 0.9
    if name.startswith("RG2"):
        femur, air = (
            radiograph.pixels[1100:1300, 1150:1250].mean(),
            radiograph.pixels[1800:2000, 1000:1200].mean(),
        )
        assert radiograph.spacing == (0.2, 0.2) and femur > air + 0.15
    if name.startswith("XA1"):
        assert "angiography" in radiograph.notes[-1]


def test_flat_panel_images_linear_in_the_beam_are_inverted(shared_data):
    for name in ("chest_0011", "pelvis_0030", "pelvis_0055"):
        radiograph = read_radiograph(shared_data(f"nc/xray/fluorosam_examples/{name}.dcm"))
        assert radiograph.spacing == (0.3, 0.3) and "PixelIntensityRelationshipSign 1" in radiograph.notes[-1]


def make_dicom(
    path, stored, *, uid=ComputedRadiographyImageStorage, syntax=ExplicitVRLittleEndian, **attributes
):
    """A small DICOM image file with the given stored values (H, W), (N, H, W) or (H, W, 3)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, uid
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = uid, "1.2.3.4", "CR"
    frames = stored.ndim == 3 and stored.shape[-1] != 3
    dataset.Rows, dataset.Columns = stored.shape[1:3] if frames else stored.shape[:2]
    if frames:
        dataset.NumberOfFrames = len(stored)
    dataset.SamplesPerPixel = 3 if stored.ndim == 3 and not frames else 1
    dataset.PhotometricInterpretation = "MONOCHROME2" if dataset.SamplesPerPixel == 1 else "RGB"
    if dataset.SamplesPerPixel == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = stored.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    if syntax != ExplicitVRLittleEndian:
        dataset.compress(syntax, stored, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
    return path


RAMP = np.tile(np.arange(64, dtype=np.uint16) * 16, (48, 1))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_values_survive_every_lossless_coding(tmp_path, syntax):
    radiograph = read_radiograph(make_dicom(tmp_path / "a.dcm", RAMP, syntax=syntax))
    assert np.allclose(radiograph.pixels[0], np.arange(64) / 63)


def test_monochrome1_is_inverted_and_invert_overrules(tmp_path):
    path = make_dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    assert read_radiograph(path).pixels[0, 0] == 1
    assert read_radiograph(path, invert=True).pixels[0, 0] == 0
    assert read_radiograph(path, invert=False).pixels[0, 0] == 1


@pytest.mark.parametrize(("sign", "first"), [(1, 1.0), (-1, 0.0)])
def test_intensity_sign_rules_over_photometric(tmp_path, sign, first):
    path = make_dicom(tmp_path / "a.dcm", RAMP, PixelIntensityRelationshipSign=sign)
    assert read_radiograph(path).pixels[0, 0] == first


def test_angiography_shows_the_beam(tmp_path):
    path = make_dicom(
        tmp_path / "a.dcm", RAMP[None].repeat(3, 0), uid=XRayAngiographicImageStorage, Modality="XA"
    )
    radiograph = read_radiograph(path, frame=2)
    assert radiograph.frame_count == 3 and radiograph.pixels[0, 0] == 1


def test_signed_values_with_rescale_and_window(tmp_path):
    stored = (RAMP.astype(np.int16) - 500) // 2
    path = make_dicom(
        tmp_path / "a.dcm",
        stored,
        RescaleSlope="2",
        RescaleIntercept="100",
        WindowCenter="100",
        WindowWidth="980",
    )
    pixels = read_radiograph(path).pixels[0]
    values = stored[0].astype(float) * 2 + 100
    assert np.allclose(pixels, np.clip((values + 390) / 980, 0, 1), atol=0.02)
    assert read_radiograph(path).stored_range == (-250.0, 254.0)


def test_detail_window_is_left_out(tmp_path):
    radiograph = read_radiograph(make_dicom(tmp_path / "a.dcm", RAMP, WindowCenter="500", WindowWidth="100"))
    assert np.allclose(radiograph.pixels[0], np.arange(64) / 63) and "full range kept" in radiograph.notes[0]


@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_lookup_tables_are_applied(tmp_path, keyword):
    item = Dataset()
    table = np.sqrt(np.arange(1024)) / np.sqrt(1023) * 4095
    item.LUTDescriptor = [1024, 0, 16]
    item.add_new("LUTData", "OW", table.astype("<u2").tobytes())
    if keyword == "ModalityLUTSequence":
        item.ModalityLUTType = "US"
    path = make_dicom(tmp_path / "a.dcm", RAMP, **{keyword: Sequence([item])})
    assert np.allclose(read_radiograph(path).pixels[0], np.sqrt(RAMP[0] / RAMP.max()), atol=0.01)


def test_spacing_order_and_fallbacks(tmp_path):
    both = make_dicom(tmp_path / "a.dcm", RAMP, PixelSpacing=["0", "0"], ImagerPixelSpacing=["0.2", "0.1"])
    assert read_radiograph(both).spacing == (0.1, 0.2)
    assert read_radiograph(both).spacing_source == "ImagerPixelSpacing"
    nominal = make_dicom(tmp_path / "b.dcm", RAMP, NominalScannedPixelSpacing=["0.1", "0.1"])
    assert read_radiograph(nominal).spacing_source == "NominalScannedPixelSpacing"


def test_ct_is_refused_with_a_hint(tmp_path, shared_data):
    with pytest.raises(RadiographError, match="DRR"):
        read_radiograph(shared_data("ct/ts_real_dicom_slab/001.dcm"))
    with pytest.raises(RadiographError, match="volume of 5 slices"):
        read_radiograph(make_dicom(tmp_path / "a.dcm", RAMP[None].repeat(5, 0), Modality="CT"))


def test_truncated_file_and_enormous_size_are_refused(tmp_path):
    path = make_dicom(tmp_path / "a.dcm", RAMP)
    content = path.read_bytes()
    (tmp_path / "short.dcm").write_bytes(content[:-2000])
    with pytest.raises(RadiographError, match=r"short\.dcm.*truncated"):
        read_radiograph(tmp_path / "short.dcm")
    (tmp_path / "head.dcm").write_bytes(content[:300])
    with pytest.raises(RadiographError, match=r"head\.dcm"):
        read_radiograph(tmp_path / "head.dcm")
    dataset = pydicom.dcmread(path)
    dataset.Rows = dataset.Columns = 60000
    dataset.save_as(tmp_path / "huge.dcm")
    with pytest.raises(RadiographError, match="60000 x 60000"):
        read_radiograph(tmp_path / "huge.dcm")


def test_dicom_without_an_image_is_refused(tmp_path):
    dataset = pydicom.dcmread(make_dicom(tmp_path / "a.dcm", RAMP))
    del dataset.PixelData
    dataset.save_as(tmp_path / "b.dcm")
    with pytest.raises(RadiographError, match="pixel data are missing"):
        read_radiograph(tmp_path / "b.dcm")
    del dataset.Rows
    dataset.save_as(tmp_path / "c.dcm")
    with pytest.raises(RadiographError, match="without an image"):
        read_radiograph(tmp_path / "c.dcm")
