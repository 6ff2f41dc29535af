"""How long moving and drawing the C-arm takes in a 3-D view: python Testing/benchmarks/c_arm_speed.py

Slicer's own displayable manager draws it off screen, 500 x 500 pixels with depth peeling, as Slicer's views have it.
Prints milliseconds, and ratios to drawing the empty view, which depend less on the machine.
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

    def median(step) -> float:
        step(0)
        walls = []
        for number in range(STEPS):
            begin = time.perf_counter()
            step(number)
            walls.append(time.perf_counter() - begin)
        return 1000 * float(np.median(walls))

    def turned(number: int):
        return replace(view, primary_deg=-60.0 + 4 * number)

    def drawn(number: int, moving: bool) -> None:
        arm.show(turned(number), moving)
        window.Render()

    arm.show(view)
    renderer.ResetCamera()
    arm.hide()
    empty = median(lambda _number: window.Render())
    print(f"an empty view is drawn in {empty:.1f} ms")
    for name, step in (
        ("moved", lambda number: arm.show(turned(number), True)),
        ("moved and drawn, dragged", lambda number: drawn(number, True)),
        ("moved and drawn, at rest", lambda number: drawn(number, False)),
    ):
        wall = median(step)
        print(f"the C-arm is {name} in {wall:.1f} ms: {wall / empty:.1f} empty views")


if __name__ == "__main__":
    main()
