"""Random variation of a body: affine and elastic deformation, mirroring, tissue densities."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from ..anatomy import vocabulary
from .body import Body

FINE = 32
"""Points of the control grid on a side where single bones are bent."""

LOCAL = ((70.0, 0.7), (35.0, 0.35), (18.0, 0.18))
"""Distances over which what is bent locally differs, mm, and their shares: the finer, the less."""


@dataclass(frozen=True)
class Warp:
    """A smooth map from the warped body's LPS space to the source body's.

    ``source = centre + matrix @ (p - centre) + displacement(p)``; ``control`` (3, D, D, D) holds the
    displacements in mm (x, y, z components) on a regular control grid that spans the source volume.
    """

    matrix: np.ndarray
    centre: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    control: np.ndarray
    mirror: bool

    @classmethod
    def random(
        cls, body: Body, rng: np.random.Generator, mirror: bool, strength: float = 1.0, local_mm: float = 0.0
    ) -> Warp:
        """Sizes vary by about 12 % in each axis, shears by 5 %, points by up to about 15 mm.

        ``local_mm``: by how much, on average, single bones are bent beside their neighbours as well.
        """
        size = body.spacing * np.array(body.labels.shape[::-1])
        scale = 1 + strength * (rng.normal(0, 0.06) + rng.normal(0, 0.07, 3))
        shear = np.eye(3) + strength * rng.normal(0, 0.03, (3, 3)) * (1 - np.eye(3))
        matrix = shear @ np.diag(1 / np.clip(scale, 0.7, 1.4))
        if mirror:
            matrix[0] *= -1
        control = np.zeros((3, 8, 8, 8))
        for cells, share in ((3, 0.6), (5, 0.3), (8, 0.12)):
            control += _upsample(rng.normal(0, share, (3, cells, cells, cells)), 8)
        control *= strength * 0.035 * np.minimum(size, 450.0)[:, None, None, None]
        if local_mm:
            control = _upsample(control, FINE)
            for cell_mm, share in LOCAL:
                nodes = np.clip(np.ceil(size / cell_mm).astype(int) + 1, 2, FINE)
                control += local_mm * share * _upsample(rng.normal(0, 1, (3, *nodes[::-1])), FINE)
        return cls(matrix, body.origin + size / 2, body.origin, body.origin + size, control, mirror)

    def source_of(self, points: np.ndarray) -> np.ndarray:
        """Source positions (N, 3) of warped positions (N, 3), LPS mm."""
        from scipy.ndimage import map_coordinates

        cells = (points - self.lower) / (self.upper - self.lower) * (self.control.shape[1] - 1)
        shift = np.stack(
            [map_coordinates(c, cells.T[::-1], order=1, mode="nearest") for c in self.control], axis=1
        )
        return self.centre + (points - self.centre) @ self.matrix.T + shift

    def target_of(self, points: np.ndarray) -> np.ndarray:
        """Warped positions (N, 3) of source positions (N, 3), by fixed-point iteration."""
        inverse = np.linalg.inv(self.matrix)
        guess = self.centre + (points - self.centre) @ inverse.T
        for _ in range(12):
            guess = guess + (points - self.source_of(guess)) @ inverse.T
        return guess

    def apply(self, body: Body, spacing_mm: float, hu_shift: np.ndarray, hu_gain: np.ndarray) -> Body:
        """The warped body on an isotropic grid; HU becomes ``gain[label] * hu + shift[label]``."""
        extent = np.abs(np.linalg.inv(self.matrix)) @ (self.upper - self.lower) * 0.5
        lower, upper = self.centre - extent, self.centre + extent
        shape = np.maximum(np.ceil((upper - lower) / spacing_mm).astype(int), 4)
        hu = np.empty(tuple(shape[::-1]), np.int16)
        labels = np.empty(tuple(shape[::-1]), np.uint16)
        _resample_kernel()(
            body.hu, body.labels, body.origin, body.spacing, self.matrix, self.centre, self.lower,
            self.upper, self.control, lower, float(spacing_mm), hu_gain.astype(np.float32),
            hu_shift.astype(np.float32), hu, labels,
        )  # fmt: skip
        structures = mirrored(body.structures) if self.mirror else body.structures
        return replace(
            body, hu=hu, labels=labels, origin=lower, spacing=np.full(3, float(spacing_mm)),
            structures=structures,
        )  # fmt: skip


def mirrored(structures: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Label values by the names they have after left and right changed places.

    The middle lobe has no left counterpart; its place in a left lung is the upper lobe's lingula.
    """
    swapped: dict[str, tuple[int, ...]] = {}
    for name, values in structures.items():
        other = "left lung upper lobe" if name == "right lung middle lobe" else vocabulary().mirrored(name)
        if other is not None:
            swapped[other] = swapped.get(other, ()) + values
    return swapped


def _upsample(grid: np.ndarray, cells: int) -> np.ndarray:
    between = (_between(nodes, cells) for nodes in grid.shape[1:])
    return np.einsum("ai,bj,ck,nijk->nabc", *between, grid, optimize=True)


@functools.cache
def _between(nodes: int, cells: int) -> np.ndarray:
    """(cells, nodes): cubic interpolation from one regular grid of a line to another."""
    from scipy.ndimage import zoom

    return zoom(np.eye(nodes), (cells / nodes, 1), order=3, mode="nearest")


@functools.cache
def _resample_kernel():
    import numba

    @numba.njit(parallel=True, nogil=True, fastmath=True, cache=True)
    def resample(hu, labels, origin, spacing, matrix, centre, lower, upper, control, start, step, gain,
                 shift, out_hu, out_labels):  # fmt: skip
        nk, nj, ni = out_hu.shape
        mk, mj, mi = hu.shape
        cells = control.shape[1] - 1
        for k in numba.prange(nk):
            d = np.empty(3)
            for j in range(nj):
                for i in range(ni):
                    x = start[0] + step * i
                    y = start[1] + step * j
                    z = start[2] + step * k
                    u = min(max((x - lower[0]) / (upper[0] - lower[0]), 0.0), 0.9999) * cells
                    v = min(max((y - lower[1]) / (upper[1] - lower[1]), 0.0), 0.9999) * cells
                    w = min(max((z - lower[2]) / (upper[2] - lower[2]), 0.0), 0.9999) * cells
                    a, b, c = int(u), int(v), int(w)
                    fu, fv, fw = u - a, v - b, w - c
                    for n in range(3):
                        g = control[n]
                        lo = (g[c, b, a] * (1 - fu) + g[c, b, a + 1] * fu) * (1 - fv) + (
                            g[c, b + 1, a] * (1 - fu) + g[c, b + 1, a + 1] * fu
                        ) * fv
                        hi = (g[c + 1, b, a] * (1 - fu) + g[c + 1, b, a + 1] * fu) * (1 - fv) + (
                            g[c + 1, b + 1, a] * (1 - fu) + g[c + 1, b + 1, a + 1] * fu
                        ) * fv
                        d[n] = lo * (1 - fw) + hi * fw
                    x -= centre[0]
                    y -= centre[1]
                    z -= centre[2]
                    px = (
                        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + centre[0] + d[0] - origin[0]
                    ) / spacing[0]
                    py = (
                        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + centre[1] + d[1] - origin[1]
                    ) / spacing[1]
                    pz = (
                        matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + centre[2] + d[2] - origin[2]
                    ) / spacing[2]
                    if px < 0 or py < 0 or pz < 0 or px >= mi - 1 or py >= mj - 1 or pz >= mk - 1:
                        out_hu[k, j, i] = -1024
                        out_labels[k, j, i] = 0
                        continue
                    i0, j0, k0 = int(px), int(py), int(pz)
                    fx, fy, fz = px - i0, py - j0, pz - k0
                    lo = (hu[k0, j0, i0] * (1 - fx) + hu[k0, j0, i0 + 1] * fx) * (1 - fy) + (
                        hu[k0, j0 + 1, i0] * (1 - fx) + hu[k0, j0 + 1, i0 + 1] * fx
                    ) * fy
                    hi = (hu[k0 + 1, j0, i0] * (1 - fx) + hu[k0 + 1, j0, i0 + 1] * fx) * (1 - fy) + (
                        hu[k0 + 1, j0 + 1, i0] * (1 - fx) + hu[k0 + 1, j0 + 1, i0 + 1] * fx
                    ) * fy
                    label = labels[int(pz + 0.5), int(py + 0.5), int(px + 0.5)]
                    value = (lo * (1 - fz) + hi * fz) * gain[label] + shift[label]
                    out_hu[k, j, i] = int(min(max(value, -1024.0), 3071.0))
                    out_labels[k, j, i] = label

    return resample
