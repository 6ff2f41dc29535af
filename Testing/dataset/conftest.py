"""A small body with two bones and an organ that overlaps one of them, in memory and on disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.dataset import CTSource, SetSettings

SPACING = 4.0


def body(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """HU and two layers of labels, (K, J, I): bones 1 and 2 in the first, an organ in the second."""
    k, j, i = np.mgrid[:40, :30, :44]
    inside = ((i - 21.5) / 20) ** 2 + ((j - 14.5) / 13) ** 2 < 1
    bones = np.zeros(inside.shape, np.uint8)
    bones[(i - 12) ** 2 + (j - 14) ** 2 < 9] = 1
    bones[(i - 31) ** 2 + (j - 14) ** 2 < 9] = 2
    organ = ((i - 16) ** 2 + (j - 14) ** 2 + (k - 20 - seed) ** 2 < 60).astype(np.uint8)
    hu = np.where(inside, 20, -1000)
    hu[organ > 0] = 90
    hu[bones > 0] = 900 + 10 * seed
    return hu.astype(np.int16), bones, organ


def picture(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((SPACING,) * 3)
    image.SetOrigin((-86.0, -58.0, 100.0))
    return image


def write_segmentation(path: Path, layers: list[np.ndarray], segments: list[tuple[str, int, int]]) -> Path:
    """A .seg.nrrd as Slicer writes it; segments: (name, layer, label value)."""
    pictures = [picture(layer) for layer in layers]
    image = pictures[0] if len(pictures) == 1 else sitk.Compose(pictures)
    for number, (name, layer, value) in enumerate(segments):
        for key, text in (("ID", f"s{number}"), ("Name", name), ("Layer", layer), ("LabelValue", value)):
            image.SetMetaData(f"Segment{number}_{key}", str(text))
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def write_body(folder: Path, name: str, seed: int = 0) -> CTSource:
    hu, bones, organ = body(seed)
    ct = folder / f"{name}.nrrd"
    sitk.WriteImage(picture(hu), str(ct))
    labels = write_segmentation(
        folder / f"{name}_labels.seg.nrrd",
        [bones, organ],
        [("femur_right", 0, 1), ("Left Femur", 0, 2), ("growth (wild)", 1, 1)],
    )
    return CTSource(ct, labels, source="made by a test", licence="CC0-1.0")


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> list[CTSource]:
    folder = tmp_path_factory.mktemp("cts")
    return [write_body(folder, name, seed) for seed, name in enumerate(("ada", "bob", "cyd"))]


@pytest.fixture
def settings() -> SetSettings:
    return SetSettings(count=8, seed=5, size=48, detector_mm=300.0, validation=0.4)


@pytest.fixture
def contents():
    """Everything in a folder, hidden files too: relative path to bytes."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return read


def process_environment() -> dict[str, str]:
    """For processes that a test starts: they find the package, and use one thread."""
    package = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer"
    paths = filter(None, (os.environ.get("PYTHONPATH", ""), str(package)))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
