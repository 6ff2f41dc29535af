"""The compiled kernel: it stays inside the volume, and a bad cache folder does not stop it."""

from __future__ import annotations

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, siddon
from FluoroSAMSlicerLib.drr.colours import coloured


@pytest.fixture(scope="module")
def checked_march():
    """The kernel compiled to raise IndexError where it would read outside an array."""
    checked = numba.njit(boundscheck=True, error_model="numpy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(siddon, "climb", checked(siddon._climb))
        patch.setattr(siddon, "read_ahead", checked(siddon._read_ahead))
        yield checked(siddon._march_tiles)


def chords(shape, source, pixels) -> np.ndarray:
    """Length of the segments source to pixels (H, W, 3) inside the box of ``shape`` (K, J, I)."""
    steps = pixels - source
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = np.stack([-source / steps, (np.array(shape[::-1]) - source) / steps])
    entry = np.fmax.reduce(np.fmin(*crossings), axis=-1).clip(0)
    leave = np.fmin.reduce(np.fmax(*crossings), axis=-1).clip(None, 1)
    parallel_outside = ((steps == 0) & ((source < 0) | (source >= shape[::-1]))).any(axis=-1)
    return np.where(parallel_outside, 0, (leave - entry).clip(0)) * np.linalg.norm(steps, axis=-1)


def random_view(rng, distance):
    """Source, first pixel and pixel steps whose rays run along voxel planes, edges and corners or near them."""
    lattice = rng.choice([1.0, 0.5, 0.3])
    source = rng.integers(-20, 20, 3) * lattice
    pixel = rng.integers(-20, 20, 3) * lattice
    axes = rng.permutation(3)
    to_column, to_row = np.zeros(3), np.zeros(3)
    to_column[axes[0]], to_row[axes[1]] = rng.choice([-1, 1], 2) * rng.choice([1.0, 0.25], 2)
    source[axes[2]], pixel[axes[2]] = -distance, rng.choice([7.0, 20.0, distance])
    if rng.random() < 0.5:
        to_column += rng.normal(0, 1e-9, 3)
    return source, pixel, to_column, to_row


@pytest.mark.parametrize("distance", [3.0, 40.0, 1e3, 1e7])
def test_rays_along_planes_edges_and_corners_stay_inside_the_volume(checked_march, distance):
    rng = np.random.default_rng(int(distance))
    for _ in range(150):
        shape = tuple(int(n) for n in rng.choice([1, 2, 5, 12], 3))
        labels = LabelVolume(rng.integers(0, 3, shape).astype(np.uint16))
        voxels, room = coloured(labels, CTVolume(np.zeros(shape, np.int16)))
        source, pixel, to_column, to_row = random_view(rng, distance)
        image, density = np.zeros((16, 16), np.float32), np.zeros((3, 16, 16), np.float32)
        paths = np.zeros((3, 16, 16), np.float32)
        checked_march(
            0, 1, shape, pixel, to_column, to_row, source, np.eye(3), voxels.reshape(-1), room, 0,
            image, np.full((1, 3), 2**20, np.int32), 1000, density, labels.labels.reshape(-1),
            np.arange(3, dtype=np.uint32), paths, None,
        )  # fmt: skip
        rows, columns = np.indices(image.shape)[..., None]
        pixels = pixel + columns * to_column + rows * to_row
        exact = chords(shape, source, pixels)
        on_a_face = np.abs((source + pixels) / 2 - source).min(axis=-1) < 1e-6
        tolerance = 1e-5 * max(1.0, exact.max()) + 1e-10 * distance
        assert np.abs(paths.sum(axis=0) - image / 0.02)[~on_a_face].max(initial=0) < tolerance
        assert np.abs(density[0] * 10 - image / 0.02)[~on_a_face].max(initial=0) < tolerance
        assert np.abs(image / 0.02 - exact)[~on_a_face].max(initial=0) < tolerance


SCRIPT = """
import numpy as np
from FluoroSAMSlicerLib.drr import CTVolume, ProjectionGeometry, project
ct = CTVolume(np.zeros((4, 4, 4), np.int16))
print(project(ct, ProjectionGeometry.c_arm(ct.centre, size=1), threads=1).line_integral[0, 0])
"""


def centre_ray(cache_folder) -> float:
    """Line integral of 4 mm of water, in a process of its own with that numba cache folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache_folder)}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stderr
    return float(result.stdout)


def test_a_cache_folder_that_cannot_be_written_or_is_damaged_costs_only_time(tmp_path):
    (tmp_path / "file").write_text("")
    assert centre_ray(tmp_path / "file" / "cache") == pytest.approx(0.08)

    assert centre_ray(tmp_path / "cache") == pytest.approx(0.08)
    cached = [*(tmp_path / "cache").rglob("*.nbi"), *(tmp_path / "cache").rglob("*.nbc")]
    assert cached
    for file in cached:
        file.write_bytes(file.read_bytes()[:100])
    assert centre_ray(tmp_path / "cache") == pytest.approx(0.08)
