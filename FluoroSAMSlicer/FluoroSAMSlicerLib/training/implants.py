"""Metal and tubes drawn into an exposure, each with its name and mask."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

BERNSTEIN = (1, 4, 6, 4, 1)
"""Binomial coefficients of a Bezier curve of five points."""


@dataclass
class Drawing:
    """``metal`` float32 (h, w): area density in g/cm2 of iron-like metal; ``masks`` name -> bool (h, w)."""

    metal: np.ndarray
    masks: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, name: str, mask: np.ndarray, density: float) -> None:
        self.metal = self.metal + density * mask.astype(np.float32)
        self.masks[name] = self.masks.get(name, False) | mask


def draw_implants(shape: tuple[int, int], rng: np.random.Generator) -> Drawing:
    """One to three kinds of implant or tool, some of them several times."""
    drawing = Drawing(np.zeros(shape, np.float32))
    kinds = rng.choice(list(KINDS), size=rng.integers(1, 4), replace=False)
    for kind in kinds:
        for _ in range(rng.integers(1, 5) if kind == "screw" else rng.integers(1, 3)):
            KINDS[kind](drawing, rng)
    return drawing


def _stroke(shape: tuple[int, int], points: np.ndarray, width: float) -> np.ndarray:
    from PIL import Image, ImageDraw

    picture = Image.new("L", (shape[1] * 2, shape[0] * 2))
    flat = [tuple(p) for p in np.asarray(points) * 2]
    ImageDraw.Draw(picture).line(flat, fill=255, width=max(1, round(width * 2)), joint="curve")
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BOX)) > 127


def _segment(shape: tuple[int, int], length: float, rng: np.random.Generator) -> np.ndarray:
    centre, angle = rng.uniform(0.15, 0.85, 2) * [shape[1], shape[0]], rng.uniform(0, 2 * np.pi)
    half = 0.5 * length * max(shape) * np.array([np.cos(angle), np.sin(angle)])
    return np.stack([centre - half, centre + half])


def _screw(drawing: Drawing, rng: np.random.Generator) -> None:
    shape = drawing.metal.shape
    ends = _segment(shape, rng.uniform(0.08, 0.25), rng)
    width = rng.uniform(2.5, 6)
    along = np.linspace(0, 1, 24)[:, None]
    side = (ends[1] - ends[0])[::-1] * [-1, 1] / np.linalg.norm(ends[1] - ends[0])
    thread = ends[0] + along * (ends[1] - ends[0]) + side * (np.arange(24) % 2 - 0.5)[:, None] * width * 0.35
    head = ends[0] + side * np.array([[-0.6], [0.6]]) * width
    mask = _stroke(shape, thread, width) | _stroke(shape, head, width * 0.8)
    drawing.add("screw", mask, rng.uniform(1.5, 4))


def _wire(drawing: Drawing, rng: np.random.Generator) -> None:
    ends = _segment(drawing.metal.shape, rng.uniform(0.2, 0.7), rng)
    drawing.add("K-wire", _stroke(drawing.metal.shape, ends, rng.uniform(1.2, 2.4)), rng.uniform(0.8, 2))


def _plate(drawing: Drawing, rng: np.random.Generator) -> None:
    shape = drawing.metal.shape
    ends = _segment(shape, rng.uniform(0.2, 0.5), rng)
    width = rng.uniform(6, 13)
    mask = _stroke(shape, ends, width)
    for place in np.linspace(0.1, 0.9, rng.integers(3, 8)):
        hole = ends[0] + place * (ends[1] - ends[0])
        y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
        mask &= np.hypot(x - hole[0], y - hole[1]) > width * 0.22
    drawing.add("plate", mask, rng.uniform(1, 2.5))


def _nail(drawing: Drawing, rng: np.random.Generator) -> None:
    ends = _segment(drawing.metal.shape, rng.uniform(0.4, 0.9), rng)
    drawing.add(
        "intramedullary nail", _stroke(drawing.metal.shape, ends, rng.uniform(5, 10)), rng.uniform(3, 7)
    )


def _curve(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    knots = np.cumsum(rng.normal(0, 0.18, (5, 2)) + rng.normal(0, 0.12, 2), axis=0) + rng.uniform(0.2, 0.8, 2)
    t = np.linspace(0, 1, 60)[:, None]
    for _ in range(3):
        knots = np.concatenate([knots[:1], (knots[:-1] + knots[1:]) / 2, knots[-1:]])
    place = t[:, 0] * (len(knots) - 1)
    fine = np.stack([np.interp(place, np.arange(len(knots)), knots[:, n]) for n in range(2)], 1)
    return fine * [shape[1], shape[0]]


def _catheter(drawing: Drawing, rng: np.random.Generator) -> None:
    shape = drawing.metal.shape
    drawing.add("catheter", _stroke(shape, _curve(shape, rng), rng.uniform(1.5, 4)), rng.uniform(0.15, 0.6))


def _guide_wire(drawing: Drawing, rng: np.random.Generator) -> None:
    shape = drawing.metal.shape
    drawing.add("guide wire", _stroke(shape, _curve(shape, rng), rng.uniform(1, 1.8)), rng.uniform(0.6, 1.5))


def _pacemaker(drawing: Drawing, rng: np.random.Generator) -> None:
    shape = drawing.metal.shape
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    cx, cy = rng.uniform(0.15, 0.85) * shape[1], rng.uniform(0.15, 0.5) * shape[0]
    a, b = rng.uniform(0.06, 0.1, 2) * shape[0]
    can = (np.abs((x - cx) / a) ** 3 + np.abs((y - cy) / b) ** 3) < 1
    lead = _curve(shape, rng)
    lead = lead - lead[0] + [cx, cy]
    drawing.add("pacemaker", can | _stroke(shape, lead, 1.6), rng.uniform(1.5, 3))


def _port(drawing: Drawing, rng: np.random.Generator) -> None:
    """A chamber under the skin of the chest, and a line that turns into a vein and runs down in it."""
    shape = drawing.metal.shape
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    side = rng.choice([-1, 1])
    chamber = np.array([0.5 + side * rng.uniform(0.12, 0.3), rng.uniform(0.25, 0.45)])
    top = chamber + [-side * rng.uniform(0.0, 0.12), -rng.uniform(0.08, 0.22)]
    end = np.array([0.5 + side * rng.uniform(-0.04, 0.1), chamber[1] + rng.uniform(0.05, 0.3)])
    knots = np.stack([chamber, [chamber[0], top[1]], [(top[0] + end[0]) / 2, top[1]], [end[0], chamber[1]], end])
    t = np.linspace(0, 1, 60)[:, None]
    curve = sum(n * t**k * (1 - t) ** (4 - k) * knots[k] for k, n in enumerate(BERNSTEIN))
    size = [shape[1], shape[0]]
    cx, cy = chamber * size
    radius = rng.uniform(0.022, 0.04) * shape[0]
    mask = (np.hypot(x - cx, y - cy) < radius) | _stroke(shape, curve * size, rng.uniform(1.2, 2.6))
    drawing.add("port catheter", mask, rng.uniform(0.3, 1.2))


def _rods(drawing: Drawing, rng: np.random.Generator) -> None:
    """Two rods beside the spine, each held by screws."""
    shape = drawing.metal.shape
    length, apart = rng.uniform(0.12, 0.5) * shape[0], rng.uniform(0.05, 0.09) * shape[1]
    x, y = rng.uniform(0.4, 0.6) * shape[1], rng.uniform(0.2, 0.9) * shape[0]
    width, density, lean = rng.uniform(2, 5), rng.uniform(1.5, 4), rng.normal(0, 0.06)
    rods = np.zeros(shape, bool)
    for side in (-1, 1):
        ends = np.array([[x + side * apart, y], [x + side * apart + lean * length, y + length]])
        rods |= _stroke(shape, ends, width)
        for place in np.linspace(0.02, 0.98, rng.integers(2, 6)):
            head = ends[0] + place * (ends[1] - ends[0])
            tip = head - [side * apart * rng.uniform(0.5, 1.1), rng.normal(0, 1)]
            screw = _stroke(shape, np.stack([head, tip]), width * 0.8)
            screw |= np.hypot(*np.subtract(np.mgrid[: shape[0], : shape[1]], head[::-1, None, None])) < width
            drawing.add("screw", screw, density / 2)
    drawing.add("rod", rods, density)


def _anchor(drawing: Drawing, rng: np.random.Generator) -> None:
    shape = drawing.metal.shape
    ends = _segment(shape, rng.uniform(0.015, 0.05), rng)
    drawing.add("suture anchor", _stroke(shape, ends, rng.uniform(2.5, 5)), rng.uniform(1, 3))


KINDS = {
    "screw": _screw,
    "K-wire": _wire,
    "plate": _plate,
    "intramedullary nail": _nail,
    "catheter": _catheter,
    "guide wire": _guide_wire,
    "pacemaker": _pacemaker,
    "port catheter": _port,
    "rod": _rods,
    "suture anchor": _anchor,
}
