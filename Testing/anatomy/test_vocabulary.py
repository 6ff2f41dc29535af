"""The vocabulary itself: consistent, complete for the label maps, reproducible, quick to load."""

from __future__ import annotations

import colorsys
import json
import subprocess
import sys
from pathlib import Path

import pytest
from FluoroSAMSlicerLib.anatomy import AnatomyError, Vocabulary, label_structure, resolve, vocabulary
from FluoroSAMSlicerLib.anatomy.index import VOCABULARY_FILE

ROOT = Path(__file__).resolve().parents[2]
OTHER_CODES = {"206007", "75297007"}
"""SNOMED CT concepts whose meaning the terms spell otherwise, or of which they have only the "Entire" one."""
LABEL_MAPS = (
    "ts_s0011_torso",
    "ts_real_abdopelvis",
    "ts_real_dicom_slab",
    "osim_leg_right",
    "osim_forearm_hand_right",
    "spl_abdomen",
    "spl_head_neck",
    "spl_knee",
    "bp3d_head_neck",
    "mosaic_whole_body",
)


def labels(shared_data, name: str) -> list[dict]:
    return json.loads(shared_data(f"ct/{name}_labels.json").read_text(encoding="utf-8"))["labels"]


def test_every_canonical_name_resolves_to_itself():
    for structure in vocabulary():
        assert resolve(structure.name) is structure


def test_every_synonym_resolves_to_its_structure():
    for structure in vocabulary():
        for synonym in structure.synonyms:
            assert resolve(synonym) is structure, synonym


def test_no_two_structures_share_a_name():
    known = vocabulary()
    for key in known.index:
        for side in (None, "left", "right", "both"):
            assert len(known.lookup(side, key)) <= 1, (side, key)
    assert not [key for key in known.ambiguous if known.lookup(None, key)]


def test_the_index_is_what_the_grammar_reads():
    known = vocabulary()
    for key, names in known.index.items():
        for name in names:
            assert known.grammar.reading(name.phrase).key == key


def test_members_and_parts_exist_and_keep_the_side():
    known = vocabulary()
    for structure in known:
        for other in (*structure.members, *structure.parts):
            assert other != structure.name
            if structure.laterality:
                assert known[other].laterality == structure.laterality, structure.name


def test_pairs_and_groups():
    known = vocabulary()

    assert known["lungs"].members == ("left lung", "right lung")
    assert len(known["ribs"].members) == 24
    assert len(known["left ribs"].members) == 12
    assert known["pelvis"].members == ("left hip bone", "right hip bone", "sacrum")
    assert known["cervical spine"].members == tuple(f"C{n} vertebra" for n in range(1, 8))
    assert len(known["left hand"].members) == 8 + 5 + 14
    assert len(known["left foot"].members) == 7 + 5 + 14
    assert known["left lung"].parts == ("left lung upper lobe", "left lung lower lobe")
    assert not known["skull"].members
    assert "left parietal bone" in known["skull"].parts
    assert len(known["teeth"].parts) == 2


def test_constituents_gather_what_lies_within():
    known = vocabulary()

    assert set(known.constituents("right lung")) == {
        "right lung",
        "right lung upper lobe",
        "right lung middle lobe",
        "right lung lower lobe",
    }
    assert {"left femur", "right femur", "femur"} <= set(known.constituents("femur"))
    assert {"hip bone", "sacrum", "S1 vertebra"} <= set(known.constituents("pelvis"))
    assert "rib 6" in known.constituents("ribs")
    assert "rib 6" not in known.constituents("left ribs")
    assert "screw" in known.constituents("metal")


def test_a_mirror_swaps_the_sides():
    known = vocabulary()

    assert known.mirrored("left rib 5") == "right rib 5"
    assert known.mirrored("proximal phalanx of right thumb") == "proximal phalanx of left thumb"
    assert known.mirrored("sternum") == "sternum"
    assert known.mirrored("lungs") == "lungs"
    assert known.mirrored("right lung middle lobe") is None
    for structure in known:
        other = known.mirrored(structure.name)
        assert other is None or known.mirrored(other) == structure.name


@pytest.mark.parametrize("name", LABEL_MAPS)
def test_bones_and_organs_of_the_label_maps_are_known(shared_data, name):
    useful = {"bone", "lung", "liver", "spleen", "kidney", "heart", "air"}
    for label in labels(shared_data, name):
        canonical = label_structure(label["text"])
        assert canonical is None or canonical in vocabulary()
        if label["tissue"] in useful or name.startswith(("ts_", "osim_")):
            assert canonical, label["text"]


@pytest.mark.parametrize(
    "name", ["ts_s0011_torso", "ts_real_abdopelvis", "osim_leg_right", "osim_forearm_hand_right"]
)
def test_label_texts_are_canonical_names(shared_data, name):
    for label in labels(shared_data, name):
        assert label_structure(label["text"]) == label["text"]


def test_a_label_keeps_its_side(shared_data):
    for name in LABEL_MAPS:
        for label in labels(shared_data, name):
            canonical = label_structure(label["text"])
            side = next((side for side in ("left", "right") if side in label["text"].split()), None)
            if canonical and side and canonical != "brain":
                assert vocabulary()[canonical].laterality == side, label["text"]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("third cervical vertebra", "C3 vertebra"),
        ("hyoid", "hyoid bone"),
        ("right common carotid", "right common carotid artery"),
        ("right psoas muscle", "right psoas major"),
        ("left cornea", "left eyeball"),
        ("left superior frontal gyrus", "brain"),
        ("pelvis", "hip bone"),
        ("rib 6", "rib 6"),
        ("artery of left precentral sulcus", None),
        ("branch of left middle cerebral artery to left angular gyrus", None),
        ("colon and ileum", None),
    ],
)
def test_label_texts_of_other_atlases(text, canonical):
    assert label_structure(text) == canonical


def test_phrases_are_what_people_type():
    phrases = vocabulary().phrases()

    assert set(phrases) == {structure.name for structure in vocabulary()}
    assert {"left femur", "femur left", "lt femur", "L femur", "left thigh bone"} <= set(
        phrases["left femur"]
    )
    assert {"both femurs", "femurs", "femur"} <= set(phrases["femur"])
    assert {"5th rib right", "right 5th rib", "R fifth rib"} <= set(phrases["right rib 5"])
    for name, texts in phrases.items():
        assert texts[0] == name
        assert len(set(texts)) == len(texts)
    owners: dict[str, str] = {}
    for name, texts in phrases.items():
        for text in texts:
            assert owners.setdefault(text, name) == name, text


def test_phrases_resolve_to_their_structure():
    for name, texts in vocabulary().phrases().items():
        for text in (*texts[:3], texts[-1]):
            assert resolve(text).name == name, text


def test_terminology_is_what_slicer_stores():
    known = vocabulary()

    assert known["left femur"].terminology == (
        "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure"
        "~SCT^71341001^Femur~SCT^7771000^Left~Anatomic codes - DICOM master list~^^~^^"
    )
    assert "SCT^56873002^Sternum~^^~" in known["sternum"].terminology
    assert "SCT^51440002^Right and left" in known["lungs"].terminology
    assert "SCT^15339008^Fifth rib~SCT^24028007^Right" in known["right rib 5"].terminology
    private: dict[str, str] = {}
    for structure in known:
        fields = structure.terminology.split("~")
        assert len(fields) == 7, structure.name
        assert all(field.count("^") == 2 for field in fields[1:4] + fields[5:]), structure.name
        assert "|" not in structure.terminology
        assert len(structure.code.value) <= 16
        if structure.code.scheme == "99FLUORO":
            assert private.setdefault(structure.code.value, structure.code.meaning) == structure.code.meaning
        if structure.laterality and structure.modifier:
            assert structure.modifier.meaning == structure.laterality.capitalize()


def test_codes_exist_in_the_terms(shared_data):
    texts = [path.read_text(encoding="utf-8") for path in shared_data("terms/slicer").glob("*.json")]
    texts.append(shared_data("terms/totalsegmentator_snomed_mapping.csv").read_text(encoding="utf-8"))
    for structure in vocabulary():
        for code in (structure.code, structure.modifier, structure.category_code, structure.region):
            if code and code.scheme != "99FLUORO" and code.value not in OTHER_CODES:
                assert any(code.value in text and code.meaning in text for text in texts), (
                    structure.name,
                    code,
                )


def lab(color) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of 8-bit sRGB, where distances are those that eyes see."""
    from PIL import Image, ImageCms

    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB", 6500)
    pixel = ImageCms.applyTransform(
        Image.new("RGB", (1, 1), color), ImageCms.buildTransform(*profiles, "RGB", "LAB")
    ).getpixel((0, 0))
    # a and b are stored with an offset of 128, which wraps round.
    signed = [one - 256 if one > 127 else one for one in pixel[1:]]
    return pixel[0] * 100 / 255, *signed


def apart(one, other) -> float:
    return sum((a - b) ** 2 for a, b in zip(lab(one.color), lab(other.color), strict=True)) ** 0.5


def test_nobody_mixes_up_the_colours_of_left_and_right():
    known = vocabulary()
    pairs = [
        (one, known[other])
        for one in known
        if one.name.startswith("left ") and (other := one.name.replace("left ", "right ", 1)) in known
    ]
    # A joint is a point: two of them have pale colours that their family leaves little room for.
    near = [one.name for one, other in pairs if apart(one, other) < 25 and "joint" not in one.name]
    assert len(pairs) > 300 and near == []
    assert apart(known["left lung"], known["right lung"]) > 28


def test_bones_that_touch_differ_in_colour():
    known = vocabulary()
    for group in ("left ribs", "right ribs", "lumbar spine", "left carpal bones", "right tarsal bones"):
        members = [known[name] for name in known[group].members]
        assert len(members) > 4
        for one, other in zip(members, members[1:], strict=False):
            assert apart(one, other) > 16, (one.name, other.name)


def test_neighbours_differ_in_colour_and_none_is_lost_in_the_dark():
    known = vocabulary()
    levels = (("C", 7), ("T", 12), ("L", 5))
    spine = [f"{letter}{n} vertebra" for letter, count in levels for n in range(1, count + 1)]
    for row in (spine, [f"left rib {n}" for n in range(1, 13)], [f"right rib {n}" for n in range(1, 13)]):
        for one, other in zip(row, row[1:], strict=False):
            pairs = zip(known[one].color, known[other].color, strict=True)
            assert sum(abs(a - b) for a, b in pairs) > 40, one
    for structure in known:
        assert len(structure.color) == 3
        assert colorsys.rgb_to_hsv(*(channel / 255 for channel in structure.color))[2] > 0.4, structure.name


def test_sources_and_licences_are_stated():
    for source in vocabulary().sources:
        assert source["name"]
        assert source["license"]


def test_the_generator_writes_the_committed_file(shared_data, tmp_path):
    output = tmp_path / "vocabulary.json"
    script = ROOT / "Resources" / "Tools" / "build_vocabulary.py"
    subprocess.run(
        [sys.executable, str(script), str(shared_data("terms")), str(output)], check=True, timeout=120
    )

    assert output.read_bytes() == VOCABULARY_FILE.read_bytes()


def test_a_damaged_vocabulary_is_a_clear_error(tmp_path):
    path = tmp_path / "vocabulary.json"
    path.write_bytes(VOCABULARY_FILE.read_bytes()[:1000])

    with pytest.raises(AnatomyError, match="vocabulary.json"):
        Vocabulary.read(path)


def test_loading_is_quick_and_light():
    program = (
        "import sys, time; start = time.process_time();"
        "from FluoroSAMSlicerLib.anatomy import resolve, vocabulary;"
        "vocabulary(); resolve('left lung'); spent = time.process_time() - start;"
        "print(spent, *(m for m in ('numpy', 'torch', 'rapidfuzz', 'transformers') if m in sys.modules))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(3)
    ]

    assert min(float(run[0]) for run in runs) < 0.25
    assert all(len(run) == 1 for run in runs)


@pytest.mark.parametrize(
    ("name", "value", "side"),
    [
        ("left subclavian artery", "36765005", "Left"),
        ("right subclavian artery", "29700009", "Right"),
        ("left gluteus maximus", "206007", "Left"),
        ("right gluteus maximus", "206007", "Right"),
        ("gluteus minimus", "75297007", "Right and left"),
        ("left sacroiliac joint", "39723000", "Left"),
        ("carina", "28700002", None),
    ],
)
def test_codes_that_the_mapping_has_wrong(name, value, side):
    structure = vocabulary()[name]
    assert structure.code.value == value
    assert (structure.modifier.meaning if structure.modifier else None) == side


def test_a_pair_and_its_sides_have_one_code():
    """Only where SNOMED CT has concepts of their own for a side may the two differ."""
    own = {"subclavian artery"}
    for concept in vocabulary().concepts:
        codes = {one.code.value for one in concept.structures.values() if one.code}
        sides = {s.code.value for side, s in concept.structures.items() if side and s.code}
        assert len(sides) < 2 or any(
            "left" in str(s.code).lower() or "right" in str(s.code).lower() or concept.base in own
            for s in concept.structures.values()
        ), (concept.base, codes)


def test_what_is_part_of_something_names_it_on_its_own_side():
    known = vocabulary()
    parts = [structure for structure in known if structure.part_of]
    assert len(parts) > 150
    for structure in parts:
        whole = known[structure.part_of]
        assert not whole.part_of and structure.asked == whole.name
        assert whole.laterality in (structure.laterality, None)
        assert structure.code and len(structure.color) == 3
    assert known["left sacroiliac joint"].asked == "left hip bone"
    assert known["left femur"].asked == "left femur"
