"""Training sets from a scene are those that the command line writes from the saved files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from FluoroSAMSlicerLib.dataset import CTSource, DatasetError, read_set, write_set
from FluoroSAMSlicerLib.mrml import SceneError
from FluoroSAMSlicerLib.mrml.synthesize.logic import Logic
from FluoroSAMSlicerLib.mrml.synthesize.record import duration
from mrml.bench import new_scene
from mrml.synthesize.bench import COLORS, ct_node, labelled_ct, phantom, segmentation_node


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def logic(scene):
    return Logic(scene)


def settings(logic, count: int = 4, **named):
    return logic.setSettings(count, size=48, seed=3, **named)


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def saved(ct, masks, folder: Path) -> CTSource:
    """The CT as Slicer saves it, and its labels as a label map with a table."""
    logic = slicer.vtkSlicerVolumesLogic()
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(folder / "CT.nrrd"))
    del logic
    assert storage.WriteData(ct)
    image = sitk.ReadImage(str(folder / "CT.nrrd"))
    labels = np.zeros(next(iter(masks.values())).shape, np.uint16)
    for value, mask in enumerate(masks.values(), 1):
        labels[mask] = value
    made = sitk.GetImageFromArray(labels)
    made.CopyInformation(image)
    sitk.WriteImage(made, str(folder / "labels.nrrd"))
    names = {str(value): name for value, name in enumerate(masks, 1)}
    (folder / "labels.json").write_text(json.dumps(names))
    return CTSource(folder / "CT.nrrd", folder / "labels.nrrd")


def test_the_files_are_those_of_the_command_line(logic, scene, tmp_path):
    hu, masks = phantom()
    ct, labels = ct_node(scene, hu), segmentation_node(scene, masks)
    wanted = settings(logic, tools=1)
    report = logic.generate([(ct, labels)], wanted, tmp_path / "scene")
    assert report.complete and report.images == 4
    write_set([saved(ct, masks, tmp_path)], wanted, tmp_path / "files")
    here, there = content(tmp_path / "scene"), content(tmp_path / "files")
    assert here.keys() == there.keys() and len(here) > 12
    assert [name for name in here if here[name] != there[name]] == []


def test_the_masks_of_a_set_are_those_of_the_structures(logic, scene, tmp_path):
    logic.generate([labelled_ct(scene)], settings(logic), tmp_path / "set")
    images = read_set(tmp_path / "set")
    assert {name for image in images for name in image.names} == set(COLORS)


def test_several_cts_take_turns_and_are_split_by_ct(logic, scene, tmp_path):
    pairs = []
    for number in range(3):
        ct, labels = labelled_ct(scene)
        ct.SetName(f"CT {number}")
        pairs.append((ct, labels))
    logic.generate(pairs, settings(logic, 6), tmp_path / "set")
    images = list(read_set(tmp_path / "set"))
    assert sorted({image.ct for image in images}) == ["CT 0", "CT 1", "CT 2"]
    assert {image.split for image in images} == {"train", "val"}


def test_a_stopped_set_is_gone_on_with_and_ends_the_same(logic, scene, tmp_path):
    pair = labelled_ct(scene)
    wanted = settings(logic, 12)
    logic.generate([pair], wanted, tmp_path / "whole")
    seen = []

    def progress(fraction, text):
        seen.append(text)

    stopped = logic.generate(
        [pair],
        wanted,
        tmp_path / "parts",
        progress,
        lambda: len(list((tmp_path / "parts").glob("records/*/*.json"))) >= 2,
    )
    assert stopped.cancelled and 2 <= stopped.images < 12
    assert logic.generate([pair], wanted, tmp_path / "parts", progress).images == 12
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert seen[-1].startswith("12 of 12") and any("a second" in text for text in seen)


def test_a_set_does_not_follow_what_is_done_to_the_ct_meanwhile(logic, scene, tmp_path):
    pair = labelled_ct(scene)
    wanted = settings(logic, 6)
    logic.generate([pair], wanted, tmp_path / "still")

    def spoil(_fraction, text):
        if text.startswith("1 of"):
            slicer.util.arrayFromVolume(pair[0])[:] = 0

    logic.generate([pair], wanted, tmp_path / "spoilt", spoil)
    assert content(tmp_path / "spoilt") == content(tmp_path / "still")


def test_samples_are_small_images_of_the_set(logic, scene):
    samples = logic.samples([labelled_ct(scene)], settings(logic, 100), 6)
    assert len(samples.pictures) == len(samples.captions) == 6
    for picture in samples.pictures:
        assert picture.shape == (160, 160, 3) and picture.std() > 5
    assert len({picture.tobytes() for picture in samples.pictures}) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lao_deg": (10, 10)}, "no extent"),
        ({"sdd_mm": (500, 600), "sid_mm": (550, 650)}, "isocentre"),
        ({"count": 0}, "count"),
        ({"dose_ugy": -1}, "dose"),
    ],
)
def test_settings_that_cannot_be_are_refused(logic, change, message):
    with pytest.raises(DatasetError, match=message):
        logic.setSettings(**{"count": 4, **change})


def test_a_ct_without_labels_or_a_folder_missing_is_refused(logic, scene, tmp_path):
    ct, labels = labelled_ct(scene)
    with pytest.raises(SceneError, match="no labels"):
        logic.generate([(ct, None)], settings(logic), tmp_path / "set")
    with pytest.raises(SceneError, match="folder"):
        logic.generate([(ct, labels)], settings(logic), " ")
    with pytest.raises(SceneError, match="Choose a CT"):
        logic.generate([], settings(logic), tmp_path / "set")
    (tmp_path / "file").write_text("taken")
    with pytest.raises(DatasetError, match="file"):
        logic.generate([(ct, labels)], settings(logic), tmp_path / "file")
    assert not (tmp_path / "set").exists()


def test_time_left_is_told_in_words():
    assert [duration(s) for s in (0.2, 50, 300, 8000, None)] == [
        "1 s",
        "50 s",
        "5 min",
        "2 h 13 min",
        "unknown time",
    ]
