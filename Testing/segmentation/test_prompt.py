"""Prompts that cannot be used are refused in one line that says what to do."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.segmentation import Prompt, PromptError, SegmentationError

NAN = float("nan")


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"text": ""}, "empty"),
        ({"text": " \t\n"}, "empty"),
        ({"text": "x" * 10_000}, "10000 characters"),
        ({"text": 7}, "must be text"),
        ({"points": [(NAN, 1)], "labels": [1]}, "NaN"),
        ({"points": [(1, float("inf"))], "labels": [1]}, "infinity"),
        ({"points": [(1, 2, 3)], "labels": [1]}, "x and y"),
        ({"points": [(1, 2), (3,)], "labels": [1, 1]}, "x and y"),
        ({"points": (4, 5), "labels": [1]}, "x and y"),
        ({"points": [("a", "b")], "labels": [1]}, "x and y"),
        ({"points": [(1, 2)]}, "1 points and 0 labels"),
        ({"points": [(1, 2)], "labels": [1, 0]}, "1 points and 2 labels"),
        ({"labels": [1]}, "0 points and 1 labels"),
        ({"points": [(1, 2)], "labels": [2]}, "1 .* or 0"),
        ({"points": [(1, 2)], "labels": [-1]}, "1 .* or 0"),
        ({"points": [(1, 2)], "labels": [0.5]}, "1 .* or 0"),
        ({"box": (1, 2, 3)}, "x1, y1, x2, y2"),
        ({"box": (1, 2, 3, NAN)}, "NaN"),
        ({"box": (30, 2, 3, 40)}, "swapped"),
        ({"box": (3, 40, 30, 2)}, "swapped"),
        ({"box": (3, 2, 3, 40)}, "no area"),
        ({"box": (3, 2, 30, 2)}, "no area"),
        ({"box": "abcd"}, "x1, y1, x2, y2"),
    ],
)
def test_unusable_prompts_are_refused_with_their_cause(given, cause):
    with pytest.raises(PromptError, match=cause) as refusal:
        Prompt.of(**given)
    assert isinstance(refusal.value, SegmentationError)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 200


@pytest.mark.parametrize("point", [(-0.51, 5), (100.0, 5), (99.51, 5), (5, -1), (5, 50), (1e300, 5)])
def test_a_click_beyond_the_border_is_refused(point):
    prompt = Prompt.of(points=[point], labels=[1])
    with pytest.raises(PromptError, match="outside the image: x goes from 0 to 99, y from 0 to 49"):
        prompt.check_inside(height=50, width=100)


def test_the_outermost_pixels_can_be_clicked_to_their_edges():
    points = [(-0.5, -0.5), (99.5, 49.5), (0, 49), (99, 0)]
    Prompt.of(points=points, labels=[1, 1, 0, 0]).check_inside(height=50, width=100)


def test_a_box_that_leaves_the_image_is_refused():
    Prompt.of(box=(-0.5, -0.5, 99.5, 49.5)).check_inside(50, 100)
    with pytest.raises(PromptError, match="box corner at x 100, y 20 is outside"):
        Prompt.of(box=(0, 0, 100, 20)).check_inside(50, 100)


def test_arrays_lists_and_tuples_mean_the_same():
    expected = Prompt("left lung", ((1.0, 2.0), (3.5, 4.0)), (1, 0), (0.0, 1.0, 2.0, 3.0))
    points = [(1, 2), (3.5, 4)]
    assert Prompt.of("  left\tlung ", points, [True, False], [0, 1, 2, 3]) == expected
    arrays = np.array(points, np.float32), np.array([1, 0]), np.array([0, 1, 2, 3])
    assert Prompt.of("left lung", *arrays) == expected
    assert hash(Prompt.of("left lung", *arrays)) == hash(expected)
    assert Prompt.of(points=np.zeros((0, 2)), labels=np.zeros(0)).is_empty


def test_clicks_are_added_moved_and_removed_by_number():
    prompt = Prompt.of("left lung").with_click(1, 2, True).with_click(3, 4, False)
    assert prompt.points == ((1, 2), (3, 4)) and prompt.labels == (1, 0)
    assert prompt.with_point(0, (9, 8)).points == ((9, 8), (3, 4))
    assert prompt.with_point(0, None).labels == (0,)
    assert prompt.without_last_click() == prompt.with_point(1, None)
    for index in (-1, 2):
        with pytest.raises(PromptError, match=f"no click number {index}"):
            prompt.with_point(index, None)
