"""Masks as run lengths in the compressed form of COCO.

Format: https://cocodataset.org/#format-data and the reference implementation pycocotools. Runs go down the
columns and begin with background (perhaps none). As text each run is, from the fourth on, its difference to
the one two before, in groups of five bits, lowest first, the sixth bit set where more follow, each group
written as the character 48 further on.
"""

from __future__ import annotations

import numpy as np

_GROUPS = 7
"""Groups of five bits that hold any difference of two 32-bit run lengths."""


def encode(mask: np.ndarray) -> dict:
    """A bool (H, W) mask as ``{"size": [H, W], "counts": text}``."""
    runs = run_lengths(mask)
    values = runs.copy()
    values[3:] -= runs[1:-2]
    groups = (values[:, None] >> (5 * np.arange(_GROUPS))) & 0x1F
    # A value ends with the first group whose top bit is the sign of all that is left.
    rest = values[:, None] >> (5 * np.arange(1, _GROUPS + 1))
    ends = rest == np.where(groups & 0x10, -1, 0)
    count = ends.argmax(axis=1) + 1
    place = np.arange(_GROUPS)
    more = place < (count - 1)[:, None]
    text = (48 + groups + 0x20 * more)[place < count[:, None]]
    return {"size": list(mask.shape), "counts": text.astype(np.uint8).tobytes().decode("ascii")}


def decode(rle: dict) -> np.ndarray:
    """The bool (H, W) mask of ``{"size": [H, W], "counts": text}``; ValueError if it holds none."""
    height, width = rle["size"]
    codes = np.frombuffer(rle["counts"].encode("ascii"), np.uint8).astype(np.int64) - 48
    if codes.size == 0 or codes.min() < 0 or codes.max() > 0x3F or codes[-1] & 0x20:
        raise ValueError("the run lengths are damaged")
    last = (codes & 0x20) == 0
    owner = np.concatenate(([0], np.cumsum(last)[:-1]))
    first = np.concatenate(([0], np.flatnonzero(last)[:-1] + 1))
    place = np.arange(codes.size) - first[owner]
    values = np.zeros(int(last.sum()), np.int64)
    np.add.at(values, owner, (codes & 0x1F) << (5 * place))
    top = codes[last]
    values -= np.where(top & 0x10, np.int64(1) << (5 * (place[last] + 1)), 0)
    # The sums of every second run from the fourth on restore what the differences took away.
    for start in (1, 2):
        values[start::2] = np.cumsum(values[start::2])
    if values.min() < 0 or values.sum() != height * width:
        raise ValueError("the run lengths do not fill the image")
    flat = np.repeat(np.arange(values.size) % 2 == 1, values)
    return flat.reshape(width, height).T


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """Lengths (N,) int64 of the runs of equal pixels down the columns, background first."""
    mask = np.asarray(mask, dtype=bool)
    columns = np.flatnonzero(mask.any(axis=0))
    if not columns.size:
        return np.array([mask.size])
    # Only the columns in between are looked into: most structures fill a small part of the image.
    first, last = int(columns[0]), int(columns[-1]) + 1
    flat = mask[:, first:last].T.ravel()
    start, stop = first * mask.shape[0], last * mask.shape[0]
    edges = [
        [0, start] if flat[0] else [0],
        np.flatnonzero(flat[1:] != flat[:-1]) + 1 + start,
        [stop] if flat[-1] else [],
        [] if flat[-1] and stop == mask.size else [mask.size],
    ]
    return np.diff(np.concatenate(edges).astype(np.int64))


def bounding_box(mask: np.ndarray) -> list[int]:
    """Left column, top row, width and height in pixels; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return [0, 0, 0, 0]
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]
