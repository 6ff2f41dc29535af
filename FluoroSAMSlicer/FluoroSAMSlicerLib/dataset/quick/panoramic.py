"""Panoramic radiographs of the jaws: a narrow beam sweeps along the dental arch, and each column is one of its slits.

Places are LPS mm. What lies further inside than ``within_mm`` of the arch is no part of the sharp picture: in a
machine the sweep blurs it to a broad ghost, see ``slits``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

COLUMNS = 256
"""Columns between which those of other widths are interpolated."""

REACH_MM, AHEAD_MM = 170.0, 110.0
"""How far the whole beam goes on behind the arch, and how far outside of it a head ends at most."""

WIDEST_DEG = 128.0
"""How far to either side of the front the arch is sought; condyles lie at about 120 degrees."""

ARCH_MM = (45.0, 72.0)
"""Half axes, sideways and to the front, of the arch where a body's own cannot be found."""

CHIN_DEG = (6.0, 4.5)
"""How far the head is bent down against a lying patient's, mean and deviation: the teeth are to bite level."""

FEWEST = 200
"""Points that an arch is sought in."""


@dataclass(frozen=True, eq=False)
class Ghost:
    """What the sweep blurs: its strength (0 to 1), and standard deviations as shares of the picture's width."""

    strength: float
    across: float
    along: float


@dataclass(frozen=True, eq=False)
class PanoramicGeometry:
    """The slits of a picture that is ``pixels`` wide and ``round(share * pixels)`` high, in the middle of a square.

    upper, lower: (N, 3) places in the arch that the picture's upper and lower edge show, from the patient's right
    to the left. sources: (N, 3), far outside of the cheek; rays are walked from there inwards, which sums the same,
    and end ``within_mm`` behind the arch.
    """

    upper: np.ndarray
    lower: np.ndarray
    sources: np.ndarray
    within_mm: float
    share: float
    ghost: Ghost
    pixels: int = 256

    def resized(self, pixels: int) -> PanoramicGeometry:
        """The same field with other pixels."""
        return replace(self, pixels=pixels)

    @property
    def source(self) -> np.ndarray:
        """The middle column's (3,)."""
        return self.sources[len(self.sources) // 2]

    @property
    def height(self) -> int:
        return min(max(1, round(self.share * self.pixels)), self.pixels)

    @property
    def rows(self) -> slice:
        """The rows of the square that the picture fills."""
        top = (self.pixels - self.height) // 2
        return slice(top, top + self.height)

    @property
    def pixel_mm(self) -> np.ndarray:
        """(2,) width and height of a pixel in the arch."""
        middle = (self.upper + self.lower) / 2
        width = np.linalg.norm(np.diff(middle, axis=0), axis=1).sum() * len(middle) / (len(middle) - 1)
        height = np.linalg.norm(self.upper - self.lower, axis=1).mean()
        return np.array([width / self.pixels, height / self.height])

    def whole(self) -> PanoramicGeometry:
        """The same slits through all of the head."""
        return replace(self, within_mm=REACH_MM)

    def beams(self, origin: np.ndarray, spacing: np.ndarray) -> np.ndarray:
        """(``pixels``, 12) float32 as ``trace`` takes them, each a detector of ``height`` rows and one column."""
        at = (np.arange(self.pixels) + 0.5) / self.pixels * len(self.upper) - 0.5
        upper, lower, sources = (_columns(places, at) for places in (self.upper, self.lower, self.sources))
        far = np.linalg.norm((upper + lower) / 2 - sources, axis=1, keepdims=True)
        upper, lower = (place + (place - sources) * (self.within_mm / far) for place in (upper, lower))
        step = (lower - upper) / self.height
        points = [(place - origin) / spacing + 0.5 for place in (sources, upper + 0.5 * step)]
        return np.concatenate([*points, np.zeros_like(step), step / spacing], axis=1).astype(np.float32)

    def shows(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Whether boxes, (L, 3) lower and upper corners, may be met by sharp beams: (L,) bool."""
        edges = []
        for edge in (self.upper, self.lower):
            way = edge - self.sources
            way = way / np.linalg.norm(way, axis=1, keepdims=True)
            edges += [edge + self.within_mm * way, edge - AHEAD_MM * way]
        first, last = np.min(edges, axis=0), np.max(edges, axis=0)
        return ((first < high[:, None]) & (last > low[:, None])).all(axis=2).any(axis=1)


def _columns(places: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows of (N, 3) at fractional positions; the ends go on straight."""
    first = np.clip(np.floor(at).astype(int), 0, len(places) - 2)
    share = (at - first)[:, None]
    return places[first] * (1 - share) + places[first + 1] * share


def arch_of(points: np.ndarray) -> np.ndarray:
    """The arch (N, 2) in x, y from the patient's right to the left, through a mandible's points (M, 3).

    The median radius by angle about a centre between the rami, made smooth. Without enough points on both sides
    of the middle, a common arch about their middle.
    """
    flat = points[:, :2]
    if len(flat) < FEWEST:
        middle = flat.mean(axis=0) if len(flat) else np.zeros(2)
        return _common(middle)
    low, high = np.percentile(flat, [0.5, 99.5], axis=0)
    centre = np.array([(low[0] + high[0]) / 2, low[1] + 0.6 * (high[1] - low[1])])
    way = flat - centre
    angle, radius = np.degrees(np.arctan2(way[:, 0], -way[:, 1])), np.linalg.norm(way, axis=1)
    bins = np.arange(-WIDEST_DEG, WIDEST_DEG, 4.0)
    which = np.digitize(angle, bins)
    found = [
        (bins[n - 1] + 2.0, np.median(radius[which == n]))
        for n in range(1, len(bins)) if np.count_nonzero(which == n) >= max(3, len(flat) // 2000)
    ]  # fmt: skip
    if len(found) < 20 or found[0][0] > -60 or found[-1][0] < 60:
        return _common(centre)
    turns, radii = np.array(found).T
    curve = np.polynomial.Polynomial.fit(turns, radii, 6)
    theta = np.linspace(turns[0], turns[-1], 400)
    smooth = curve(theta)[:, None]
    theta = np.radians(theta)
    return centre + smooth * np.stack([np.sin(theta), -np.cos(theta)], axis=1)


def _common(centre: np.ndarray) -> np.ndarray:
    theta = np.radians(np.linspace(-100, 100, 400))
    return centre + np.stack([ARCH_MM[0] * np.sin(theta), -ARCH_MM[1] * np.cos(theta)], axis=1)


def along(arch: np.ndarray, beyond: tuple[float, float], count: int) -> tuple[np.ndarray, np.ndarray]:
    """``count`` places (N, 2) at equal distances on the arch, longer by ``beyond`` (mm) at its ends, and the unit
    normals (N, 2) that point out of the mouth."""
    tails = []
    for end, inner, longer in ((arch[0], arch[30], beyond[0]), (arch[-1], arch[-31], beyond[1])):
        way = (end - inner) / np.linalg.norm(end - inner)
        tails.append(end + way * np.linspace(0, longer, 31)[1:, None])
    line = np.concatenate([tails[0][::-1], arch, tails[1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = (np.arange(count) + 0.5) / count * length[-1]
    places = np.stack([np.interp(at, length, line[:, axis]) for axis in (0, 1)], axis=1)
    # A machine turns steadily: the beam's direction is that of a longer piece of the arch.
    apart = 0.06 * length[-1]
    ahead, behind = (
        np.stack([np.interp(np.clip(at + d, 0, length[-1]), length, line[:, n]) for n in (0, 1)], 1)
        for d in (apart, -apart)
    )
    tangent = ahead - behind
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return places, np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)


def draw_panoramic(points: np.ndarray, rng: np.random.Generator) -> PanoramicGeometry:
    """A random panoramic exposure of a mandible's points (M, 3), the patient's right on the left."""
    arch = arch_of(points)
    middle = arch.mean(axis=0)
    turn = np.radians(rng.normal(0, 3.5))
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    arch = (arch - middle) @ turned.T * rng.normal(1, 0.03, 2) + middle + rng.normal(0, (2.5, 4.0))
    places, outward = along(arch, tuple(rng.uniform(-2, 16, 2)), COLUMNS)

    roll, pitch = np.tan(np.radians(rng.normal(0, 2.0))), np.tan(np.radians(rng.normal(*CHIN_DEG)))
    slope = np.array([roll, pitch])
    level = points[:, 2] - (points[:, :2] - middle) @ slope if len(points) else np.array([-40.0, 40.0])
    low, high = np.percentile(level, [0.1, 99.9])
    tall = max(high - low, 30.0) * (rng.uniform(1.06, 1.35) if rng.random() < 0.65 else rng.uniform(1.35, 1.8))
    bottom = low - rng.uniform(0.02, 0.13) * tall
    base = bottom + (places - middle) @ slope
    width = np.linalg.norm(np.diff(places, axis=0), axis=1).sum()
    aspect = np.clip(rng.uniform(0.78, 1.08) * width / tall, 1.6, 2.4)

    tilt = np.tan(np.radians(rng.uniform(4, 8)))
    far = rng.uniform(600, 1500)
    lower = np.concatenate([places, base[:, None]], axis=1)
    upper = lower + np.array([0, 0, tall])
    sources = (upper + lower) / 2 + far * np.concatenate([outward, np.full((COLUMNS, 1), tilt)], axis=1)
    ghost = Ghost(rng.uniform(0.1, 0.7), rng.uniform(0.035, 0.09), rng.uniform(0.01, 0.03))
    return PanoramicGeometry(upper, lower, sources, rng.uniform(18, 40), 1 / aspect, ghost)
