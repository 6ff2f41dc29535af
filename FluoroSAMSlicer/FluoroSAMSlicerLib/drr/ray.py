"""One ray through a volume of box voxels: image, materials and all labels in one march, for a GPU.

Siddon's radiological path (Med Phys 12, 1985) as one flat loop of one voxel a turn (Amanatides and Woo, 1987), so
that neighbouring rays, which a GPU marches in step, do the same work at the same time. It is plain Python that
numba compiles: for CUDA (``gpu``), and in the tests for the CPU.

A ray is clipped to the volume in float64. From there on positions are float32 counts of voxels along its steepest
axis from the voxel it enters by, and planes of the other axes are found from their number, not by adding up gaps:
3e-5 of a voxel at most from where they are, in a volume of 512. Sums are float32 too, of values that are never
negative. Line integrals agree with the float64 march to 1e-5 of their value and better. No double precision is
left in the loop, in which consumer cards are up to 64 times slower.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .material import BONE_HU, SOFT_HU

NOTHING = 1000
"""Voxels hold HU + 1000, so that nothing is 0 and no voxel is negative."""
FAR = np.float32(3e38)
ZERO, ONE = np.float32(0), np.float32(1)
_SOFT, _BONE = SOFT_HU + NOTHING, BONE_HU + NOTHING


def march_ray(image: bool, materials: bool, lengths: bool, bits: bool, compile_: Callable) -> Callable:
    """The march of one ray, compiled by ``compile_`` for the outputs wanted; the others cost nothing.

    The function returned takes

    row, column: the pixel.
    geometry: 21 floats: first pixel, step to the next column, to the next row, source, each as continuous voxel
        index (i, j, k) shifted so that voxel n fills n to n + 1; then the 3x3 index step to world step, mm.
    shape: (K, J, I).
    voxels: flat; HU + 1000 as uint16, or with labels in the upper half of a uint32, or labels alone as uint16. A
        label is its plane's number + 1; 0 is not wanted.
    density: (N,) float32, g/cm3 by HU + 1000.
    images: (1 or 4, H, W) float32, written: line integral; soft tissue, bone and metal in g/cm2.
    path: (L, H, W) float32, written: mm through each label. words: (ceil(L / 64), H, W) uint64, written: a bit a
        label.

    Arrays of outputs that are not wanted may have any size.
    """
    labels = lengths or bits
    shift = 16 if image else 0

    def clip(at, size, direction, start, end):
        """The part of start..end inside two parallel faces, and the distance between planes; empty where missed."""
        if abs(direction) > 1e-12:
            near = -at / direction
            far = (size - at) / direction
            return max(start, min(near, far)), min(end, max(near, far)), abs(1.0 / direction)
        if at < 0.0 or at >= size:
            return start, start - 1.0, 0.0
        return start, end, 0.0

    def keep(path, words, slot, row, column, length):
        if lengths:
            path[slot, row, column] += length
        if bits and length > ZERO:
            words[slot >> 6, row, column] |= np.uint64(1) << np.uint64(slot & 63)

    clip = compile_(clip)
    keep = compile_(keep)

    def march(row, column, geometry, shape, voxels, density, images, path, words):
        if image:
            images[0, row, column] = ZERO
        if materials:
            images[1, row, column] = ZERO
            images[2, row, column] = ZERO
            images[3, row, column] = ZERO
        if lengths:
            for plane in range(path.shape[0]):
                path[plane, row, column] = ZERO
        if bits:
            for plane in range(words.shape[0]):
                words[plane, row, column] = np.uint64(0)

        dx = geometry[0] + column * geometry[3] + row * geometry[6] - geometry[9]
        dy = geometry[1] + column * geometry[4] + row * geometry[7] - geometry[10]
        dz = geometry[2] + column * geometry[5] + row * geometry[8] - geometry[11]
        wx = geometry[12] * dx + geometry[13] * dy + geometry[14] * dz
        wy = geometry[15] * dx + geometry[16] * dy + geometry[17] * dz
        wz = geometry[18] * dx + geometry[19] * dy + geometry[20] * dz
        stride_j = shape[2]
        stride_k = shape[2] * shape[1]
        # a is the steepest axis. Positions along the ray (u) count its voxels from the source on.
        if abs(dy) >= abs(dx) and abs(dy) >= abs(dz):
            da, db, dc = dy, dx, dz
            at_a, at_b, at_c = geometry[10], geometry[9], geometry[11]
            size_a, size_b, size_c = shape[1], shape[2], shape[0]
            step_a, step_b, step_c = stride_j, 1, stride_k
        elif abs(dx) >= abs(dz):
            da, db, dc = dx, dy, dz
            at_a, at_b, at_c = geometry[9], geometry[10], geometry[11]
            size_a, size_b, size_c = shape[2], shape[1], shape[0]
            step_a, step_b, step_c = 1, stride_j, stride_k
        else:
            da, db, dc = dz, dx, dy
            at_a, at_b, at_c = geometry[11], geometry[9], geometry[10]
            size_a, size_b, size_c = shape[0], shape[2], shape[1]
            step_a, step_b, step_c = stride_k, 1, stride_j
        at = 0
        if da < 0.0:  # count from the far side, so that every ray climbs
            da = -da
            at_a = size_a - at_a
            at = (size_a - 1) * step_a
            step_a = -step_a
        slab_mm = np.float32(math.sqrt(wx * wx + wy * wy + wz * wz) / da)
        db = db / da
        dc = dc / da
        start = max(0.0, -at_a)
        end = min(da, size_a - at_a)
        start, end, gap_b = clip(at_b, size_b, db, start, end)
        start, end, gap_c = clip(at_c, size_c, dc, start, end)
        if not start < end:
            return

        # The voxel entered; positions are counted from its near face on from here.
        in_a = min(max(int(math.floor(at_a + start)), 0), size_a - 1)
        in_b = min(max(int(math.floor(at_b + start * db)), 0), size_b - 1)
        in_c = min(max(int(math.floor(at_c + start * dc)), 0), size_c - 1)
        at = at + in_a * step_a + in_b * step_b + in_c * step_c
        origin = in_a - at_a
        first_b, first_c = FAR, FAR
        if gap_b > 0.0:
            first_b = np.float32((in_b + (1.0 if db > 0.0 else 0.0) - at_b) / db - origin)
        if gap_c > 0.0:
            first_c = np.float32((in_c + (1.0 if dc > 0.0 else 0.0) - at_c) / dc - origin)
        gap_b, gap_c = np.float32(gap_b), np.float32(gap_c)
        step_b = step_b if db > 0.0 else -step_b
        step_c = step_c if dc > 0.0 else -step_c
        finish = np.float32(end - origin)
        # A plane this close to the end is the face by which the ray leaves, or makes no difference.
        last = finish - max(np.float32(2e-4), finish * np.float32(2.5e-7))
        position = np.float32(start - origin)
        next_a, next_b, next_c = ONE, first_b, first_c
        count_b, count_c = ZERO, ZERO
        total, soft, bone, metal = ZERO, ZERO, ZERO, ZERO
        run_slot = -1
        run_start = position
        going = True
        while going:
            here = np.int64(voxels[np.uint64(at)])
            to = min(next_a, min(next_b, next_c))
            going = to < last
            if not going:
                to = finish
            length = to - position
            if image:
                value = here & 0xFFFF
                total += length * np.float32(value)
                if materials:
                    grams = length * density[value]
                    if value <= _SOFT:
                        soft += grams
                    elif value <= _BONE:
                        bone += grams
                    else:
                        metal += grams
            if labels:
                slot = (here >> shift) - 1
                if slot != run_slot:
                    if run_slot >= 0:
                        keep(path, words, run_slot, row, column, (position - run_start) * slab_mm)
                    run_slot = slot
                    run_start = position
            position = to
            if to == next_a:
                next_a += ONE
                at += step_a
            elif to == next_b:
                count_b += ONE
                next_b = first_b + count_b * gap_b
                at += step_b
            else:
                count_c += ONE
                next_c = first_c + count_c * gap_c
                at += step_c
        if labels and run_slot >= 0:
            keep(path, words, run_slot, row, column, (finish - run_start) * slab_mm)
        if image:
            images[0, row, column] = total * slab_mm * np.float32(2e-5)
        if materials:
            scale = slab_mm * np.float32(0.1)
            images[1, row, column] = soft * scale
            images[2, row, column] = bone * scale
            images[3, row, column] = metal * scale

    return compile_(march)
