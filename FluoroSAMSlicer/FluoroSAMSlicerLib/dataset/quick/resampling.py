"""A body bent by a warp, sampled on the grid of a staged body."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...drr.compiling import compiled
from ..body import Body
from ..warp import Warp
from .posing import Pose

FLESH_HU = 45
"""HU of what fills the gaps that bones leave behind, and the most of flesh that has no name."""


def resample(
    body: Body, warp: Warp, lower: np.ndarray, spacing_mm: float, shape: tuple[int, int, int],
    keep: tuple[float, float], gain: np.ndarray, shift: np.ndarray, pose: Pose | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """HU int16 and labels uint16 (K, J, I) of the warped body from ``lower`` (x, y, z) on.

    HU becomes ``gain[label] * hu + shift[label]``. Outside of ``keep``, a range of x in the body's own space
    (LPS mm), and outside of the body is air. The body is bent by ``pose`` before it is warped.
    """
    pose = Pose.none() if pose is None else pose
    hu, labels = np.empty(shape, np.int16), np.empty(shape, np.uint16)
    _kernel()(
        body.hu, body.labels, body.origin, body.spacing, warp.matrix, warp.centre, warp.lower, warp.upper,
        warp.control, np.asarray(lower, float), float(spacing_mm), float(keep[0]), float(keep[1]),
        gain.astype(np.float32), shift.astype(np.float32), pose.group, pose.back, pose.bits, pose.shift, pose.origin,
        float(pose.cell), hu, labels,
    )  # fmt: skip
    return hu, labels


@lru_cache(maxsize=1)
def _kernel():
    global _at_rest
    _at_rest = compiled(_rest_of, fastmath=True)
    return compiled(_resample, fastmath=True)


def _rest_of(qx, qy, qz, labels, origin, spacing, group, back, bits, way, first, cell):
    """Where a point of the bent body is at rest (x, y, z), and 1 if it belongs to a bone, 0 if it does not, or -1
    where nothing is bent."""
    nc, nb, na = bits.shape
    u = min(max((qx - first[0]) / cell, 0.0), na - 1.001)
    v = min(max((qy - first[1]) / cell, 0.0), nb - 1.001)
    w = min(max((qz - first[2]) / cell, 0.0), nc - 1.001)
    mk, mj, mi = labels.shape
    near = bits[int(w + 0.5), int(v + 0.5), int(u + 0.5)]
    for n in range(back.shape[0], -1, -1):
        if (near >> np.uint32(n)) & np.uint32(1) == 0:
            continue
        rx, ry, rz = qx, qy, qz
        if n > 0:
            t = back[n - 1]
            rx = t[0, 0] * qx + t[0, 1] * qy + t[0, 2] * qz + t[0, 3]
            ry = t[1, 0] * qx + t[1, 1] * qy + t[1, 2] * qz + t[1, 3]
            rz = t[2, 0] * qx + t[2, 1] * qy + t[2, 2] * qz + t[2, 3]
        i = int((rx - origin[0]) / spacing[0] + 0.5)
        j = int((ry - origin[1]) / spacing[1] + 0.5)
        k = int((rz - origin[2]) / spacing[2] + 0.5)
        if i < 0 or j < 0 or k < 0 or i >= mi or j >= mj or k >= mk:
            continue
        if group[labels[k, j, i]] == n:
            return rx, ry, rz, 1
    a, b, c = int(u), int(v), int(w)
    fu, fv, fw = u - a, v - b, w - c
    dx, dy, dz = 0.0, 0.0, 0.0
    for n in range(8):
        ou, ov, ow = n & 1, (n >> 1) & 1, n >> 2
        share = (fu if ou else 1 - fu) * (fv if ov else 1 - fv) * (fw if ow else 1 - fw)
        dx += share * way[c + ow, b + ov, a + ou, 0]
        dy += share * way[c + ow, b + ov, a + ou, 1]
        dz += share * way[c + ow, b + ov, a + ou, 2]
    return qx + dx, qy + dy, qz + dz, -1 if dx * dx + dy * dy + dz * dz < 1e-4 else 0


def _resample(hu, labels, origin, spacing, matrix, centre, lower, upper, control, start, step, keep_low, keep_high,
              gain, shift, group, back, bits, way, first, cell, out_hu, out_labels):  # fmt: skip
    nk, nj, ni = out_hu.shape
    mk, mj, mi = hu.shape
    cells = control.shape[1] - 1
    row = np.empty((3, cells + 1))
    bent = bits.size > 0
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
                bone = -1
                if bent:
                    qx, qy, qz, bone = _at_rest(
                        qx, qy, qz, labels, origin, spacing, group, back, bits, way, first, cell
                    )
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
                value = lo * (1 - tz) + hi * tz
                if bone == 0:  # flesh, and not the place that a bone had at rest
                    if group[label] >= 0:
                        label = 0
                    if label == 0 and value > FLESH_HU:
                        value = FLESH_HU
                value = value * gain[label] + shift[label]
                out_hu[k, j, i] = int(min(max(value, -1000.0), 2400.0))
                out_labels[k, j, i] = label


def boxes_of(labels: np.ndarray, count: int) -> np.ndarray:
    """(count, 6) int32: lowest and highest (i, j, k) of each label; lowest above highest for absent ones."""
    boxes = np.empty((count, 6), np.int32)
    boxes[:, :3], boxes[:, 3:] = 2**30, -1
    _box_kernel()(labels, boxes)
    return boxes


_at_rest = _rest_of


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
