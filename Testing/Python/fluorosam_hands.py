"""What the tests that run inside Slicer do as a user does it: keys, the mouse, waiting, another Slicer."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import qt
import slicer
import vtk

STEPS = 8
"""Mouse moves that a drag is made of."""


def settle(rounds: int = 5) -> None:
    for _ in range(rounds):
        slicer.app.processEvents()


def until(condition, seconds: float = 120.0) -> bool:
    """Let Slicer go on until the condition holds; whether it did in time."""
    end = time.time() + seconds
    while time.time() < end:
        slicer.app.processEvents()
        if condition():
            return True
    return False


def press(widget, key, text: str = "") -> None:
    """A key goes to the popup that is open, as from a keyboard, else to the widget."""
    target = qt.QApplication.activePopupWidget() or widget
    for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
        qt.QApplication.sendEvent(target, qt.QKeyEvent(kind, key, qt.Qt.NoModifier, text))


def type_line(edit, text: str) -> None:
    """Type into a line that is emptied first."""
    edit.setFocus()
    edit.clear()
    for letter in text:
        press(edit, 0, letter)
    settle()


def red():
    return slicer.app.layoutManager().sliceWidget("Red")


def place_of(widget, ras) -> tuple[float, float]:
    """Where a slice view has a world position, in Qt's pixels from its upper left."""
    to_xy = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(widget.mrmlSliceNode().GetXYToRAS(), to_xy)
    x, y = to_xy.MultiplyPoint((*ras, 1.0))[:2]
    view = widget.sliceView()
    ratio = view.devicePixelRatioF()
    return x / ratio, view.height - 1 - y / ratio


def drag(widget, begin, end) -> None:
    """The left button goes down at a world position of a slice view, and up at another."""
    target = widget.sliceView().VTKWidget()
    (x1, y1), (x2, y2) = place_of(widget, begin), place_of(widget, end)
    left, none = qt.Qt.LeftButton, qt.Qt.NoButton

    def mouse(kind, share: float, button, buttons) -> None:
        place = qt.QPointF(x1 + share * (x2 - x1), y1 + share * (y2 - y1))
        event = qt.QMouseEvent(kind, place, button, buttons, qt.Qt.NoModifier)
        qt.QApplication.sendEvent(target, event)
        settle(1)

    mouse(qt.QEvent.MouseMove, 0.0, none, none)
    mouse(qt.QEvent.MouseButtonPress, 0.0, left, left)
    for step in range(1, STEPS + 1):
        mouse(qt.QEvent.MouseMove, step / STEPS, none, left)
    mouse(qt.QEvent.MouseButtonRelease, 1.0, left, none)
    settle()


def pixels_of_color(widget, color, tolerance: float = 0.12) -> int:
    """How many pixels of a slice view have about this colour, RGB in 0 to 1."""
    import numpy as np
    from vtk.util.numpy_support import vtk_to_numpy

    settle()
    window = widget.sliceView().renderWindow()
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    seen = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())[:, :3] / 255
    return int((np.abs(seen - np.array(color)) < tolerance).all(axis=1).sum())


def another_slicer(code: str, folder: Path, seconds: float = 300.0) -> tuple[int, str]:
    """Run a script in a Slicer of its own, as a user does; its exit code, and all that it printed."""
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    module = Path(slicer.util.modulePath("FluoroSAMSlicer")).parent
    executable = slicer.app.launcherExecutableFilePath or slicer.app.applicationFilePath()
    arguments = ["--no-splash", "--ignore-slicerrc", "--additional-module-path", str(module)]
    done = subprocess.run(
        [executable, *arguments, "--python-script", str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout
