"""How long moving and drawing the C-arm takes in a 3-D view: python Testing/benchmarks/c_arm_speed.py

Slicer's own displayable manager draws it off screen, 500 x 500 pixels with depth peeling, as Slicer's views have it.
Prints milliseconds of the clock and of processor time, which other programs do not lengthen, and how many pictures a
second that allows; ratios to drawing the empty view depend less on the machine.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STEPS, SIZE = 30, 500


def main() -> None:
    sys.path[:0] = [str(ROOT / "FluoroSAMSlicer"), str(ROOT / "Testing")]
    import numpy as np
    import slicer
    import vtk
    from FluoroSAMSlicerLib.mrml.synthesize.c_arm import CArm
    from FluoroSAMSlicerLib.mrml.synthesize.view import ViewSettings
    from mrml.bench import new_scene

    scene = new_scene()
    application = slicer.vtkMRMLApplicationLogic()
    application.SetMRMLScene(scene)
    factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
    factory.SetMRMLApplicationLogic(application)
    factory.RegisterDisplayableManager("vtkMRMLModelDisplayableManager")
    window, renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
    window.SetOffScreenRendering(1)
    window.SetSize(SIZE, SIZE)
    window.SetMultiSamples(0)
    window.SetAlphaBitPlanes(1)
    window.AddRenderer(renderer)
    renderer.SetUseDepthPeeling(1)
    interactor = vtk.vtkRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    node = scene.AddNode(slicer.vtkMRMLViewNode())
    managers = factory.InstantiateDisplayableManagers(renderer)
    managers.SetMRMLDisplayableNode(node)
    arm, view = CArm(scene), ViewSettings()

    def median(step) -> tuple[float, float]:
        """Milliseconds of the clock, and of the processor."""
        step(0)
        taken = []
        for number in range(STEPS):
            begin = time.perf_counter(), time.process_time()
            step(number)
            taken.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
        return tuple(1000 * np.median(taken, axis=0))

    def turned(number: int):
        return replace(view, primary_deg=-60.0 + 4 * number)

    def drawn(number: int, moving: bool) -> None:
        arm.show(turned(number), moving)
        window.Render()

    arm.show(view)
    renderer.ResetCamera()
    arm.hide()
    _wall, empty = median(lambda _number: window.Render())
    print(f"an empty view is drawn in {empty:.2f} ms of processor time")
    for name, step in (
        ("moved", lambda number: arm.show(turned(number), True)),
        ("moved and drawn, dragged", lambda number: drawn(number, True)),
        ("moved and drawn, at rest", lambda number: drawn(number, False)),
    ):
        wall, processor = median(step)
        print(
            f"the C-arm is {name} in {wall:.1f} ms, {processor:.1f} ms of processor time:"
            f" {1000 / processor:.0f} a second, {processor / empty:.0f} empty views each"
        )


if __name__ == "__main__":
    main()
