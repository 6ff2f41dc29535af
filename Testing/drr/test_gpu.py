"""The march for GPUs against the exact one: a ray compiled for the CPU, the whole backend in a simulator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, ProjectionGeometry, gpu, project
from FluoroSAMSlicerLib.drr.material import density_table
from FluoroSAMSlicerLib.drr.ray import march_ray
from FluoroSAMSlicerLib.drr.rays import rays

CENTRE = np.array([4.0, -7.0, 30.0])
VIEWS = [(0, 0), (90, 0), (180, 0), (0, 88), (45, 0), (-37, 24), (45, 30)]


def patient(oblique: bool) -> tuple[CTVolume, LabelVolume]:
    """Noisy tissue, bone and metal with 70 labels in blocks, on a straight or a turned grid."""
    rng = np.random.default_rng(3)
    shape, spacing = (60, 72, 80), np.array([1.9, 2.1, 2.4])
    hu = rng.normal(40, 60, shape)
    hu[20:30, 20:50, 30:60] += 900
    hu[40:44, 40:44, 40:44] = 3071
    coarse = rng.integers(0, 71, (10, 12, 10))
    labels = coarse.repeat(6, 0).repeat(6, 1).repeat(8, 2)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0] if oblique else np.eye(3)
    origin = CENTRE - turn @ ((np.array(shape[::-1]) - 1) / 2 * spacing)
    return CTVolume(hu, origin, spacing, turn), LabelVolume(labels, origin, spacing, turn)


def c_arm(primary, secondary, size, pixel_mm):
    return ProjectionGeometry.c_arm(CENTRE, primary, secondary, size=size, pixel_mm=pixel_mm)


@pytest.fixture(scope="module")
def ray_on_cpu():
    """All rays of a view through ``march_ray`` compiled for the CPU with bounds checked."""
    made = {}

    def run(ct, labels, view, bits=False):
        if bits not in made:
            ray = march_ray(True, True, not bits, bits, numba.njit(boundscheck=True, error_model="numpy"))

            @numba.njit
            def all_rays(height, width, *arguments):
                for row in range(height):
                    for column in range(width):
                        ray(row, column, *arguments)

            made[bits] = all_rays
        (width, height), count = view.size, len(labels.values)
        slots = np.zeros(65536, np.uint32)
        slots[labels.values] = np.arange(1, count + 1)
        packed = (ct.attenuating.astype(np.int32) + 1000).astype(np.uint32) | slots[labels.labels] << 16
        images = np.full((4, height, width), 7, np.float32)
        path = np.full((1 if bits else count, height, width), 7, np.float32)
        words = np.full((-(-count // 64), height, width), 7, np.uint64)
        geometry = tuple(
            np.concatenate([*rays(ct.grid, view, 0.5), ct.grid.index_to_world.reshape(-1)]).tolist()
        )
        made[bits](
            height, width, geometry, ct.grid.shape, packed.reshape(-1), density_table(-1000, 32767).sum(1),
            images, path, words,
        )  # fmt: skip
        return images, path, words

    return run


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize(("primary", "secondary"), VIEWS)
def test_the_ray_in_single_precision_is_the_exact_march(ray_on_cpu, primary, secondary, oblique):
    ct, labels = patient(oblique)
    view = c_arm(primary, secondary, (90, 80), 2.7)
    exact = project(ct, view, labels, materials=True, threads=1)
    images, path, _ = ray_on_cpu(ct, labels, view)
    seen = exact.line_integral > 0.05
    assert seen.mean() > 0.3
    assert (np.abs(images[0] - exact.line_integral) < 1e-5 * exact.line_integral)[seen].all()
    assert (np.abs(images[0] - exact.line_integral) < 1e-5)[~seen].all()
    for image, amount in zip(images[1:], exact.area_density.values(), strict=True):
        assert np.abs(image - amount).max() < 1e-5 * max(amount.max(), 1)
    assert np.abs(path - exact.label_path_mm).max() < 2e-3


def test_bits_are_the_silhouettes(ray_on_cpu):
    ct, labels = patient(True)
    view = c_arm(20, -15, (90, 80), 2.7)
    exact = project(ct, view, labels, threads=1, silhouettes=True).silhouettes
    words = ray_on_cpu(ct, labels, view, bits=True)[2]
    differing = np.unpackbits((words ^ exact).view(np.uint8)).sum()
    assert np.unpackbits(exact.view(np.uint8)).sum() > 20000
    assert differing <= 5, "only rays along an edge may differ"


def test_rays_along_planes_edges_and_outside_stay_in_the_volume(ray_on_cpu):
    """Whole-number geometry, where rays run in the planes between voxels; the bounds are checked."""
    labels = LabelVolume(np.ones((6, 7, 8), np.uint16))
    ct = CTVolume(np.zeros((6, 7, 8), np.int16))
    for offset in (-0.5, 0.0, 0.5, 3.0):
        for axis in range(3):
            pixel, source = np.full(3, offset), np.full(3, offset)
            pixel[axis], source[axis] = -30, 40
            column, row = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            view = ProjectionGeometry(source, pixel, column, row, (1, 1), (12, 12))
            exact = project(ct, view, labels, threads=1)
            images, path, _ = ray_on_cpu(ct, labels, view)
            assert np.abs(images[0] - exact.line_integral).max() < 1e-5
            assert np.abs(path - exact.label_path_mm).max() < 1e-3


SIMULATED = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_gpu import c_arm, patient
from FluoroSAMSlicerLib.drr import LabelVolume, gpu, project
ct, labels = patient(True)
view = c_arm(30, 10, (13, 9), 20.0)
other = LabelVolume(labels.labels[::-1], labels.origin, labels.spacing, labels.direction)
moved = LabelVolume(labels.labels, labels.origin + 3.0, labels.spacing, labels.direction)
for maps, more in (
    (None, {}), (labels, {}), (labels, {"label_values": [5, 3]}), (other, {"materials": True}),
    ([labels, other, moved], {}), ([labels, moved], {"silhouettes": True}), (None, {"materials": True}),
):
    exact, made = (project(ct, view, maps, projector=name, **more) for name in ("exact", "gpu"))
    assert made.projector == "gpu"
    assert np.allclose(made.line_integral, exact.line_integral, rtol=1e-5, atol=1e-6)
    if exact.label_path_mm is not None:
        assert exact.label_path_mm.max() > 5
        assert np.abs(made.label_path_mm - exact.label_path_mm).max() < 2e-3
        assert made.label_layers.tolist() == exact.label_layers.tolist()
    if exact.silhouettes is not None:
        differing = np.unpackbits((made.silhouettes ^ exact.silhouettes).view(np.uint8)).sum()
        assert differing <= 3, "the ray in the middle runs along edges"
        assert np.unpackbits(exact.silhouettes.view(np.uint8)).sum() > 300
    for name, amount in (exact.area_density or {}).items():
        assert np.allclose(made.area_density[name], amount, rtol=1e-5, atol=1e-5), name
kept = gpu._VOLUMES[ct]
project(ct, view, projector="gpu", materials=True)
assert gpu._VOLUMES[ct] is kept, "the volume was sent again"
print("alike")
"""


def test_the_whole_backend_runs_in_the_simulator():
    """Launches, layers of labels, silhouettes, and volumes that stay where they are."""
    folder = Path(__file__).parent
    environment = {
        **os.environ,
        "NUMBA_ENABLE_CUDASIM": "1",
        "PYTHONPATH": os.pathsep.join(
            [str(folder.parents[1] / "FluoroSAMSlicer"), os.environ.get("PYTHONPATH", "")]
        ),
    }
    done = subprocess.run(
        [sys.executable, "-c", SIMULATED, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout.strip() == "alike", done.stderr[-2000:]


def test_without_a_device_the_user_learns_what_to_choose():
    from numba import cuda

    if cuda.is_available():
        pytest.skip("there is a GPU")
    ct, _ = patient(False)
    with pytest.raises(gpu.DRRError, match="choose 'fast' or 'exact'"):
        project(ct, c_arm(0, 0, 20, 10), projector="gpu")
