"""Whole sets: written by any number of workers, read back, opened by other tools, refused when they must be."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import tarfile

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset import (
    CTSource,
    DatasetError,
    local_processes,
    plan,
    read_set,
    render,
    write_set,
)
from FluoroSAMSlicerLib.dataset.set_folder import SetFolder


@pytest.fixture(scope="module")
def written(sources, tmp_path_factory):
    """A set of nine images in loose files, and one with the same images as WebDataset."""
    from FluoroSAMSlicerLib.dataset import SetSettings

    folder = tmp_path_factory.mktemp("sets")
    settings = SetSettings(count=9, seed=5, size=48, validation=0.4, shard_images=2)
    archives = dataclasses.replace(settings, form="webdataset")
    reports = [write_set(sources, one, folder / one.form, threads=None) for one in (settings, archives)]
    assert all(report.complete and report.images == report.made == 9 for report in reports)
    return settings, folder / "files", folder / "webdataset"


@pytest.mark.parametrize("form", ["files", "webdataset"])
def test_a_set_reads_back_as_it_was_rendered(written, sources, form):
    settings, *folders = written
    images = read_set(folders[form == "webdataset"])
    assert len(images) == 9 and len(images.split("train")) + len(images.split("val")) == 9
    subjects = {source.name: source.load() for source in sources}
    for image in list(images)[::4]:
        exposure = render(subjects[image.ct], plan(sources, settings)[image.number], settings, threads=1)
        assert np.abs(image.attenuation - exposure.attenuation).max() < 1.3e-4
        assert np.array_equal(image.display, exposure.display)
        assert (
            image.names == tuple(one.structure for one in exposure.masks)
            and image.geometry == exposure.geometry
        )
        assert all(np.array_equal(image.masks[one.structure], one.mask) for one in exposure.masks)
        assert image.split == exposure.planned.split and image.physics == exposure.physics


def test_masks_of_groups_are_the_union_of_what_is_in_view(written):
    image = next(image for image in read_set(written[1]) if {"left femur", "right femur"} <= set(image.names))
    assert np.array_equal(image.mask("femurs"), image.masks["left femur"] | image.masks["right femur"])
    with pytest.raises(DatasetError, match="not in view"):
        image.mask("liver")


def test_names_carry_synonyms_and_codes(written):
    images = read_set(written[1])
    assert "left thigh bone" in images.names_of("left femur")
    assert images.structures["left femur"]["code"][0][:2] == ["SCT", "71341001"]
    assert images.names_of("growth (wild)") == ("growth (wild)",)


def test_no_ct_is_in_both_splits(written):
    parts = {}
    for image in read_set(written[1]):
        parts.setdefault(image.ct, set()).add(image.split)
    assert len(parts) == 3 and all(len(one) == 1 for one in parts.values())
    assert set.union(*parts.values()) == {"train", "val"}


@pytest.mark.parametrize("form", ["files", "webdataset"])
def test_pycocotools_reads_the_annotations(written, form):
    from pycocotools.coco import COCO

    folder = written[1 + (form == "webdataset")]
    images = {image.number: image for image in read_set(folder)}
    seen = 0
    for part in ("train", "val"):
        coco = COCO(str(folder / f"coco_{part}.json"))
        assert len({one["name"] for one in coco.cats.values()}) == 3
        for number in coco.getImgIds():
            image = images[number]
            assert image.split == part and coco.imgs[number]["height"] == 48
            for found in coco.loadAnns(coco.getAnnIds(imgIds=number)):
                mask = coco.annToMask(found).astype(bool)
                name = coco.cats[found["category_id"]]["name"]
                assert np.array_equal(mask, image.masks[name]) and mask.sum() == found["area"]
                seen += 1
            if form == "files":
                assert (folder / coco.imgs[number]["file_name"]).is_file()
    assert seen == sum(len(image.names) for image in images.values()) > 15


def test_archives_are_webdataset_samples(written):
    folder = written[2]
    names = sorted(path.name for path in folder.glob("*.tar"))
    assert len(names) == 6 and {name.split("-")[0] for name in names} == {"train", "val"}
    with tarfile.open(folder / names[0]) as tar:
        entries = tar.getnames()
        assert len(entries) == 6 and entries[0].split(".", 1)[1] == "image.png"
        record = json.load(tar.extractfile(entries[2]))
        assert record["number"] == int(entries[0].split(".")[0]) and record["masks"][0]["rle"]["counts"]
    assert not (folder / "images").exists() and not (folder / ".parts").exists()


def test_the_card_states_source_licence_and_thresholds(written):
    card = (written[1] / "README.md").read_text()
    assert "| ada |" in card and "made by a test" in card and "CC0-1.0" in card
    assert "more than 2 mm" in card and "9 images of 48 x 48" in card and "microgray" in card


def test_records_state_geometry_physics_and_a_threshold_for_every_mask(written):
    record = read_set(written[1])[0].record
    assert all(0 < mask["path_threshold_mm"] <= 2.0 for mask in record["masks"])
    assert {"source", "projection_matrix", "primary_angle_deg", "isocentre"} <= record["geometry"].keys()
    assert {"kilovolts", "dose_ugy", "photons_per_pixel"} <= record["physics"].keys()


def test_one_worker_or_two_make_the_same_bytes(written, sources, contents, tmp_path):
    settings, _, folder = written
    settings = dataclasses.replace(settings, form="webdataset")
    report = write_set(sources, settings, tmp_path / "set", local_processes(2), workers=2)
    assert report.complete and contents(tmp_path / "set") == contents(folder)


def test_progress_tells_rate_and_time_left(sources, settings, tmp_path):
    told = []
    write_set(sources, settings, tmp_path / "set", threads=None, on_progress=told.append)
    assert told[-1].done == told[-1].total == 8 and told[-1].seconds_left == 0 and told[-1].per_second > 0
    assert all(one.done <= two.done for one, two in zip(told, told[1:], strict=False))


@pytest.mark.parametrize("form", ["files", "webdataset"])
def test_cancelled_and_continued_it_ends_the_same(written, sources, contents, tmp_path, form):
    settings = dataclasses.replace(written[0], form=form)
    told = []
    report = write_set(
        sources, settings, tmp_path / "set", on_progress=told.append, cancelled=lambda: told[-1].done >= 2
    )
    assert report.cancelled and 2 <= report.images < 9
    with pytest.raises(DatasetError, match="not finished; run the same"):
        read_set(tmp_path / "set")
    again = write_set(sources, settings, tmp_path / "set")
    assert again.complete and again.made == 9 - report.images
    assert contents(tmp_path / "set") == contents(written[1 + (form == "webdataset")])


def test_a_broken_ct_stops_with_a_message_and_the_rest_is_kept(sources, settings, contents, tmp_path):
    broken = tmp_path / "broken.nrrd"
    broken.write_bytes(sources[1].ct.read_bytes()[:900])
    some = [sources[0], dataclasses.replace(sources[1], ct=broken), sources[2]]
    report = write_set(some, settings, tmp_path / "set", threads=None)
    assert not report.complete and set(report.failures) == {"bob"} and "broken.nrrd" in report.failures["bob"]
    assert report.images == 5 == len(read_set(tmp_path / "set"))
    assert "| bob |" in (tmp_path / "set" / "README.md").read_text()
    broken.write_bytes(sources[1].ct.read_bytes())
    assert write_set(some, settings, tmp_path / "set", threads=None).complete
    write_set(sources, settings, tmp_path / "whole", threads=None)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_full_disk_stops_with_advice_and_can_be_continued(
    sources, settings, contents, tmp_path, monkeypatch
):
    real, left = os.fsync, [9]

    def full(file):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DatasetError, match="run the same again when the disk has room"):
        write_set(sources, settings, tmp_path / "set", threads=None)
    left[0] = 40
    report = write_set(sources[:1], dataclasses.replace(settings, count=4), tmp_path / "one", threads=None)
    assert report.complete
    left[0] = 5
    monkeypatch.setattr("FluoroSAMSlicerLib.dataset.writing._finish", lambda *_: None)
    report = write_set(sources[:1], dataclasses.replace(settings, count=4), tmp_path / "two", threads=None)
    assert "the disk is full" in report.failures["ada"] and "goes on from here" in report.failures["ada"]
    monkeypatch.undo()
    assert write_set(
        sources[:1], dataclasses.replace(settings, count=4), tmp_path / "two", threads=None
    ).complete
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_a_folder_with_another_set_is_refused_and_the_difference_named(written, sources, contents):
    settings, folder, _ = written
    before = contents(folder)
    with pytest.raises(DatasetError, match="seed was 5, now 6"):
        write_set(sources, dataclasses.replace(settings, seed=6), folder)
    with pytest.raises(DatasetError, match="its CTs were ada, bob, cyd, now ada, bob"):
        write_set(sources[:2], settings, folder)
    assert contents(folder) == before


def test_a_ct_that_changed_since_is_refused(sources, settings, tmp_path):
    ct = tmp_path / "ada.nrrd"
    ct.write_bytes(sources[0].ct.read_bytes())
    source = CTSource(ct, sources[0].labels)
    one = dataclasses.replace(settings, count=2)
    assert write_set([source], one, tmp_path / "set", threads=None).complete
    ct.write_bytes(sources[2].ct.read_bytes())
    next((tmp_path / "set" / "records").rglob("*.json")).unlink()
    report = write_set([source], one, tmp_path / "set", threads=None)
    assert "changed since this set was begun" in report.failures["ada"]


def test_folders_that_cannot_hold_a_set_are_refused(sources, settings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="is a file"):
        write_set(sources, settings, tmp_path / "file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("")
    with pytest.raises(DatasetError, match="thesis.docx.*empty or a new folder"):
        write_set(sources, settings, tmp_path / "full")
    with pytest.raises(DatasetError, match="cannot be used as the set's folder"):
        write_set(sources, settings, "/proc/set" if os.name == "posix" else "NUL:/set")
    with pytest.raises(DatasetError, match="no training set"):
        read_set(tmp_path)


def test_two_runs_cannot_write_one_set_at_a_time(sources, settings, tmp_path):
    target = SetFolder(tmp_path / "set", "files")
    target.prepare()
    with target.locked(), pytest.raises(DatasetError, match="another run is writing"):
        write_set(sources, settings, tmp_path / "set")
    assert write_set(
        sources[:1], dataclasses.replace(settings, count=1), tmp_path / "set", threads=None
    ).complete


def test_cts_of_one_file_name_are_told_apart_by_their_folders(sources, tmp_path, settings):
    pairs = []
    for source in sources[:2]:
        (tmp_path / source.name).mkdir()
        ct = tmp_path / source.name / "ct.nrrd"
        ct.write_bytes(source.ct.read_bytes())
        pairs.append(CTSource(ct, source.labels))
    write_set(pairs, dataclasses.replace(settings, count=2), tmp_path / "set", threads=None)
    assert {image.ct for image in read_set(tmp_path / "set")} == {"ada_ct", "bob_ct"}
    with pytest.raises(DatasetError, match="two CTs are called 'ada'"):
        write_set([sources[0].load()] * 2, settings, tmp_path / "other")


def test_absent_files_are_found_before_any_work(sources, settings, tmp_path):
    with pytest.raises(DatasetError, match="absent.nrrd: there is no such"):
        write_set([CTSource(tmp_path / "absent.nrrd", sources[0].labels)], settings, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_damaged_image_is_reported_by_number(written, tmp_path):
    import shutil

    shutil.copytree(written[1], tmp_path / "set")
    (tmp_path / "set" / "images" / "0000" / "0000003.png").write_bytes(b"\x89PNG\r\n")
    images = read_set(tmp_path / "set")
    with pytest.raises(DatasetError, match="image 3 is damaged"):
        [image.number for image in images]
