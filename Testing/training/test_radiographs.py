"""Real radiographs as training images: cut to what was annotated, unlabelled things not taken for absent."""

from __future__ import annotations

import json

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset import DatasetError
from FluoroSAMSlicerLib.training.prompts import Prompts
from FluoroSAMSlicerLib.training.radiographs import LONGEST, RadiographReader
from PIL import Image


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("radiographs")
    rng = np.random.default_rng(0)
    lung, ignored = np.zeros((500, 800), bool), np.ones((500, 800), bool)
    lung[100:300, 200:300] = True
    ignored[:, 100:700] = False
    for name, picture in (("a", rng.integers(0, 255, lung.shape)), ("m", 255 * lung), ("i", 255 * ignored)):
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{name}.png")
    structure = {"text": "left lung", "mask": "m.png", "ignore": "i.png"}
    (folder / "set.jsonl").write_text(json.dumps({"image": "a.png", "structures": [structure]}) + "\n")
    return folder / "set.jsonl"


def test_a_radiograph_is_cut_to_what_was_annotated_and_shrunk(manifest):
    sample = RadiographReader(manifest).read(0)
    assert sample.density.shape == (1, round(500 * LONGEST / 600), LONGEST)
    mask = sample.masks["left lung"]
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    scale = LONGEST / 600
    np.testing.assert_allclose([rows[0], rows[-1] + 1], [100 * scale, 300 * scale], atol=1)
    np.testing.assert_allclose([columns[0], columns[-1] + 1], [100 * scale, 200 * scale], atol=1)


def test_nothing_counts_as_absent_from_a_radiograph(manifest):
    reader = RadiographReader(manifest)
    prompts = Prompts(reader)
    known = prompts.known(reader)[reader.entry(0)["body"]]
    assert {name for name, sure in zip(prompts.names, known, strict=True) if sure} <= {"left lung", "lungs"}


def test_a_faulty_manifest_is_refused(tmp_path):
    (tmp_path / "set.jsonl").write_text("not json\n")
    with pytest.raises(DatasetError, match="set.jsonl"):
        RadiographReader(tmp_path / "set.jsonl")
