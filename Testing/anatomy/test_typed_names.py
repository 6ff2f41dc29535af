"""What people type: abbreviations, glued sides, everyday names and names in four languages."""

from __future__ import annotations

import pytest
from FluoroSAMSlicerLib.anatomy import (
    AmbiguousName,
    NegatedName,
    UnknownName,
    interpret,
    named_structure,
    resolve,
    search,
)

FIVE = ("first", "second", "third", "fourth", "fifth")


@pytest.mark.parametrize(
    "typed",
    [
        "right CPA", "TAVI", "DISH", "rad", "PCL", "SLAP", "AVN", "CHF", "MRSA", "TIPS", "ACL", "SLE",
        "left CABG", "LIMA", "COPD", "HAND1X", "dish", "tavi", "left cpa", "LVIR", "SKULK", "FEMVR",
    ],
)  # fmt: skip
def test_abbreviations_and_short_words_are_not_repaired(typed):
    with pytest.raises((UnknownName, AmbiguousName)):
        resolve(typed)


@pytest.mark.parametrize(
    ("typed", "structure"),
    [
        ("ASIS", "anterior superior iliac spines"), ("left AIIS", "left anterior inferior iliac spine"),
        ("lunng", "lungs"), ("luung", "lungs"), ("hert", "heart"), ("haert", "heart"), ("tbia", "tibia"),
        ("kidny", "kidneys"), ("lver", "liver"), ("left feumr", "left femur"),
    ],
)  # fmt: skip
def test_short_words_with_one_slip_are_understood(typed, structure):
    assert resolve(typed).name == structure


@pytest.mark.parametrize(
    ("typed", "structure"),
    [
        ("Lfemur", "left femur"), ("femurR", "right femur"), ("LtTibia", "left tibia"),
        ("Femur_L", "left femur"),
        ("FemurHead_L", "left femoral head"), ("Femur_Head_R", "right femoral head"),
        ("VB_L5", "L5 vertebra"),
        ("Kidney_R", "right kidney"), ("SpinalCord", "spinal cord"), ("Eye_L", "left eyeball"),
        ("Glnd_Thyroid", "thyroid gland"), ("OpticNrv_R", "right optic nerve"),
        ("RtHumerus", "right humerus"),
        ("rulna", "right ulna"), ("ltibia", "left tibia"), ("ClavicleLt", "left clavicle"),
        ("leftHumerus", "left humerus"),
    ],
)  # fmt: skip
def test_glued_sides_are_understood(typed, structure):
    assert resolve(typed).name == structure


@pytest.mark.parametrize(
    "typed", ["ulnar", "Lung", "lumbar", "Radius", "Liver", "Rectum", "rib", "lens", "Talus"]
)
def test_words_that_begin_or_end_like_a_side_are_whole(typed):
    try:
        assert resolve(typed).laterality is None
    except (UnknownName, AmbiguousName):
        pass


@pytest.mark.parametrize(
    ("typed", "structure", "asked"),
    [
        ("left SI joint", "left sacroiliac joint", "left hip bone"),
        ("pubic symphysis", "pubic symphysis", "pelvis"),
        ("right olecranon", "right olecranon", "right ulna"),
        ("left radial head", "left radial head", "left radius"),
        ("head of left humerus", "left humeral head", "left humerus"),
        ("right lateral malleolus", "right lateral malleolus", "right fibula"),
        ("lesser trochanter", "lesser trochanters", "femur"),
        ("left glenoid", "left glenoid", "left scapula"),
        ("acromion", "acromions", "scapula"),
        ("dens", "dens", "C2 vertebra"),
        ("right tibial plateau", "right tibial plateau", "right tibia"),
        ("left costophrenic angle", "left costophrenic angle", "left lung"),
        ("left CP angle", "left costophrenic angle", "left lung"),
        ("carina", "carina", "trachea"),
        ("right hilum", "hilum of right lung", "right lung"),
        ("cardiomediastinum", "cardiomediastinum", "mediastinum"),
        ("C7-T1", "C7-T1 intervertebral disc", "C7-T1 intervertebral disc"),
        ("L5/S1", "L5-S1 intervertebral disc", "L5-S1 intervertebral disc"),
        ("right MCP 3", "right third metacarpophalangeal joint", "right third metacarpal"),
        ("left distal radius", "left distal radius", "left radius"),
        ("left prox fem", "left proximal femur", "left femur"),
        ("ETT tip", "endotracheal tube tip", "endotracheal tube"),
    ],
)  # fmt: skip
def test_everyday_names_are_structures_of_their_own(typed, structure, asked):
    found = resolve(typed)
    assert (found.name, found.asked) == (structure, asked)


@pytest.mark.parametrize(
    ("typed", "structure"),
    [
        ("linke Lunge", "left lung"), ("Femur links", "left femur"),
        ("rechtes Schlüsselbein", "right clavicle"),
        ("Schluesselbein rechts", "right clavicle"), ("Wirbelsäule", "spine"), ("Herz", "heart"),
        ("Schenkelhals li", "left femoral neck"), ("Kniescheibe re", "right patella"), ("Becken", "pelvis"),
        ("Leber", "liver"), ("Oberschenkelknochen links", "left femur"), ("BWS", "thoracic spine"),
        ("poumon gauche", "left lung"), ("fémur droit", "right femur"), ("clavicule gauche", "left clavicle"),
        ("omoplate droite", "right scapula"), ("coeur", "heart"), ("foie", "liver"),
        ("rotule gauche", "left patella"),
        ("tête du fémur droit", "right femoral head"), ("bassin", "pelvis"), ("colonne vertébrale", "spine"),
        ("pulmón izquierdo", "left lung"), ("fémur derecho", "right femur"),
        ("clavícula izquierda", "left clavicle"),
        ("corazón", "heart"), ("hígado", "liver"), ("rótula derecha", "right patella"),
        ("columna vertebral", "spine"),
        ("escápula derecha", "right scapula"), ("riñón izquierdo", "left kidney"),
        ("cabeza del fémur izquierda", "left femoral head"),
        ("pulmo sinister", "left lung"), ("os coxae dextrum", "right hip bone"),
        ("femur sinistrum", "left femur"),
        ("hepar", "liver"), ("cor", "heart"), ("columna vertebralis", "spine"),
        ("os femoris dextrum", "right femur"),
        ("beide Lungen", "lungs"), ("les deux poumons", "lungs"), ("ambos pulmones", "lungs"),
        ("linke Hüfte", "left hip bone"), ("hanche droite", "right hip bone"),
        ("Magensonde", "nasogastric tube"), ("sonde gastrique", "nasogastric tube"),
        ("sonda nasogástrica", "nasogastric tube"),
    ],
)  # fmt: skip
def test_names_in_other_languages(typed, structure):
    assert resolve(typed).name == structure


@pytest.mark.parametrize(
    ("typed", "english"),
    [
        ("Knie", "knee"), ("genou", "knee"), ("rodilla", "knee"), ("ginocchio", "knee"),
        ("Schulter", "shoulder"), ("épaule", "shoulder"), ("l'épaule", "shoulder"), ("hombro", "shoulder"),
        ("spalla", "shoulder"), ("Ellenbogen", "elbow"), ("coude", "elbow"), ("codo", "elbow"), ("gomito", "elbow"),
        ("cheville", "ankle"), ("tobillo", "ankle"), ("caviglia", "ankle"),
        ("linkes Knie", "left knee"), ("genou droit", "right knee"), ("l\u2019épaule gauche", "left shoulder"),
        ("hombro derecho", "right shoulder"), ("spalla destra", "right shoulder"),
        ("ginocchio sinistro", "left knee"),
    ],
)  # fmt: skip
def test_a_region_in_another_language_offers_what_the_english_word_does(typed, english):
    assert offered_for(typed) == offered_for(english)


def test_the_beginning_of_a_name_offers_it():
    with pytest.raises((UnknownName, AmbiguousName)) as caught:
        resolve("calc")
    offered = getattr(caught.value, "nearest", ()) or [m.structure.name for m in caught.value.candidates]
    assert "calcaneus" in offered[:3]


def test_corrections_are_told():
    assert interpret("left humorus").corrections == (("humorus", "humerus"),)
    assert interpret("left femur").corrections == ()


def offered_for(typed) -> list[str]:
    with pytest.raises((UnknownName, AmbiguousName)) as caught:
        resolve(typed)
    nearest = getattr(caught.value, "nearest", None)
    return list(nearest) if nearest is not None else [m.structure.name for m in caught.value.candidates]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("main", "hands"), ("pie", "feet"), ("rate", "spleen"), ("rein", "kidneys"), ("dent", "teeth"),
        ("talon", "calcaneus"), ("lien", "spleen"), ("mama", "breasts"), ("côté", "ribs"), ("left main", "left hand"),
        ("heart valve", "heart valve prosthesis"),
    ],
)  # fmt: skip
def test_a_word_that_means_something_else_in_english_is_only_offered(typed, meant):
    assert meant in offered_for(typed)


@pytest.mark.parametrize(
    "typed", ["main pulmonary artery", "heart rate", "pie chart", "côté gauche", "D3 finger"]
)
def test_a_foreign_word_within_an_english_name_is_not_taken(typed):
    offered_for(typed)


@pytest.mark.parametrize(
    ("typed", "structure"),
    [
        ("main gauche", "left hand"), ("pie derecho", "right foot"), ("rein droit", "right kidney"),
        ("rib no 5", "rib 5"), ("rib no. 5 left", "left rib 5"), ("Femur sin.", "left femur"),
        ("non-coronary cusp", "non-coronary cusp"), ("mechanical valve", "heart valve prosthesis"),
        ("D3 vertebra", "T3 vertebra"), ("D3-D4", "T3-T4 intervertebral disc"), ("D12", "T12 vertebra"),
        ("HWK 5", "C5 vertebra"), ("BWK12", "T12 vertebra"), ("LWK 3", "L3 vertebra"),
        ("5. Lendenwirbel", "L5 vertebra"),
        ("7. Rippe links", "left rib 7"), ("siebte Rippe rechts", "right rib 7"), ("7e côte gauche", "left rib 7"),
        ("7ª costilla derecha", "right rib 7"), ("Daumen rechts", "right thumb"), ("pouce gauche", "left thumb"),
        ("disc between L4 and L5", "L4-L5 intervertebral disc"),
        ("L5S1", "L5-S1 intervertebral disc"), ("C7T1", "C7-T1 intervertebral disc"),
        ("T12L1", "T12-L1 intervertebral disc"),
        ("left GHJ", "left shoulder joint"), ("right SCJ", "right sternoclavicular joint"),
        ("ACJ", "acromioclavicular joints"), ("Handgelenk li", "left wrist joint"),
        ("rechtes Sprunggelenk", "right ankle joint"), ("Schluesselbein", "clavicle"),
        ("Schlusselbein", "clavicle"),
        ("ribs 1-12", "ribs"), ("L1-L5", "lumbar spine"),
    ],
)  # fmt: skip
def test_what_hospitals_write_is_understood(typed, structure):
    assert resolve(typed).name == structure


@pytest.mark.parametrize(
    "typed",
    ["no femur", "no fracture", "not femur", "without femur", "kein Femur", "sans fémur", "sin fémur",
     "no left lung"],
)  # fmt: skip
def test_negations_are_not_understood_as_what_they_deny(typed):
    with pytest.raises(NegatedName, match="says what is not meant; type what is.") as told:
        resolve(typed)
    assert isinstance(told.value, UnknownName) and "fluorosam" not in str(told.value)
    assert named_structure(typed) is None


@pytest.mark.parametrize("typed", ["left", "R", "links", "both"])
def test_a_side_alone_is_answered_as_such(typed):
    with pytest.raises(UnknownName, match="is a side alone"):
        resolve(typed)


@pytest.mark.parametrize(
    ("typed", "members"),
    [
        ("ribs 3-5", ["rib 3", "rib 4", "rib 5"]),
        ("left ribs 3 to 4", ["left rib 3", "left rib 4"]),
        ("ribs 5 and 6", ["rib 5", "rib 6"]),
        ("rib 5/6 left", ["left rib 5", "left rib 6"]),
        ("L4 and L5", ["L4 vertebra", "L5 vertebra"]),
        ("BWK 7-9", ["T7 vertebra", "T8 vertebra", "T9 vertebra"]),
        ("HWK 5/6", ["C5 vertebra", "C6 vertebra"]),
        ("L1-L3", ["L1 vertebra", "L2 vertebra", "L3 vertebra"]),
        ("T12 to L2", ["T12 vertebra", "L1 vertebra", "L2 vertebra"]),
        ("2nd-4th metacarpals", ["second metacarpal", "third metacarpal", "fourth metacarpal"]),
        ("D3", ["T3 vertebra", "middle finger", "third toe"]),
        ("right D5", ["right little finger", "right fifth toe"]),
        ("MCP joint", [f"{nth} metacarpophalangeal joint" for nth in FIVE]),
        ("left PIP", [f"{nth} proximal interphalangeal joint of left hand" for nth in FIVE[1:]]),
        ("DIP", [f"{nth} distal interphalangeal joint of hand" for nth in FIVE[1:]]),
        ("CMC", [f"{nth} carpometacarpal joint" for nth in FIVE]),
    ],
)  # fmt: skip
def test_what_means_several_structures_offers_them_all(typed, members):
    assert sorted(offered_for(typed)) == sorted(members)


@pytest.mark.parametrize(
    "typed",
    ["peroneus", "peroneus longus", "Externo", "Palais", "Glotte", "Mesenterium", "Narinas", "Uña", "Urètre",
     "matrix", "basin", "hertz"],
)  # fmt: skip
def test_words_are_not_mended_to_another_languages_structures(typed):
    offered_for(typed)


def test_a_label_that_may_be_a_digit_or_a_level_keeps_its_name():
    assert named_structure("D3") is None
    assert named_structure("T3") == "T3 vertebra"


@pytest.mark.parametrize(
    "typed",
    ["volume", "branch", "comment", "findings", "string", "settings", "feature", "public", "rotate", "sample",
     "scheme", "force", "contact", "bed", "cat", "lie", "pot", "beast", "global", "funny", "sit", "tail",
     "collar", "gather", "forward", "could", "code", "home"],
)  # fmt: skip
def test_everyday_words_are_no_typos_of_anatomy(typed):
    offered_for(typed)


@pytest.mark.parametrize("typed", ["film", "the", "all", "image", "find", "show", "this side"])
def test_small_words_alone_name_nothing(typed):
    with pytest.raises(UnknownName, match="names no structure"):
        resolve(typed)
    assert named_structure(typed) is None


@pytest.mark.parametrize(
    ("typed", "structure"),
    [
        ("funny bone", "humerus"),
        ("tail bone", "coccyx"),
        ("collar bone", "clavicle"),
        ("sit bone", "ischium"),
    ],
)
def test_everyday_words_with_bone_are_bones(typed, structure):
    assert resolve(typed).name == structure


@pytest.mark.parametrize(
    ("typed", "first"),
    [("D3", {"T3 vertebra", "middle finger", "third toe"}), ("main", {"hands"}), ("pie", {"feet"})],
)
def test_a_search_finds_what_an_ambiguous_name_can_mean(typed, first):
    assert first <= {match.structure.name for match in search(typed)}
