"""Radiographs without masks: what the names alone draw on them, in a picture each, for people to judge.

``remarks.tsv`` beside this file holds what a person who looked at the pictures says of them, for one version
of the weights; the remarks on other versions are not shown.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from FluoroSAMSlicerLib.anatomy import resolve
from FluoroSAMSlicerLib.radiograph import read_radiograph
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.segmentation.overlay import Layer, overlay
from FluoroSAMSlicerLib.segmentation.prompt import LOW_SCORE
from tables import table

REMARKS = Path(__file__).with_name("remarks.tsv")
FOLDER = "nc/xray/fluorosam_examples"
KNEE = ("femur", "tibia", "fibula", "patella", "screw")
FOOT = ("tibia", "talus", "calcaneus", "tarsal bones", "metatarsals", "phalanges of foot")
PELVIS = ("left hip bone", "right hip bone", "sacrum", "left femur", "right femur", "L5 vertebra")
EXAMPLES = {
    "acl-reconstruction-knee-radiograph-frontal.jpeg": KNEE,
    "acl-reconstruction-knee-radiograph-lateral.jpeg": KNEE,
    "acl-reconstruction-knee-radiograph-oblique.jpeg": KNEE,
    "normal-foot-radiograph_dp.png": FOOT,
    "normal-foot-radiograph_oblique.png": FOOT,
    "skull.jpg": ("skull", "mandible", "maxilla", "cervical spine"),
    "pelvis_0030.dcm": PELVIS,
    "pelvis_0055.dcm": PELVIS,
    "chest_0011.dcm": ("left lung", "right lung", "heart", "trachea", "left clavicle", "right clavicle"),
}


@dataclass(frozen=True)
class Example:
    """One picture: the predicted score of every name asked, and the share of the image that it drew."""

    image: str
    scores: dict[str, float]
    shares: dict[str, float]


def draw(predictor: Predictor, data: Path, output: Path) -> list[Example]:
    """Write OUTPUT/IMAGE.png for every example that the data folder has."""
    found = []
    for image, names in EXAMPLES.items():
        path = data / FOLDER / image
        if not path.exists():
            continue
        output.mkdir(parents=True, exist_ok=True)
        radiograph = read_radiograph(path)
        embedding = predictor.encode(radiograph)
        answers = {name: predictor.predict(embedding, text=name) for name in names}
        layers = [
            Layer(name, resolve(name).color, answer.mask, float(answer.score))
            for name, answer in answers.items()
        ]
        picture = overlay(radiograph.pixels, layers, image, radiograph.spacing)
        picture.thumbnail((1100, 1100))
        picture.save(output / f"{path.stem}.png")
        scores = {name: float(answer.score) for name, answer in answers.items()}
        shares = {name: float(answer.mask.mean()) for name, answer in answers.items()}
        found.append(Example(image, scores, shares))
    return found


def remarks(version: str, path: Path = REMARKS) -> dict[str, str]:
    """Image to remark, of the weights ``version`` only."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {row["image"]: row["remark"] for row in rows if row["version"] == version}


def markdown(examples: list[Example], version: str, folder: str) -> str:
    """The table of scores and remarks, and the pictures in ``folder``."""
    said = remarks(version)
    rows = []
    for one in examples:
        scores = [
            f"{name} {score:.2f}{' (low confidence)' if score < LOW_SCORE else ''}"
            + ("" if one.shares[name] else ", nothing drawn")
            for name, score in one.scores.items()
        ]
        rows.append([one.image, "; ".join(scores), said.get(one.image, "not looked at yet")])
    pictures = [f"{one.image}\n\n![]({folder}/{Path(one.image).stem}.png)" for one in examples]
    return "\n\n".join([table(["image", "predicted score by name", "judged by eye"], rows), *pictures])
