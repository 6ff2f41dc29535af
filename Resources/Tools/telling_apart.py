"""Colours of the vocabulary that nobody mixes up: left and right of a pair, and what lies next to each other."""

from __future__ import annotations

import colorsys
from itertools import product

PAIR, NEIGHBOUR = 30.0, 18.0
"""Least distances in CIE L*a*b* (1976): of the two sides of a pair, of neighbours in a row of structures."""
ROW = 26
"""A group of at most so many is a row whose members touch each other in order: ribs, vertebrae, carpal bones."""
TURNS = (0, -12, 12, -24, 24, -36, 36, -48, 48)
"""Degrees of hue that a colour may be turned by, and still be of its family."""
LIGHTER = (1.0, 0.82, 1.18, 0.66, 1.36, 0.52)
PALER = (1.0, 1.35, 0.7, 1.7, 0.4)
DARKEST = 0.45


def tell_apart(structures: dict[str, dict]) -> None:
    """Change colours where they are too near, as little as does. ``structures`` are entries by their names."""
    limits = _limits(structures)
    done: dict[str, tuple[float, ...]] = {}
    for name, entry in structures.items():
        near = [(done[other], least) for other, least in limits.get(name, {}).items() if other in done]
        best = max(
            (
                (_room(_lab(color), near), -number, color)
                for number, color in enumerate(_family(entry["color"]))
            ),
            key=lambda one: (min(one[0], 0.0), one[1]),
        )
        entry["color"] = list(best[2])
        done[name] = _lab(best[2])


def _limits(structures: dict[str, dict]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}

    def part(one: str, other: str, least: float) -> None:
        for a, b in ((one, other), (other, one)):
            row = found.setdefault(a, {})
            row[b] = max(row.get(b, 0.0), least)

    for name in structures:
        if name.startswith("left "):
            other = "right " + name.removeprefix("left ")
            if other in structures:
                part(name, other, PAIR)
        members = _leaves(structures, name)
        if len(members) <= ROW:
            for one, other in zip(members, members[1:], strict=False):
                part(one, other, NEIGHBOUR)
    return found


def _leaves(structures: dict[str, dict], name: str) -> list[str]:
    members = structures[name].get("members")
    return [leaf for one in members for leaf in _leaves(structures, one)] if members else [name]


def _family(color: list[int]):
    """The colour, and others of its family, the likest first."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in color))
    places = product(enumerate(TURNS), enumerate(LIGHTER), enumerate(PALER))
    for (_, turn), (_, lighter), (_, paler) in sorted(places, key=lambda place: sum(one[0] for one in place)):
        bright = min(value * lighter, 1.0)
        if bright >= min(DARKEST, value):
            rgb = colorsys.hsv_to_rgb((hue + turn / 360) % 1.0, min(saturation * paler, 1.0), bright)
            yield tuple(round(255 * channel) for channel in rgb)


def _room(lab: tuple[float, ...], near: list) -> float:
    """How far, as a share, the nearest of those that matter is beyond its limit; negative where it is too near."""
    distances = (
        sum((a - b) ** 2 for a, b in zip(lab, other, strict=True)) ** 0.5 / least - 1 for other, least in near
    )
    return min(distances, default=0.0)


def _lab(color) -> tuple[float, float, float]:
    """CIE L*a*b* of 8-bit sRGB, D65."""
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (value / 255 for value in color)
    ]
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    x, y, z = (
        sum(weight * one for weight, one in zip(row, linear, strict=True)) / white
        for row, white in zip(rows, (0.9505, 1.0, 1.089), strict=True)
    )
    x, y, z = (one ** (1 / 3) if one > 0.008856 else 7.787 * one + 16 / 116 for one in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
