"""A small part of the fuzzing that `fuzz_files.py` does, the same in every run."""

from __future__ import annotations

from collections import Counter

import pytest
from fuzz.fuzz_files import RIGHT, SHARES, damaged, fuzz


@pytest.mark.timeout(280)
def test_damaged_files_are_read_or_refused_in_a_line():
    kinds = [kind for kind in SHARES if kind != "weights"]
    results = fuzz(count=250, seed=16, kinds=kinds)
    wrong = [result for result in results if result[2] not in RIGHT]
    assert not wrong, wrong[:5]
    counts = Counter(what for _, _, what, _ in results)
    assert counts["refused"] > 50 and counts["read"] > 20
    assert len({kind for _, kind, _, _ in results}) > 8


def test_the_same_seed_makes_the_same_damage():
    import random

    content = bytes(range(256)) * 8
    once, again = (damaged(content, random.Random("7:3")) for _ in range(2))
    assert once == again != content
