"""Codes and colours: what TotalSegmentator's mapping and Slicer's terminology files say of a structure."""

from __future__ import annotations

import colorsys
import csv
import json
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

from FluoroSAMSlicerLib.anatomy.errors import AnatomyError

SIDE_CODES = {"left": ["SCT", "7771000", "Left"], "right": ["SCT", "24028007", "Right"]}
BOTH_SIDES = ["SCT", "51440002", "Right and left"]
GENERAL = "SegmentationCategoryTypeModifier-SlicerGeneralAnatomy.json"
MASTER = "SegmentationCategoryTypeModifier-DICOM-Master.json"
REGIONS = "AnatomicRegionAndModifier-DICOM-Master.json"
ANATOMY = ["SCT", "123037004", "Anatomical Structure"]
CATEGORY_CODES = {
    "implant": ["SCT", "260787004", "Physical object"],
    "tool": ["SCT", "260787004", "Physical object"],
    "finding": ["SCT", "49755003", "Morphologically Altered Structure"],
    "tissue": ["SCT", "85756007", "Tissue"],
}
NO_COLOR = [127, 127, 127]
TISSUE = ["SCT", "85756007", "Tissue"]
GENERIC = {
    "bone": (TISSUE, "bone"),
    "muscle": (TISSUE, "muscle"),
    "cartilage": (TISSUE, "cartilage"),
    "artery": (TISSUE, "artery"),
    "vein": (TISSUE, "vein"),
    "nerve": (TISSUE, "nerve"),
    "organ": (TISSUE, "organ"),
    "tooth": (ANATOMY, "tooth"),
    "implant": (CATEGORY_CODES["implant"], "implant"),
}
# A colour darker than this is lost on a radiograph; one that more structures share tells nothing apart.
DARKEST = 120
SHARED = 2
# Hue range (degrees), saturation and value ranges: bones ivory to amber, vessels red, tools cyan to blue.
CATEGORY_COLORS = {
    "bone": ((18, 62), (0.25, 0.65), (0.75, 0.98)),
    "tooth": ((40, 60), (0.05, 0.35), (0.85, 1.0)),
    "cartilage": ((150, 200), (0.25, 0.5), (0.7, 0.9)),
    "organ": ((80, 170), (0.35, 0.75), (0.55, 0.9)),
    "airway": ((180, 215), (0.35, 0.6), (0.8, 1.0)),
    "vessel": ((345, 372), (0.6, 0.95), (0.6, 0.95)),
    "muscle": ((0, 25), (0.45, 0.7), (0.6, 0.8)),
    "nerve": ((52, 62), (0.6, 0.8), (0.85, 1.0)),
    "cavity": ((190, 250), (0.2, 0.45), (0.7, 0.95)),
    "tissue": ((30, 55), (0.25, 0.55), (0.7, 0.95)),
    "region": ((260, 290), (0.1, 0.35), (0.65, 0.9)),
    "finding": ((285, 335), (0.5, 0.85), (0.7, 0.95)),
    "implant": ((225, 285), (0.4, 0.8), (0.7, 1.0)),
    "tool": ((165, 205), (0.6, 0.95), (0.7, 1.0)),
}


class Coding:
    def __init__(self, folder: Path, overrides: list[dict[str, str]], grammar):
        self.grammar = grammar
        self.overrides = overrides
        self.mapped = self._totalsegmentator(folder / "totalsegmentator_snomed_mapping.csv")
        self.color_uses: Counter = Counter()
        self.context_of: dict[tuple, str] = {}
        self.types: dict[tuple, dict] = {}
        for name in (GENERAL, MASTER):
            self._types(folder / "slicer" / name)
        self._regions(folder / "slicer" / REGIONS)

    def describe(self, concept, side: str | None, number: int) -> dict:
        """``color``, ``code``, ``category_code`` and, where needed, ``modifier``, ``context``, ``region``."""
        fixed = side or (concept.sides if concept.sides in SIDE_CODES else None)
        result = dict(
            self._override(concept)
            or self._from_mapping(concept, side)
            or self._from_terminology(concept)
            or self._generic(concept)
        )
        color = result.pop("color", None)
        if color and (concept.series or max(color) < DARKEST or self.color_uses[tuple(color)] > SHARED):
            color = None
        if result.get("code"):
            spoken = self.grammar.reading(result["code"][2]).side
            if spoken:
                pass
            elif side and "modifier" not in result:
                result["modifier"] = SIDE_CODES[side]
            elif side is None and concept.sides == "paired":
                result["modifier"] = BOTH_SIDES
            if self.context_of.get((*result["category_code"][:2], *result["code"][:2])) == MASTER:
                result["context"] = "master"
        result["color"] = color or derived_color(concept.category, number, fixed)
        return result

    def _override(self, concept) -> dict | None:
        for row in self.overrides:
            if fnmatchcase(concept.base, row["pattern"]):
                code = row["code"].split("^")
                category = row["category"].split("^") if row["category"] else _category_code(concept.category)
                region = {"region": row["region"].split("^")} if row["region"] else {}
                return {"code": code, "category_code": category, **region}
        return None

    def _from_mapping(self, concept, side: str | None) -> dict | None:
        """TotalSegmentator's entry for this side; else its entry for the other kind, without the colour."""
        keys = [self.grammar.reading(text).key for text in (concept.base, concept.both, *concept.synonyms)]
        for key in keys:
            if (side, key) in self.mapped:
                return self.mapped[side, key]
        for key in keys:
            entry = self.mapped.get((None if side else "left", key))
            if entry and concept.sides == "paired" and not self.grammar.reading(entry["code"][2]).side:
                return {name: value for name, value in entry.items() if name not in ("color", "modifier")}
        return None

    def _generic(self, concept) -> dict:
        """A code for the kind of thing where none is known for the thing itself."""
        kind = concept.category
        if kind == "vessel":
            kind = next((one for one in ("artery", "vein") if one in concept.base), kind)
        if kind in GENERIC:
            category, meaning = GENERIC[kind]
            return {"category_code": category, "code": self.types[category[1], (meaning,)]["code"]}
        value = concept.base.lower().replace(" ", "-")[:16]
        meaning = concept.base[:1].upper() + concept.base[1:]
        return {"category_code": _category_code(concept.category), "code": ["99FLUORO", value, meaning]}

    def _from_terminology(self, concept) -> dict | None:
        if concept.category in ("finding",):
            return None
        for text in (concept.base, concept.both, *concept.synonyms):
            key = self.grammar.reading(text).key
            for category in (_category_code(concept.category), ANATOMY):
                hit = self.types.get((category[1], key))
                if hit:
                    return hit
        return None

    def _totalsegmentator(self, path: Path) -> dict[tuple, dict]:
        mapped = {}
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            values = list(row.values())
            entry: dict = {"color": [int(value) for value in values[16].split(",")]}
            names = ("category_code", "code", "modifier", "region", "region_modifier")
            for name, first in zip(names, range(1, 16, 3), strict=True):
                if values[first + 1]:
                    entry[name] = values[first : first + 3]
            if "region_modifier" in entry:
                entry.setdefault("modifier", None)
            reading = self.grammar.reading(row["Structure"])
            mapped[(reading.side, reading.key)] = entry
        return mapped

    def _types(self, path: Path) -> None:
        for category in json.loads(path.read_text(encoding="utf-8"))["SegmentationCodes"]["Category"]:
            category_code = _triplet(category)
            for item in category["Type"]:
                code = _triplet(item)
                self.context_of.setdefault((*category_code[:2], *code[:2]), path.name)
                entry = {"category_code": category_code, "code": code}
                colors = [one.get("recommendedDisplayRGBValue") for one in (item, *item.get("Modifier", []))]
                color = next((one for one in colors if one and one != NO_COLOR), None)
                if color:
                    entry["color"] = [int(value) for value in color]
                    self.color_uses[tuple(entry["color"])] += 1
                self._offer(category_code, item["CodeMeaning"], entry)

    def _regions(self, path: Path) -> None:
        for item in json.loads(path.read_text(encoding="utf-8"))["AnatomicCodes"]["AnatomicRegion"]:
            code = _triplet(item)
            self._offer(ANATOMY, item["CodeMeaning"], {"category_code": ANATOMY, "code": code})

    def _offer(self, category_code: list[str], meaning: str, entry: dict) -> None:
        try:
            reading = self.grammar.reading(meaning)
        except AnatomyError:
            return
        if reading.side is None:
            self.types.setdefault((category_code[1], reading.key), entry)


def _triplet(item: dict) -> list[str]:
    return [item["CodingSchemeDesignator"], item["CodeValue"], item["CodeMeaning"]]


def _category_code(category: str) -> list[str]:
    return CATEGORY_CODES.get(category, ANATOMY)


def derived_color(category: str, number: int, side: str | None) -> list[int]:
    """A colour of the category's range; the golden ratio keeps neighbours in the table apart.

    The right one of a pair is darker, as in TotalSegmentator's mapping.
    """
    steps = [(number * factor) % 1.0 for factor in (0.6180339887, 0.7548776662, 0.5698402910)]
    ranges = zip(CATEGORY_COLORS[category], steps, strict=True)
    hue, saturation, value = (low + (high - low) * step for (low, high), step in ranges)
    value *= 0.8 if side == "right" else 1.0
    return [round(255 * channel) for channel in colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)]
