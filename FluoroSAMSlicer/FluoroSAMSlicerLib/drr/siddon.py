"""Exact projection of box voxels on the CPU (numba): image, materials and labels in one march.

Siddon's radiological path (Med Phys 12, 1985), rearranged. Along the axis a ray climbs fastest it fills one
slab of voxels after the other; only the planes of the other two axes have to be found. Between two of those
the ray stays in one column of voxels, whose whole numbers are summed as they are; at the crossing of such a
plane, a share f into slab n, the sum over slabs is put right by f * (voxel left - voxel entered). That is the
same sum as Siddon's, with about a quarter of the work a voxel. All of it is whole numbers, shares too.

Runs between two planes are a few voxels long: unrolled or vectorised, as compilers like to, they take longer. The
way out of their loop, at another colour (``colours``), keeps compilers from it, without labels too.
That loop needs all registers there are, so it is a function of its own, and of labels it only notes where they
change, voxel and place side by side in one array. Lengths are gathered for a tile before they are written, as
planes of a label stack lie at distances at which they push each other out of the cache.

Parallelism is by threads over tiles of the detector with the GIL released, not by numba's own threading
layers: those differ by platform, and some forbid concurrent calls or a later fork.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numba
import numpy as np

from .compiling import compiled

TILE = 16
DENSITY_UNIT = 2.0**-20
"""Materials are summed as whole multiples of this density, g/cm3."""
BITS = np.int64(34)
UNIT = 2.0**34
"""Crossings are counted in whole multiples of 1 / UNIT of a slab: 30000 of them add up to less than 1e-6."""
APART = 4096.0
"""Rows of voxels among the 256 rays of a tile from which on reading ahead costs more than it saves."""

_REST = np.int64(2**34 - 1)
_FAR = 2.0**61


def _march_tiles(
    first_tile, last_tile, shape, origin, to_column, to_row, source, mm_per_index,
    voxels, room, nothing, line_integral, densities, lowest, area_density, labels, slots, label_path, label_bits,
):  # fmt: skip
    """March every ray of the tiles first_tile..last_tile - 1 of the detector.

    Positions are continuous voxel indices in (i, j, k) order, shifted so that voxel n fills n to n + 1. A ray
    runs between the source and its pixel; its parameter u counts slabs of its steepest axis from its lower end on.
    The 3x3 ``mm_per_index`` (index step to world step) gives the length of a slab for any grid.

    voxels: flat; int16 HU, none below -1000, and room None; with labels, (voxels, room) of ``colours.coloured``.
    nothing: what a voxel of nothing holds. line_integral: (H, W).
    densities: (N, 3) int32 by what a voxel holds above ``lowest``, or None; then area_density (3, H, W) is not
        written.
    labels: flat uint16, or None. ``slots`` (uint32) maps a label to its plane; that of those not wanted is the first
        there is none for. Lengths go to ``label_path`` (L, H, W), or, where that is None, a bit for each into
        ``label_bits`` (words, H, W), with room for L = 64 planes a word.
    Arguments that are None cost nothing, as each combination is compiled by itself.
    Indices are cast to unsigned where they are used, which spares numba's test for negative ones.
    """
    height, width = line_integral.shape
    tiles_across = (width + 15) // 16
    size = (shape[2], shape[1], shape[0])
    stride = (1, shape[2], shape[2] * shape[1])
    longest = 1
    if labels is not None:
        longest = shape[0] + shape[1] + shape[2] + 1
        planes = 0
        if label_path is not None:
            planes = len(label_path)
        if label_bits is not None:
            planes = 64 * len(label_bits)
        paths, met = np.zeros((planes + 1, 16, 16), np.float32), np.zeros(planes + 1, np.bool_)
    events = np.empty(2 * longest, np.int64)
    for tile in range(first_tile, last_tile):
        row_start = (tile // tiles_across) * 16
        column_start = (tile % tiles_across) * 16
        events[0] = read_ahead(  # what is read has to go somewhere, or compilers leave it out
            voxels, size, stride, origin, to_column, to_row, source, row_start, column_start
        )
        for row in range(row_start, min(row_start + 16, height)):
            for lane in range(min(16, width - column_start)):
                column = column_start + lane
                dx = origin[0] + column * to_column[0] + row * to_row[0] - source[0]
                dy = origin[1] + column * to_column[1] + row * to_row[1] - source[1]
                dz = origin[2] + column * to_column[2] + row * to_row[2] - source[2]
                if abs(dy) >= abs(dx) and abs(dy) >= abs(dz):
                    a, b, c = 1, 0, 2
                    reach, db, dc = dy, dx, dz
                elif abs(dx) >= abs(dz):
                    a, b, c = 0, 1, 2
                    reach, db, dc = dx, dy, dz
                else:
                    a, b, c = 2, 0, 1
                    reach, db, dc = dz, dx, dy
                size_a, size_b, size_c = size[a], size[b], size[c]
                step_a, step_b, step_c = stride[a], stride[b], stride[c]
                at_a, at_b, at_c = source[a], source[b], source[c]
                if reach < 0.0:  # from the pixel to the source, so that every ray climbs
                    at_a, at_b, at_c = at_a + reach, at_b + db, at_c + dc
                    reach, db, dc = -reach, -db, -dc
                wx = mm_per_index[0, 0] * dx + mm_per_index[0, 1] * dy + mm_per_index[0, 2] * dz
                wy = mm_per_index[1, 0] * dx + mm_per_index[1, 1] * dy + mm_per_index[1, 2] * dz
                wz = mm_per_index[2, 0] * dx + mm_per_index[2, 1] * dy + mm_per_index[2, 2] * dz
                slab_mm = math.sqrt(wx * wx + wy * wy + wz * wz) / reach
                unit_mm = slab_mm / UNIT
                db /= reach
                dc /= reach

                # Clip the ray to the volume.
                start = max(0.0, -at_a)
                end = min(reach, size_a - at_a)
                gap_b, gap_c = np.inf, np.inf
                missed = False
                if abs(db) > 1e-12:
                    gap_b = abs(1.0 / db)
                    near, far = -at_b / db, (size_b - at_b) / db
                    start = max(start, min(near, far))
                    end = min(end, max(near, far))
                elif at_b < 0.0 or at_b >= size_b:
                    missed = True
                if abs(dc) > 1e-12:
                    gap_c = abs(1.0 / dc)
                    near, far = -at_c / dc, (size_c - at_c) / dc
                    start = max(start, min(near, far))
                    end = min(end, max(near, far))
                elif at_c < 0.0 or at_c >= size_c:
                    missed = True
                if missed or not start < end:
                    continue

                # Slabs crossed from face to face are first..last - 1. The margin is far more than the rounding
                # of the sums below: the plane by which the ray leaves the volume is never among them.
                first = int(math.ceil(start + at_a + 1e-6))
                last = int(math.floor(end + at_a - 1e-6))
                slab = min(max(int(math.floor(start + at_a)), 0), size_a - 1)
                stop = min(int(math.ceil(end + at_a)), size_a)
                if first >= last:
                    first = last = stop
                whole, shares = np.int64(0), np.int64(0)
                part, soft, bone, metal = 0.0, 0.0, 0.0, 0.0

                # The slabs at both ends, piece by piece: two planes at most cut each of them into three.
                while slab < stop:
                    if slab == first:
                        slab = last
                        continue
                    left = max(start, slab - at_a)
                    right = min(end, slab + 1 - at_a)
                    cut, other = right, right
                    low, high = math.floor(at_b + left * db), math.floor(at_b + right * db)
                    if low != high:
                        cut = min(max((max(low, high) - at_b) / db, left), right)
                    low, high = math.floor(at_c + left * dc), math.floor(at_c + right * dc)
                    if low != high:
                        other = min(max((max(low, high) - at_c) / dc, left), right)
                    if other < cut:
                        cut, other = other, cut
                    for piece in range(3):
                        from_u, to_u = left, cut
                        if piece == 1:
                            from_u, to_u = cut, other
                        elif piece == 2:
                            from_u, to_u = other, right
                        length = to_u - from_u
                        if length > 0.0:
                            middle = (from_u + to_u) / 2
                            in_b = min(max(int(math.floor(at_b + middle * db)), 0), size_b - 1)
                            in_c = min(max(int(math.floor(at_c + middle * dc)), 0), size_c - 1)
                            at = np.uint64(slab * step_a + in_b * step_b + in_c * step_c)
                            number = np.int64(voxels[at])
                            if labels is not None:
                                number &= np.int64(room) - 1
                            part += length * number
                            if densities is not None:
                                line = np.uint64(number - lowest)
                                soft += length * densities[line, 0]
                                bone += length * densities[line, 1]
                                metal += length * densities[line, 2]
                            if labels is not None:
                                slot = slots[labels[at]]
                                paths[slot, row - row_start, lane] += length * slab_mm
                                met[slot] = True
                    slab += 1

                slabs = last - first
                if slabs > 0:
                    at_b += (first - at_a) * db
                    at_c += (first - at_a) * dc
                    in_b = min(max(int(math.floor(at_b)), 0), size_b - 1)
                    in_c = min(max(int(math.floor(at_c)), 0), size_c - 1)
                    at = first * step_a + in_b * step_b + in_c * step_c
                    never = np.int64(_FAR)
                    next_b, next_c, hop_b, hop_c = never, never, never, never
                    if gap_b < np.inf:
                        next_b = np.int64(min(max((in_b + (db > 0.0) - at_b) / db * UNIT, 0.0), _FAR))
                        hop_b = np.int64(min(gap_b * UNIT + 0.5, _FAR))
                    if gap_c < np.inf:
                        next_c = np.int64(min(max((in_c + (dc > 0.0) - at_c) / dc * UNIT, 0.0), _FAR))
                        hop_c = np.int64(min(gap_c * UNIT + 0.5, _FAR))
                    step_b = step_b if db > 0.0 else -step_b
                    step_c = step_c if dc > 0.0 else -step_c
                    whole, shares, more, grams, count = climb(
                        voxels, room, at, step_a, step_b, step_c, next_b, next_c, hop_b, hop_c,
                        np.int64(slabs) << BITS, densities, lowest, events,
                    )  # fmt: skip
                    if densities is not None:
                        soft += more[0] + grams[0]
                        bone += more[1] + grams[1]
                        metal += more[2] + grams[2]
                    if labels is not None:
                        for event in range(0, np.int64(count), 2):
                            slot = slots[labels[np.uint64(events[event])]]
                            length = (events[event + 3] - events[event + 1]) * unit_mm
                            paths[slot, row - row_start, lane] += length
                            met[slot] = True

                line_integral[row, column] = (
                    max(part + whole + shares / UNIT - nothing * (end - start), 0.0) * slab_mm * 2e-5
                )
                if densities is not None:
                    scale = 0.1 * 2.0**-20 * slab_mm
                    area_density[0, row, column] = max(soft, 0.0) * scale
                    area_density[1, row, column] = max(bone, 0.0) * scale
                    area_density[2, row, column] = max(metal, 0.0) * scale

        if labels is not None:
            for slot in range(planes):
                if met[slot]:
                    for row in range(row_start, min(row_start + 16, height)):
                        for lane in range(min(16, width - column_start)):
                            length = paths[slot, row - row_start, lane]
                            if label_path is not None:
                                label_path[slot, row, column_start + lane] = length
                            if label_bits is not None:
                                bit = np.uint64(length > 0.0) << np.uint64(slot & 63)
                                label_bits[slot >> 6, row, column_start + lane] |= bit
                    met[slot] = False
                    paths[slot] = 0.0


def _read_ahead(voxels, size, stride, origin, to_column, to_row, source, row, column):
    """Read a voxel of every cache line (32 voxels) that a tile's rays meet, where they run along rows of voxels.

    Such rays ask for one line after the other, and wait for each; here the reads wait together. Rays across rows,
    which ask for a line a voxel, gain nothing, nor do those so far apart that most lines are met by none of them
    (`APART`). Returns the sum of what was read.
    """
    total = np.int64(0)
    slope_j, slope_k = np.empty(4), np.empty(4)
    for corner in range(4):
        x = column + 15 * (corner & 1)
        y = row + 15 * (corner >> 1)
        di = origin[0] + x * to_column[0] + y * to_row[0] - source[0]
        dj = origin[1] + x * to_column[1] + y * to_row[1] - source[1]
        dk = origin[2] + x * to_column[2] + y * to_row[2] - source[2]
        if abs(di) <= abs(dj) or abs(di) <= abs(dk):
            return total
        slope_j[corner], slope_k[corner] = dj / di, dk / di
    for i in range(0, size[0], 32):
        near, far = i - source[0], i + 32 - source[0]
        low_j, high_j, low_k, high_k = np.inf, -np.inf, np.inf, -np.inf
        for corner in range(4):
            one, other = near * slope_j[corner], far * slope_j[corner]
            low_j, high_j = min(low_j, one, other), max(high_j, one, other)
            one, other = near * slope_k[corner], far * slope_k[corner]
            low_k, high_k = min(low_k, one, other), max(high_k, one, other)
        first_j, last_j = max(source[1] + low_j, 0.0), min(source[1] + high_j, size[1] - 1.0)
        first_k, last_k = max(source[2] + low_k, 0.0), min(source[2] + high_k, size[2] - 1.0)
        if (last_j - first_j) * (last_k - first_k) > APART:
            return total
        for k in range(int(first_k), int(math.floor(last_k)) + 1):
            for j in range(int(first_j), int(math.floor(last_j)) + 1):
                total += np.int64(voxels[np.uint64(i + j * stride[1] + k * stride[2])])
    return total


def _climb(
    voxels, room, at, step_a, step_b, step_c, next_b, next_c, hop_b, hop_c, finish, densities, lowest, events,
):  # fmt: skip
    """Sum along a ray from its first whole slab, at voxel ``at``, to ``finish``; all positions in 1 / UNIT of a slab.

    next_b, next_c: the first planes of the other axes crossed; hop_b, hop_c: from one to the next. The voxel at
    ``finish`` is read too. The voxels entered where the colour changes, the first included, go to ``events``, each
    followed by where that is; the last of these is ``finish``, without a voxel.

    Returns the sum over whole slabs, and what crossings add to it in 1 / UNIT; both again for (soft, bone, metal),
    the latter not in 1 / UNIT; and how much of ``events`` is written, ``finish`` aside.
    """
    whole, shares = np.int64(0), np.int64(0)
    whole_soft, whole_bone, whole_metal = np.int64(0), np.int64(0), np.int64(0)
    soft, bone, metal = 0.0, 0.0, 0.0
    done, band, count = np.int64(0), np.int64(0), np.uint64(0)
    number, limit = np.int64(voxels[np.uint64(at)]), np.uint64(0)
    if room is not None:
        limit = np.uint64(room)
        band = number & -np.int64(room)
        number -= band
        events[0] = at
        events[1] = 0
        count = np.uint64(2)
    while True:
        if next_b < next_c:
            crossing = next_b
            next_b += hop_b
            step = step_b
        else:
            crossing = next_c
            next_c += hop_c
            step = step_c
        crossing = min(crossing, finish)
        until = crossing >> BITS
        while True:
            while done < until:
                whole += number
                if densities is not None:
                    line = np.uint64(number - lowest)
                    whole_soft += densities[line, 0]
                    whole_bone += densities[line, 1]
                    whole_metal += densities[line, 2]
                at += step_a
                done += 1
                number = np.int64(voxels[np.uint64(at)])
                if room is None:
                    if number < -1000:  # never
                        break
                else:
                    number -= band
                    if np.uint64(number) >= limit:
                        break
            if room is None or np.uint64(number) < limit:
                break
            number += band
            band = number & -np.int64(room)
            number -= band
            events[count] = at
            events[count + np.uint64(1)] = done << BITS
            count += np.uint64(2)
        if crossing == finish:
            break
        at += step
        entered = np.int64(voxels[np.uint64(at)])
        if room is not None:
            entered -= band
            if np.uint64(entered) >= limit:
                entered += band
                band = entered & -np.int64(room)
                entered -= band
                events[count] = at
                events[count + np.uint64(1)] = crossing
                count += np.uint64(2)
        share = crossing & _REST
        shares += share * (number - entered)
        if densities is not None:
            line, other_line = np.uint64(number - lowest), np.uint64(entered - lowest)
            soft += share / UNIT * (densities[line, 0] - densities[other_line, 0])
            bone += share / UNIT * (densities[line, 1] - densities[other_line, 1])
            metal += share / UNIT * (densities[line, 2] - densities[other_line, 2])
        number = entered
    if room is not None:
        events[count + np.uint64(1)] = finish
    return whole, shares, (whole_soft, whole_bone, whole_metal), (soft, bone, metal), count


read_ahead = numba.njit(nogil=True, error_model="numpy")(_read_ahead)
climb = numba.njit(nogil=True, error_model="numpy")(_climb)


@lru_cache(maxsize=1)
def march():
    """The compiled kernel."""
    return compiled(_march_tiles, _compile)


def _compile(kernel) -> None:
    """March one ray through one voxel: what a failing cache folder is noticed by."""
    point = np.full(3, 0.5)
    kernel(
        0, 1, (1, 1, 1), point + 2.0, np.zeros(3), np.zeros(3), point - 2.0, np.eye(3),
        np.zeros(1, dtype=np.int16), None, -1000, np.zeros((1, 1), dtype=np.float32),
        None, 0, None, None, None, None, None,
    )  # fmt: skip
