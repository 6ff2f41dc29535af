"""What a vocabulary entry is: one idea with the structures of its sides, and the names that lead to it."""

from __future__ import annotations

from dataclasses import dataclass

from .structure import GENERAL_CONTEXT, MASTER_CONTEXT, Code, Structure

SIDES = ("left", "right")


@dataclass(frozen=True)
class Concept:
    """A structure, or the left and the right one and their pair (under None)."""

    base: str
    sides: str
    synonyms: tuple[str, ...]
    structures: dict[str | None, Structure]
    side_synonyms: dict[str | None, tuple[str, ...]]

    @property
    def rank(self) -> int:
        return self.structures[None].rank

    @classmethod
    def of(cls, entry: dict) -> Concept:
        """The concept that an entry of the vocabulary file describes."""
        structures: dict[str | None, Structure] = {}
        side_synonyms: dict[str | None, tuple[str, ...]] = {}
        ordered = sorted(entry["structures"].items(), key=lambda item: item[0] != "none")
        base_synonyms = entry["synonyms"]
        for key, item in ordered:
            side = None if key == "none" else key
            own = tuple(item.get("synonyms", ()))
            side_synonyms[side] = own
            laterality = side or (entry["sides"] if entry["sides"] in SIDES else None)
            codes = {
                field: Code(*item[field]) if item.get(field) else None
                for field in ("code", "modifier", "category_code", "region", "region_modifier")
            }
            prefix = f"{side} " if side else ""
            structures[side] = Structure(
                name=item["name"],
                laterality=laterality,
                members=tuple(item.get("members", ())),
                synonyms=(*(prefix + synonym for synonym in base_synonyms), *own),
                category=entry["category"],
                color=tuple(item["color"]),
                context=MASTER_CONTEXT if item.get("context") == "master" else GENERAL_CONTEXT,
                parts=tuple(item.get("parts", ())),
                rank=entry["rank"],
                part_of=item.get("part_of", ""),
                **codes,
            )
        return cls(entry["base"], entry["sides"], tuple(base_synonyms), structures, side_synonyms)

    def on(self, side: str | None) -> Structure | None:
        """The structure for a side as typed ("both" and None are the pair); None where there is none."""
        if self.sides == "paired":
            return self.structures[side if side in SIDES else None]
        if side is None or side == self.sides:
            return self.structures[None]
        return None


@dataclass(frozen=True)
class Name:
    """One indexed phrase: ``side`` fixes the structure, ``spoken`` says that the side must be typed."""

    phrase: str
    concept: Concept
    side: str | None = None
    spoken: bool = False

    def structure(self, side: str | None) -> Structure | None:
        if self.side is None:
            return self.concept.on(side)
        if side == self.side or (side is None and not self.spoken):
            return self.concept.on(self.side)
        return None
