"""Which words of the vocabulary a mistyped word may have been meant for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

COMPETITOR_REACH = 2
SHORT = 6
LEAST_MEANT = 4
"""Letters of the shortest word that a shorter slip is mended to."""
OFFERED = 1.6
"""Letters that a word of six or more may be off for the reader to be asked which one is meant."""
VOWELS = frozenset("aeiouy")
# How much more than its own tolerance a word may lie away and still compete with the nearest.
COMPETITOR_SLACK = 0.75
# Common slips cost less than a whole letter, a wrong first letter more.
VOWEL_SWAP = 0.6
DOUBLED = 0.6
TRANSPOSED = 0.6
FIRST_LETTER = 1.6


def tolerance(word: str) -> float:
    """How many letters of a typed word may be wrong; of six and seven letters two slips or one letter."""
    if len(word) < 4:
        return 0
    return 1 if len(word) < 6 else 1.2 if len(word) < 8 else 2 if len(word) < 11 else 3


def near_words(
    spellings: Sequence[str], word: str, common_form: Callable[[str], str]
) -> list[tuple[float, str]]:
    """(cost, word in its common form) for what ``word`` may stand for; empty where nothing is near enough.

    Words somewhat further away than `tolerance` are listed too, so that the nearest can be seen to be alone. A
    word of fewer than `SHORT` letters may have one letter doubled, dropped or swapped with its neighbour, no more.
    """
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract

    allowed = tolerance(word)
    if allowed == 0:
        return []
    if len(word) < SHORT:
        return [
            (DOUBLED, common_form(spelling))
            for spelling in spellings
            if len(spelling) >= LEAST_MEANT and is_slip(word, spelling)
        ]
    near: dict[str, float] = {}
    for spelling, _, _ in extract(
        word, spellings, scorer=OSA.distance, score_cutoff=ceil(allowed) + COMPETITOR_REACH, limit=20
    ):
        meant, cost = common_form(spelling), slip_cost(word, spelling)
        if cost > tolerance(spelling) + (COMPETITOR_SLACK if len(spelling) > 3 else 0):
            continue
        near[meant] = min(cost, near.get(meant, cost))
    if not near or min(near.values()) > max(allowed, OFFERED):
        return []
    return [(cost, meant) for meant, cost in near.items()]


def is_slip(typed: str, meant: str) -> bool:
    """Whether ``typed`` is ``meant`` with one letter doubled, one dropped, or two neighbours swapped."""
    if len(typed) == len(meant) + 1:
        return any(
            typed[place] == typed[place - 1] and typed[:place] + typed[place + 1 :] == meant
            for place in range(1, len(typed))
        )
    if len(typed) == len(meant) - 1:
        return any(meant[:place] + meant[place + 1 :] == typed for place in range(1, len(meant)))
    if len(typed) != len(meant) or typed == meant:
        return False
    first = next(place for place, (a, b) in enumerate(zip(typed, meant, strict=True)) if a != b)
    swapped = typed[:first] + typed[first : first + 2][::-1] + typed[first + 2 :]
    return swapped == meant


def slip_cost(typed: str, meant: str) -> float:
    """Optimal string alignment distance with the weights above."""
    previous2: list[float] = []
    previous = [float(column) for column in range(len(meant) + 1)]
    for row, letter in enumerate(typed):
        current = [previous[0] + (FIRST_LETTER if row == 0 else 1.0)]
        for column, other in enumerate(meant):
            first = FIRST_LETTER if row == column == 0 else 1.0
            if letter == other:
                swap = 0.0
            elif letter in VOWELS and other in VOWELS:
                swap = VOWEL_SWAP * first
            else:
                swap = first
            extra = DOUBLED if row and letter == typed[row - 1] else first
            missing = DOUBLED if column and other == meant[column - 1] else first
            cost = min(previous[column] + swap, previous[column + 1] + extra, current[column] + missing)
            if row and column and letter == meant[column - 1] and typed[row - 1] == other and letter != other:
                cost = min(cost, previous2[column - 1] + TRANSPOSED)
            current.append(cost)
        previous2, previous = previous, current
    return previous[-1]
