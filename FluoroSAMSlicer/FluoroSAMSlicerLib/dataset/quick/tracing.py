"""One ray through a staged body; numba compiles the same function for the CPU and for CUDA.

The ray is sampled at the middle of equal steps, and each sample takes the voxel that it lies in. All numbers
are float32. Densities by HU are those of ``drr.material``.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from ...drr.compiling import compiled
from ...drr.material import AIR_HU, BONE_HU, METAL_DENSITY, SOFT_HU

ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)
TINY, FAR = np.float32(1e-6), np.float32(1e9)
BELOW, ABOVE, WATER = np.float32(0.001029), np.float32(0.0005886), np.float32(1.030)
METAL, CM = np.float32(METAL_DENSITY), np.float32(0.1)
AIR, SOFT, BONE = np.int32(AIR_HU), np.int32(SOFT_HU), np.int32(BONE_HU)


def trace(tissue, labels, slots, beams, spacing_mm, step, v, y, x, density, path):
    """March the ray of pixel (y, x) of view v and write what it met.

    tissue: (K, J, I) int16 HU. labels: (K, J, I), any integer. slots: (labels,) int32, a label's plane in
    ``path`` or -1. beams: (V, 12) float32 in voxels, (i, j, k) where voxel n fills n to n + 1: source, pixel
    (0, 0), and the steps to the next column and row. spacing_mm, step (voxels): float32.
    density: (V, 3, H, W), g/cm2 of soft tissue, bone, metal. path: (V, L, H, W), mm, zero before.
    """
    sx, sy, sz = beams[v, 0], beams[v, 1], beams[v, 2]
    fx, fy = np.float32(x), np.float32(y)
    dx = beams[v, 3] + fx * beams[v, 6] + fy * beams[v, 9] - sx
    dy = beams[v, 4] + fx * beams[v, 7] + fy * beams[v, 10] - sy
    dz = beams[v, 5] + fx * beams[v, 8] + fy * beams[v, 11] - sz
    length = np.float32(math.sqrt(dx * dx + dy * dy + dz * dz))
    dx, dy, dz = dx / length, dy / length, dz / length
    nz, ny, nx = tissue.shape
    near, far = ZERO, length
    inside = True
    if abs(dx) > TINY:
        a, b = -sx / dx, (np.float32(nx) - sx) / dx
        near, far = max(near, min(a, b)), min(far, max(a, b))
    elif sx < ZERO or sx >= np.float32(nx):
        inside = False
    if abs(dy) > TINY:
        a, b = -sy / dy, (np.float32(ny) - sy) / dy
        near, far = max(near, min(a, b)), min(far, max(a, b))
    elif sy < ZERO or sy >= np.float32(ny):
        inside = False
    if abs(dz) > TINY:
        a, b = -sz / dz, (np.float32(nz) - sz) / dz
        near, far = max(near, min(a, b)), min(far, max(a, b))
    elif sz < ZERO or sz >= np.float32(nz):
        inside = False
    soft, bone, metal = ZERO, ZERO, ZERO
    if inside and far > near:
        count = np.int32((far - near) / step) + np.int32(1)
        gap = (far - near) / np.float32(count)
        step_mm = gap * spacing_mm
        px, py, pz = sx + (near + HALF * gap) * dx, sy + (near + HALF * gap) * dy, sz + (near + HALF * gap) * dz
        dx, dy, dz = dx * gap, dy * gap, dz * gap
        current, run = np.int32(0), np.int32(0)
        for _ in range(count):
            i, j, k = np.int32(px), np.int32(py), np.int32(pz)
            i, j, k = min(max(i, 0), nx - 1), min(max(j, 0), ny - 1), min(max(k, 0), nz - 1)
            hu = np.int32(tissue[k, j, i])
            if hu > AIR:
                if hu <= SOFT:
                    number = np.float32(hu)
                    soft += WATER + number * (ABOVE if hu > 0 else BELOW)
                elif hu <= BONE:
                    bone += WATER + np.float32(hu) * ABOVE
                else:
                    metal += METAL
            label = np.int32(labels[k, j, i])
            if label != current:
                if run > 0 and slots[current] >= 0:
                    path[v, slots[current], y, x] += np.float32(run) * step_mm
                current, run = label, np.int32(0)
            run += np.int32(1)
            px += dx
            py += dy
            pz += dz
        if run > 0 and slots[current] >= 0:
            path[v, slots[current], y, x] += np.float32(run) * step_mm
        cm = step_mm * CM
        soft, bone, metal = soft * cm, bone * cm, metal * cm
    density[v, 0, y, x] = soft
    density[v, 1, y, x] = bone
    density[v, 2, y, x] = metal


@lru_cache(maxsize=1)
def view_tracer():
    """``trace`` for all rays of one view, compiled for the CPU."""
    # In this file, because numba's cache looks for changes in the compiled function's own file only.
    global _trace
    _trace = compiled(trace, fastmath=True)
    return compiled(_trace_view, fastmath=True)


_trace = trace


def _trace_view(tissue, labels, slots, beams, spacing_mm, step, v, density, path):
    for y in range(density.shape[2]):
        for x in range(density.shape[3]):
            _trace(tissue, labels, slots, beams, spacing_mm, step, v, y, x, density, path)
