"""Exported files, read back by the programs they are for."""

from __future__ import annotations

import csv
import json
import os
import sys

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.dataset.run_length import encode
from FluoroSAMSlicerLib.mrml import SceneError, load_segmentation
from FluoroSAMSlicerLib.mrml.export import (
    dicomSource,
    exportAreas,
    exportCoco,
    exportDicomSeg,
    exportMasks,
    exportNifti,
    exportOverlay,
    exportSegNrrd,
)
from mrml.bench import (
    drawn_by_hand,
    image_node,
    mask_of,
    new_scene,
    place,
    segment_logic,
    transform_node,
)
from PIL import Image


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def logic(scene):
    return segment_logic(scene)


@pytest.fixture
def image(scene, logic):
    node = image_node(scene, name="Müller, chest/1")
    logic.segmentByText(node, "left lung, heart, Flurb")
    return node


def exported(logic, image):
    states = logic.segments(image)
    return logic.segmentationFor(image), {state.id: mask_of(logic, image, state.id) for state in states}


def test_masks_are_png_files_of_the_images_size(logic, image, tmp_path):
    segmentation, masks = exported(logic, image)
    files = exportMasks(segmentation, image, tmp_path / "new" / "folder")

    assert [file.name for file in files] == [
        f"Müller_chest_1_{name}.png" for name in ("left_lung", "heart", "Flurb")
    ]
    for file, mask in zip(files, masks.values(), strict=True):
        picture = Image.open(file)
        assert picture.mode == "L" and np.array_equal(np.asarray(picture), mask * 255)


def test_chosen_segments_and_equal_names_get_files_of_their_own(logic, image, tmp_path):
    segmentation, masks = exported(logic, image)
    heart, lung = list(masks)[1], list(masks)[0]
    segmentation.GetSegmentation().GetSegment(lung).SetName("heart")

    files = exportMasks(segmentation, image, tmp_path, [heart, lung])
    assert len(set(files)) == 2 and all(file.is_file() for file in files)
    assert np.array_equal(np.asarray(Image.open(files[1])) > 0, masks[lung])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file.name for file in files)


def test_nifti_masks_lie_where_the_image_lies(scene, logic, tmp_path):
    image = image_node(scene)
    place(image, ((0, 0, -1), (0.6, -0.8, 0), (0.8, 0.6, 0)), (30, -40, 50), (0.2, 0.3, 2.0))
    image.SetAndObserveTransformNodeID(transform_node(scene).GetID())
    (segment,) = logic.segmentByText(image, "left lung")
    (file,) = exportNifti(logic.segmentationFor(image), image, tmp_path)

    read = sitk.ReadImage(str(file))
    mask = mask_of(logic, image, segment)
    assert np.array_equal(sitk.GetArrayFromImage(read)[0] > 0, mask) and read.GetSpacing()[
        0
    ] == pytest.approx(0.2)
    for x, y in ((0, 0), (89, 3), (17, 119)):
        r, a, s = logic.rasFromPixel(image, x, y)
        assert read.TransformIndexToPhysicalPoint((x, y, 0)) == pytest.approx((-r, -a, s), abs=1e-3)


def test_coco_masks_read_back_with_pycocotools(logic, image, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    segmentation, masks = exported(logic, image)
    empty = logic.newSegment(image, "nothing")
    path = exportCoco(segmentation, image, tmp_path / "chest.json")

    read = coco.COCO(str(path))
    names = {one["id"]: one["name"] for one in read.loadCats(read.getCatIds())}
    assert list(names.values()) == ["left lung", "heart", "Flurb", "nothing"] and empty
    found = read.loadAnns(read.getAnnIds())
    assert [names[one["category_id"]] for one in found] == ["left lung", "heart", "Flurb"]
    for one, mask in zip(found, masks.values(), strict=True):
        assert np.array_equal(read.annToMask(one), mask)
        assert one["area"] == mask.sum() and one["score"] == 0.9
        left, top, width, height = one["bbox"]
        box = np.zeros_like(mask)
        box[top : top + height, left : left + width] = True
        assert (mask <= box).all() and mask[top].any() and mask[:, left + width - 1].any()
    (info,) = read.loadImgs([1])
    assert (info["width"], info["height"]) == (90, 120)


def test_run_lengths_of_any_mask_are_those_of_pycocotools():
    reference = pytest.importorskip("pycocotools.mask")
    random = np.random.default_rng(0)
    masks = [random.random((37, 53)) < share for share in (0, 0.02, 0.5, 0.98, 1)]
    blocks = np.kron(random.random((5, 4)) < 0.5, np.ones((700, 900))) > 0
    for mask in (*masks, blocks):
        expected = reference.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        assert encode(mask)["counts"] == expected


def test_areas_are_square_millimetres_only_where_the_spacing_is_known(scene, logic, image, tmp_path):
    segmentation, masks = exported(logic, image)
    rows = _table(exportAreas(segmentation, image, tmp_path / "areas.csv"))
    count = next(iter(masks.values())).sum()
    assert rows[0]["segment"] == "left lung" and rows[0]["unit"] == "mm2"
    assert float(rows[0]["area"]) == pytest.approx(count * 0.06, abs=0.01)
    assert rows[0]["pixels"] == str(count) and rows[0]["spacing source"] == "PixelSpacing"

    unknown = image_node(scene, spacing=None, name="photo")
    (segment,) = logic.segmentByText(unknown, "left lung")
    (row,) = _table(exportAreas(logic.segmentationFor(unknown), unknown, tmp_path / "areas.csv"))
    assert (row["area"], row["unit"], row["spacing source"]) == (row["pixels"], "pixels", "unknown")
    assert row["area"] == str(mask_of(logic, unknown, segment).sum())


def test_the_detectors_millimetres_are_called_so(scene, logic, shared_data, tmp_path):
    image = logic.loadImage(
        shared_data("xray/dicom_synthetic/xa_multiframe_12bit_imager_spacing_only.dcm"), 1
    )
    logic.segmentByText(image, "heart")
    (row,) = _table(exportAreas(logic.segmentationFor(image), image, tmp_path / "areas.csv"))

    assert row["unit"] == "mm2 at the detector" and row["spacing source"] == "ImagerPixelSpacing"


def test_an_overlay_shows_image_masks_and_legend(logic, image, tmp_path):
    segmentation, masks = exported(logic, image)
    picture = np.asarray(Image.open(exportOverlay(segmentation, image, tmp_path / "overlay.png")))
    grey = np.asarray(
        Image.open(exportOverlay(segmentation, image, tmp_path / "one.png", [next(iter(masks))]))
    )

    assert picture.shape[2] == 3 and picture.shape[0] >= 900
    assert np.ptp(picture, axis=2).max() > 100 and not np.array_equal(picture, grey)


def test_a_large_image_is_shrunk_for_its_overlay(scene, logic, tmp_path):
    image = image_node(scene, 600, 2500, spacing=(0.2, 0.2))
    logic.segmentByText(image, "heart")
    picture = Image.open(exportOverlay(logic.segmentationFor(image), image, tmp_path / "overlay.png"))
    assert picture.height == 300


def test_seg_nrrd_keeps_names_tags_and_masks(logic, image, tmp_path):
    segmentation, masks = exported(logic, image)
    path = exportSegNrrd(segmentation, tmp_path / "chest.seg.nrrd")

    fresh = new_scene()
    other = image_node(fresh)
    again = segment_logic(fresh)
    again.useSegmentation(other, load_segmentation(fresh, path, other))
    assert [state.name for state in again.segments(other)] == ["left lung", "heart", "Flurb"]
    for segment, mask in masks.items():
        assert np.array_equal(mask_of(again, other, segment), mask)


@pytest.mark.parametrize(
    "name",
    [
        "cr_12bit_rescale_two_windows_anisotropic_spacing.dcm",
        "dx_monochrome1_14bit_voi_lut_sequence.dcm",
        "rf_signed16_uncompressed.dcm",
        "sc_rgb_8bit_no_spacing.dcm",
    ],
)
def test_dicom_seg_refers_to_the_image_and_reads_back(scene, logic, shared_data, tmp_path, name):
    highdicom = pytest.importorskip("highdicom")
    source = shared_data(f"xray/dicom_synthetic/{name}")
    image = logic.loadImage(source)
    lung, heart, drawn = logic.segmentByText(image, "left lung, heart, Flurb")
    drawn_by_hand(logic, image, drawn, slice(0, 5), slice(0, 9))
    empty = logic.newSegment(image, "nothing")
    assert dicomSource(image) == source.resolve() and empty
    path = exportDicomSeg(logic.segmentationFor(image), image, tmp_path / "chest.dcm")

    read = highdicom.seg.segread(path)
    original = pydicom.dcmread(source, stop_before_pixels=True)
    assert read.StudyInstanceUID == original.StudyInstanceUID and read.number_of_segments == 3
    (_, _, instance), *_ = read.get_source_image_uids()
    assert instance == original.SOPInstanceUID
    masks = read.get_pixels_by_source_instance([instance], ignore_spatial_locations=True)[0]
    for number, segment in enumerate((lung, heart, drawn)):
        assert np.array_equal(masks[..., number] > 0, mask_of(logic, image, segment))
    first = read.get_segment_description(1)
    assert first.segment_label == "left lung" and first.segmented_property_type.value == "39607008"
    side = first.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert side.CodeValue == "7771000"
    assert first.RecommendedDisplayCIELabValue


def test_dicom_seg_of_one_frame_of_a_run(scene, logic, shared_data, tmp_path):
    highdicom = pytest.importorskip("highdicom")
    source = shared_data("xray/dicom_synthetic/xa_multiframe_12bit_imager_spacing_only.dcm")
    image = logic.loadImage(source, 1)
    (heart,) = logic.segmentByText(image, "heart")
    read = highdicom.seg.segread(exportDicomSeg(logic.segmentationFor(image), image, tmp_path / "run.dcm"))

    (frame,) = read.PerFrameFunctionalGroupsSequence
    (derivation,) = frame.DerivationImageSequence
    original = pydicom.dcmread(source, stop_before_pixels=True)
    assert derivation.SourceImageSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID
    assert derivation.SourceImageSequence[0].ReferencedFrameNumber == 2
    assert np.array_equal(read.pixel_array > 0, mask_of(logic, image, heart))


def test_dicom_seg_finds_the_source_through_a_database(scene, logic, shared_data, tmp_path):
    source = shared_data("xray/dicom_synthetic/cr_12bit_rescale_two_windows_anisotropic_spacing.dcm")
    image = logic.loadImage(source)
    image.RemoveAttribute("FluoroSAM.sourceFile")
    assert dicomSource(image) is None
    image.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    assert dicomSource(image, {"1.2.3": str(source)}.get) == source


def test_dicom_seg_needs_a_dicom_image_of_the_same_size_and_highdicom(
    scene, logic, image, shared_data, tmp_path, monkeypatch
):
    segmentation, _ = exported(logic, image)
    with pytest.raises(SceneError, match="not known to come from a DICOM"):
        exportDicomSeg(segmentation, image, tmp_path / "a.dcm")
    source = shared_data("xray/dicom_synthetic/dx_monochrome1_14bit_voi_lut_sequence.dcm")
    with pytest.raises(SceneError, match="not the same image"):
        exportDicomSeg(segmentation, image, tmp_path / "a.dcm", source=source)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(SceneError, match="pip install highdicom"):
        exportDicomSeg(segmentation, image, tmp_path / "a.dcm", source=source)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export", [exportMasks, exportNifti, exportOverlay, exportCoco, exportAreas])
def test_a_failed_export_says_so_and_leaves_the_old_file_alone(logic, image, tmp_path, export, monkeypatch):
    segmentation, _ = exported(logic, image)
    target = tmp_path if export in (exportMasks, exportNifti) else tmp_path / "out.txt"
    export(segmentation, image, target)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SceneError, match="No space left"):
        export(segmentation, image, target)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_nothing_to_export_is_said(scene, logic, tmp_path):
    image = image_node(scene)
    with pytest.raises(SceneError, match="no segments"):
        exportCoco(logic.segmentationFor(image), image, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def _table(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_coco_is_plain_json(logic, image, tmp_path):
    path = exportCoco(logic.segmentationFor(image), image, tmp_path / "a.json")
    assert json.loads(path.read_text())["images"][0]["file_name"] == image.GetName()


@pytest.mark.parametrize(
    ("export", "name"),
    [
        (exportNifti, ""),
        (exportMasks, ""),
        (exportOverlay, "a.png"),
        (exportCoco, "a.json"),
        (exportAreas, "a.csv"),
    ],
)
def test_what_was_taken_from_a_scene_is_written_without_it(scene, logic, image, tmp_path, export, name):
    """On a thread of its own, with what was there at the time, whatever has become of the nodes."""
    import threading

    places = [tmp_path / "at_once", tmp_path / "later"]
    for place_ in places:
        place_.mkdir()
    segmentation = logic.segmentationFor(image)
    export(segmentation, image, places[0] / name)
    write = export.prepare(segmentation, image, places[1] / name)
    scene.Clear(0)
    writer = threading.Thread(target=write)
    writer.start()
    writer.join(60)
    first, second = ({file.name: file.read_bytes() for file in place_.iterdir()} for place_ in places)
    assert first == second and first


def test_a_segmentation_is_compressed_later_and_leaves_no_draft_where_nobody_does(logic, image, tmp_path):
    segmentation, masks = exported(logic, image)
    write = exportSegNrrd.prepare(segmentation, tmp_path / "a.seg.nrrd")
    drawn_by_hand(logic, image, "heart", slice(0, 50), slice(0, 50))
    assert write() == tmp_path / "a.seg.nrrd" and [file.name for file in tmp_path.iterdir()] == ["a.seg.nrrd"]
    assert b"encoding: gzip" in head_of(tmp_path / "a.seg.nrrd")
    loaded = load_segmentation(new_scene(), tmp_path / "a.seg.nrrd", None)
    assert list(loaded.GetSegmentation().GetSegmentIDs()) == list(masks)

    unfinished = exportSegNrrd.prepare(segmentation, tmp_path / "b.seg.nrrd")
    assert len(list(tmp_path.iterdir())) == 2
    del unfinished
    assert [file.name for file in tmp_path.iterdir()] == ["a.seg.nrrd"]


def head_of(path) -> bytes:
    with path.open("rb") as file:
        return file.read(400)
