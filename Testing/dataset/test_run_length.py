"""Run lengths of masks against the reference implementation of COCO."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset.run_length import bounding_box, decode, encode

coco = pytest.importorskip("pycocotools.mask")


def masks():
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (1, 9), (7, 1), (40, 60), (61, 33)):
        for share in (0.0, 0.02, 0.5, 0.98, 1.0):
            mask = rng.random((height, width)) < share
            yield mask
            yield mask & (np.arange(width) > width // 3)
    y, x = np.mgrid[:500, :700]
    yield (x - 300) ** 2 + (y - 250) ** 2 < 40000
    yield (x == 699) | (y == 0)


@pytest.mark.parametrize("number", range(52))
def test_text_is_that_of_pycocotools_and_reads_back(number):
    mask = list(masks())[number]
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    encoded = encode(mask)
    assert encoded["counts"] == expected["counts"].decode() and encoded["size"] == expected["size"]
    assert np.array_equal(decode(encoded), mask)
    if mask.any():
        assert bounding_box(mask) == coco.toBbox(expected).tolist()


@pytest.mark.parametrize("counts", ["", "o", "\x07", "32", "U2n"])
def test_damaged_text_is_refused(counts):
    with pytest.raises(ValueError, match="run lengths"):
        decode({"size": [4, 5], "counts": counts})
