"""What a name stands for: one anatomical structure, implant or tool."""

from __future__ import annotations

from dataclasses import dataclass

GENERAL_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
MASTER_CONTEXT = "Segmentation category and type - DICOM master list"
REGION_CONTEXT = "Anatomic codes - DICOM master list"


@dataclass(frozen=True)
class Code:
    """A coded concept as DICOM writes it: coding scheme designator, code value, code meaning."""

    scheme: str
    value: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.scheme}^{self.value}^{self.meaning}"


@dataclass(frozen=True)
class Structure:
    """One entry of the vocabulary.

    ``members`` makes it a group, whose mask is the union of theirs. ``parts`` names what lies within
    one structure that also exists on its own ("left lung" and its lobes).
    ``color`` is 8-bit RGB. ``code`` is the segmented property type, ``modifier`` its side,
    ``category_code`` the segmented property category, ``region`` and ``region_modifier`` the place of
    a thing that is no anatomy (a cyst of the left kidney). ``rank`` is 1 for what is often asked
    for on X-ray images, 3 for what is rarely. ``part_of`` names, of a joint or landmark, what lies nearest in
    the models' training: they are asked for that, and the answer says so.
    """

    name: str
    laterality: str | None
    members: tuple[str, ...]
    synonyms: tuple[str, ...]
    category: str
    color: tuple[int, int, int]
    code: Code | None
    modifier: Code | None
    category_code: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None
    context: str = GENERAL_CONTEXT
    parts: tuple[str, ...] = ()
    rank: int = 1
    part_of: str = ""

    @property
    def asked(self) -> str:
        """The canonical name that a model is asked for."""
        return self.part_of or self.name

    @property
    def is_group(self) -> bool:
        return bool(self.members)

    @property
    def terminology(self) -> str:
        """The entry as a Slicer segment's ``TerminologyEntry`` tag stores it; empty without a code.

        ``context~category~type~typeModifier~regionContext~region~regionModifier``, each code written
        ``scheme^value^meaning``.
        """
        if self.code is None or self.category_code is None:
            return ""
        fields = (self.category_code, self.code, self.modifier)
        region = (self.region, self.region_modifier)
        blank = "^^"
        return "~".join(
            [
                self.context,
                *(str(code) if code else blank for code in fields),
                REGION_CONTEXT,
                *(str(code) if code else blank for code in region),
            ]
        )

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Match:
    """A structure found for a text.

    ``score`` runs from 0 to 1 (1: the text is a name of the structure). ``matched`` is the phrase of the
    vocabulary it was taken for; ``corrections`` lists (typed, meant) words where a typo was mended.
    """

    structure: Structure
    score: float
    matched: str
    corrections: tuple[tuple[str, str], ...] = ()

    @property
    def corrected(self) -> bool:
        return bool(self.corrections)


@dataclass(frozen=True)
class Completion:
    """``text`` is a phrase that starts as typed, ``structure`` what it resolves to."""

    text: str
    structure: Structure

    def __str__(self) -> str:
        return self.text
