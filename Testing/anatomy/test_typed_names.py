"""What people type: abbreviations, glued sides, everyday names and names in four languages."""

from __future__ import annotations

import pytest
from FluoroSAMSlicerLib.anatomy import AmbiguousName, UnknownName, interpret, resolve


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
    ],
)  # fmt: skip
def test_names_in_other_languages(typed, structure):
    assert resolve(typed).name == structure


def test_the_beginning_of_a_name_offers_it():
    with pytest.raises((UnknownName, AmbiguousName)) as caught:
        resolve("calc")
    offered = getattr(caught.value, "nearest", ()) or [m.structure.name for m in caught.value.candidates]
    assert "calcaneus" in offered[:3]


def test_corrections_are_told():
    assert interpret("left humorus").corrections == (("humorus", "humerus"),)
    assert interpret("left femur").corrections == ()
