"""DICOM SEG of images with the headers that hospitals and anonymisers leave."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from FluoroSAMSlicerLib.mrml import SceneError
from FluoroSAMSlicerLib.mrml.export import exportDicomSeg
from mrml.bench import drawn_by_hand, new_scene, segment_logic
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

highdicom = pytest.importorskip("highdicom")
CR, MG = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.2"


@pytest.fixture
def logic():
    return segment_logic(new_scene())


def radiograph(path, sop=CR, modality="CR", name="A^B", absent=(), **more):
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = sop
    if "SpecificCharacterSet" in more:
        one.SpecificCharacterSet = more.pop("SpecificCharacterSet")
    one.SOPClassUID, one.Modality, one.PatientName, one.PatientID = sop, modality, name, "7"
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    one.StudyInstanceUID, one.SeriesInstanceUID = generate_uid(), generate_uid()
    one.StudyID, one.SeriesNumber, one.InstanceNumber, one.StudyDate = "1", 1, 1, "20240101"
    one.Rows, one.Columns, one.SamplesPerPixel, one.PhotometricInterpretation = 40, 48, 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
    one.PixelData = (np.arange(40 * 48, dtype="<u2") * 2).tobytes()
    for keyword in absent:
        if keyword in one:
            del one[keyword]
    for keyword, value in more.items():
        setattr(one, keyword, value)
    one.save_as(path, enforce_file_format=True)
    return path


def seg_of(logic, source, tmp_path, label="left lung"):
    image = logic.loadImage(source)
    segment = logic.newSegment(image, label)
    drawn_by_hand(logic, image, segment, slice(3, 9), slice(4, 20))
    return pydicom.dcmread(exportDicomSeg(logic.segmentationFor(image), image, tmp_path / "seg.dcm"))


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Иванов^Иван"),
        ("ISO_IR 192", "王^小东"),
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_names_of_patients_survive_every_character_set(logic, tmp_path, characters, name):
    source = radiograph(tmp_path / "a.dcm", name=name, SpecificCharacterSet=characters)
    made = seg_of(logic, source, tmp_path)
    assert str(made.PatientName) == name and made.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("label", ["左肺 (术后)", "Левое лёгкое", "الرئة", "poumon gauche é", "Ω" * 70])
def test_labels_in_any_script(logic, tmp_path, label):
    made = seg_of(logic, radiograph(tmp_path / "a.dcm"), tmp_path, label)
    assert made.SegmentSequence[0].SegmentLabel == label[:64]


def test_a_backslash_in_a_label_does_not_part_it(logic, tmp_path):
    made = seg_of(logic, radiograph(tmp_path / "a.dcm"), tmp_path, "a\\b")
    assert made.SegmentSequence[0].SegmentLabel == "a/b"


@pytest.mark.parametrize(("written", "kept"), [("m", "M"), ("F ", "F"), ("W", ""), ("O", "O")])
def test_the_sex_is_one_of_the_standard_or_empty(logic, tmp_path, written, kept):
    made = seg_of(logic, radiograph(tmp_path / "a.dcm", PatientSex=written), tmp_path)
    assert (made.PatientSex or "") == kept


@pytest.mark.parametrize(
    "absent",
    [
        ("PatientID", "PatientName", "StudyID", "SeriesNumber"),
        ("StudyDate", "InstanceNumber"),
        ("PatientID", "PatientName", "StudyID", "SeriesNumber", "InstanceNumber", "StudyDate"),
    ],
)
def test_what_an_anonymiser_took_away_is_empty(logic, tmp_path, absent):
    made = seg_of(logic, radiograph(tmp_path / "a.dcm", absent=absent), tmp_path)
    for keyword in set(absent) - {"SeriesNumber", "InstanceNumber"}:
        assert keyword in made and not made[keyword].value


@pytest.mark.parametrize("date", ["20241399", "2024-1-1", "00000000", "unknown"])
def test_dates_that_are_none_are_empty(logic, tmp_path, date):
    path = radiograph(tmp_path / "a.dcm")
    content = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        content.StudyDate = content.PatientBirthDate = date
        content.StudyTime = "25:61"
        content.save_as(path)
    made = seg_of(logic, path, tmp_path)
    assert not made.StudyDate and not made.PatientBirthDate and not made.StudyTime


def test_a_private_class_and_missing_uids_are_refused_with_words(logic, tmp_path):
    with pytest.raises(SceneError, match="private SOP class"):
        seg_of(logic, radiograph(tmp_path / "p.dcm", sop="1.3.12.2.1107.5.9.1"), tmp_path)
    with pytest.raises(SceneError, match="no StudyInstanceUID"):
        seg_of(logic, radiograph(tmp_path / "u.dcm", absent=("StudyInstanceUID",)), tmp_path)
    assert not (tmp_path / "seg.dcm").exists()


def test_a_mammogram_without_a_frame_of_reference(logic, tmp_path):
    made = seg_of(logic, radiograph(tmp_path / "m.dcm", sop=MG, modality="MG", ImageLaterality="L"), tmp_path)
    assert highdicom.seg.segread(tmp_path / "seg.dcm").number_of_segments == 1 and made.Rows == 40


@pytest.mark.parametrize(
    "keyword", ["AnatomicRegionSequence", "PatientSpeciesCodeSequence", "ProcedureCodeSequence"]
)
def test_broken_codes_of_the_image_are_left_out(logic, tmp_path, keyword):
    broken = Dataset()
    broken.CodeValue = "T-D3000"
    path = radiograph(tmp_path / "b.dcm", **{keyword: [broken]})
    assert seg_of(logic, path, tmp_path).SegmentSequence[0].SegmentLabel == "left lung"


def test_the_frame_of_a_run_is_named(logic, tmp_path):
    frames = radiograph(tmp_path / "x.dcm", sop="1.2.840.10008.5.1.4.1.1.12.1", modality="XA")
    content = pydicom.dcmread(frames)
    content.NumberOfFrames, content.PixelData = 2, content.PixelData * 2
    content.save_as(frames)
    image = logic.loadImage(frames, 1)
    segment = logic.newSegment(image, "heart")
    drawn_by_hand(logic, image, segment, slice(3, 9), slice(4, 20))
    made = pydicom.dcmread(exportDicomSeg(logic.segmentationFor(image), image, tmp_path / "seg.dcm"))
    derivation = made.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    assert derivation.SourceImageSequence[0].ReferencedFrameNumber == 2
