"""Beyond a box less and less is believed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.model import InputFrame
from FluoroSAMSlicerLib.segmentation import Predictor, Prompt
from FluoroSAMSlicerLib.segmentation.candidates import Candidates
from FluoroSAMSlicerLib.segmentation.confined import STEEPNESS, confined

from .conftest import blob_image

BOX = (100.0, 60.0, 299.0, 159.0)


def everywhere(logit: float) -> Candidates:
    return Candidates(torch.full((3, 128, 128), logit), (0.9, 0.5, 0.1), InputFrame.of(400, 600, 256))


def test_inside_the_box_nothing_changes_and_beyond_it_ever_more():
    seen = confined(everywhere(4.0), Prompt.of(box=BOX)).logits(0)
    assert np.all(seen[64:156, 104:296] == 4.0)
    # A tenth of the box's width and of its height beyond it.
    assert seen[110, 319] == pytest.approx(4 - 0.1 * STEEPNESS, abs=0.4)
    assert seen[169, 200] == pytest.approx(4 - 0.1 * STEEPNESS, abs=0.6)
    drawn = np.argwhere(seen > 0)
    assert drawn.min(0) == pytest.approx((60 - 8, 100 - 16), abs=3)
    assert drawn.max(0) == pytest.approx((159 + 8, 299 + 16), abs=3)


def test_a_click_inside_the_structure_widens_the_box_and_one_outside_it_does_not():
    for label, held in ((1, True), (0, False)):
        seen = confined(everywhere(4.0), Prompt.of(points=[(450, 110)], labels=[label], box=BOX)).logits(0)
        assert (seen[110, 440] > 0) is np.bool_(held)


def test_without_a_box_nothing_is_taken_away():
    found = everywhere(4.0)
    assert confined(found, Prompt.of(points=[(450, 110)], labels=[1])) is found


@pytest.mark.parametrize("text", [None, "left lung"])
def test_what_is_drawn_for_a_box_stays_near_it(text):
    looker = Predictor.load("compact", device="cpu", threads=1)
    embedding = looker.encode(blob_image(300, 420, seed=5))
    found = 0
    for box in ((20.0, 30.0, 80.0, 90.0), (80.0, 80.0, 180.0, 170.0), (250.0, 200.0, 400.0, 290.0)):
        mask = looker.predict(embedding, text, box=box).mask
        rows, columns = np.nonzero(mask)
        width, height = box[2] - box[0], box[3] - box[1]
        if len(rows):
            found += 1
            assert columns.min() > box[0] - 0.25 * width and columns.max() < box[2] + 0.25 * width
            assert rows.min() > box[1] - 0.25 * height and rows.max() < box[3] + 0.25 * height
    assert found, "else this shows nothing"
