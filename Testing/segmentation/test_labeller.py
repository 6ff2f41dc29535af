"""A CT and names become masks on the CT's own grid: complete, cancellable, resumable, or refused in plain words."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.anatomy import AmbiguousName
from FluoroSAMSlicerLib.drr import CTVolume
from FluoroSAMSlicerLib.sat import CheckpointError, MaskBox, SatCancelled, SatError, ScanError, class_table
from FluoroSAMSlicerLib.sat.names import AskedName
from FluoroSAMSlicerLib.segmentation import CTLabels, Labeller, LabelSettings, Volume
from FluoroSAMSlicerLib.segmentation.ct_labels import StructureLabel
from safetensors.numpy import load_file

FLIPS = 50


def ct_of(image: np.ndarray, affine: np.ndarray) -> CTVolume:
    """The volume whose voxels (I, J, K) have this RAS placement."""
    matrix = affine.copy()
    matrix[:2] *= -1
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    return CTVolume(image.transpose(2, 1, 0), matrix[:3, 3], spacing, matrix[:3, :3] / spacing)


@pytest.fixture(scope="module")
def case(sat_fixture):
    facts = json.loads((sat_fixture / "config.json").read_text())
    inputs, e2e = load_file(sat_fixture / "inputs.safetensors"), load_file(sat_fixture / "e2e.safetensors")
    return facts, inputs, e2e


@pytest.fixture
def labeller(small_sat):
    with Labeller.load(small_sat, device="cpu", threads=1, precision="float32") as labeller:
        yield labeller


@pytest.fixture
def big(case):
    """The parity volume of several windows."""
    facts, inputs, _ = case
    name = max(facts["e2e"], key=lambda name: len(facts["e2e"][name]["windows"]))
    return ct_of(inputs[f"{name}.image"], inputs[f"{name}.affine"])


@pytest.fixture
def count(case) -> int:
    """Windows of ``big``."""
    return max(len(facts["windows"]) for facts in case[0]["e2e"].values())


@pytest.fixture
def small(case):
    facts, inputs, _ = case
    name = min(facts["e2e"], key=lambda name: len(facts["e2e"][name]["windows"]))
    return ct_of(inputs[f"{name}.image"], inputs[f"{name}.affine"])


def test_labels_lie_where_the_reference_has_them_on_oblique_and_anisotropic_grids(labeller, case):
    facts, inputs, e2e = case
    for name, own in facts["e2e"].items():
        ct = ct_of(inputs[f"{name}.image"], inputs[f"{name}.affine"])
        labels = labeller.label(ct, own["labels"])
        flips = 0
        for number, label in enumerate(labels.labels):
            stored = tuple(own["stored_shape"])
            wanted = np.unpackbits(e2e[f"{name}.restored_linear_packed"][number])[: np.prod(stored)]
            flips += np.count_nonzero(label.box.whole(stored) != wanted.reshape(stored).astype(bool))
            assert labels.mask(label.name).shape == ct.hu.shape
        assert flips <= FLIPS, name


def test_names_have_colours_terminology_and_marks(labeller, small):
    labels = labeller.label(small, ["left femur", "glomus"])
    femur, other = labels.labels
    assert femur.structure.name == "left femur" and "71341001" in femur.terminology and femur.asked.trained
    assert other.structure is None and "Tissue" in other.terminology and not other.asked.trained
    assert any("not trained" in note for note in labels.notes)


def test_a_mask_does_not_depend_on_what_else_is_asked(labeller, small):
    alone = labeller.label(small, ["liver"]).mask("liver")
    among = labeller.label(small, ["spleen", "ribs", "liver"]).mask("liver")
    assert np.array_equal(alone, among)


def test_more_names_of_the_same_ct_need_no_window_again(labeller, big, monkeypatch):
    labeller.label(big, ["liver"])
    monkeypatch.setattr(labeller.network, "encode", lambda *_: pytest.fail("a window was encoded again"))
    assert labeller.label(big, ["spleen"]).labels[0].name == "spleen"
    assert labeller.estimate(big, ["heart"]).kept == labeller.estimate(big, ["heart"]).windows


def test_a_cancel_comes_within_a_layer_and_finished_windows_are_kept(small_sat, big, count, tmp_path):
    keep = tmp_path / "features"
    told: list[str] = []
    with Labeller.load(small_sat, "cpu", threads=1, precision="float32", keep=keep) as first:
        with pytest.raises(SatCancelled):
            first.label(
                big,
                ["liver"],
                progress=lambda _, text: told.append(text),
                cancelled=lambda: f"Window 3 of {count}" in told,
            )
    files = list(keep.rglob("*.pt"))
    assert len(files) == 2 and not list(keep.rglob("*.part"))
    with Labeller.load(small_sat, "cpu", threads=1, precision="float32", keep=keep) as second:
        assert second.estimate(big, ["liver"]).kept == 2
        resumed = second.label(big, ["liver"]).mask("liver")
    with Labeller.load(small_sat, "cpu", threads=1, precision="float32") as whole:
        assert np.array_equal(resumed, whole.label(big, ["liver"]).mask("liver"))


def test_layers_are_cancelled_between_slabs(labeller, big, monkeypatch):
    from FluoroSAMSlicerLib.sat import slabs

    monkeypatch.setattr(slabs, "SLAB_BYTES", {"cpu": 100_000})
    calls = []

    def cancelled() -> bool:
        calls.append(1)
        return len(calls) > 40

    with pytest.raises(SatCancelled):
        labeller.label(big, ["liver"], cancelled=cancelled)
    assert len(calls) == 41, "the first window alone has more layers than that"


def test_features_too_large_for_memory_go_to_disk_and_away_again(labeller, big, count, monkeypatch):
    from FluoroSAMSlicerLib.segmentation import labeller as module

    in_memory = labeller.label(big, ["liver"]).mask("liver")
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    labeller.close()
    on_disk = labeller.label(big, ["liver"]).mask("liver")
    assert np.array_equal(in_memory, on_disk)
    folder = labeller._temporary
    assert len(list(folder.rglob("*.pt"))) == count
    labeller.close()
    assert not folder.exists()


def test_a_damaged_file_of_features_is_made_again(small_sat, small, tmp_path):
    arguments = {"threads": 1, "precision": "float32", "keep": tmp_path / "features"}
    with Labeller.load(small_sat, "cpu", **arguments) as first:
        wanted = first.label(small, ["liver"]).mask("liver")
    (file,) = (tmp_path / "features").rglob("*.pt")
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"PK" + whole[:100]):
        file.write_bytes(damaged)
        with Labeller.load(small_sat, "cpu", **arguments) as second:
            assert np.array_equal(second.label(small, ["liver"]).mask("liver"), wanted)


def test_a_disk_that_fills_up_meanwhile_is_said_and_leaves_no_half_file(
    small_sat, small, tmp_path, monkeypatch
):
    def full(_content, path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with Labeller.load(small_sat, "cpu", threads=1, keep=tmp_path / "features") as labeller:
        with pytest.raises(SatError, match="disk full"):
            labeller.label(small, ["liver"])
    assert not [path for path in (tmp_path / "features").rglob("*") if path.is_file()]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_finds_what_the_processor_finds(small_sat, big):
    with Labeller.load(small_sat, "cpu", precision="float32") as exact:
        wanted = exact.label(big, ["liver", "spleen"])
    with Labeller.load(small_sat, "cuda") as labeller:
        found = labeller.label(big, ["liver", "spleen"])
        assert labeller._kind == torch.float16
    for name in ("liver", "spleen"):
        one, other = wanted.mask(name), found.mask(name)
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.95


def test_a_disk_without_room_is_said_before_anything_is_computed(labeller, big, monkeypatch):
    from FluoroSAMSlicerLib.sat import features
    from FluoroSAMSlicerLib.segmentation import labeller as module

    monkeypatch.setattr(module, "IN_MEMORY", 0)
    monkeypatch.setattr(features.shutil, "disk_usage", lambda _: features.shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(SatError, match="GiB"):
        labeller.label(big, ["liver"])


def test_progress_grows_to_the_end_and_names_windows(labeller, big, count):
    told: list[tuple[float, str]] = []
    labeller.label(big, ["liver"], progress=lambda fraction, text: told.append((fraction, text)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert {f"Window {n} of {count}" for n in range(1, count + 1)} <= {text for _, text in told}


def test_an_estimate_comes_before_anything_is_computed(labeller, big, count, monkeypatch):
    monkeypatch.setattr(labeller.network, "encode", lambda *_: pytest.fail("a window was encoded"))
    exact = labeller.estimate(big, ["liver"])
    fast = labeller.estimate(big, ["liver"], LabelSettings("fast"))
    assert (exact.windows, exact.kept) == (count, 0) and exact.seconds > 0
    assert fast.windows <= exact.windows and fast.seconds <= exact.seconds * 1.01


def test_fast_and_coarse_say_that_they_are_not_tested(labeller, small):
    labels = labeller.label(small, ["liver"], LabelSettings("fast", coarse=True))
    assert any("fast plan" in note and "not tested" in note for note in labels.notes)
    assert labels.mask("liver").shape == small.hu.shape
    assert not labeller.label(small, ["liver"]).notes


def test_a_region_limits_the_windows_and_the_masks(labeller, big):
    whole = labeller.label(big, ["liver"]).mask("liver")
    half = big.grid.index_to_world @ (np.array(big.hu.shape[::-1]) * (0.5, 0.5, 0.5))
    corners = (big.grid.origin + half - 20, big.grid.origin + half + 20)
    settings = LabelSettings(region=tuple(map(tuple, corners)))
    assert labeller.estimate(big, ["liver"], settings).windows == 1
    mask = labeller.label(big, ["liver"], settings).mask("liver")
    k, j, i = np.nonzero(mask)
    world = big.grid.origin + np.stack([i, j, k], 1) @ big.grid.index_to_world.T
    assert 0 < mask.sum() < whole.sum()
    inside = np.all(np.abs(world - big.grid.origin - half) <= 20 + 1e-6, axis=1)
    assert inside.all()
    with pytest.raises(ScanError, match="outside"):
        labeller.label(big, ["liver"], LabelSettings(region=((9e3, 9e3, 9e3), (9.1e3, 9.1e3, 9.1e3))))


def test_windows_of_air_are_skipped(labeller):
    """A small body at one end of a long scan, and a single bright voxel at the other."""
    right, front, up = labeller.network.config.tile
    hu = np.full((2 * up, front, right), -1000, np.int16)
    hu[: up // 3, 4:-4, 4:-4] = 40
    hu[-1, front // 2, right // 2] = 500
    ct = CTVolume(hu, spacing=(1.0, 1.0, 3.0))
    # Three windows along the body cover the scan; the middle one begins behind the body.
    assert labeller.estimate(ct, ["liver"]).windows == 2
    assert labeller.estimate(ct, ["liver"], LabelSettings(region="body")).windows == 1


def test_bfloat16_gives_much_the_same_masks(small_sat, small):
    with Labeller.load(small_sat, "cpu", threads=1, precision="float32") as exact:
        wanted = exact.label(small, ["liver"]).mask("liver")
        with Labeller.load(small_sat, "cpu", threads=1, precision="half") as half:
            mask = half.label(small, ["liver"]).mask("liver")
            assert half._kind == torch.bfloat16
    assert 2 * (wanted & mask).sum() / (wanted.sum() + mask.sum()) > 0.95


def test_overlapping_masks_become_layers_and_a_label_map_shows_the_smaller(small):
    def label(name: str, start: int, size: int) -> StructureLabel:
        box = MaskBox((start, 0, 0), np.ones((size, 3, 2), bool))
        return StructureLabel(AskedName(name, name, True, name), box)

    labels = CTLabels((label("a", 0, 10), label("b", 4, 3), label("c", 20, 5)), small.grid, "m")
    assert labels.places == ((0, 1), (1, 1), (0, 2))
    first, second = labels.layers()
    assert (first > 0).sum() == 15 * 6 and (second > 0).sum() == 3 * 6
    shown = labels.label_map()
    assert shown[0, 0, 5] == 2 and shown[0, 0, 0] == 1 and shown[0, 0, 21] == 3


def test_three_hundred_names_take_bounded_memory(labeller, small, monkeypatch):
    from FluoroSAMSlicerLib.segmentation import labeller as module

    monkeypatch.setattr(module, "MASK_BYTES", 4 << 20)
    names = [name for name, one in class_table().classes.items() if "ct" in one.modalities][:300]
    sizes = []
    blend = module.blend
    monkeypatch.setattr(module, "blend", lambda *a: sizes.append(len(a[1])) or blend(*a))
    labels = labeller.label(small, names)
    assert len(labels.labels) == 300 and len(sizes) > 1 and sum(sizes) == 300


def volume(hu: np.ndarray) -> Volume:
    grid = CTVolume(np.zeros((2, 2, 2), np.int16)).grid
    return Volume(hu, type(grid)(hu.shape, grid.origin, grid.spacing, grid.direction))


def body(shape=(20, 30, 30)) -> np.ndarray:
    hu = np.full(shape, -1000, np.int16)
    hu[4:-4, 6:-6, 6:-6] = np.linspace(-50, 300, shape[0] - 8).astype(np.int16)[:, None, None]
    return hu


@pytest.mark.parametrize(
    ("voxels", "words"),
    [
        (np.zeros((1, 1, 1), np.int16), "1 x 1 x 1"),
        (np.full((9, 9, 9), -700, np.int16), "no voxel above 0"),
        (np.full((9, 9, 9), np.nan, np.float32), "not finite"),
        (np.where(body() > 0, np.nan, body()).astype(np.float32), "not finite"),
        (body().clip(0) * 3, "no CT"),
        (np.zeros((4, 4), np.int16), "4 x 4"),
        (body().astype(complex), "numbers"),
    ],
)
def test_volumes_that_cannot_be_labelled_are_refused_in_one_line(labeller, voxels, words):
    given = volume(voxels) if voxels.ndim == 3 else Volume(voxels, volume(body()).grid)
    with pytest.raises(ScanError, match=words) as error:
        labeller.label(given, ["liver"])
    assert "\n" not in str(error.value)


def test_mr_is_labelled_when_it_is_said_to_be_mr(labeller):
    given = volume((body().clip(0) * 3).astype(np.float32) + np.arange(30, dtype=np.float32) / 7)
    labels = labeller.label(given, ["spleen"], LabelSettings(modality="MR"))
    assert labels.mask("spleen").shape == given.voxels.shape


def test_what_is_no_volume_or_no_setting_is_refused(labeller, small):
    with pytest.raises(ScanError, match="CT is needed"):
        labeller.label("ct.nii", ["liver"])
    with pytest.raises(SatError, match="plan"):
        LabelSettings("quick")
    with pytest.raises(ScanError, match="kind of image"):
        LabelSettings(modality="photograph")
    with pytest.raises(AmbiguousName):
        labeller.label(small, ["knee"])
    with pytest.raises(CheckpointError, match="models install"):
        Labeller.load("sat-pro")


def test_names_with_a_slash_are_names(labeller, small):
    assert labeller.label(small, ["glomus/paraganglioma"]).labels[0].name == "glomus/paraganglioma"
