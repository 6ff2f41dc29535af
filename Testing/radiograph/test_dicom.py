"""DICOM as hospitals have it: real files, and files made here for what the real ones lack."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels import get_decoder
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
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
    with pytest.raises(RadiographError, match="9 frames, numbered 1 to 9"):
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


@pytest.mark.parametrize(
    ("name", "spine", "soft"),
    [
        # (x0, x1, y0, y1) as shares of the picture
        ("chest_0011", (0.52, 0.56, 0.3, 0.5), (0.25, 0.4, 0.3, 0.45)),
        ("pelvis_0030", (0.47, 0.53, 0.1, 0.4), (0.2, 0.35, 0.1, 0.3)),
        ("pelvis_0055", (0.3, 0.4, 0.3, 0.6), (0.7, 0.9, 0.3, 0.6)),
    ],
)
def test_flat_panel_images_linear_in_the_beam_have_a_bright_spine(shared_data, name, spine, soft):
    radiograph = read_radiograph(shared_data(f"nc/xray/fluorosam_examples/{name}.dcm"))
    assert radiograph.spacing == (0.3, 0.3) and "PixelIntensityRelationshipSign 1" in radiograph.notes[-1]
    height, width = radiograph.size

    def mean(x0, x1, y0, y1):
        rows, columns = (slice(int(a * n), int(b * n)) for a, b, n in ((y0, y1, height), (x0, x1, width)))
        return radiograph.pixels[rows, columns].mean()

    assert mean(*spine) > mean(*soft) + 0.15


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
    assert np.allclose(radiograph.pixels[0], np.arange(64) / 63)
    assert radiograph.notes[:2] == (
        "window 500/100 clips 44% of the image and is left out",
        "full range kept",
    )


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


def table(keyword, descriptor, data):
    item = Dataset()
    item.LUTDescriptor = descriptor
    item.add_new("LUTData", "OW", np.asarray(data, "<u2").tobytes())
    if keyword == "ModalityLUTSequence":
        item.ModalityLUTType = "US"
    return {keyword: Sequence([item])}


@pytest.mark.parametrize(
    ("descriptor", "data"),
    [([10, 2000, 16], np.arange(10)), ([100, 400, 16], np.arange(100) * 600), ([1024, 0, 16], [1, 2, 3])],
    ids=["beside the image", "detail", "damaged"],
)
def test_lookup_table_that_does_not_fit_is_left_out(tmp_path, descriptor, data):
    path = make_dicom(tmp_path / "a.dcm", RAMP, **table("VOILUTSequence", descriptor, data))
    assert np.allclose(read_radiograph(path).pixels[0], np.arange(64) / 63)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("turn", ["nothing", "VOILUTSequence", "ModalityLUTSequence", "slope"])
def test_intensity_sign_speaks_of_stored_values_whatever_turns_them_over(tmp_path, sign, turn):
    attributes = {"PixelIntensityRelationshipSign": sign}
    if turn == "slope":
        attributes |= {"RescaleSlope": "-1", "RescaleIntercept": "1023"}
    elif turn != "nothing":
        attributes |= table(turn, [1024, 0, 16], np.arange(1023, -1, -1))
    row = read_radiograph(make_dicom(tmp_path / "a.dcm", RAMP, **attributes)).pixels[0]
    assert (row[0], row[-1]) == ((1, 0) if sign == 1 else (0, 1))


@pytest.mark.parametrize(
    ("photometric", "shape", "first"),
    [("MONOCHROME1", "INVERSE", 1), ("MONOCHROME2", "INVERSE", 1), ("MONOCHROME2", "IDENTITY", 0)],
)
def test_inverse_presentation_shape_is_not_inverted_twice(tmp_path, photometric, shape, first):
    path = make_dicom(
        tmp_path / "a.dcm", RAMP, PhotometricInterpretation=photometric, PresentationLUTShape=shape
    )
    assert read_radiograph(path).pixels[0, 0] == first


def test_second_window_serves_when_the_first_does_not_fit(tmp_path):
    path = make_dicom(tmp_path / "a.dcm", RAMP, WindowCenter=["9000", "500"], WindowWidth=["10", "960"])
    radiograph = read_radiograph(path)
    assert "window 500/960" in radiograph.notes
    assert np.allclose(radiograph.pixels[0], np.clip((RAMP[0] - 20.0) / 959, 0, 1), atol=2e-3)


def test_background_of_one_value_outside_the_window_is_no_loss(tmp_path):
    stored = np.hstack([np.zeros_like(RAMP), RAMP + 500])
    path = make_dicom(tmp_path / "a.dcm", stored, WindowCenter="1000", WindowWidth="1040")
    assert "window 1000/1040" in read_radiograph(path).notes


def test_sigmoid_window_is_a_sigmoid(tmp_path):
    path = make_dicom(
        tmp_path / "a.dcm", RAMP, WindowCenter="504", WindowWidth="600", VOILUTFunction="SIGMOID"
    )
    row = read_radiograph(path).pixels[0].astype(float)
    curve = 1 / (1 + np.exp(-4 * (RAMP[0] - 504.0) / 600))
    assert np.allclose(row, (curve - curve[0]) / (curve[-1] - curve[0]), atol=1e-5)


def test_padding_is_black_and_does_not_set_the_range(tmp_path):
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        stored = RAMP.copy()
        stored[:, :20] = 65535
        path = make_dicom(
            tmp_path / "a.dcm", stored, PixelPaddingValue=65535, PhotometricInterpretation=photometric
        )
        pixels = read_radiograph(path).pixels
        assert (pixels[:, :20] == 0).all() and pixels[:, 20:].min() == 0 and pixels[:, 20:].max() == 1


def test_one_dead_pixel_does_not_set_the_range(tmp_path):
    stored = np.tile(RAMP, (20, 10))
    stored[3, 4] = 65535
    assert read_radiograph(make_dicom(tmp_path / "a.dcm", stored)).pixels[0, 63] > 0.75


def test_enhanced_multiframe_takes_its_attributes_from_the_functional_groups(tmp_path):
    def item(**attributes):
        dataset = Dataset()
        for name, value in attributes.items():
            setattr(dataset, name, value)
        return dataset

    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=["0.3", "0.2"])],
        PixelValueTransformationSequence=[item(RescaleSlope="2", RescaleIntercept="-10", RescaleType="US")],
    )
    frames = [
        item(
            FrameVOILUTSequence=[item(WindowCenter=str(centre), WindowWidth="2100")],
            FramePixelDataPropertiesSequence=[item(PixelIntensityRelationshipSign=sign)],
        )
        for centre, sign in ((950, 1), (1050, -1))
    ]
    path = make_dicom(
        tmp_path / "a.dcm",
        RAMP[None].repeat(2, 0),
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )
    first, second = (read_radiograph(path, frame=n) for n in (0, 1))
    assert first.spacing == (0.2, 0.3) and "window 950/2100" in first.notes
    assert "window 1050/2100" in second.notes and np.allclose(first.pixels + second.pixels, 1, atol=0.05)


def test_colour_codings_show_the_same_grey(tmp_path):
    grey = (RAMP // 4).astype(np.uint8)
    plain = read_radiograph(make_dicom(tmp_path / "rgb.dcm", np.dstack([grey] * 3))).pixels
    assert np.allclose(plain, grey / 255, atol=1e-5)

    dataset = pydicom.dcmread(tmp_path / "rgb.dcm")
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    pairs = np.full((48, 32, 4), 128, np.uint8)
    pairs[..., 0], pairs[..., 1] = grey[:, ::2], grey[:, 1::2]
    dataset.PixelData = pairs.tobytes()
    dataset.save_as(tmp_path / "ybr.dcm")
    assert np.allclose(read_radiograph(tmp_path / "ybr.dcm").pixels, plain, atol=0.01)

    palette = pydicom.dcmread(make_dicom(tmp_path / "palette.dcm", 255 - grey))
    palette.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        name = f"{colour}PaletteColorLookupTable"
        palette.add_new(f"{name}Descriptor", "US", [256, 0, 16])
        palette.add_new(f"{name}Data", "OW", (np.arange(255, -1, -1) * 257).astype("<u2").tobytes())
    palette.save_as(tmp_path / "palette.dcm")
    assert np.allclose(read_radiograph(tmp_path / "palette.dcm").pixels, plain, atol=0.01)


def test_deflated_file_and_file_without_preamble_are_read(tmp_path):
    plain = read_radiograph(make_dicom(tmp_path / "a.dcm", RAMP)).pixels
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "deflated.dcm")
    bare = Dataset()
    bare.update(pydicom.dcmread(tmp_path / "a.dcm"))
    pydicom.dcmwrite(tmp_path / "bare", bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
    for name in ("deflated.dcm", "bare"):
        assert np.array_equal(read_radiograph(tmp_path / name).pixels, plain)


@pytest.mark.parametrize(
    "name", ["dicom_odd_formats/RG3_J2KR.dcm", "dicom_synthetic/rf_signed16_jpeg2000.dcm"]
)
def test_itk_decodes_where_no_plugin_does(shared_data, monkeypatch, name):
    path = shared_data(f"xray/{name}")
    expected = read_radiograph(path)
    syntax = pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
    monkeypatch.setattr(get_decoder(syntax), "_available", {})
    found = read_radiograph(path)
    assert found.stored_range == expected.stored_range and np.array_equal(found.pixels, expected.pixels)


def test_missing_decoder_is_named_with_its_package(tmp_path, monkeypatch):
    path = make_dicom(tmp_path / "a.dcm", RAMP, syntax=JPEGLSLossless)
    monkeypatch.setattr(get_decoder(JPEGLSLossless), "_available", {})
    monkeypatch.setattr("FluoroSAMSlicerLib.radiograph.decoding._decoded_by_itk", lambda *_: None)
    with pytest.raises(RadiographError, match=r"a\.dcm: no decoder for JPEG-LS.*install pyjpegls.*with pip"):
        read_radiograph(path)


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


@pytest.mark.parametrize("modality", ["MR", "PT", "NM"])
def test_localizer_of_no_x_ray_is_refused(tmp_path, modality):
    path = make_dicom(
        tmp_path / "a.dcm", RAMP, Modality=modality, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    with pytest.raises(RadiographError, match=modality):
        read_radiograph(path)


def test_localizer_of_a_ct_is_a_radiograph(tmp_path):
    path = make_dicom(tmp_path / "a.dcm", RAMP, Modality="CT", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert read_radiograph(path).pixels[0, -1] == 1


@pytest.mark.parametrize("modality", ["US", "SEG", "RTDOSE"])
def test_what_is_no_xray_is_refused(tmp_path, modality):
    path = make_dicom(tmp_path / "a.dcm", RAMP, Modality=modality)
    with pytest.raises(RadiographError, match=f"modality {modality}, not an X-ray"):
        read_radiograph(path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda s: s.name)
@pytest.mark.parametrize("kept", [0.3, 0.95])
def test_truncated_compressed_file_is_never_half_an_image(tmp_path, syntax, kept):
    noise = np.random.default_rng(0).integers(0, 4000, (100, 100), np.uint16)
    path = make_dicom(tmp_path / "a.dcm", noise, syntax=syntax)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(RadiographError, match=r"a\.dcm.*truncated"):
        read_radiograph(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"\x08\x00IS\x02\x001 ", b"\x08\x00IS\x02\x00xx"), (b"\x53\x10DS\x02\x001 ", b"\x53\x10DS\x02\x00x ")],
    ids=["NumberOfFrames", "RescaleSlope"],
)
def test_letters_in_a_number_are_refused_in_one_line(tmp_path, old, new):
    path = make_dicom(tmp_path / "a.dcm", RAMP, NumberOfFrames="1", RescaleSlope="1", RescaleIntercept="0")
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    with pytest.raises(RadiographError, match=r"a\.dcm: is damaged") as caught:
        read_radiograph(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keyword", ["WindowCenter", "PixelSpacing"])
def test_letters_in_what_can_be_spared_do_not_stop_the_reading(tmp_path, keyword):
    values = {"WindowCenter": "511.5", "PixelSpacing": ["0.25", "0.25"]}
    path = make_dicom(tmp_path / "a.dcm", RAMP, WindowWidth="1000", **values)
    old = b"511.5" if keyword == "WindowCenter" else b"0.25\\0.25"
    path.write_bytes(path.read_bytes().replace(old, b"x" * len(old)))
    radiograph = read_radiograph(path)
    assert radiograph.pixels.max() == 1
    assert radiograph.spacing == (None if keyword == "PixelSpacing" else (0.25, 0.25))


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


@pytest.mark.parametrize(
    ("kind", "description", "turn", "taken"),
    [
        (["ORIGINAL", "PRIMARY", "SCOUT"], "", None, True),
        ("LOCALIZER", "", None, True),
        (["ORIGINAL", "PRIMARY"], "Topogram 0.6 T20f", [1, 0, 0, 0, 0, -1], True),
        (["ORIGINAL", "PRIMARY"], "Scout", [0, 1, 0, 0, 0, -1], True),
        (["ORIGINAL", "PRIMARY", "AXIAL"], "Scout + axial", [1, 0, 0, 0, 1, 0], False),
        (["ORIGINAL", "PRIMARY"], "Coronal MPR", [1, 0, 0, 0, 0, -1], False),
    ],
)
def test_localizers_of_ct_are_told_by_type_or_by_name_and_direction(tmp_path, kind, description, turn, taken):
    more = {"ImageOrientationPatient": turn} if turn else {}
    path = make_dicom(
        tmp_path / "a.dcm", RAMP, Modality="CT", ImageType=kind, SeriesDescription=description, **more
    )
    if taken:
        assert read_radiograph(path).pixels.shape == RAMP.shape
    else:
        with pytest.raises(RadiographError, match="slice of a CT"):
            read_radiograph(path)
