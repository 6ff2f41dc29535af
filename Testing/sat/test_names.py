"""Typed names ask SAT for its classes: all reachable, groups by their members, sides never lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from FluoroSAMSlicerLib.anatomy import AmbiguousName, InvalidName
from FluoroSAMSlicerLib.sat import TextError, class_table, request
from FluoroSAMSlicerLib.sat.classes import TABLE_FILE


def prompts(*texts: str, modality: str = "ct") -> tuple[str, ...]:
    return request(texts, modality).prompts


def test_the_table_holds_every_class_of_the_published_models():
    table = class_table()
    counts = {
        kind: sum(kind in one.modalities for one in table.classes.values()) for kind in ("ct", "mri", "pet")
    }
    assert counts == {"ct": 306, "mri": 189, "pet": 3} and len(table.classes) == 451
    assert table.classes["liver"].tokens == (105, 11294, 106)


def test_the_table_is_the_one_that_the_tool_makes(sat_spec, tmp_path):
    tool = Path(__file__).resolve().parents[2] / "Resources" / "Tools" / "build_sat_classes.py"
    subprocess.run([sys.executable, str(tool), str(sat_spec), str(tmp_path / "made.json")], check=True)
    assert (tmp_path / "made.json").read_bytes() == TABLE_FILE.read_bytes()


@pytest.mark.parametrize("modality", ["ct", "mri", "pet"])
def test_no_class_is_unreachable_by_its_own_string(modality):
    for name, one in class_table().classes.items():
        if modality in one.modalities:
            (asked,) = request([name], modality).names
            assert (asked.prompt, asked.trained) == (name, True)


def test_every_class_with_a_structure_is_reached_by_the_vocabulary_s_name_or_its_members():
    for name, one in class_table().classes.items():
        if one.structure and "ct" in one.modalities:
            asked = request([one.structure])
            assert all(single.trained for single in asked.names)
            assert name in asked.prompts or len(asked.names) > 1, name


@pytest.mark.parametrize(
    ("typed", "prompt"),
    [
        ("Liver", "liver"),
        ("lt femur", "left femur"),
        ("L1", "lumbar vertebrae 1 (l1)"),
        ("oesophagus", "esophagus"),
        ("esophagus", "esophagus"),
        ("liver tumour", "liver tumor"),
        ("left hip bone", "left hip"),
        ("bronchi", "bronchie"),
        ("left cheek", "left cheek"),
        ("lt cochlea", "left cochlea"),
        ("liver segment 2", "left lateral superior segment of liver"),
        ("intracranial haemorrhage", "intracranial hemorrhage"),
        ("skeletal muscle", "muscle"),
    ],
)
def test_both_spellings_and_the_vocabulary_s_names_reach_the_class(typed, prompt):
    assert prompts(typed) == (prompt,)


def test_groups_become_their_members():
    assert len(prompts("ribs")) == 24 and "left rib 7" in prompts("ribs")
    assert prompts("left ribs") == tuple(f"left rib {n}" for n in range(1, 13))
    assert prompts("lumbar spine") == tuple(f"lumbar vertebrae {n} (l{n})" for n in range(1, 6))
    assert prompts("kidneys") == ("left kidney", "right kidney")
    assert [name.title for name in request(["lumbar spine"]).names][0] == "L1 vertebra"


def test_a_member_that_sat_does_not_know_is_left_out_and_said_so():
    asked = request(["spine"])
    assert "sacrum" in asked.prompts and "coccyx" not in asked.prompts
    assert any("coccyx" in note for note in asked.notes)


def test_a_name_that_is_asked_for_twice_is_looked_for_once():
    assert prompts("left kidney", "kidneys", "LEFT KIDNEY") == ("left kidney", "right kidney")


@pytest.mark.parametrize("typed", ["left renal artery", "right renal vein", "left temporal bone"])
def test_a_side_is_never_lost_where_only_both_are_known(typed):
    (asked,) = request([typed]).names
    assert asked.prompt.startswith(typed.split()[0]) and not asked.trained


@pytest.mark.parametrize("typed", ["coccyx", "stapes", "glomus/paraganglioma"])
def test_what_sat_was_not_trained_on_goes_in_as_typed_and_is_marked(typed):
    asked = request([typed])
    assert asked.names[0].prompt == typed and not asked.names[0].trained
    assert typed in asked.notes[0] and "not trained" in asked.notes[0]


def test_a_class_of_mr_only_is_marked_in_ct():
    assert not request(["hippocampus"], "pet").names[0].trained
    assert request(["left amygdala"], "mri").names[0].trained
    assert not request(["left amygdala"], "ct").names[0].trained


def test_texts_that_are_no_name_or_several_are_refused():
    with pytest.raises(InvalidName):
        request([""])
    with pytest.raises(AmbiguousName):
        request(["knee"])
    with pytest.raises(TextError):
        request([])


def test_three_hundred_names_are_one_request():
    names = [name for name, one in class_table().classes.items() if "ct" in one.modalities][:300]
    assert len(request(names).names) == 300


@pytest.mark.parametrize(
    ("line", "titles"),
    [
        ("liver, left femur", ["liver", "left femur"]),
        ("femur, left; spleen", ["left femur", "spleen"]),
        ("left and right kidney", ["left kidney", "right kidney"]),
        ("portal vein and splenic vein", ["portal vein and splenic vein"]),
        ("liver and spleen", ["liver", "spleen"]),
        ("quux and wobble", ["quux and wobble"]),
    ],
)
def test_a_line_may_hold_several_names(line, titles):
    assert [name.title for name in request([line]).names] == titles


def test_all_classes_in_one_line_are_understood():
    names = [name for name, one in class_table().classes.items() if "ct" in one.modalities]
    assert [asked.prompt for asked in request([", ".join(names)]).names] == names


def test_what_is_asked_for_in_other_words_than_typed_is_said():
    (note,) = request(["tailbone"]).notes
    assert note == '"tailbone" is asked for as "coccyx": SAT was not trained on it'
