"""Exact voxel traversal on the CPU (numba): image, materials and labels in one march.

Siddon's radiological path (Med Phys 12, 1985) in the incremental form of Amanatides and Woo (1987).
Parallelism is by threads over tiles of the detector with the GIL released, not by numba's own threading
layers: those differ by platform, and some forbid concurrent calls or a later fork.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

TILE = 16


def _march_tiles(
    first_tile, last_tile, shape, origin, to_column, to_row, source, mm_per_index,
    hu, with_image, densities, lowest_hu, with_materials, labels, slots, with_labels,
    line_integral, area_density, label_path,
):  # fmt: skip
    """March every ray of the tiles first_tile..last_tile - 1 of the detector.

    Positions are continuous voxel indices in (i, j, k) order, shifted so that voxel n fills n to n + 1.
    A ray runs from the source to its pixel; its parameter t is world millimetres, which the 3x3
    ``mm_per_index`` (index step to world step) supplies for anisotropic and oblique grids alike.
    ``slots`` maps a label value to its plane of ``label_path``, -1 for values that are not wanted.
    Indices are cast to unsigned where they are used, which spares numba's test for negative ones.
    """
    height, width = line_integral.shape
    tiles_across = (width + 15) // 16
    size_k, size_j, size_i = shape
    stride_j = size_i
    stride_k = size_i * size_j
    for tile in range(first_tile, last_tile):
        row_start = (tile // tiles_across) * 16
        column_start = (tile % tiles_across) * 16
        for row in range(row_start, min(row_start + 16, height)):
            for column in range(column_start, min(column_start + 16, width)):
                dx = origin[0] + column * to_column[0] + row * to_row[0] - source[0]
                dy = origin[1] + column * to_column[1] + row * to_row[1] - source[1]
                dz = origin[2] + column * to_column[2] + row * to_row[2] - source[2]
                wx = mm_per_index[0, 0] * dx + mm_per_index[0, 1] * dy + mm_per_index[0, 2] * dz
                wy = mm_per_index[1, 0] * dx + mm_per_index[1, 1] * dy + mm_per_index[1, 2] * dz
                wz = mm_per_index[2, 0] * dx + mm_per_index[2, 1] * dy + mm_per_index[2, 2] * dz
                length = np.sqrt(wx * wx + wy * wy + wz * wz)
                dx /= length
                dy /= length
                dz /= length

                # Clip the ray to the volume, slab by slab.
                t = 0.0
                end = length
                missed = False
                if abs(dx) > 1e-12:
                    inverse = 1.0 / dx
                    near = -source[0] * inverse
                    far = (size_i - source[0]) * inverse
                    if near > far:
                        near, far = far, near
                    t = max(t, near)
                    end = min(end, far)
                elif source[0] < 0.0 or source[0] >= size_i:
                    missed = True
                if abs(dy) > 1e-12:
                    inverse = 1.0 / dy
                    near = -source[1] * inverse
                    far = (size_j - source[1]) * inverse
                    if near > far:
                        near, far = far, near
                    t = max(t, near)
                    end = min(end, far)
                elif source[1] < 0.0 or source[1] >= size_j:
                    missed = True
                if abs(dz) > 1e-12:
                    inverse = 1.0 / dz
                    near = -source[2] * inverse
                    far = (size_k - source[2]) * inverse
                    if near > far:
                        near, far = far, near
                    t = max(t, near)
                    end = min(end, far)
                elif source[2] < 0.0 or source[2] >= size_k:
                    missed = True
                # Far more than the rounding of the sums below, far less than any result shows: the ray stops
                # before the plane it leaves through, so that no step can lead out of the volume.
                end -= 1e-11 * length
                if missed or not t < end:
                    continue

                # First voxel, and the parameter of the next plane crossed along each axis.
                i = min(max(int(np.floor(source[0] + dx * t)), 0), size_i - 1)
                j = min(max(int(np.floor(source[1] + dy * t)), 0), size_j - 1)
                k = min(max(int(np.floor(source[2] + dz * t)), 0), size_k - 1)
                step_i = 1 if dx > 0.0 else -1
                step_j = 1 if dy > 0.0 else -1
                step_k = 1 if dz > 0.0 else -1
                next_i, next_j, next_k = np.inf, np.inf, np.inf
                gap_i, gap_j, gap_k = np.inf, np.inf, np.inf
                if abs(dx) > 1e-12:
                    gap_i = abs(1.0 / dx)
                    next_i = (i + (step_i > 0) - source[0]) / dx
                if abs(dy) > 1e-12:
                    gap_j = abs(1.0 / dy)
                    next_j = (j + (step_j > 0) - source[1]) / dy
                if abs(dz) > 1e-12:
                    gap_k = abs(1.0 / dz)
                    next_k = (k + (step_k > 0) - source[2]) / dz
                at = i + j * stride_j + k * stride_k
                step_j *= stride_j
                step_k *= stride_k

                total = 0.0
                soft = 0.0
                bone = 0.0
                metal = 0.0
                run_start = t
                run_label = 0
                if with_labels:
                    run_label = int(labels[at])
                while True:
                    here = np.uint64(at)
                    if next_i < next_j:
                        if next_i < next_k:
                            crossing = next_i
                            next_i += gap_i
                            at += step_i
                        else:
                            crossing = next_k
                            next_k += gap_k
                            at += step_k
                    elif next_j < next_k:
                        crossing = next_j
                        next_j += gap_j
                        at += step_j
                    else:
                        crossing = next_k
                        next_k += gap_k
                        at += step_k
                    last = crossing >= end
                    if last:
                        crossing = end
                    if with_image:
                        number = int(hu[here])
                        total += (crossing - t) * max(number + 1000, 0)
                        if with_materials:
                            line = np.uint64(number - lowest_hu)
                            soft += (crossing - t) * densities[line, 0]
                            bone += (crossing - t) * densities[line, 1]
                            metal += (crossing - t) * densities[line, 2]
                    t = crossing
                    if last:
                        break
                    if with_labels:
                        label = int(labels[np.uint64(at)])
                        if label != run_label:
                            slot = slots[run_label]
                            if slot >= 0:
                                label_path[slot, row, column] += t - run_start
                            run_label = label
                            run_start = t
                if with_labels:
                    slot = slots[run_label]
                    if slot >= 0:
                        label_path[slot, row, column] += t - run_start
                if with_image:
                    line_integral[row, column] = total * 2e-5
                    if with_materials:
                        area_density[0, row, column] = soft * 0.1
                        area_density[1, row, column] = bone * 0.1
                        area_density[2, row, column] = metal * 0.1


@lru_cache(maxsize=1)
def march():
    """The compiled kernel; compiled once a machine where a cache folder can be written, else once a process."""
    import numba

    for options in ({"cache": True}, {}):
        try:
            compiled = numba.njit(nogil=True, error_model="numpy", **options)(_march_tiles)
            _compile(compiled)
            return compiled
        except Exception:  # a cache that is unwritable, full or damaged fails in many ways
            if not options:
                raise


def _compile(kernel) -> None:
    """March one ray through one voxel, with the argument types every later call has."""
    line_integral = np.zeros((1, 1), dtype=np.float32)
    point = np.full(3, 0.5)
    kernel(
        0, 1, (1, 1, 1), point + 2.0, np.zeros(3), np.zeros(3), point - 2.0, np.eye(3),
        np.zeros(1, dtype=np.int16), True, np.zeros((1, 3), dtype=np.float32), 0, True,
        np.zeros(1, dtype=np.uint16), np.zeros(1, dtype=np.int32), True,
        line_integral, np.zeros((3, 1, 1), dtype=np.float32), np.zeros((1, 1, 1), dtype=np.float32),
    )  # fmt: skip
