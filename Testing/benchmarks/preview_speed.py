"""Previews a second while a slider of the Synthesize tab is dragged: python Testing/benchmarks/preview_speed.py [CT]

Without a CT file: 512 x 512 x 400 voxels of noise in a body-sized cylinder. The images are 256 x 256 and turn by five
degrees from one to the next.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 25


def body() -> np.ndarray:
    """HU (400, 512, 512), int16."""
    rows, columns = np.indices((512, 512)) - 255.5
    inside = (rows / 150) ** 2 + (columns / 220) ** 2 < 1
    noise = np.random.default_rng(0).integers(-30, 70, (400, 512, 512), dtype=np.int16)
    return np.where(inside, noise, np.int16(-1000))


def main(*paths: str) -> None:
    sys.path[:0] = [str(ROOT / "FluoroSAMSlicer"), str(ROOT / "Testing")]
    import SimpleITK as sitk
    import slicer
    from FluoroSAMSlicerLib.mrml.synthesize.logic import Logic
    from mrml.bench import new_scene, place

    hu, spacing = body(), (0.8, 0.8, 1.0)
    if paths:
        image = sitk.ReadImage(paths[0])
        hu, spacing = sitk.GetArrayFromImage(image), image.GetSpacing()
    scene = new_scene()
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(node, hu)
    place(node, ((-1, 0, 0), (0, -1, 0), (0, 0, 1)), (0, 0, 0), spacing)
    logic = Logic(scene)
    view = logic.presetView("chest PA", node)
    begin = time.perf_counter()
    logic.compute(logic.previewRequest(node, view))
    print(f"first preview, with compilation and reading: {time.perf_counter() - begin:.2f} s")
    walls, processors = [], []
    for number in range(IMAGES):
        turned = replace(view, primary_deg=-60.0 + 5 * number)
        wall, processor = time.perf_counter(), time.process_time()
        logic.compute(logic.previewRequest(node, turned))
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    print(
        f"{1 / np.median(walls):.1f} images a second; {1000 * np.median(walls):.0f} ms each"
        f" (slowest {1000 * max(walls):.0f} ms), {1000 * np.median(processors):.0f} ms of processor time"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
