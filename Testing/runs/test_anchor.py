"""The corrected frame's mask as evidence in later frames: moved without wear, trusted as long as it is confirmed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.runs.anchor import SURE, Anchor
from FluoroSAMSlicerLib.runs.motion import Motion
from FluoroSAMSlicerLib.segmentation.overlap import dice

SIZE = (120, 160)


def square(top: int = 40, left: int = 50, side: int = 40) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def shift(x: float, y: float) -> Motion:
    """What is shown moves by (x, y) pixels."""
    flow = np.empty((2, 12, 16), np.float32)
    flow[0], flow[1] = -x, -y
    return Motion(SIZE, flow, 1.0)


def odds(mask: np.ndarray, by: float = 2.0) -> torch.Tensor:
    return torch.from_numpy(np.where(mask, by, -by).astype(np.float32))


def test_many_small_steps_wear_a_mask_no_more_than_one_large():
    since = Motion.none(SIZE)
    for _ in range(30):
        since = since.then(shift(0.7, -0.4))
    there = Anchor.of(square()).moved(since)
    assert dice((there > 0).numpy(), square(28, 71)) > 0.98


def test_what_comes_into_view_is_unknown_and_left_to_the_model():
    anchor = Anchor.of(np.zeros(SIZE, bool) | square(40, 100, 60))
    there = anchor.moved(shift(-30, 0))
    assert (there[:, -29:] == 0).all() and (there[60, 80] > 0)
    new = square(0, 140, 20)
    seen = odds(np.roll(square(40, 100, 60), -30, 1) | new, 0.2)
    _, mask = anchor.joined(there, seen)
    assert mask[10, 150]


def test_what_a_shutter_hides_is_unknown():
    shown = np.ones(SIZE, bool)
    shown[:, :70] = False
    anchor = Anchor.of(square(), shown)
    assert (anchor.odds[:, :70] == 0).all() and anchor.odds[60, 80] > 0


def test_a_wire_is_certain_in_its_middle():
    wire = np.zeros((512, 512), bool)
    wire[200:203, 20:400] = True
    assert float(Anchor.of(wire).odds[201, 100]) >= 1
    assert float(Anchor.of(wire).odds.abs().max()) == SURE


def test_where_the_model_hesitates_the_mask_decides_and_where_it_is_sure_the_model():
    anchor = Anchor.of(square())
    hesitating = odds(square(44, 50), 0.1)
    _, mask = anchor.joined(anchor.odds, hesitating)
    assert dice(mask, square()) > 0.98
    beyond = odds(square(), 1.0)
    beyond[40:80, 90:110] = SURE
    _, mask = anchor.joined(anchor.odds, beyond)
    assert mask[60, 92] and mask[60, 60]


def test_a_mask_that_the_model_never_confirms_loses_its_say():
    anchor, elsewhere = Anchor.of(square()), odds(square(0, 0), 1.0)
    first = None
    for _ in range(3):
        anchor, mask = anchor.joined(anchor.odds, elsewhere)
        first = mask if first is None else first
    assert anchor.trust == pytest.approx(0, abs=1e-6) and dice(mask, square(0, 0)) == 1


def test_trust_outlasts_a_frame_that_was_misread():
    anchor = Anchor.of(square())
    for _ in range(10):
        anchor, _ = anchor.joined(anchor.odds, odds(square(), 1.0))
    trusted = anchor.trust
    anchor, _ = anchor.joined(anchor.odds, odds(square(0, 0), 1.0))
    assert trusted == pytest.approx(1) and 0.85 < anchor.trust < 1


@pytest.mark.parametrize("away", [Motion.none(SIZE), shift(0, 100)])
def test_a_mask_out_of_view_says_nothing_of_what_the_model_sees(away):
    anchor = Anchor.of(square() if away.flow.any() else np.zeros(SIZE, bool))
    found, mask = anchor.joined(anchor.moved(away), odds(square(10, 10), 0.1))
    assert found.trust is None and dice(mask, square(10, 10)) == 1
