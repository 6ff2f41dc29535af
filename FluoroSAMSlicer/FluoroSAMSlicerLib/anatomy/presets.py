"""Names that are often asked for together, by region of the body."""

from __future__ import annotations

PRESETS: dict[str, tuple[str, ...]] = {
    "chest": ("left lung", "right lung", "heart", "trachea", "left clavicle", "right clavicle"),
    "pelvis": ("left hip bone", "right hip bone", "sacrum", "left femur", "right femur"),
    "spine": (
        *(f"T{number} vertebra" for number in range(10, 13)),
        *(f"L{number} vertebra" for number in range(1, 6)),
        "sacrum",
    ),
    "knee": ("femur", "tibia", "fibula", "patella"),
    "hand": ("radius", "ulna", "carpal bones", "metacarpals", "phalanges of hand"),
    "foot": ("tibia", "calcaneus", "talus", "metatarsals", "phalanges of foot"),
}
"""Region to names that resolve, in the order in which they are asked for. A limb may be either side."""
