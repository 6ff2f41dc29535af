"""Names, clicks and boxes as they are typed."""

from __future__ import annotations

import click
import pytest
from FluoroSAMSlicerLib.anatomy import AmbiguousName, AnatomyError
from FluoroSAMSlicerLib.cli.prompts import read_prompts


def names(texts=(), points=(), boxes=()):
    return [one.structure.name for one in read_prompts(texts, points, boxes)]


def test_names_may_be_repeated_or_separated_by_commas():
    assert names(["lungs, left femur", "heart"]) == ["lungs", "left femur", "heart"]
    assert names(["heart,"]) == ["heart"]


def test_a_comma_may_be_part_of_a_name():
    assert names(["femur, left"]) == ["left femur"]


def test_two_spellings_of_one_structure_are_one():
    (one,) = read_prompts(["lt femur", "left thigh bone"], ["L femur:3,4,+"], [])
    assert (one.typed, one.structure.name) == ("lt femur", "left femur")
    assert one.points == ((3.0, 4.0),) and one.labels == (1,)


def test_clicks_and_boxes_join_their_structure_or_start_one():
    femur, heart = read_prompts(
        ["left femur"], ["heart:1,2,-", "left femur:5.5,-0.5,+", "heart:3,4,+"], ["heart:1,2,30,40"]
    )
    assert femur.points == ((5.5, -0.5),) and femur.box is None
    assert heart.typed == "heart" and heart.points == ((1, 2), (3, 4)) and heart.labels == (0, 1)
    assert heart.box == (1, 2, 30, 40)


@pytest.mark.parametrize(
    "point", ["heart", "heart:1,2", "heart:1,2,3,+", "heart:1,2,*", "heart:a,2,+", "heart:,2,+", "1,2,+"]
)
def test_a_malformed_click_is_wrong_usage(point):
    with pytest.raises(click.UsageError, match="--point"):
        read_prompts([], [point], [])


@pytest.mark.parametrize("box", ["heart:1,2,3", "heart:1,2,3,x", "1,2,3,4"])
def test_a_malformed_box_is_wrong_usage(box):
    with pytest.raises(click.UsageError, match="--box"):
        read_prompts([], [], [box])


def test_a_second_box_is_wrong_usage():
    with pytest.raises(click.UsageError, match="two boxes"):
        read_prompts([], [], ["heart:1,2,3,4", "heart:1,2,5,6"])


@pytest.mark.parametrize(
    "text", ["", "   ", ",", ",,", "a" * 10_000, "lung," * 2000, "xyzzy", "heart, xyzzy"]
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(AnatomyError):
        read_prompts([text], [], [])


def test_an_ambiguous_name_in_a_list_names_its_candidates():
    with pytest.raises(AmbiguousName) as caught:
        read_prompts(["heart, phalanx"], [], [])
    assert len(caught.value.candidates) > 1


@pytest.mark.parametrize("text", ["femur; hip bone", "femur / hip bone", "femur|hip bone", "femur and hip bone"])
def test_names_with_something_else_than_commas_between_are_shown_with_commas(text):
    with pytest.raises(AnatomyError, match='commas: "femur, hip bone"'):
        read_prompts([text], [], [])


def test_where_one_of_such_names_means_nothing_commas_are_mentioned():
    with pytest.raises(AnatomyError, match=r"xyzzy.*Commas separate names"):
        read_prompts(["femur; xyzzy"], [], [])


def test_a_slash_within_one_name_is_part_of_it():
    assert names(["left/right femur"]) == ["femur"]


def test_names_that_mean_nothing_can_be_collected_each_once():
    faults: list[AnatomyError] = []
    found = read_prompts(["heart, xyzzy", "femur, left"], ["xyzzy:1,2,+"], ["qwrty:1,2,3,4"], faults)
    assert [one.structure.name for one in found] == ["heart", "left femur"]
    assert ["xyzzy" in str(one) for one in faults] == [True, False] and "qwrty" in str(faults[1])
