"""What is asked for: a name, clicks and a box, checked and immutable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..anatomy import InvalidName, Structure, UnknownName, resolve
from .errors import PromptError

LONGEST_TEXT = 200
"""Characters of the longest text that is tried as a name."""

LOW_SCORE = 0.5
"""An answer whose predicted IoU is below this is told as unsure, wherever it is shown."""

TAKEN_BACK = 1 / 512
"""How near, as a share of the image's longer side, a later click of the other sign takes a click back: half a pixel
of the compact network's input, which does not tell such places apart. The same pixel is always near enough."""

POINTS = "every point must be a pair of finite numbers, x and y"
LABELS = "every label must be 1 (inside the structure) or 0 (outside)"
BOX = "a box must be four finite numbers: x1, y1, x2, y2"


@dataclass(frozen=True)
class Prompt:
    """One question to the model, any part of which may be absent.

    ``points`` are (x, y) in the image's own pixels, pixel centres at integers; ``labels`` holds 1 for a
    point inside the structure and 0 for one outside. ``box`` is x1, y1, x2, y2. ``beside`` are the names that were
    asked for in one pass, this one among them: a model may look closer at neighbours together.
    """

    text: str | None = None
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None
    beside: tuple[str, ...] = ()

    @classmethod
    def of(cls, text=None, points=(), labels=(), box=None) -> Prompt:
        """From plain values, sequences or arrays.

        Raises :class:`PromptError` for an empty or overlong text, coordinates that are not finite numbers,
        labels other than 0 and 1 or not one a point, and a box without area or with swapped corners.
        """
        return cls(_text(text), *_clicks(points, labels), _box(box))

    @property
    def is_empty(self) -> bool:
        return self.text is None and not self.points and self.box is None

    @property
    def only_negative(self) -> bool:
        """Are there clicks, all of them outside the structure?"""
        return bool(self.points) and not any(self.labels)

    def check_inside(self, height: int, width: int) -> None:
        """Raise :class:`PromptError` for a coordinate that is not on an image of this size (pixels).

        The image reaches half a pixel beyond the centres of its outermost pixels.
        """
        corners = [] if self.box is None else [self.box[:2], self.box[2:]]
        for kind, places in (("click", self.points), ("box corner", corners)):
            for x, y in places:
                if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                    raise PromptError(
                        f"the {kind} at x {x:g}, y {y:g} is outside the image: "
                        f"x goes from 0 to {width - 1}, y from 0 to {height - 1}"
                    )

    def for_image(self, height: int, width: int) -> Prompt:
        """What a model is asked of an image of this size (pixels): a click on the far edge is in the last pixel, one
        that a later click has taken back counts no more."""
        if not self.points:
            return self
        places = pulled_inside(self.points, height, width)
        pixels, signs = np.floor(places + 0.5), np.array(self.labels)
        near = np.linalg.norm(places[:, None] - places, axis=2) < TAKEN_BACK * max(height, width)
        near |= (pixels[:, None] == pixels).all(2)
        taken_back = np.triu(near & (signs[:, None] != signs), 1).any(1)
        kept = np.flatnonzero(~taken_back).tolist()
        points = tuple((float(x), float(y)) for x, y in places[kept])
        return replace(self, points=points, labels=tuple(self.labels[n] for n in kept))

    def without_last_click(self) -> Prompt:
        return replace(self, points=self.points[:-1], labels=self.labels[:-1])

    def with_click(self, x: float, y: float, positive: bool) -> Prompt:
        return self.with_clicks((*self.points, (x, y)), (*self.labels, int(positive)))

    def with_beside(self, names: Sequence[str]) -> Prompt:
        """Asked for in one pass with ``names``; alone where it is none of them, or the only one.

        Raises :class:`PromptError` for what cannot be a name.
        """
        checked = tuple(map(_text, names))
        if None in checked:
            raise PromptError("one of the names that were asked for together is missing")
        return replace(self, beside=checked if self.text in checked and len(checked) > 1 else ())

    def with_clicks(self, points: Sequence, labels: Sequence) -> Prompt:
        """With these clicks in place of its own; raises as :meth:`of`."""
        places, signs = _clicks(points, labels)
        return replace(self, points=places, labels=signs)

    def with_point(self, index: int, point: tuple[float, float] | None) -> Prompt:
        """With point ``index`` at another place, or removed (None); :class:`PromptError` if there is none."""
        if not 0 <= index < len(self.points):
            raise PromptError(f"there is no click number {index}: there are {len(self.points)}")
        points, labels = list(self.points), list(self.labels)
        if point is None:
            del points[index], labels[index]
        else:
            points[index] = point
        return self.with_clicks(points, labels)


def pulled_inside(points: Sequence, height: int, width: int) -> np.ndarray:
    """Places (N, 2), x and y, of which those on the far edge of an image lie in its last pixels."""
    return np.minimum(np.array(points, np.float64).reshape(-1, 2), np.nextafter((width - 0.5, height - 0.5), 0))


def named_structure(text: str, allow_unknown: bool = False) -> Structure | None:
    """What ``text`` names; None for a text outside the vocabulary if ``allow_unknown``.

    Raises :class:`PromptError` for a text that cannot be a name, :class:`~..anatomy.AmbiguousName`, and
    :class:`~..anatomy.UnknownName`.
    """
    try:
        return resolve(text)
    except InvalidName as problem:
        raise PromptError(str(problem)) from problem
    except UnknownName:
        if allow_unknown:
            return None
        raise


def _text(text: object) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise PromptError(f"the name of a structure must be text, not {type(text).__name__}")
    plain = " ".join(text.split())
    if not plain:
        raise PromptError("the text is empty: type the name of a structure, for example left femur")
    if len(plain) > LONGEST_TEXT:
        raise PromptError(
            f"the text '{plain[:30]}...' has {len(plain)} characters, at most {LONGEST_TEXT} are taken: "
            "give the name of one structure"
        )
    return plain


def _clicks(points: Sequence, labels: Sequence) -> tuple[tuple[tuple[float, float], ...], tuple[int, ...]]:
    points, labels = (() if given is None else given for given in (points, labels))
    places = _numbers(points, POINTS)
    if places.size == 0:
        places = places.reshape(0, 2)
    if places.ndim != 2 or places.shape[1] != 2:
        raise PromptError(POINTS)
    signs = _numbers(labels, LABELS).reshape(-1)
    if len(signs) != len(places):
        raise PromptError(
            f"{len(places)} points and {len(signs)} labels were given: every point needs one label, "
            "1 inside the structure or 0 outside"
        )
    if not np.isin(signs, (0, 1)).all():
        raise PromptError(LABELS)
    return tuple((float(x), float(y)) for x, y in places), tuple(int(sign) for sign in signs)


def _box(box: Sequence | None) -> tuple[float, float, float, float] | None:
    if box is None:
        return None
    values = _numbers(box, BOX).reshape(-1)
    if len(values) != 4:
        raise PromptError(BOX)
    x1, y1, x2, y2 = (float(value) for value in values)
    if x1 > x2 or y1 > y2:
        raise PromptError(
            f"the box {x1:g}, {y1:g}, {x2:g}, {y2:g} has its corners swapped: "
            "give the upper left corner, then the lower right one"
        )
    if x1 == x2 or y1 == y2:
        raise PromptError(f"the box {x1:g}, {y1:g}, {x2:g}, {y2:g} has no area")
    return x1, y1, x2, y2


def _numbers(values: object, expected: str) -> np.ndarray:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        raise PromptError(expected) from problem
    if not np.isfinite(numbers).all():
        raise PromptError(f"{expected}; NaN and infinity are none")
    return numbers
