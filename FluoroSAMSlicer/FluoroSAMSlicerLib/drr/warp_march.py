"""The Warp kernel behind ``gpu``; in a module of its own because Warp reads its source, and imports warp."""

import warp as wp


@wp.func
def _gap(direction: wp.float64):
    if wp.abs(direction) > wp.float64(1e-12):
        return wp.abs(wp.float64(1.0) / direction)
    return wp.float64(1e300)


@wp.func
def _plane(direction: wp.float64, source: wp.float64, index: int):
    if direction > wp.float64(1e-12):
        return (wp.float64(index + 1) - source) / direction
    if direction < wp.float64(-1e-12):
        return (wp.float64(index) - source) / direction
    return wp.float64(1e300)


@wp.func
def _step(direction: wp.float64):
    if direction > wp.float64(0.0):
        return 1
    return -1


@wp.kernel
def march(
    hu: wp.array(dtype=wp.int16),
    size: wp.vec3i,
    first: wp.vec3d,
    to_column: wp.vec3d,
    to_row: wp.vec3d,
    source: wp.vec3d,
    mm_per_index: wp.mat33d,
    table: wp.array2d(dtype=wp.float32),
    lowest: int,
    materials: int,
    out: wp.array3d(dtype=wp.float32),
):
    row, column = wp.tid()
    d = first + wp.float64(column) * to_column + wp.float64(row) * to_row - source
    length = wp.length(mm_per_index * d)
    t = wp.float64(0.0)
    end = wp.float64(1.0)
    for axis in range(3):
        if wp.abs(d[axis]) > wp.float64(1e-12):
            near = -source[axis] / d[axis]
            far = (wp.float64(size[axis]) - source[axis]) / d[axis]
            t = wp.max(t, wp.min(near, far))
            end = wp.min(end, wp.max(near, far))
        elif source[axis] < wp.float64(0.0) or source[axis] >= wp.float64(size[axis]):
            end = wp.float64(-1.0)
    end = end - wp.float64(1e-12)
    if t >= end:
        return
    i = wp.clamp(int(wp.floor(source[0] + t * d[0])), 0, size[0] - 1)
    j = wp.clamp(int(wp.floor(source[1] + t * d[1])), 0, size[1] - 1)
    k = wp.clamp(int(wp.floor(source[2] + t * d[2])), 0, size[2] - 1)
    next_i = _plane(d[0], source[0], i)
    next_j = _plane(d[1], source[1], j)
    next_k = _plane(d[2], source[2], k)
    gap_i = _gap(d[0])
    gap_j = _gap(d[1])
    gap_k = _gap(d[2])
    step_i = _step(d[0])
    step_j = _step(d[1])
    step_k = _step(d[2])
    total = wp.float64(0.0)
    soft = wp.float64(0.0)
    bone = wp.float64(0.0)
    metal = wp.float64(0.0)
    while t < end:
        until = wp.min(wp.min(next_i, wp.min(next_j, next_k)), end)
        number = int(hu[i + size[0] * (j + size[1] * k)])
        share = until - t
        total += share * wp.float64(number + 1000)
        if materials != 0:
            soft += share * wp.float64(table[number - lowest, 0])
            bone += share * wp.float64(table[number - lowest, 1])
            metal += share * wp.float64(table[number - lowest, 2])
        t = until
        if next_i <= next_j and next_i <= next_k:
            i = wp.clamp(i + step_i, 0, size[0] - 1)
            next_i += gap_i
        elif next_j <= next_k:
            j = wp.clamp(j + step_j, 0, size[1] - 1)
            next_j += gap_j
        else:
            k = wp.clamp(k + step_k, 0, size[2] - 1)
            next_k += gap_k
    out[0, row, column] = wp.float32(total * length * wp.float64(2.0e-5))
    if materials != 0:
        out[1, row, column] = wp.float32(soft * length * wp.float64(0.1))
        out[2, row, column] = wp.float32(bone * length * wp.float64(0.1))
        out[3, row, column] = wp.float32(metal * length * wp.float64(0.1))
