"""Which bits of DICOM pixel words are the picture, made by code in every form that files have."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import JPEG2000Lossless, RLELossless, generate_uid

LITTLE = "1.2.840.10008.1.2.1"
CR = "1.2.840.10008.5.1.4.1.1.1"


def picture(bits: int = 12) -> np.ndarray:
    rows, columns = np.mgrid[:48, :64]
    wave = 0.5 + 0.3 * np.sin(rows / 9) + 0.15 * np.cos(columns / 7)
    return np.round(wave / wave.max() * (2**bits - 2)).astype(np.uint16)


def write(path, words, *, syntax=LITTLE, stored=12, high=None, signed=0, sop=CR, modality="CR", **more):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = LITTLE
    dataset.file_meta.MediaStorageSOPClassUID = sop
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop, generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if modality is not None:
        dataset.Modality = modality
    dataset.Rows, dataset.Columns = words.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = 16, stored
    dataset.HighBit, dataset.PixelRepresentation = stored - 1 if high is None else high, signed
    for name, value in more.items():
        if isinstance(value, tuple):
            dataset.add_new(name, *value)
        else:
            setattr(dataset, name, value)
    dataset.PixelData = np.ascontiguousarray(words).astype("<u2").tobytes()
    if syntax != LITTLE:
        # The codestream holds all bits of a word, as files with overlays in them have it.
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.compress(syntax)
        dataset.BitsStored, dataset.HighBit = stored, stored - 1 if high is None else high
    dataset.save_as(path, enforce_file_format=True)
    return path


def like(path, plain) -> float:
    one, other = read_radiograph(path).pixels, read_radiograph(plain).pixels
    return float(np.abs(one - other).max())


@pytest.fixture
def plain(tmp_path):
    return write(tmp_path / "plain.dcm", picture())


@pytest.mark.parametrize("syntax", [LITTLE, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("bit", [12, 13, 15])
def test_overlays_in_the_words_do_not_show(tmp_path, plain, syntax, bit):
    words = picture()
    words[10:20, 5:40] |= 1 << bit
    assert like(write(tmp_path / "o.dcm", words, syntax=syntax), plain) < 1e-6


def test_a_declared_overlay_is_cut_off_however_large_it_is(tmp_path, plain):
    words = picture() | np.uint16(1 << 12)
    words[0, 0] &= 0xFFF
    path = write(tmp_path / "o.dcm", words)
    dataset = pydicom.dcmread(path)
    dataset.add_new((0x6000, 0x0100), "US", 16)
    dataset.add_new((0x6000, 0x0102), "US", 12)
    dataset.save_as(path)
    assert like(path, plain) < 1e-6


@pytest.mark.parametrize(("stored", "high"), [(12, 15), (12, 13), (10, 15), (14, 15)])
@pytest.mark.parametrize("syntax", [LITTLE, RLELossless])
def test_samples_in_the_upper_bits_are_moved_down(tmp_path, stored, high, syntax):
    plain = write(tmp_path / "plain.dcm", picture(stored), stored=stored)
    words = picture(stored) << (high + 1 - stored)
    assert like(write(tmp_path / "l.dcm", words, stored=stored, high=high, syntax=syntax), plain) < 1e-6


def test_a_high_bit_that_the_words_contradict_is_not_followed(tmp_path, plain):
    assert like(write(tmp_path / "w.dcm", picture(), high=15), plain) < 1e-6


def test_sixteen_bits_that_are_said_to_be_twelve_stay_whole(tmp_path):
    plain = write(tmp_path / "plain.dcm", picture(16), stored=16)
    assert like(write(tmp_path / "w.dcm", picture(16), stored=12), plain) < 1e-6


def test_signed_samples_without_their_sign_extended_are_negative(tmp_path):
    values = picture().astype(np.int32) - 2048
    plain = write(tmp_path / "plain.dcm", values & 0xFFFF, stored=16, signed=1)
    assert like(write(tmp_path / "s.dcm", values & 0xFFF, stored=12, signed=1), plain) < 1e-6


@pytest.mark.parametrize(
    ("border", "stored", "signed", "attributes"),
    [
        (65535, 16, 0, {"PixelPaddingValue": ("SS", -1)}),
        (0x8000, 16, 1, {"PixelPaddingValue": ("US", 0x8000)}),
        (0xF830, 16, 1, {"PixelPaddingValue": ("SS", -2000)}),
        (65535, 12, 0, {"PixelPaddingValue": ("US", 65535)}),
        (0xFFF, 12, 0, {"PixelPaddingValue": ("US", 65535)}),
        (65530, 16, 0, {"PixelPaddingValue": ("SS", -20), "PixelPaddingRangeLimit": ("SS", -1)}),
        (65530, 16, 0, {"PixelPaddingValue": ("US", 65535), "PixelPaddingRangeLimit": ("US", 65500)}),
        (65535, 16, 0, {"PixelPaddingValue": ("UN", b"\xff\xff")}),
    ],
)
def test_padding_is_found_whatever_its_vr(tmp_path, border, stored, signed, attributes):
    words = picture(11)
    words[:, :12] = border
    path = write(tmp_path / "p.dcm", words, stored=stored, signed=signed, **attributes)
    read = read_radiograph(path)
    assert (read.pixels[:, :12] == 0).all()
    assert np.ptp(read.pixels[:, 12:]) > 0.9


@pytest.mark.parametrize(
    ("sop", "modality", "words"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", "CT", "slice of a CT"),
        ("1.2.840.10008.5.1.4.1.1.2", None, "slice of a CT"),
        ("1.2.840.10008.5.1.4.1.1.2.1", "OT", "slice of a CT"),
        ("1.2.840.10008.5.1.4.1.1.4", None, "slice of a MR"),
        ("1.2.840.10008.5.1.4.1.1.4.1", "mr", "slice of a MR"),
        ("1.2.840.10008.5.1.4.1.1.128", "", "slice of a PT"),
        ("1.2.840.10008.5.1.4.1.1.6.1", "OT", "modality US"),
        ("1.2.840.10008.5.1.4.1.1.20", None, "slice of a NM"),
        ("1.2.840.10008.5.1.4.1.1.7", "CT", "slice of a CT"),
    ],
)
def test_what_is_no_projection_is_refused_by_name(tmp_path, sop, modality, words):
    with pytest.raises(RadiographError, match=words):
        read_radiograph(write(tmp_path / "m.dcm", picture(), sop=sop, modality=modality))


def test_a_localizer_of_a_ct_is_a_projection(tmp_path):
    path = write(
        tmp_path / "l.dcm", picture(), sop="1.2.840.10008.5.1.4.1.1.2", modality="CT",
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )  # fmt: skip
    assert read_radiograph(path).modality == "CT"
