"""DICOM SEG as labels of a CT, written by highdicom on slices made here."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from FluoroSAMSlicerLib.dataset import CTSource, DatasetError
from FluoroSAMSlicerLib.dataset.dicom_seg_labels import read_dicom_seg
from FluoroSAMSlicerLib.dataset.layers import structure_names
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

hd = pytest.importorskip("highdicom")


def slices(folder, tilt=0.0, count=8, ascending=True):
    folder.mkdir()
    made = []
    angle = np.radians(tilt)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for number in range(count):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.Modality, one.PatientName, one.PatientID = "CT", "A^B", "1"
        for keyword in (
            "PatientBirthDate",
            "PatientSex",
            "StudyDate",
            "StudyTime",
            "StudyID",
            "AccessionNumber",
        ):
            setattr(one, keyword, "")
        one.ReferringPhysicianName, one.SeriesNumber, one.InstanceNumber = "", 1, number + 1
        one.Rows, one.Columns, one.SamplesPerPixel, one.PhotometricInterpretation = 10, 12, 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
        one.PixelSpacing, one.SliceThickness = [2, 1.5], 3
        one.ImageOrientationPatient = [1, 0, 0, 0, round(np.cos(angle), 6), round(np.sin(angle), 6)]
        one.ImagePositionPatient = [-9, -10, -30 + 3 * (number if ascending else count - 1 - number)]
        plane = np.full((10, 12), -1000, np.int16)
        plane[3:7, 4:9] = 40
        one.RescaleSlope, one.RescaleIntercept, one.PixelData = 1, 0, plane.tobytes()
        one.save_as(folder / f"{number}.dcm", enforce_file_format=True)
        made.append(one)
    return made


def description(number, label):
    code = hd.sr.CodedConcept("85756007", "SCT", "Tissue")
    return hd.seg.SegmentDescription(number, label, code, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL)


def seg(path, sources, masks, labels, kind="BINARY", **options):
    made = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=masks,
        segmentation_type=kind,
        segment_descriptions=[description(number, label) for number, label in enumerate(labels, 1)],
        series_instance_uid=hd.UID(),
        series_number=2,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    made.SpecificCharacterSet = "ISO_IR 192"
    made.save_as(path)
    return path


def masks():
    two = np.zeros((8, 10, 12, 2), np.uint8)
    two[2:6, 3:7, 4:9, 0] = 1
    two[4:5, 4:6, 6:11, 1] = 1
    return two


@pytest.mark.parametrize("tilt", [0.0, 15.0])
@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_segments_that_overlap_lie_on_the_ct(tmp_path, tilt, ascending, kind):
    sources = slices(tmp_path / "ct", tilt, ascending=ascending)
    chosen = masks() if kind == "BINARY" else masks().astype(np.float32)
    path = seg(tmp_path / "s.dcm", sources, chosen, ["Liver", "\u5de6"], kind)
    subject = CTSource(tmp_path / "ct", path).load()
    expected = masks() if ascending else masks()[::-1]
    assert set(subject.structures) == {"liver", "\u5de6"} == set(structure_names(path))
    for number, name in enumerate(("liver", "\u5de6")):
        mask = np.isin(subject.labels.labels, subject.structures[name])
        assert np.array_equal(mask, expected[..., number] > 0)


def test_a_seg_alone_in_a_folder_is_taken(tmp_path):
    sources = slices(tmp_path / "ct")
    (tmp_path / "out").mkdir()
    seg(tmp_path / "out" / "1-1.dcm", sources, masks(), ["liver", "spleen"])
    assert set(CTSource(tmp_path / "ct", tmp_path / "out").load().structures) == {"liver", "spleen"}


def test_a_label_map_seg_is_read(tmp_path):
    sources = slices(tmp_path / "ct")
    flat = masks()[..., 0] * 1
    flat[masks()[..., 1] > 0] = 2
    path = seg(tmp_path / "s.dcm", sources, flat, ["liver", "spleen"], "LABELMAP")
    subject = CTSource(tmp_path / "ct", path).load()
    for number, name in enumerate(("liver", "spleen"), 1):
        assert np.array_equal(np.isin(subject.labels.labels, subject.structures[name]), flat == number)


def test_dicom_without_labels_is_refused_with_words(tmp_path):
    slices(tmp_path / "ct")
    with pytest.raises(DatasetError, match="DICOM without labels"):
        CTSource(tmp_path / "ct", tmp_path / "ct" / "0.dcm").load()
    with pytest.raises(DatasetError, match="no mask files"):
        CTSource(tmp_path / "ct", tmp_path / "ct").load()


@pytest.mark.parametrize("thickness", [1, 1.5, 10, None])
def test_slices_thinner_or_thicker_than_their_distance_leave_no_gaps(tmp_path, thickness):
    sources = slices(tmp_path / "ct")
    dataset = pydicom.dcmread(seg(tmp_path / "s.dcm", sources, masks(), ["liver", "spleen"]))
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.SliceThickness = thickness
    del measures.SpacingBetweenSlices
    dataset.save_as(tmp_path / "t.dcm")
    for mask, grid, _ in read_dicom_seg(tmp_path / "t.dcm"):
        assert mask.shape == (4, 10, 12) and np.allclose(grid.spacing, [1.5, 2, 3])
