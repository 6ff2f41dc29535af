"""What the labels of a label map are called: by colour table, by the file, or not at all."""

from __future__ import annotations

import json

import pytest
import slicer
from FluoroSAMSlicerLib.mrml.synthesize.logic import Logic, ViewSettings
from FluoroSAMSlicerLib.mrml.synthesize.patient import label_choices
from mrml.bench import new_scene, segment_logic
from mrml.synthesize.bench import ct_node, label_map_node, phantom


@pytest.fixture
def scene():
    return new_scene()


def numbered(scene):
    """The CT, and a label map whose colour table has numbers for names, as Slicer's generic ones."""
    hu, masks = phantom()
    labels = label_map_node(scene, masks)
    table = labels.GetDisplayNode().GetColorNode()
    for value in range(1, len(masks) + 1):
        table.SetColorName(value, str(value))
    return ct_node(scene, hu), labels, list(masks)


def stored_at(scene, labels, path):
    path.write_bytes(b"")
    storage = scene.AddNode(slicer.vtkMRMLVolumeArchetypeStorageNode())
    storage.SetFileName(str(path))
    labels.SetAndObserveStorageNodeID(storage.GetID())


def test_names_come_from_the_table_beside_the_file(scene, tmp_path):
    _ct, labels, titles = numbered(scene)
    stored_at(scene, labels, tmp_path / "labels.nrrd")
    (tmp_path / "labels.json").write_text(json.dumps(dict(enumerate(titles, 1))))
    assert [one.name for one in label_choices(labels)] == titles


def test_the_colour_table_goes_before_the_file(scene, tmp_path):
    _hu, masks = phantom()
    labels = label_map_node(scene, masks)
    stored_at(scene, labels, tmp_path / "labels.nrrd")
    (tmp_path / "labels.json").write_text(json.dumps({"1": "spleen"}))
    assert [one.name for one in label_choices(labels)] == list(masks)


@pytest.mark.parametrize("table", [None, "{ this is no table"])
def test_a_number_is_no_name(scene, tmp_path, table):
    _ct, labels, titles = numbered(scene)
    stored_at(scene, labels, tmp_path / "labels.nrrd")
    if table:
        (tmp_path / "labels.json").write_text(table)
    expected = [f"label {value}" for value in range(1, len(titles) + 1)]
    assert [one.name for one in label_choices(labels)] == expected


def test_the_model_is_not_asked_for_a_label_without_a_name(scene):
    ct, labels, titles = numbered(scene)
    segments = segment_logic(scene)
    drr = Logic(scene, lambda: segments)
    view = ViewSettings(size=(48, 40), pixel_mm=3.0, dose_ugy=0)
    image = drr.render(ct, labels, drr.centred(view, ct))
    asked = drr.checkRequest(image).asked
    assert len(asked) == len(titles)
    assert all(one.request is None and "no name" in one.remark for one in asked)
