"""Bodies, their variation and views, and samples on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.dataset import Body, DatasetError, Sample, ShardReader, ShardWriter, Warp, generate
from FluoroSAMSlicerLib.dataset import generation as making
from FluoroSAMSlicerLib.dataset.views import beam_axes, random_view, regions_of
from FluoroSAMSlicerLib.dataset.warp import mirrored


def make_body() -> Body:
    """Two thigh bones in a box of tissue; patient right is at low x (LPS)."""
    hu = np.full((60, 40, 80), 40, np.int16)
    labels = np.zeros(hu.shape, np.uint16)
    labels[10:50, 15:25, 10:20] = 1
    labels[10:50, 15:25, 60:70] = 2
    hu[labels > 0] = 900
    return Body(
        "thighs", hu, labels, np.array([-80.0, -40.0, 0.0]), np.full(3, 2.0),
        {"right femur": (1,), "left femur": (2,)},
    )  # fmt: skip


@pytest.fixture
def body(monkeypatch) -> Body:
    monkeypatch.setattr(making, "SAMPLES_PER_SHARD", 3)
    return make_body()


@pytest.fixture
def femur_regions(body):
    low, high = body.bounds("right femur")
    region = next(region for region in making_regions() if region.name == "femur")
    return [(region, (low + high) / 2)]


def making_regions():
    from FluoroSAMSlicerLib.dataset.views import REGIONS

    return REGIONS


def test_body_is_read_in_lps_with_known_names_only(tmp_path):
    body = make_body()
    image = sitk.GetImageFromArray(body.hu[:, ::-1, ::-1])
    labels = sitk.GetImageFromArray(body.labels[:, ::-1, ::-1])
    for picture in (image, labels):
        picture.SetSpacing((2, 2, 2))
        picture.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        picture.SetOrigin((78, 38, 0))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    sitk.WriteImage(labels, str(tmp_path / "labels.nrrd"))
    names = [{"value": 1, "text": "femur right"}, {"value": 2, "text": "ghost"}]
    (tmp_path / "labels.json").write_text(json.dumps({"labels": names}))
    read = Body.read(tmp_path / "ct.nrrd", tmp_path / "labels.nrrd")
    assert read.structures == {"right femur": (1,)}
    assert np.array_equal(read.labels, body.labels) and np.allclose(read.origin, body.origin)


def test_labels_on_another_grid_are_refused_with_advice(tmp_path):
    sitk.WriteImage(sitk.Image(8, 8, 8, sitk.sitkInt16), str(tmp_path / "ct.nrrd"))
    sitk.WriteImage(sitk.Image(8, 8, 9, sitk.sitkUInt8), str(tmp_path / "labels.nrrd"))
    (tmp_path / "labels.json").write_text('{"labels": []}')
    with pytest.raises(DatasetError, match="resample the labels"):
        Body.read(tmp_path / "ct.nrrd", tmp_path / "labels.nrrd")
    with pytest.raises(DatasetError, match="cannot be read"):
        Body.read(tmp_path / "ct.nrrd", tmp_path / "labels.nrrd", tmp_path / "absent.json")


def test_identity_warp_returns_the_body(body):
    still = Warp(
        np.eye(3),
        body.origin + [80, 40, 60],
        body.origin,
        body.origin + [160, 80, 120],
        np.zeros((3, 8, 8, 8)),
        False,
    )
    ones = np.ones(3)
    warped = still.apply(body, 2.0, 0 * ones, ones)
    point = np.array([[-50.0, -2.0, 60.0]])
    assert np.allclose(still.source_of(point), point) and np.allclose(still.target_of(point), point)
    for name in body.structures:
        assert np.allclose(warped.bounds(name), body.bounds(name), atol=4.0)


@pytest.mark.parametrize("mirror", [False, True])
def test_warp_moves_landmarks_with_the_voxels(body, mirror):
    warp = Warp.random(body, np.random.default_rng(4), mirror)
    warped = warp.apply(body, 1.0, np.zeros(3), np.ones(3))
    for name in body.structures:
        seen = "right femur" if (name == "left femur") == mirror else "left femur"
        centre = np.mean(body.bounds(name), axis=0)
        moved = warp.target_of(centre[None])[0]
        i, j, k = np.round((moved - warped.origin) / warped.spacing).astype(int)
        assert warped.labels[k, j, i] in warped.structures[seen]


def test_mirrored_body_swaps_names_and_keeps_right_on_the_right(body):
    warp = Warp.random(body, np.random.default_rng(0), True, strength=0.0)
    warped = warp.apply(body, 2.0, np.zeros(3), np.ones(3))
    assert warped.bounds("right femur")[1][0] < warped.bounds("left femur")[0][0]


def test_middle_lobe_of_a_mirrored_chest_becomes_lingula():
    lobes = {"right lung middle lobe": (3,), "right lung upper lobe": (4,), "heart": (5,)}
    assert mirrored(lobes) == {"left lung upper lobe": (3, 4), "heart": (5,)}


def test_tissue_change_scales_bone_only_where_it_is(body):
    gain, shift = making.random_tissue(body, np.random.default_rng(1))
    assert gain[0] == 1 and shift[0] == 0 and gain[1] != 1


@pytest.mark.parametrize("behind", [True, False])
def test_frontal_picture_is_hung_with_patient_right_on_the_left(behind):
    forward, column, row = beam_axes(0, 0, 0, behind)
    assert np.allclose(column, [1, 0, 0]) and np.allclose(row, [0, 0, -1])
    assert np.allclose(forward, [0, -1 if behind else 1, 0])


def test_views_show_what_they_are_centred_on(body, femur_regions):
    still = Warp(
        np.eye(3),
        body.origin + [80, 40, 60],
        body.origin,
        body.origin + [160, 80, 120],
        np.zeros((3, 8, 8, 8)),
        False,
    )
    rng = np.random.default_rng(2)
    for _ in range(20):
        view = random_view(body, femur_regions, still, rng, 64)
        (x, y) = view.geometry.project_points(femur_regions[0][1][None])[0]
        assert -8 < x < 72 and -8 < y < 72


def test_regions_need_their_structures(body):
    assert {region.name for region, _ in regions_of(body)} == {"femur"}


def test_shards_give_back_what_was_written(tmp_path):
    rng = np.random.default_rng(0)
    samples = [
        Sample(
            rng.random((2, 24, 32), np.float32),
            {"heart": rng.random((24, 32)) > 0.5},
            "b",
            "chest",
            {"x": [n]},
        )
        for n in range(3)
    ]
    samples[1].masks["left lung"] = rng.random((24, 32)) > 0.9
    ShardWriter(tmp_path).write("00000-b", samples)
    reader = ShardReader(tmp_path)
    assert len(reader) == 3 and [m[0] for m in reader.entry(1)["masks"]] == ["heart", "left lung"]
    for number, sample in enumerate(samples):
        read = reader.read(number)
        assert np.allclose(read.density, sample.density, rtol=1e-3) and read.geometry == sample.geometry
        assert all(np.array_equal(read.masks[name], mask) for name, mask in sample.masks.items())
    assert set(reader.read(1, ["left lung"]).masks) == {"left lung"}


def test_empty_folder_says_how_to_make_samples(tmp_path):
    with pytest.raises(DatasetError, match="fluorosam synthesize"):
        ShardReader(tmp_path)


def test_failed_write_leaves_no_file(tmp_path, monkeypatch):
    writer = ShardWriter(tmp_path)
    monkeypatch.setattr(
        "os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    sample = Sample(np.zeros((2, 8, 8), np.float32), {}, "b", "v", {})
    with pytest.raises(DatasetError, match="No space left"):
        writer.write("00000-b", [sample])
    assert list(tmp_path.iterdir()) == []


def test_generation_is_deterministic_and_resumes(body, tmp_path):
    made = []
    generate([body], tmp_path / "a", 2, seed=3, pixels=48, on_shard=made.append)
    assert len(made) == 2
    first = {path.name: path.read_bytes() for path in made}
    made[0].unlink()
    again = []
    generate([body], tmp_path / "a", 2, seed=3, pixels=48, on_shard=again.append)
    assert again == made[:1]
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == first
