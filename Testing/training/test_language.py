"""The text tower learns which code each phrase has, and what was never asked gets a code of its own."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from FluoroSAMSlicerLib.anatomy import vocabulary
from FluoroSAMSlicerLib.model import FluoroSAM
from FluoroSAMSlicerLib.model.text import UNUSED_ROW
from FluoroSAMSlicerLib.model.tokens import CompactTokenizer, train_tokenizer
from FluoroSAMSlicerLib.training.language import teach
from small_networks import SMALL_SWIN

NAMES = ("left femur", "right femur", "left lung", "right lung", "mandible")


@pytest.fixture(scope="module")
def taught():
    """A small network whose tower was taught five names, two more being in the vocabulary."""
    known = vocabulary().phrases()
    phrases = {name: known[name] for name in (*NAMES, "sacrum", "patella")}
    compact = SMALL_SWIN
    config = dataclasses.replace(compact, text=dataclasses.replace(compact.text, layers=1, codebook=6))
    torch.manual_seed(2)
    network = FluoroSAM(config)
    rows = {name: row for row, name in enumerate(NAMES)}
    before = network.text.codebook.rows.detach().clone()
    words = train_tokenizer([phrase for several in phrases.values() for phrase in several])
    tokenizer = CompactTokenizer(words, config.text.context)
    teach(network, tokenizer, phrases, rows, seed=1, steps=120)
    return network.eval(), tokenizer, phrases, before


def test_every_phrase_has_the_code_of_its_structure(taught):
    network, tokenizer, phrases, _ = taught
    for row, name in enumerate(NAMES):
        index = network.encode_text(tokenizer.encode(list(phrases[name]))).index
        assert (index == row).float().mean() > 0.95, name


def test_sides_have_different_codes_whatever_the_order_of_words(taught):
    network, tokenizer, *_ = taught
    typed = ["left femur", "femur left", "lt femur", "right femur", "femur right", "rt femur"]
    assert network.encode_text(tokenizer.encode(typed)).index.tolist() == [0, 0, 0, 1, 1, 1]


def test_codes_that_images_gave_stay_and_free_rows_serve_other_names(taught):
    network, tokenizer, _, before = taught
    rows = network.text.codebook.rows
    assert torch.equal(rows[:5], before[:5])
    assert int(network.encode_text(tokenizer.encode(["sacrum"])).index) == 5
    assert not (rows == UNUSED_ROW).any()
