"""Labels as people have them: tables, Slicer segmentations with layers, TotalSegmentator files and folders."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.dataset import CTSource, DatasetError, read_names
from FluoroSAMSlicerLib.dataset.label_names import read_pairs, structure_name, structures_by_name
from FluoroSAMSlicerLib.dataset.layers import structure_names
from FluoroSAMSlicerLib.drr import DRRError

from .conftest import body, picture, write_segmentation


@pytest.fixture
def ct(tmp_path):
    sitk.WriteImage(picture(body()[0]), str(tmp_path / "ct.nrrd"))
    return tmp_path / "ct.nrrd"


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.nrrd"
    sitk.WriteImage(picture(body()[1]), str(path))
    (tmp_path / "labels.json").write_text(json.dumps({"1": "femur_right", "2": "femur_left"}))
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"labels": [{"value": 1, "text": "liver"}, {"value": 7, "name": "spleen"}]}'),
        ("a.json", '{"0": "background", "1": "liver", "7": "spleen"}'),
        ("a.json", '{"labels": {"background": 0, "liver": 1, "spleen": 7}}'),
        ("a.csv", "value,name\n1,liver\n7,spleen\n"),
        ("a.csv", "\ufeffName,Label\nliver,1\nspleen,7\n"),
        ("a.csv", "sep=;\r\nWert;Name\r\n1;liver\r\n7;spleen\r\n"),
        ("a.csv", "\ufeffvalue;name;note\r\n1;liver;a,b,c,d\r\n7;spleen;\r\n"),
        ("a.tsv", "Index\tName\n1\tliver\n7\tspleen\n"),
        ("a.csv", 'value,name\n1,"liver"\n\n"7.0"," spleen"\n'),
        ("a.csv", "Label;Value\nliver;1\nspleen;7\n"),
        ("a.csv", "valeur;nom\n1;liver\n7;spleen\n"),
        ("a.csv", "label_id,label_name\n1,liver\n7,spleen\n"),
        ("a.csv", "id,structure\n1,liver\n7,spleen\n"),
        ("a.csv", "structure,id,volume_ml\nliver,1,1500\nspleen,7,200\n"),
        ("a.csv", "R;G;B;Label ID;Organ\n9;9;9;1;liver\n2;3;4;7;spleen\n"),
        ("a.csv", "numéro;étiquette\n1;liver\n7;spleen\n"),
        ("a.csv", "nombre;valor\nliver;1\nspleen;7\n"),
        ("a.csv", "voxel,what it is\n1,liver\n7,spleen\n"),
        ("a.csv", "label,name\n1,liver\n7,spleen\n"),
        ("a.csv", "0,background\n1,liver\n7,spleen\n"),
        ("a.csv", "liver;1\nspleen;7\n"),
        ("a.csv", "1.0;liver\n7.0;spleen\n"),
        ("a.csv", "# made by hand\n#id;name\n1;liver\n# the rest\n7;spleen\n"),
        ("a.csv", "1;liver\n7;spleen\n8;femur, left\n"),
        ("a.txt", "1 liver\n7 spleen\n8 left femur\n"),
        ("a.txt", "1: liver\n7: spleen\n"),
        ("a.json", '{"0.0": "background", "1.0": "liver", "7.0": "spleen"}'),
        ("a.json", '{"liver": 1.0, "spleen": "7"}'),
        ("a.json", '[{"id": 1, "name": "liver"}, {"id": 7, "name": "spleen"}]'),
        ("a.json", '[{"Label_ID": 1, "Label_Name": "liver"}, {"Label_ID": "7", "Label_Name": "spleen"}]'),
        ("a.json", '{"labels": {"1": "liver", "7": "spleen"}}'),
        ("a.json", '{"labels": {"liver": 1, "spleen": 7}}'),
        ("a.json", '{"1": {"name": "liver", "color": [1, 2, 3]}, "7": {"name": "spleen"}}'),
        ("a.json", '{"liver": {"value": 1}, "spleen": {"value": 7}}'),
        (
            "dcmqi.json",
            '{"segmentAttributes": [[{"labelID": 1, "SegmentLabel": "liver"}], [{"labelID": 7,'
            ' "SegmentDescription": "spleen"}]], "SeriesNumber": "1"}',
        ),
        ("a.json", '["background", "liver", "a", "b", "c", "d", "e", "spleen"]'),
        (
            "dataset.json",
            '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "spleen": [7]}}',
        ),
        (
            "a.txt",
            '# ITK-SnAP Label Description File\n0 0 0 0 0 0 0 "Clear"\n1 255 0 0 1 1 1 "liver"\n'
            '7 0 255 0 0.5 1 1 "spleen"\n',
        ),
        ("a.label", '1 255 0 0 1 1 1 "liver"\n7 0 255 0 1 0 0 "spleen"\n'),
        (
            "FreeSurferColorLUT.txt",
            "#No. Label Name: R G B A\n\n0 Unknown 0 0 0 0\n1 liver 1 2 3 0\n7 spleen 4 5 6 0\n",
        ),
        ("a.ctbl", "# Color\n0 background 0 0 0 0\n1 liver 9 9 9 255\n7 spleen 1 2 3 255\n"),
    ],
)
def test_tables_of_names_in_the_forms_people_have(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_names(tmp_path / name)
    assert {value: found[value] for value in (1, 7)} == {1: "liver", 7: "spleen"}
    assert 0 not in found


def test_what_a_label_is_in_plain_words_goes_before_its_name_in_another_system(tmp_path):
    entry = {"value": 3, "name": "3distph_right", "text": "distal phalanx of right middle finger"}
    (tmp_path / "a.json").write_text(json.dumps({"labels": [entry]}))
    assert read_names(tmp_path / "a.json") == {3: entry["text"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_keep_their_letters_in_every_encoding(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("value;name\r\n1;H\u00fcfte links\r\n".encode(encoding))
    assert read_names(tmp_path / "a.csv") == {1: "H\u00fcfte links"}


@pytest.mark.parametrize(
    "text", ["1,left femur\n1,right femur\n", "value,name\n1,2\n3,4\n", "a,b\nc,d\n", "1\n2\n"]
)
def test_tables_that_name_nothing_are_not_guessed_at(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    try:
        assert read_pairs(tmp_path / "a.csv") == [(1, "left femur"), (1, "right femur")]
    except DatasetError as error:
        assert "no table of label names" in str(error)


def test_regions_of_several_values_overlap(tmp_path):
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "whole": [1, 2], "core": [2]}}')
    assert structures_by_name(read_pairs(tmp_path / "dataset.json")) == {"whole": (1, 2), "core": (2,)}


@pytest.mark.parametrize("row", ["70000;x", "-1;x", "abc;x", "1.5;x", ";x"])
def test_a_row_that_is_no_label_is_left_out_with_a_warning(tmp_path, row):
    (tmp_path / "a.csv").write_text(f"value;name\n1;liver\n{row}\n")
    with pytest.warns(UserWarning, match="left out"):
        assert read_names(tmp_path / "a.csv") == {1: "liver"}


def test_a_segmentation_is_a_table_of_names_too(ct, tmp_path):
    other = write_segmentation(tmp_path / "s.seg.nrrd", [body()[1]], [("Femur R", 0, 1), ("pet rock", 0, 2)])
    assert read_names(other) == {1: "Femur R", 2: "pet rock"}


@pytest.mark.parametrize(
    "name",
    [
        "hippocampus", "Pelvis", "left hippocampus", "tumor in liver", "liver segment", "right femur no screw",
        "left superior frontal gyrus", "medial meniscus", "branch of left middle cerebral artery", "TAVI",
        "\u809d\u810f", "\u041f\u0435\u0447\u0435\u043d\u044c", "\u0643\u0628\u062f", "???", "1", "femoor",
        "heart shadow",
    ],
)  # fmt: skip
def test_a_users_label_never_becomes_another_structure(name):
    meant = structure_name(name)
    assert meant in (name, "pelvis"), meant


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("femur_left", "left femur"), ("Left Femur", "left femur"), ("vertebrae_L5", "L5 vertebra"),
        ("Bone of the thigh, right", "right femur"), ("LUNG_upper_lobe_left", "left lung upper lobe"),
        ("kidney_right", "right kidney"), ("rib_left_1", "left rib 1"),
    ],
)  # fmt: skip
def test_a_users_label_with_a_known_name_is_that_structure(name, structure):
    assert structure_name(name) == structure or name.startswith("Bone of")


def test_one_mask_that_cannot_be_read_does_not_lose_the_others(ct, tmp_path):
    folder = tmp_path / "segmentations"
    folder.mkdir()
    sitk.WriteImage(picture((body()[1] == 1).astype(np.uint8)), str(folder / "femur_right.nii.gz"))
    (folder / "broken.nii.gz").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="left out.*broken"):
        assert set(CTSource(ct, folder).load().structures) == {"right femur"}


@pytest.mark.parametrize("text", ["", "[1]", '{"a": "b"}', '{"labels": [{"value": 1}]}', '{"labels": [3]}'])
def test_what_is_no_table_is_refused_with_the_forms(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DatasetError, match="CSV file with the columns"):
        read_names(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "././etc/passwd"),
        ("L4/L5 disc", "L4/L5 disc"),
        ("a\\b", "a\\b"),
        ("", "label 1"),
        ("x" * 300, "x" * 200),
        ("a\nb", "a b"),
        ("\u5de6\u80ba (\u672f\u540e)", "\u5de6\u80ba (\u672f\u540e)"),
        ("---", "---"),
        (None, "label 1"),
    ],
)
def test_one_odd_name_does_not_lose_the_table(tmp_path, name, kept):
    (tmp_path / "a.json").write_text(json.dumps({"labels": [{"value": 1, "text": name, "name": name}]}))
    assert read_names(tmp_path / "a.json") == {1: kept}


def test_names_are_resolved_and_unknown_ones_kept(ct, tmp_path):
    labels = write_segmentation(tmp_path / "s.seg.nrrd", [body()[1]], [("Femur R", 0, 1), ("pet rock", 0, 2)])
    assert structure_names(labels) == ("pet rock", "right femur")
    assert CTSource(ct, labels).load().structures == {"right femur": (1,), "pet rock": (2,)}


def test_overlapping_layers_keep_every_structure_whole(sources):
    subject = sources[0].load()
    _, bones, organ = body()
    for name, truth in (
        ("right femur", bones == 1),
        ("left femur", bones == 2),
        ("growth (wild)", organ > 0),
    ):
        assert np.array_equal(np.isin(subject.labels.labels, subject.structures[name]), truth)
    shared = set(subject.structures["right femur"]) & set(subject.structures["growth (wild)"])
    assert len(shared) == 1 and len(subject.structures["left femur"]) == 1


def test_a_folder_of_masks_is_a_segmentation_with_a_file_a_structure(ct, tmp_path):
    folder = tmp_path / "segmentations"
    folder.mkdir()
    _, bones, organ = body()
    for name, mask in (("femur_right", bones == 1), ("liver", organ), ("spleen", organ * 0)):
        sitk.WriteImage(picture(mask.astype(np.uint8)), str(folder / f"{name}.nii.gz"))
    subject = CTSource(ct, folder).load()
    assert set(subject.structures) == {"right femur", "liver"}
    assert np.array_equal(np.isin(subject.labels.labels, subject.structures["liver"]), organ > 0)


def test_names_in_a_nifti_header_are_found(ct, tmp_path):
    plain, packed = tmp_path / "plain.nii", tmp_path / "total.nii.gz"
    sitk.WriteImage(picture(body()[1]), str(plain))
    content = bytearray(plain.read_bytes())
    table = b'<LabelTable><Label Key="1" Red="1"><![CDATA[femur_right]]></Label><Label Key="2">spleen</Label>'
    table += b" " * (-(len(table) + 8) % 16)
    content[348:352] = b"\x01\0\0\0"
    content[108:112] = struct.pack("<f", 352 + 8 + len(table))
    packed.write_bytes(
        gzip.compress(content[:352] + struct.pack("<ii", len(table) + 8, 0) + table + content[352:])
    )
    assert set(CTSource(ct, packed).load().structures) == {"right femur", "spleen"}


def test_a_cropped_and_turned_segmentation_falls_into_place(ct, labels):
    image = sitk.ReadImage(str(labels))
    cropped = sitk.Flip(image, (True, False, False))[5:40, 3:28, 6:33]
    turned = sitk.PermuteAxes(cropped, (2, 0, 1))
    sitk.WriteImage(turned, str(labels))
    whole, bones = CTSource(ct, labels).load(), body()[1]
    bones[:6] = bones[33:] = 0
    assert np.array_equal(whole.labels.labels, bones)


@pytest.mark.parametrize("change", ["shift", "spacing", "turn", "away"])
def test_labels_on_another_grid_are_refused_with_advice(ct, labels, change):
    image = sitk.ReadImage(str(labels))
    if change == "shift":
        image.SetOrigin((-84.0, -58.0, 100.0))
    elif change == "spacing":
        image.SetSpacing((4.02, 4, 4))
    elif change == "turn":
        image.SetDirection((0.995, -0.0998, 0, 0.0998, 0.995, 0, 0, 0, 1))
    else:
        image.SetOrigin((-86.0, -58.0, 1100.0))
    sitk.WriteImage(image, str(labels))
    with pytest.raises(DatasetError, match="resample them onto the CT|lie outside the CT"):
        CTSource(ct, labels).load()


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.full((40, 30, 44), 7, np.int16), "every voxel of the CT is 7 HU"),
        (np.where(np.arange(44) > 3, -1000, -900) * np.ones((40, 30, 1)), "nothing but air"),
        (np.where(np.arange(44) > 3, np.nan, 0) * np.ones((40, 30, 1), np.float32), "not finite"),
    ],
)
def test_a_ct_that_shows_nothing_is_refused(ct, labels, array, advice):
    sitk.WriteImage(picture(array), str(ct))
    with pytest.raises((DatasetError, DRRError), match=advice):
        CTSource(ct, labels).load()


def test_labels_without_voxels_names_or_files_are_refused(ct, labels, tmp_path):
    with pytest.raises(DatasetError, match="labels are needed"):
        CTSource(ct, "")
    with pytest.raises(DatasetError, match="no such"):
        CTSource(ct, tmp_path / "absent.nrrd").load()
    (tmp_path / "labels.json").unlink()
    with pytest.raises(DatasetError, match="give a table of names"):
        CTSource(ct, labels).load()
    (tmp_path / "labels.json").write_text('{"9": "liver"}')
    with pytest.raises(DatasetError, match="none of its labels has a name"):
        CTSource(ct, labels).load()
    sitk.WriteImage(picture(body()[1] * 0), str(labels))
    with pytest.raises(DatasetError, match="no voxel is labelled"):
        CTSource(ct, labels).load()
