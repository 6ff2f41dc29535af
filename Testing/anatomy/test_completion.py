"""Completion while typing, and search."""

from __future__ import annotations

import time

import pytest
from FluoroSAMSlicerLib.anatomy import InvalidName, complete, resolve, search, vocabulary


def names(typed: str, limit: int = 10) -> list[str]:
    return [completion.structure.name for completion in complete(typed, limit)]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("fem", "femur"),
        ("lt fem", "left femur"),
        ("left fem", "left femur"),
        ("femur l", "left femur"),
        ("thigh b", "femur"),
        ("LEFT LU", "left lung"),
        ("T12", "T12 vertebra"),
        ("rib 5", "rib 5"),
        ("right rib 1", "right rib 1"),
        ("5th metac", "fifth metacarpal"),
        ("proximal phalanx of left i", "proximal phalanx of left index finger"),
        ("k-w", "K-wire"),
        ("tooth 36", "lower left first molar"),
        ("pace", "pacemaker"),
    ],
)
def test_the_likeliest_comes_first(typed, first):
    assert names(typed)[0] == first


def test_completions_resolve_to_their_structure():
    for typed in ("fem", "l", "lt ", "rib", "meta", "v", "sc", "tooth", "right p"):
        for completion in complete(typed, 30):
            assert resolve(completion.text) is completion.structure, completion


def test_a_typed_side_keeps_the_other_out():
    for typed, side in (
        ("left fem", "left"),
        ("rt tib", "right"),
        ("scapula r", "right"),
        ("right", "right"),
    ):
        sides = {completion.structure.laterality for completion in complete(typed, 30)}
        assert sides == {side}


def test_a_structure_is_offered_once_and_the_limit_holds():
    for typed in ("s", "left", "rib"):
        found = names(typed, 7)
        assert len(found) == len(set(found)) == 7


@pytest.mark.parametrize("typed", ["", "   ", "\x00", "x" * 10_000, "?", "zzz"])
def test_nothing_to_complete_is_an_empty_list(typed):
    assert complete(typed) == []


def test_completion_takes_less_than_five_milliseconds():
    prefixes = ["fem", "s", "l", "left", "a", "right p", "rib", "proximal phalanx of", "T", "c", "m"]
    complete("x")
    for prefix in prefixes:
        spent = []
        for _ in range(5):
            start = time.perf_counter()
            complete(prefix)
            spent.append(time.perf_counter() - start)
        assert min(spent) < 0.005, prefix


def test_search_ranks_the_name_itself_first():
    for typed, first in (("left femur", "left femur"), ("windpipe", "trachea"), ("lower jaw", "mandible")):
        matches = search(typed)
        assert matches[0].structure.name == first
        assert matches[0].score == 1.0
        assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)


def test_search_finds_by_part_and_by_resemblance():
    assert "femur" in [match.structure.name for match in search("femoral shaft")] or "left femur" in [
        match.structure.name for match in search("femur shaft")
    ]
    assert search("heart valve")[0].structure.name == "heart valve prosthesis"
    assert search("calcanuss")[0].structure.name == "calcaneus"
    assert {match.structure.laterality for match in search("left rib", 20)} <= {"left", None}


def test_search_refuses_unusable_text():
    with pytest.raises(InvalidName):
        search("")


def test_search_is_quick():
    search("x ray")
    start = time.process_time()
    for structure in list(vocabulary())[:50]:
        search(structure.name)
    assert time.process_time() - start < 2.0
