"""What people type, and what it must come out as."""

from __future__ import annotations

import csv
import json
import random
import string
import time
from pathlib import Path

import pytest
from FluoroSAMSlicerLib.anatomy import (
    AmbiguousName,
    AnatomyError,
    InvalidName,
    UnknownName,
    interpret,
    resolve,
    vocabulary,
)

TABLES = Path(__file__).parent


def table(name: str) -> list[tuple[str, str]]:
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        return [(row["typed"], row["structure"]) for row in csv.DictReader(file, delimiter=";")]


@pytest.mark.parametrize(("typed", "expected"), table("names.csv"))
def test_a_typed_name_is_the_structure_it_means(typed, expected):
    match = interpret(typed)

    assert match.structure.name == expected
    assert not match.corrected


@pytest.mark.parametrize(("typed", "expected"), table("typos.csv"))
def test_a_typo_is_mended_and_says_so(typed, expected):
    match = interpret(typed)

    assert match.structure.name == expected
    assert match.corrected
    assert match.score < 1


@pytest.mark.parametrize(
    ("typed", "candidates"),
    [
        ("illium", {"ilium", "ileum"}),
        ("ileium", {"ilium", "ileum"}),
        ("tibula", {"tibia", "fibula"}),
        ("trapezim", {"trapezium", "trapezius"}),
        ("left knee", {"left femur", "left tibia", "left patella", "left knee prosthesis"}),
        ("shoulder", {"humerus", "scapula", "clavicle"}),
        ("carotid", {"common carotid artery", "internal carotid artery"}),
        ("phalanges", {"phalanges of hand", "phalanges of foot"}),
        ("left right femur", {"left femur", "right femur"}),
        ("temporal", {"temporal bone", "temporalis"}),
    ],
)
def test_ambiguous_text_offers_the_choices(typed, candidates):
    with pytest.raises(AmbiguousName) as caught:
        resolve(typed)

    assert candidates <= {match.structure.name for match in caught.value.candidates}


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("temur", "femur"),
        ("rib 13", "ribs"),
        ("left sternum", "sternum"),
        ("left T12", "T12 vertebra"),
        ("left lung middle lobe", "right lung middle lobe"),
        ("right tooth 36", "lower left first molar"),
        ("eight rib", "rib 8"),
        ("left femur and right tibia", "femur"),
    ],
)
def test_unknown_text_names_the_nearest(typed, near):
    with pytest.raises(UnknownName) as caught:
        resolve(typed)

    assert near in caught.value.nearest or f"left {near}" in caught.value.nearest
    assert near in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("fourth metacarpal of the right hand", "right fourth metacarpal"),
        ("lunate bone of the left wrist", "left lunate"),
        ("acetabulum of the right hip", "right acetabulum"),
        ("patella of the left knee", "left patella"),
        ("middle phalanx, 3rd toe, right foot", "middle phalanx of right third toe"),
        ("parietal bone of the skull, left", "left parietal bone"),
        ("left fibulla of the lower leg", "left fibula"),
        ("metal screw", "screw"),
    ],
)
def test_a_place_that_holds_the_structure_may_be_named_with_it(typed, expected):
    assert resolve(typed).name == expected


@pytest.mark.parametrize(
    "typed", ["spine of femur", "neck of humerus", "femur of the hand", "lung of the heart"]
)
def test_a_place_that_does_not_hold_the_structure_is_no_place(typed):
    with pytest.raises(UnknownName):
        resolve(typed)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("left tibia and fibula", "left lower leg bones"),
        ("fibula, tibia", "lower leg bones"),
        ("hip bones & sacrum", "pelvis"),
        ("pelvis and sacrum", "pelvis"),
        ("carpal bones, metacarpals and phalanges of the right hand", "right hand"),
        ("maxilla plus mandible", "jaw"),
        ("left and right tibia and fibula", "lower leg bones"),
        ("left lung and right lung", "lungs"),
        ("upper teeth and lower teeth", "teeth"),
        ("upper lobe and lower lobe of the left lung", "left lung"),
    ],
)
def test_a_list_of_all_members_is_the_group(typed, expected):
    assert resolve(typed).name == expected


def test_a_list_without_a_name_of_its_own_says_to_type_one_at_a_time():
    with pytest.raises(UnknownName, match="one at a time") as caught:
        resolve("left femur, patella")

    assert caught.value.nearest == ("left femur", "left patella")
    with pytest.raises(UnknownName, match="one at a time") as caught:
        resolve("both kidneys and bladder")
    assert caught.value.nearest == ("kidneys", "urinary bladder")


def test_a_plural_of_a_plural_is_read():
    assert resolve("lumbar vertebraes").name == "lumbar spine"


@pytest.mark.parametrize("typed", ["belly button", "qwertyuiop", "xx", "42", "T13", "L9", "rib 0", "C0"])
def test_what_is_no_structure_is_refused(typed):
    with pytest.raises(UnknownName):
        resolve(typed)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "empty"),
        ("  \t\n", "empty"),
        ("?!", "no word"),
        ("大腿骨", "no word"),
        ("left\x00femur", "U+0000"),
        ("femur\x1b[31m", "U+001B"),
        ("x" * 10_000, "10000 characters"),
        ("left femur " * 1000, "at most 200"),
        (None, "must be text"),
    ],
)
def test_unusable_text_is_one_clear_line(typed, says):
    with pytest.raises(InvalidName, match=".") as caught:
        resolve(typed)

    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_long_and_hostile_text_is_answered_fast():
    texts = ["a" * 10_000_000, "femer " * 33, "lft rgt " * 25, "tibea" * 40, "1 " * 100, "ъ" * 200]
    resolve("humorus")
    start = time.perf_counter()
    for text in texts:
        with pytest.raises(AnatomyError):
            resolve(text)

    assert time.perf_counter() - start < 1.0


def test_every_totalsegmentator_class_has_a_structure(shared_data):
    tasks = json.loads(shared_data("terms/totalsegmentator_class_maps.json").read_text(encoding="utf-8"))
    names = {name for task in tasks.values() for name in task.values()}
    choices = {"ventricle", "annulus"}

    for name in sorted(names - choices):
        match = interpret(name)
        words = name.split("_")
        sides = [side for side in ("left", "right") if side in words]
        assert match.structure.laterality == (sides[0] if sides else None) or not sides, name
        assert not match.corrected, name
    for name in choices:
        with pytest.raises(AmbiguousName):
            resolve(name)


def _numbers(structure_name: str) -> list[str]:
    return [
        word for word in vocabulary().grammar.reading(structure_name).words if any(map(str.isdigit, word))
    ]


def _slips(name: str, chance: random.Random):
    """One-letter typos in the words of ``name``: dropped, doubled, swapped, replaced."""
    letters = [i for i, c in enumerate(name) if c.isalpha()]
    place = chance.choice(letters)
    other = chance.choice(string.ascii_lowercase)
    yield name[:place] + name[place + 1 :]
    yield name[:place] + name[place] + name[place:]
    yield name[:place] + other + name[place + 1 :]
    yield name[:place] + other + name[place:]
    if place + 1 < len(name) and name[place + 1].isalpha():
        yield name[:place] + name[place + 1] + name[place] + name[place + 2 :]


def test_a_typo_never_changes_side_or_number():
    chance = random.Random(20)
    mended = tried = 0
    for structure in vocabulary():
        if structure.laterality is None:
            continue
        for typed in _slips(structure.name, chance):
            tried += 1
            try:
                match = interpret(typed)
            except AnatomyError as error:
                for candidate in getattr(error, "candidates", ()):
                    assert candidate.structure.laterality in (structure.laterality, None), typed
                continue
            assert match.structure.laterality == structure.laterality, (typed, match)
            if match.corrected:
                mended += match.structure.name == structure.name
                assert _numbers(match.structure.name) == _numbers(structure.name), (typed, match)

    assert tried > 2500
    assert mended > 0.5 * tried


def test_a_mended_name_is_never_a_sibling_that_differs_in_one_letter():
    pairs = [
        ("ilium", "ileum"),
        ("trapezium", "trapezius"),
        ("carpal bones", "tarsal bones"),
        ("tibia", "fibula"),
    ]
    chance = random.Random(5)
    for one, other in pairs:
        for name, sibling in ((one, other), (other, one)):
            for _ in range(40):
                for typed in _slips(name, chance):
                    try:
                        match = interpret(typed)
                    except AnatomyError:
                        continue
                    assert match.structure.name != sibling or not match.corrected, (typed, match)


@pytest.mark.parametrize(
    "typed", ["axilla", "stapes", "pons", "scalp", "epicardium", "left axilla", "uvula", "ref"]
)
def test_another_structures_name_is_no_typo(typed):
    with pytest.raises(UnknownName):
        resolve(typed)
