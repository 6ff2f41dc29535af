"""Segmentation files and bundles: everything arrives, complete or not at all."""

from __future__ import annotations

import gzip
import os

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from FluoroSAMSlicerLib.anatomy import resolve
from FluoroSAMSlicerLib.mrml import (
    SegmentationFileError,
    find_segment,
    load_segmentation,
    save_segmentation,
    segment_mask,
    segmentation_node,
    set_segment,
    volume_node,
    write_segmentation,
)
from FluoroSAMSlicerLib.radiograph import Radiograph

SHAPE = (60, 90)
SPACING = (0.2, 0.35)


def block(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


MASKS = {
    "left lung": block(slice(5, 40), slice(50, 85)),
    "right lung": block(slice(6, 41), slice(4, 40)),
    "heart": block(slice(20, 50), slice(30, 70)),
    "left femur": np.zeros(SHAPE, bool),
}


@pytest.fixture
def scene():
    return slicer.vtkMRMLScene()


@pytest.fixture
def film() -> Radiograph:
    return Radiograph(np.linspace(0, 1, 5400, dtype=np.float32).reshape(SHAPE), SPACING, "PixelSpacing")


@pytest.fixture
def segments() -> list:
    tags = {"prompt": 'lung: left; "L", a|b', "score": 0.5, "points": '{"xy": [[1, 2]]}'}
    return [(resolve(name), mask, tags) for name, mask in MASKS.items()]


@pytest.fixture
def node(scene, film, segments):
    volume = volume_node(scene, film, "film")
    node = segmentation_node(scene, volume, "masks")
    for structure, mask, tags in segments:
        set_segment(node, volume, structure, mask, tags)
    return node


def tag(segment, name: str) -> str | None:
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else None


def told(node, volume) -> dict:
    """All that a user can tell of the segments, in their order."""
    segmentation = node.GetSegmentation()
    known = {}
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        known[segment_id] = (
            segment.GetName(),
            tuple(round(255 * part) for part in segment.GetColor()),
            *(tag(segment, name) for name in ("TerminologyEntry", "FluoroSAM.structure", "FluoroSAM.prompt")),
            *(tag(segment, f"FluoroSAM.{name}") for name in ("score", "points", "version", "date")),
            segment_mask(node, segment_id, volume).tobytes(),
        )
    return known


def test_a_written_file_reopens_with_everything_intact(scene, film, segments, tmp_path):
    path = write_segmentation(tmp_path / "film.seg.nrrd", film, segments)
    assert path == tmp_path / "film.seg.nrrd" and os.listdir(tmp_path) == ["film.seg.nrrd"]
    volume = volume_node(scene, film, "film")
    node = load_segmentation(scene, path, volume)
    assert node.GetName() == "film" and node.GetScene() is scene
    assert node.GetNodeReference("referenceImageGeometryRef") is volume
    for (structure, mask, _), segment in zip(segments, told(node, volume).items(), strict=True):
        segment_id, (name, color, entry, kept, prompt, score, points, *_) = segment
        assert segment_id == find_segment(node, structure)
        assert (name, color, entry) == (structure.name, structure.color, structure.terminology)
        assert (kept, prompt, score) == (structure.name, 'lung: left; "L", a/b', "0.5000")
        assert points == '{"xy": [[1, 2]]}'
        assert np.array_equal(segment_mask(node, segment_id, volume), mask), name


def test_saving_leaves_the_node_as_it_was(node, scene, tmp_path):
    volume = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    before = told(node, volume)
    layers = node.GetSegmentation().GetNumberOfLayers()
    save_segmentation(node, tmp_path / "masks.seg.nrrd")
    assert told(node, volume) == before and node.GetSegmentation().GetNumberOfLayers() == layers
    assert node.GetStorageNode() is None


def test_other_programs_read_the_masks_in_their_place(film, segments, tmp_path):
    path = write_segmentation(tmp_path / "film.seg.nrrd", film, segments)
    image = sitk.ReadImage(str(path))
    # Several layers are one image of several components to ITK.
    voxels = sitk.GetArrayFromImage(image).reshape(*image.GetSize()[::-1], -1)
    assert image.GetDimension() == 3 and image.GetSpacing() == pytest.approx((*SPACING, 1))
    assert image.GetDirection() == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert image.GetOrigin() == pytest.approx((0, 0, 0))
    for number, (name, mask) in enumerate(MASKS.items()):
        layer = int(image.GetMetaData(f"Segment{number}_Layer"))
        value = int(image.GetMetaData(f"Segment{number}_LabelValue"))
        assert image.GetMetaData(f"Segment{number}_Name") == name
        if not mask.any():
            continue
        rows, columns = np.nonzero(voxels[0, ..., layer] == value)
        assert np.array_equal(np.argwhere(mask), np.stack([rows, columns], axis=1)), name
        # LPS millimetres of the first pixel: the image starts at 0 and runs along +x and +y.
        place = image.TransformIndexToPhysicalPoint((int(columns[0]), int(rows[0]), 0))
        first = np.argwhere(mask)[0]
        assert place == pytest.approx((first[1] * SPACING[0], first[0] * SPACING[1], 0)), name


def test_one_small_segment_still_lies_where_it_was(film, tmp_path):
    mask = block(slice(30, 33), slice(70, 72))
    path = write_segmentation(tmp_path / "one.seg.nrrd", film, [(resolve("heart"), mask, {})])
    image = sitk.ReadImage(str(path))
    rows, columns = np.nonzero(sitk.GetArrayFromImage(image)[0])
    places = {
        image.TransformIndexToPhysicalPoint((int(i), int(j), 0)) for j, i in zip(rows, columns, strict=True)
    }
    expected = sorted((i * 0.2, j * 0.35, 0) for j, i in np.argwhere(mask))
    assert np.array(sorted(places)) == pytest.approx(np.array(expected))


def test_no_segments_make_a_file_that_reopens(scene, film, tmp_path):
    path = write_segmentation(tmp_path / "none.seg.nrrd", film, [])
    assert load_segmentation(scene, path).GetSegmentation().GetNumberOfSegments() == 0


def test_fifty_segments_reopen_in_order(scene, film, tmp_path):
    rng = np.random.default_rng(5)
    names = [f"{side} rib {number}" for side in ("left", "right") for number in range(1, 13)]
    names += [
        f"{level} vertebra" for level in (*(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6)))
    ]
    names += [f"C{i} vertebra" for i in range(1, 8)] + ["sacrum", "sternum"]
    segments = [(resolve(name), rng.random(SHAPE) > 0.7, {}) for name in names]
    assert len(segments) == 50
    volume = volume_node(scene, film, "film")
    node = load_segmentation(scene, write_segmentation(tmp_path / "m.seg.nrrd", film, segments), volume)
    read = told(node, volume)
    assert [known[0] for known in read.values()] == [structure.name for structure, _, _ in segments]
    assert [known[-1] for known in read.values()] == [mask.tobytes() for _, mask, _ in segments]


def test_names_beyond_ascii(scene, film, segments, tmp_path):
    folder = tmp_path / "Röntgen 膝"
    folder.mkdir()
    path = folder / "Übersicht – 左.seg.nrrd"
    segments[0] = (*segments[0][:2], {"prompt": "Łunge 肺 🫁"})
    write_segmentation(path, film, segments)
    assert os.listdir(folder) == [path.name]
    node = load_segmentation(scene, path)
    assert node.GetName() == "Übersicht – 左"
    segment = node.GetSegmentation().GetSegment(find_segment(node, segments[0][0]))
    assert tag(segment, "FluoroSAM.prompt") == "Łunge 肺 🫁"


def test_an_image_under_a_transform_gets_its_masks_back(scene, film, tmp_path):
    volume = volume_node(scene, film, "film")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25)
    transform.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    node = segmentation_node(scene, volume, "masks")
    segment_id = set_segment(node, volume, resolve("heart"), MASKS["heart"], {})
    path = save_segmentation(node, tmp_path / "moved.seg.nrrd")
    again = load_segmentation(scene, path, volume)
    assert np.array_equal(segment_mask(again, segment_id, volume), MASKS["heart"])


def test_an_older_file_is_replaced(film, segments, tmp_path, scene):
    path = tmp_path / "film.seg.nrrd"
    path.write_bytes(b"old")
    write_segmentation(path, film, segments[:1])
    assert load_segmentation(scene, path).GetSegmentation().GetNumberOfSegments() == 1


def test_a_scene_bundle_brings_image_and_masks_back(node, scene, tmp_path):
    held = behind(scene, tmp_path / "cache")
    volume = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    before = told(node, volume)
    for one in (volume, node):
        assert one.AddDefaultStorageNode()
    bundle = tmp_path / "Szene ä.mrb"
    assert scene.WriteToMRB(str(bundle))

    other = slicer.vtkMRMLScene()
    held += behind(other, tmp_path / "cache")
    assert other.ReadFromMRB(str(bundle), True)
    image = other.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    masks = other.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert np.array_equal(slicer.util.arrayFromVolume(image), slicer.util.arrayFromVolume(volume))
    assert image.GetAttribute("FluoroSAM.spacingSource") == "PixelSpacing"
    assert masks.GetNodeReference("referenceImageGeometryRef") is image
    assert told(masks, image) == before


def behind(scene, folder) -> list:
    """What the application keeps behind a scene, and bundles need; hold on to it."""
    folder.mkdir(exist_ok=True)
    app, cache, files = (
        slicer.vtkSlicerApplicationLogic(),
        slicer.vtkCacheManager(),
        slicer.vtkDataIOManager(),
    )
    cache.SetRemoteCacheDirectory(str(folder))
    files.SetCacheManager(cache)
    app.SetMRMLScene(scene)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(files)
    return [app, cache, files]


@pytest.mark.parametrize("name", ["film.nrrd", ".seg.nrrd", "film.seg.nrrd.gz", "film"])
def test_another_ending_is_refused(node, tmp_path, name):
    with pytest.raises(SegmentationFileError, match=r"something\.seg\.nrrd"):
        save_segmentation(node, tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_absent_or_a_file_is_named(node, tmp_path):
    (tmp_path / "file").write_bytes(b"kept")
    for folder in ("absent", "file"):
        with pytest.raises(SegmentationFileError, match=f"{folder}.*cannot be written"):
            save_segmentation(node, tmp_path / folder / "m.seg.nrrd")
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_bytes() == b"kept"


def test_a_folder_in_the_files_place_stays(node, tmp_path):
    (tmp_path / "m.seg.nrrd").mkdir()
    with pytest.raises(SegmentationFileError, match="cannot be written"):
        save_segmentation(node, tmp_path / "m.seg.nrrd")
    assert os.listdir(tmp_path) == ["m.seg.nrrd"] and (tmp_path / "m.seg.nrrd").is_dir()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(node, tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(SegmentationFileError, match="Permission denied"):
            save_segmentation(node, tmp_path / "m.seg.nrrd")
    finally:
        tmp_path.chmod(0o755)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("allowed", [0, 2000])
def test_a_write_that_stops_half_way_leaves_the_older_file(node, tmp_path, allowed):
    resource = pytest.importorskip("resource")
    path = tmp_path / "m.seg.nrrd"
    path.write_bytes(b"older")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, hard))
    try:
        with pytest.raises(SegmentationFileError, match="disk full"):
            save_segmentation(node, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ["m.seg.nrrd"] and path.read_bytes() == b"older"


def test_a_failure_at_the_last_step_leaves_nothing(node, tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(SegmentationFileError, match="Permission denied"):
        save_segmentation(node, tmp_path / "m.seg.nrrd")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("keep", [0, 3, 700, -1])
def test_a_cut_off_file_is_refused(scene, film, segments, tmp_path, keep):
    path = write_segmentation(tmp_path / "m.seg.nrrd", film, segments)
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    with pytest.raises(SegmentationFileError, match="cut off"):
        load_segmentation(scene, path)
    assert scene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None


def test_damaged_or_foreign_content_is_refused(scene, film, segments, tmp_path):
    path = write_segmentation(tmp_path / "m.seg.nrrd", film, segments)
    header, data = path.read_bytes().split(b"\n\n", 1)
    damages = {
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "short data": header + b"\n\n" + gzip.compress(gzip.decompress(data)[:-10]),
        "long data": header + b"\n\n" + gzip.compress(gzip.decompress(data) + bytes(10)),
        "flipped": header + b"\n\n" + data[:20] + bytes([data[20] ^ 0xFF]) + data[21:],
        "no sizes": header.replace(b"sizes:", b"sices:") + b"\n\n" + data,
    }
    for name, content in damages.items():
        path.write_bytes(content)
        with pytest.raises(SegmentationFileError, match="cut off"):
            load_segmentation(scene, path)
            pytest.fail(name)


@pytest.mark.parametrize(
    "line, edited",
    [
        (b"dimension: 4", b"dimension: 3"),
        (b"space: left-posterior-superior", b"space: somewhere"),
        (b"kinds: list domain domain domain", b"kinds: domain domain domain domain"),
        (b"space origin: (0,0,0)", b"space origin: (0,0"),
        (b"ExtentOffset:=0 0 0", b"ExtentOffset:=99999999999 0 0"),
        (b"space directions: none", b"space directions: none (0,0,0) (0,0,0) (0,0,0)\n# was:"),
    ],
)
def test_an_edited_header_ends_no_process(scene, film, segments, tmp_path, line, edited):
    """Slicer's storage node itself aborts the program on each of these."""
    path = write_segmentation(tmp_path / "m.seg.nrrd", film, segments)
    content = path.read_bytes()
    assert content.count(line) == 1
    path.write_bytes(content.replace(line, edited))
    with pytest.raises(SegmentationFileError, match="damaged"):
        load_segmentation(scene, path)


def test_an_image_under_a_segmentations_name_is_refused(scene, tmp_path):
    path = tmp_path / "m.seg.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.full((1, 9, 9), 0.5, np.float32)), str(path))
    with pytest.raises(SegmentationFileError, match="no segmentation file"):
        load_segmentation(scene, path)


def test_a_file_that_is_not_there_is_named(scene, tmp_path):
    for path in (tmp_path / "absent.seg.nrrd", tmp_path):
        with pytest.raises(SegmentationFileError, match="no such file"):
            load_segmentation(scene, path)


def test_a_loaded_segmentation_has_its_display_when_the_scene_announces_it(tmp_path):
    scene = slicer.vtkMRMLScene()
    volume = volume_node(scene, Radiograph(np.zeros(SHAPE, np.float32), SPACING, "PixelSpacing"), "film")
    saved = segmentation_node(scene, volume, "saved")
    identifier = set_segment(saved, volume, resolve("heart"), MASKS["heart"], {})
    save_segmentation(saved, tmp_path / "a.seg.nrrd")
    seen = []

    def look(*_) -> None:
        node = scene.GetNthNode(scene.GetNumberOfNodes() - 1)
        if isinstance(node, slicer.vtkMRMLSegmentationNode):
            seen.append(node.GetDisplayNode())

    scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, look)
    node = load_segmentation(scene, tmp_path / "a.seg.nrrd", volume)
    assert seen == [node.GetDisplayNode()] and seen[0] is not None
    display = node.GetDisplayNode()
    assert display.GetSegmentVisibility(identifier) and display.GetSegmentVisibility2DFill(identifier)
    assert display.GetSegmentOpacity2DFill(identifier) == 1.0 and not display.GetVisibility3D()
