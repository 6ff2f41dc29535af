"""A box alone is asked about with the name of what it frames."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.model import InputFrame
from FluoroSAMSlicerLib.segmentation.candidates import Candidates
from FluoroSAMSlicerLib.segmentation.framed import Framing, overlap

SIDE, SIZE = 128, 256
SHAPE = (300, 600)
FRAME = InputFrame.of(*SHAPE, SIZE)


class Finder:
    """Finds ``boxes`` (x1, y1, x2, y2) by name, with their scores, and nothing else; counts how often it is asked."""

    def __init__(self, boxes: dict[str, tuple[tuple[float, ...], float]]) -> None:
        self.boxes, self.asked = boxes, 0

    def read(self, phrases) -> None:
        pass

    def names(self, _embedding, phrases) -> list[Candidates]:
        self.asked += len(phrases)
        return [self._found(phrase) for phrase in phrases]

    def _found(self, phrase: str) -> Candidates:
        low_res, score = torch.full((1, SIDE, SIDE), -1.0), 0.01
        if phrase in self.boxes:
            box, score = self.boxes[phrase]
            scale = FRAME.scale * SIDE / SIZE
            left, top, right, bottom = (round(side * scale) for side in box)
            low_res[0, top:bottom, left:right] = 1.0
        return Candidates(low_res, (score,), FRAME)


CHEST = {
    "left lung": ((320, 20, 580, 280), 0.9),
    "heart": ((220, 120, 420, 280), 0.8),
    "left scapula": ((330, 10, 590, 270), 0.5),
}


def image(key: str = "chest") -> SimpleNamespace:
    return SimpleNamespace(key=key, frame=FRAME)


@pytest.mark.parametrize(
    ("box", "name"),
    [
        ((320, 20, 579, 279), "left lung"),
        ((230, 130, 430, 290), "heart"),
        ((0, 0, 100, 100), None),
        ((320, 20, 400, 100), None),
    ],
)
def test_a_box_is_called_by_what_fills_it(box, name):
    assert Framing(Finder(CHEST)).name(image(), box) == name


def test_of_two_that_fit_alike_the_surer_one_is_meant():
    doubtful = {name: (box, 1.4 - score) for name, (box, score) in CHEST.items()}
    assert Framing(Finder(doubtful)).name(image(), (325, 15, 585, 275)) == "left scapula"


def test_what_is_surer_but_does_not_fit_stands_in_nobodys_way():
    finder = Finder({"left lung": ((300, 20, 580, 280), 1.0), "left rib 3": ((320, 60, 460, 150), 0.4)})
    assert Framing(finder).name(image(), (320, 60, 470, 150)) == "left rib 3"
    assert Framing(finder).name(image(), (320, 20, 480, 270)) is None


def test_neither_devices_nor_masks_of_a_low_score_are_meant():
    finder = Finder({"drill": ((320, 20, 580, 280), 0.9), "left lung": ((320, 20, 580, 280), 0.3)})
    assert Framing(finder).name(image(), (320, 20, 579, 279)) is None


def test_an_image_is_searched_once():
    finder = Finder(CHEST)
    framing = Framing(finder)
    for box in ((320, 20, 580, 280), (0, 0, 9, 9), (220, 120, 420, 280)):
        framing.name(image(), box)
    assert finder.asked == len(framing.names) == len(set(framing.names))
    framing.name(image("another"), (0, 0, 9, 9))
    assert finder.asked == 2 * len(framing.names)


def test_boxes_overlap_by_their_areas():
    boxes = np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2], [0, 0, 0, 0]])
    assert overlap(boxes, np.array([0.0, 0, 2, 2])) == pytest.approx([1, 1 / 3, 0, 0])
