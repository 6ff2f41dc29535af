"""The ways people write a structure's name."""

from __future__ import annotations

from collections.abc import Callable

from .concept import Concept

SIDE_SHORT = {"left": ("lt", "L"), "right": ("rt", "R")}
ORDINAL_DIGITS = {
    "first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th",
    "seventh": "7th", "eighth": "8th", "ninth": "9th", "tenth": "10th", "eleventh": "11th", "twelfth": "12th",
}  # fmt: skip


def phrases(concept: Concept, side: str | None, means: Callable[[str], set[str]]) -> list[str]:
    """Phrases that are read as this structure: canonical name, synonyms, word orders, short forms.

    ``means(text)`` says which canonical names a phrase has; those that have another one too are left out.
    """
    structure = concept.structures[side]
    texts = [structure.name]
    for text in dict.fromkeys((concept.base, *concept.synonyms)):
        texts += _sided(text, side) if side else _unsided(text, concept)
    texts += concept.side_synonyms.get(side, ())
    texts += [digits for text in texts if (digits := _digits(text)) != text]
    texts = [text for text in dict.fromkeys(texts) if means(text) == {structure.name}]
    return texts


def _sided(text: str, side: str) -> list[str]:
    forms = [f"{side} {text}", f"{text} {side}"]
    forms += [f"{short} {text}" for short in SIDE_SHORT[side]]
    forms += [f"{text} {short}" for short in SIDE_SHORT[side]]
    return forms


def _unsided(text: str, concept: Concept) -> list[str]:
    forms = [text]
    if concept.sides == "paired":
        forms += [f"both {plural(text)}", f"bilateral {plural(text)}", f"left and right {text}"]
        forms += [plural(text)]
    elif concept.structures[None].category in ("tool", "implant"):
        forms += [plural(text)]
    return forms


def _digits(text: str) -> str:
    return " ".join(ORDINAL_DIGITS.get(word, word) for word in text.split())


def plural(text: str) -> str:
    """The regular plural of the noun in ``text``: "femurs", "heads of femur"."""
    head, preposition, rest = text.partition(" of ")
    if head.endswith(("s", "ae")) and not head.endswith(("us", "ss", "is")):
        return text
    if head[-1:].isdigit():
        first, _, number = head.rpartition(" ")
        return f"{plural(first)} {number}{preposition}{rest}" if first else text
    if head.endswith("phalanx"):
        head = head[:-1] + "ges"
    elif head.endswith("is") and len(head) > 4:
        head = head[:-2] + "es"
    elif head.endswith(("s", "x", "ch", "sh")):
        head += "es"
    elif head.endswith("y") and head[-2:-1] not in "aeiou":
        head = head[:-1] + "ies"
    else:
        head += "s"
    return head + preposition + rest
