"""The bundled model on real radiographs and unseen DRRs: lungs and bones by name, by box, and by clicks."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from evaluation.manifests import rendered
from FluoroSAMSlicerLib.dataset import Body
from FluoroSAMSlicerLib.radiograph import Radiograph, read_radiograph
from FluoroSAMSlicerLib.segmentation import Predictor, PromptSession
from FluoroSAMSlicerLib.training.evaluation import evaluate, next_click
from PIL import Image

PICTURES = 6
CLICKS = 3
LUNGS = ("left lung", "right lung")
ABDOMEN = (0.59, 0.67, 0.74, 0.84)
"""Least mean Dice on the DRRs after 0, 1, 3 and 8 clicks."""
CALIBRATION = 0.8


@dataclass(frozen=True)
class Chest:
    """A radiograph and its lung masks, which are known inside ``covered`` (rows, columns) only."""

    radiograph: Radiograph
    masks: dict[str, np.ndarray]
    covered: tuple[slice, slice]


@pytest.fixture(scope="module")
def chests(shared_data):
    folder = shared_data("xray/cxr_hannover/index.json").parent
    entries = json.loads((folder / "index.json").read_text())["images"]
    chosen = []
    for entry in entries[:: len(entries) // PICTURES][:PICTURES]:
        x, y, width, height = entry["covered_box_xywh"]
        masks = {
            name: np.asarray(Image.open(folder / path).convert("L")) > 0
            for name, path in entry["masks"].items()
        }
        covered = np.s_[y : y + height, x : x + width]
        chosen.append(Chest(read_radiograph(folder / entry["image"]), masks, covered))
    return chosen


@pytest.fixture(scope="module")
def compact():
    return Predictor.load("compact", device="cpu", threads=1)


def dice(drawn: np.ndarray, wanted: np.ndarray) -> float:
    return 2 * np.sum(drawn & wanted) / max(1, drawn.sum() + wanted.sum())


@pytest.fixture(scope="module")
def curves(compact, chests):
    """Dice after 0, 1, ... clicks, (pictures * lungs, CLICKS + 1), and the session of every picture."""
    rows, sessions = [], []
    for chest in chests:
        session = PromptSession(compact, chest.radiograph)
        top, left = chest.covered[0].start, chest.covered[1].start
        for name in LUNGS:
            wanted = chest.masks[name][chest.covered]
            drawn = session.segment(name).mask[chest.covered]
            row = [dice(drawn, wanted)]
            for _ in range(CLICKS):
                (x, y), inside = next_click(drawn, wanted)
                drawn = session.click(name, x + left, y + top, bool(inside)).mask[chest.covered]
                row.append(dice(drawn, wanted))
            rows.append(row)
        sessions.append(session)
    return np.array(rows), sessions


def test_the_lungs_are_found_by_name(curves):
    assert curves[0][:, 0].mean() >= 0.92


def test_three_clicks_make_the_lungs_good(curves):
    means = curves[0].mean(axis=0)
    assert means[CLICKS] >= 0.94 and means[CLICKS] > means[0]


def test_every_click_is_met_to_the_pixel(curves):
    """So a negative click never leaves the mask at its point, let alone grows it there."""
    for session in curves[1]:
        for name, result in session.results.items():
            assert result.missed == (), name
            for (x, y), inside in zip(result.prompt.points, result.prompt.labels, strict=True):
                assert result.mask[round(y), round(x)] == bool(inside)


def test_a_first_click_moves_the_mask_of_a_wrong_name_to_what_is_clicked(compact, chests):
    better = []
    for chest in chests:
        embedding = compact.encode(chest.radiograph)
        for name, other in (LUNGS, LUNGS[::-1]):
            wanted = chest.masks[other][chest.covered]
            (x, y), _ = next_click(np.zeros_like(wanted), wanted)
            point = (x + chest.covered[1].start, y + chest.covered[0].start)
            wrong = compact.predict(embedding, text=name)
            clicked = compact.predict(embedding, text=name, points=[point], labels=[1], previous=wrong)
            assert clicked.mask[point[1], point[0]]
            better.append(dice(clicked.mask[chest.covered], wanted) - dice(wrong.mask[chest.covered], wanted))
    assert min(better) > 0


def test_left_and_right_are_the_patients(compact, chests):
    """A frontal radiograph hangs with the patient's left on the right of the picture."""
    for chest in chests:
        embedding = compact.encode(chest.radiograph)
        left, right = (compact.predict(embedding, text=name).mask for name in LUNGS)
        assert left.any() and right.any()
        assert np.nonzero(left)[1].mean() > np.nonzero(right)[1].mean()


def test_half_precision_changes_hardly_a_pixel(chests):
    exact, half = (Predictor.load("compact", device="cpu", threads=1, half=half) for half in (False, True))
    changed = [
        np.mean(
            exact.predict(exact.encode(chest.radiograph), text=name).mask
            != half.predict(half.encode(chest.radiograph), text=name).mask
        )
        for chest in chests[:3]
        for name in LUNGS
    ]
    assert np.mean(changed) <= 0.005


BONES = (0.62, 0.68, 0.8, 0.88)
"""Least mean Dice of bones, hearts and more on four real radiographs after 0, 1, 3 and 8 clicks."""


def test_bones_are_found_by_name_and_clicks(compact, shared_data):
    found = evaluate(shared_data("xray/real_bones/manifest.jsonl"), compact, clicks=(0, 1, 3, 8))
    means = [found.mean(count) for count in (0, 1, 3, 8)]
    assert all(mean >= least for mean, least in zip(means, BONES, strict=True)), means


def test_a_box_finds_what_it_holds_and_helps_a_name(compact, shared_data):
    manifest = shared_data("xray/real_bones/manifest.jsonl")
    box, both, name = (
        evaluate(manifest, compact, clicks=[0], start=start).mean(0) for start in ("box", "both", "text")
    )
    assert box >= 0.65 and both >= max(0.7, name)


def test_a_knee_is_known_by_its_bones(compact, shared_data):
    knee = shared_data("nc/real_bones/images/acl-reconstruction-knee-radiograph-frontal.jpeg")
    masks = knee.parent.parent / "masks"
    embedding = compact.encode(read_radiograph(knee))
    for name in ("femur", "tibia"):
        drawn = compact.predict(embedding, text=name).mask
        (path,) = masks.glob(f"*acl*{name}*")
        wanted = np.asarray(Image.open(path).convert("L")) > 0
        assert dice(drawn, wanted) > 0.78, name


def test_what_a_chest_does_not_show_gets_no_mask_and_a_low_score(compact, chests):
    absent = ("hand", "left patella", "right scaphoid", "left calcaneus", "right femur")
    answers = [
        compact.predict(compact.encode(chest.radiograph), text=name) for chest in chests for name in absent
    ]
    assert np.mean([one.score < 0.2 for one in answers]) >= 0.95
    assert np.mean([one.mask.any() for one in answers]) <= 0.1


@pytest.fixture(scope="module")
def abdomen(compact, shared_data, tmp_path_factory):
    """The evaluation of two small DRRs, frontal and lateral, of a real CT that training never saw."""
    ct = shared_data("ct/ts_real_abdopelvis_ct.nrrd")
    body = Body.read(ct, shared_data("ct/ts_real_abdopelvis_labels.nrrd"))
    folder = tmp_path_factory.mktemp("abdomen")
    return evaluate(rendered(body, folder, count=2, pixels=256), compact, clicks=(0, 1, 3, 8))


def test_clicks_find_most_structures_of_a_body_it_never_saw(abdomen):
    means = [abdomen.mean(count) for count in (0, 1, 3, 8)]
    assert means == sorted(means)
    assert all(mean >= least for mean, least in zip(means, ABDOMEN, strict=True)), means


def test_scores_rank_masks_of_a_body_it_never_saw(abdomen):
    assert abdomen.calibration() >= CALIBRATION
