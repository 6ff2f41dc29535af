"""Packed bodies, and their variations: the same for the same number, left and right in their places."""

from __future__ import annotations

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset import DatasetError
from FluoroSAMSlicerLib.dataset.quick import load_packed, pack, stage, staging
from own_process import run


@pytest.fixture(scope="module")
def bodies(packed_dolls):
    return load_packed(packed_dolls)


def only(bodies, name: str):
    """The same bodies, of which only one is ever drawn."""
    found = load_packed(bodies.files[0].parent)
    found.places = [places if own == name else () for own, places in zip(found.names, found.places, strict=True)]
    return found


def test_a_staging_depends_on_seed_and_number_only(bodies):
    one, again = stage(bodies, 5, 7, 3), stage(load_packed(bodies.files[0].parent), 5, 7, 3)
    other = stage(bodies, 5, 8, 3)
    assert one.body == again.body and one.structures == again.structures
    assert np.array_equal(one.tissue, again.tissue) and np.array_equal(one.labels, again.labels)
    for a, b in zip(one.views, again.views, strict=True):
        assert a.kind == b.kind and np.array_equal(a.geometry.source, b.geometry.source)
    assert one.tissue.shape != other.tissue.shape or not np.array_equal(one.tissue, other.tissue)


def test_left_stays_left_in_mirrored_bodies_and_single_limbs_change_their_name(bodies, monkeypatch):
    monkeypatch.setattr(staging, "LARGEST", 100_000)
    sides, arms = set(), set()
    torso, limb = only(bodies, "doll_torso"), only(bodies, "osim_forearm_doll")
    for number in range(12):
        staged = stage(torso, 2, number, 1)
        middle = {}
        for side in ("left", "right"):
            found = np.isin(staged.labels, staged.structures[f"{side} scapula"])
            if found.any():
                middle[side] = np.argwhere(found)[:, 2].mean()
        if len(middle) == 2:
            assert middle["left"] > middle["right"]
            sides.add(staged.structures["left scapula"])
        arm = stage(limb, 2, number, 1)
        radius = [name for name in arm.structures if "radius" in name]
        assert len(radius) == 1
        arms |= set(radius)
    assert len(sides) == 2 and arms == {"left radius", "right radius"}


def test_packed_bodies_keep_names_and_places(bodies):
    import dolls

    for number, name in enumerate(bodies.names):
        whole, small = dolls.body(name), bodies[number].body
        assert list(small.structures) == list(whole.structures)
        for structure, values in small.structures.items():
            have = np.argwhere(np.isin(small.labels, values)).mean(0)[::-1] * small.spacing + small.origin
            want = np.argwhere(whole.labels == whole.structures[structure][0]).mean(0)[::-1]
            assert np.abs(have - (want * whole.spacing + whole.origin)).max() < 2 * small.spacing[0], structure


def test_a_packed_folder_needs_no_package_for_reading_scans(packed_dolls):
    code = """
import sys
for name in ("SimpleITK", "pydicom", "rapidfuzz"):
    sys.modules[name] = None
from FluoroSAMSlicerLib.dataset.quick import load_packed, march, stage
staged = stage(load_packed(sys.argv[1]), 1, 0, 1)
print(march(staged, 16).density.shape)
"""
    assert run(code, packed_dolls).strip() == "(1, 3, 16, 16)"


def test_the_kernel_for_graphics_cards_computes_what_the_processor_does(packed_dolls):
    code = """
import sys
import numpy as np
from numba import cuda
from FluoroSAMSlicerLib.dataset.quick import load_packed, march, stage
from FluoroSAMSlicerLib.dataset.quick.marching import beams_of, slots_of
from FluoroSAMSlicerLib.dataset.quick.marching_cuda import launch
staged = stage(load_packed(sys.argv[1]), 1, 3, 2)
quick = march(staged, 6)
values, slots = slots_of(staged, range(2))
density = np.zeros((2, 3, 6, 6), np.float32)
path = np.zeros((2, max(len(values), 1), 6, 6), np.float32)
volumes = staged.tissue, staged.labels.view(np.int16), slots, beams_of(staged, 6, range(2))
launch(0, volumes, staged.spacing[0], density, path, lambda array: array)
assert density.any()
# A sample at the border of two voxels may fall to either side of it.
print(np.abs(density - quick.density).max() / quick.density.max())
print(np.abs(path[:, : len(values)] - quick.path).max() / staged.spacing[0])
"""
    density, path = map(float, run(code, packed_dolls, NUMBA_ENABLE_CUDASIM="1").split())
    assert density < 0.05 and path < 3


def test_folders_without_bodies_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="pack"):
        load_packed(tmp_path)
    with pytest.raises(DatasetError, match="bodies"):
        pack(tmp_path, tmp_path / "packed")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(DatasetError, match="anew"):
        load_packed(tmp_path)
