"""How a typed name is read: words, side, numbers.

A name becomes a `Reading`: the side it speaks of and a key, the sorted tuple of its remaining words in
a common form (lower case, no accents, singular, numbers as digits, vertebral levels as one word: "t12").
Two texts with the same reading are the same name whatever their word order.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from .errors import InvalidName

LONGEST = 200
LEVEL = re.compile(r"(c|t|th|d|l|s)(\d{1,2})")
LEVELS = re.compile(rf"{LEVEL.pattern}{LEVEL.pattern}")
LEVEL_LETTER = {"th": "t", "d": "t"}
DIGIT_OR_LEVEL = re.compile(r"d[1-5]")
"""In Europe D3 is the third thoracic vertebra, in radiographs of hands and feet the third digit."""
LEVEL_COUNT = {"c": 7, "t": 12, "d": 12, "l": 6, "s": 5}
NUMBER = re.compile(r"0*(\d+)(?:st|nd|rd|th|er|re|eme|e|o|a)?")
PIECES = re.compile(r"[a-z]+|\d+")
WORDS = re.compile(r"[a-z0-9]+")
GLUED = re.compile(r"(?<=[a-z])(?=[A-Z])")
GLUED_SIDE = re.compile(r"\b(LT|RT|[LR])([a-z]{4,})\b")
HAND_SIDE = re.compile(r"\b(left|right|lt|rt|l|r) hand(?:ed)? side\b")
FRENCH_ARTICLE = re.compile(r"\bl['\u2019](?=[a-z]{3})")
SIDES_JOINED = re.compile(r"\b(left|right|lt|rt|l|r)\s*/\s*(left|right|lt|rt|l|r)\b")

Key = tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """``side``: "left", "right", "both", "either" (both words typed without "and") or None.

    ``foreign``: the side is a word of another language than English.
    """

    side: str | None
    words: tuple[str, ...]
    corrections: tuple[tuple[str, str], ...] = ()
    foreign: bool = False

    @property
    def key(self) -> Key:
        return tuple(sorted(self.words))


def plain(text: str) -> str:
    """``text`` in lower case ASCII letters and digits with single blanks.

    Raises:
        InvalidName: it is empty, longer than 200 characters or holds control characters.
    """
    if not isinstance(text, str):
        raise InvalidName(f"A structure's name must be text, not {type(text).__name__}.")
    if len(text) > LONGEST:
        raise InvalidName(
            f"The name is {len(text)} characters long; at most {LONGEST} are read. Type one structure's name."
        )
    if text.isascii() and text.isprintable():
        folded = text.lower()
        if folded.replace(" ", "").isalnum():
            return _single_blanks(folded)
    else:
        decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        folded = "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf"))
    for character in () if folded.isascii() and folded.isprintable() else folded:
        if unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") and not character.isspace():
            raise InvalidName(
                f"The name holds the control character U+{ord(character):04X}; "
                "type letters, digits and blanks only."
            )
    folded = SIDES_JOINED.sub(r"\1 and \2", folded.replace("b/l", "bilateral"))
    folded = FRENCH_ARTICLE.sub("", folded)
    folded = re.sub(r"['\u2018\u2019\u02bc`\u00b4]", "", folded)
    folded = re.sub(r"[&+]", " and ", folded)
    result = _single_blanks(folded)
    if not result:
        if folded.strip():
            raise InvalidName(f'"{text.strip()}" holds no word. Type the English name of a structure.')
        raise InvalidName('The name is empty. Type a structure, for example "left lung".')
    return result


def unglued(text: str) -> str:
    """``text`` with words apart that capitals mark within it: "LtTibia", "femurR", "FemurHead_L", "Lfemur"."""
    text = GLUED_SIDE.sub(r"\1 \2", text)
    return GLUED.sub(" ", text)


def _single_blanks(text: str) -> str:
    return HAND_SIDE.sub(r"\1 side", " ".join(WORDS.findall(text)))


class Grammar:
    """The language's small words, from the vocabulary file's ``words``."""

    def __init__(self, words: dict):
        self.side_words = {word: side for side in ("left", "right", "both") for word in words[side]}
        self.foreign_sides = frozenset(words["foreign_sides"])
        self.ignored = frozenset(words["ignored"])
        self.counted = frozenset(words["counted"])
        self.optional: dict[str, str] = words["optional"]
        self.ordinals = words["ordinals"]
        self.cardinals = words["cardinals"]
        self.romans = words["romans"]
        self.singulars = words["singulars"]
        self.misspellings = words["misspellings"]
        self.elsewhere = frozenset(words["elsewhere"])
        self.singular = lru_cache(maxsize=4096)(self._singular)
        self.negations = frozenset((*words["negations"], *map(self._singular, words["negations"])))
        self._kind = lru_cache(maxsize=4096)(self._classify)

    def _singular(self, word: str) -> str:
        known = self.singulars.get(word)
        if known:
            return known
        if len(word) > 4 and word.endswith("ies"):
            return word[:-3] + "y"
        if len(word) > 5 and word.endswith(("uses", "sses", "xes", "ches", "shes")):
            return word[:-2]
        if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
            return word[:-1]
        return word

    def readings(self, text: str) -> list[Reading]:
        """Every sensible reading of ``text``, the plainest first."""
        raw = plain(text).split()
        variants = [self._tokens(raw)]
        apart = self._tokens(plain(unglued(text)).split())
        if apart not in variants:
            variants.append(apart)
        for variant in (self._levels_joined(raw), self._sides_split(raw)):
            if variant != raw:
                tokens = self._tokens(variant)
                if tokens not in variants:
                    variants.append(tokens)
        ranges = [self._level_range(tokens) for tokens in variants]
        variants += [tokens for tokens in ranges if tokens and tokens not in variants]
        return [self._reading(tokens) for tokens in variants]

    def reading(self, text: str) -> Reading:
        """The plain reading alone, for texts that are well written."""
        return self._reading(self._tokens(plain(text).split()))

    def roman(self, reading: Reading) -> Reading | None:
        """``reading`` with Roman numerals as digits; None where it has none."""
        words = tuple(str(self.romans[word]) if word in self.romans else word for word in reading.words)
        return Reading(reading.side, words, reading.corrections) if words != reading.words else None

    def _tokens(self, raw: list[str]) -> list[str]:
        tokens: list[str] = []
        for word in raw:
            if word.isalpha():
                tokens.append(word)
                continue
            level = _level(word)
            if level:
                tokens.append(level)
                continue
            number = NUMBER.fullmatch(word)
            levels = LEVELS.fullmatch(word)
            if (
                levels
                and (first := _level(levels[1] + levels[2]))
                and (second := _level(levels[3] + levels[4]))
            ):
                tokens += [first, second]
            else:
                tokens += [number[1]] if number else PIECES.findall(word)
        return tokens

    def _reading(self, tokens: list[str]) -> Reading:
        sides: set[str] = set()
        words: list[str] = []
        corrections: tuple[tuple[str, str], ...] = ()
        for position, token in enumerate(tokens):
            kind, value = self._kind(token)
            if (
                token in self.counted
                and tokens[position + 1 : position + 2]
                and tokens[position + 1].isdigit()
            ):
                continue
            if kind == "side" and token in self.negations and position == 0 and len(tokens) > 1:
                kind, value = (
                    "word",
                    token,
                )  # "sin" is short for sinister after its noun, Spanish for without before it
            if kind == "word":
                words.append(value)
            elif kind == "side":
                sides.add(value)
            elif kind == "mended":
                corrections = (*corrections, (token, value))
                words.append(value)
            elif kind == "cardinal":
                words.append(value if self._ends_here(tokens, position) else token)
        if len(words) > 1:
            words = [f"t{word[1:]}" if DIGIT_OR_LEVEL.fullmatch(word) else word for word in words]
        if not sides:
            return Reading(None, tuple(words), corrections)
        joined = "both" in sides or (len(sides) == 2 and "and" in tokens)
        side = "both" if joined else "either" if len(sides) == 2 else next(iter(sides))
        return Reading(side, tuple(words), corrections, not self.foreign_sides.isdisjoint(tokens))

    def _classify(self, token: str) -> tuple[str, str]:
        """The token's kind and what it stands for: a word in its common form, a side, digits."""
        if token in self.side_words:
            return "side", self.side_words[token]
        if token in self.ordinals:
            return "word", str(self.ordinals[token])
        if token in self.cardinals:
            return "cardinal", str(self.cardinals[token])
        word = self.singular(token)
        if token in self.ignored or word in self.ignored:
            return "ignored", ""
        mended = self.misspellings.get(token) or self.misspellings.get(word)
        return ("mended", mended) if mended else ("word", word)

    def _ends_here(self, tokens: list[str], position: int) -> bool:
        """Whether a cardinal word follows its noun ("rib five"): before it, it would count things."""
        rest = tokens[position + 1 :]
        return position > 0 and all(word in self.side_words or word in self.ignored for word in rest)

    def _levels_joined(self, raw: list[str]) -> list[str]:
        """["l", "4"] as ["l4"], ["l", "spine"] as ["lspine"]."""
        joined: list[str] = []
        for word in raw:
            spine = word == "spine" and joined and joined[-1] in ("c", "t", "th", "l")
            if spine or (joined and word.isdigit() and _level(joined[-1] + word)):
                joined[-1] += word
            else:
                joined.append(word)
        return joined

    def _sides_split(self, raw: list[str]) -> list[str]:
        """["l5"] as ["l", "5"], which with another word is a side and a number."""
        if len(raw) < 2:
            return raw
        split: list[str] = []
        for word in raw:
            split += PIECES.findall(word) if re.fullmatch(r"[lr]\d{1,2}", word) else [word]
        return split

    def _level_range(self, tokens: list[str]) -> list[str] | None:
        """["c3", "4"] as ["c3", "c4"]."""
        for position in range(len(tokens) - 1):
            first, second = tokens[position : position + 2]
            level = LEVEL.fullmatch(first)
            if level and second.isdigit() and int(second) == int(level[2]) + 1 and _level(level[1] + second):
                return [*tokens[: position + 1], level[1] + second, *tokens[position + 2 :]]
        return None


def _level(word: str) -> str | None:
    match = LEVEL.fullmatch(word)
    if not match:
        return None
    letter, number = LEVEL_LETTER.get(match[1], match[1]), int(match[2])
    letter = "d" if match[1] == "d" and number <= 5 else letter
    return f"{letter}{number}" if 1 <= number <= LEVEL_COUNT[letter] else None
