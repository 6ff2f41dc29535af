"""What can go wrong with a typed name."""

from __future__ import annotations

from .structure import Match


class AnatomyError(Exception):
    """A name that cannot be used; the message is for the person who typed it."""


class InvalidName(AnatomyError):
    """Empty, too long, or not text."""


class UnknownName(AnatomyError):
    """No structure has this name. ``nearest``: canonical names that look like it, best first."""

    def __init__(self, text: str, nearest: tuple[str, ...] = (), reason: str | None = None):
        self.text, self.nearest = text, nearest
        message = reason or f'No structure is called "{text}".'
        if nearest:
            message += " Did you mean " + listed(nearest) + "?"
        elif reason is None:
            message += " Search the vocabulary with: fluorosam anatomy search"
        super().__init__(message)


class NegatedName(UnknownName):
    """A name that says what is not meant, such as "without ribs"; no model understands that."""

    def __init__(self, text: str, nearest: tuple[str, ...] = ()):
        super().__init__(text, nearest, f'"{text}" says what is not meant; type what is.')


class AmbiguousName(AnatomyError):
    """Several structures fit. ``candidates``: `Match` objects, best first."""

    def __init__(self, text: str, candidates: tuple[Match, ...]):
        self.text, self.candidates = text, candidates
        names = tuple(match.structure.name for match in candidates)
        advice = "Type the one you want." if len(names) > 1 else "Type that if you want it."
        super().__init__(f'"{text}" can mean {listed(names)}. {advice}')


def listed(names: tuple[str, ...]) -> str:
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]
