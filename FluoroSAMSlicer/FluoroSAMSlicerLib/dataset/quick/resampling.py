"""A body bent by a warp, sampled on the grid of a staged body."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...drr.compiling import compiled
from ..body import Body
from ..warp import Warp


def resample(
    body: Body, warp: Warp, lower: np.ndarray, spacing_mm: float, shape: tuple[int, int, int],
    keep: tuple[float, float], gain: np.ndarray, shift: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """HU int16 and labels uint16 (K, J, I) of the warped body from ``lower`` (x, y, z) on.

    HU becomes ``gain[label] * hu + shift[label]``. Outside of ``keep``, a range of x in the body's own space
    (LPS mm), and outside of the body is air.
    """
    hu, labels = np.empty(shape, np.int16), np.empty(shape, np.uint16)
    _kernel()(
        body.hu, body.labels, body.origin, body.spacing, warp.matrix, warp.centre, warp.lower, warp.upper,
        warp.control, np.asarray(lower, float), float(spacing_mm), float(keep[0]), float(keep[1]),
        gain.astype(np.float32), shift.astype(np.float32), hu, labels,
    )  # fmt: skip
    return hu, labels


@lru_cache(maxsize=1)
def _kernel():
    return compiled(_resample, fastmath=True)


def _resample(hu, labels, origin, spacing, matrix, centre, lower, upper, control, start, step, keep_low, keep_high,
              gain, shift, out_hu, out_labels):  # fmt: skip
    nk, nj, ni = out_hu.shape
    mk, mj, mi = hu.shape
    cells = control.shape[1] - 1
    row = np.empty((3, cells + 1))
    for k in range(nk):
        z = start[2] + step * k
        w = min(max((z - lower[2]) / (upper[2] - lower[2]), 0.0), 0.9999) * cells
        c = int(w)
        fw = w - c
        for j in range(nj):
            y = start[1] + step * j
            v = min(max((y - lower[1]) / (upper[1] - lower[1]), 0.0), 0.9999) * cells
            b = int(v)
            fv = v - b
            for n in range(3):
                g = control[n]
                for a in range(cells + 1):
                    lo = g[c, b, a] * (1 - fv) + g[c, b + 1, a] * fv
                    hi = g[c + 1, b, a] * (1 - fv) + g[c + 1, b + 1, a] * fv
                    row[n, a] = lo * (1 - fw) + hi * fw
            ry, rz = y - centre[1], z - centre[2]
            bx = matrix[0, 1] * ry + matrix[0, 2] * rz + centre[0]
            by = matrix[1, 1] * ry + matrix[1, 2] * rz + centre[1]
            bz = matrix[2, 1] * ry + matrix[2, 2] * rz + centre[2]
            for i in range(ni):
                x = start[0] + step * i
                u = min(max((x - lower[0]) / (upper[0] - lower[0]), 0.0), 0.9999) * cells
                a = int(u)
                fu = u - a
                rx = x - centre[0]
                qx = bx + matrix[0, 0] * rx + row[0, a] * (1 - fu) + row[0, a + 1] * fu
                qy = by + matrix[1, 0] * rx + row[1, a] * (1 - fu) + row[1, a + 1] * fu
                qz = bz + matrix[2, 0] * rx + row[2, a] * (1 - fu) + row[2, a + 1] * fu
                px, py, pz = (
                    (qx - origin[0]) / spacing[0], (qy - origin[1]) / spacing[1], (qz - origin[2]) / spacing[2]
                )  # fmt: skip
                out_hu[k, j, i] = -1000
                out_labels[k, j, i] = 0
                if px < 0 or py < 0 or pz < 0 or px >= mi - 1 or py >= mj - 1 or pz >= mk - 1:
                    continue
                if qx < keep_low or qx > keep_high:
                    continue
                i0, j0, k0 = int(px), int(py), int(pz)
                tx, ty, tz = px - i0, py - j0, pz - k0
                label = labels[int(pz + 0.5), int(py + 0.5), int(px + 0.5)]
                lo = (hu[k0, j0, i0] * (1 - tx) + hu[k0, j0, i0 + 1] * tx) * (1 - ty) + (
                    hu[k0, j0 + 1, i0] * (1 - tx) + hu[k0, j0 + 1, i0 + 1] * tx
                ) * ty
                hi = (hu[k0 + 1, j0, i0] * (1 - tx) + hu[k0 + 1, j0, i0 + 1] * tx) * (1 - ty) + (
                    hu[k0 + 1, j0 + 1, i0] * (1 - tx) + hu[k0 + 1, j0 + 1, i0 + 1] * tx
                ) * ty
                value = (lo * (1 - tz) + hi * tz) * gain[label] + shift[label]
                out_hu[k, j, i] = int(min(max(value, -1000.0), 2400.0))
                out_labels[k, j, i] = label


def boxes_of(labels: np.ndarray, count: int) -> np.ndarray:
    """(count, 6) int32: lowest and highest (i, j, k) of each label; lowest above highest for absent ones."""
    boxes = np.empty((count, 6), np.int32)
    boxes[:, :3], boxes[:, 3:] = 2**30, -1
    _box_kernel()(labels, boxes)
    return boxes


@lru_cache(maxsize=1)
def _box_kernel():
    return compiled(_grow_boxes)


def _grow_boxes(labels, boxes):
    nk, nj, ni = labels.shape
    for k in range(nk):
        for j in range(nj):
            last = -1
            for i in range(ni):
                label = labels[k, j, i]
                if label == 0:
                    last = 0
                    continue
                if label != last:
                    boxes[label, 0] = min(boxes[label, 0], i)
                    boxes[label, 1] = min(boxes[label, 1], j)
                    boxes[label, 2] = min(boxes[label, 2], k)
                    boxes[label, 4] = max(boxes[label, 4], j)
                    boxes[label, 5] = max(boxes[label, 5], k)
                    last = label
                boxes[label, 3] = max(boxes[label, 3], i)
