"""Slicer's scene library: the application's own, or the ``slicer-core`` wheel."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from .errors import SlicerMissing


@functools.cache
def scene_library() -> ModuleType:
    """The ``slicer`` module with the vtkMRML classes, imported on first use (about one second).

    Raises SlicerMissing where it is absent, or where an unrelated package is called ``slicer``.
    """
    try:
        import slicer
    except ImportError as error:
        raise SlicerMissing(
            f"Slicer's scene library cannot be loaded ({error}); install it with: pip install slicer-core"
        ) from error
    if not hasattr(slicer, "vtkMRMLSegmentationNode"):
        raise SlicerMissing(
            "The installed Python package named 'slicer' is not 3D Slicer's; replace it with: "
            "pip uninstall slicer && pip install slicer-core"
        )
    _register_representations(slicer)
    return slicer


def _register_representations(slicer: ModuleType) -> None:
    """Make segmentations copyable where no application has done it: the rules that build copies of a
    labelmap are registered when the Segmentations logic meets its first scene."""
    factory = slicer.vtkSegmentationConverterFactory.GetInstance()
    if factory.ConstructRepresentationObjectByRepresentation("Binary labelmap") is None:
        logic = slicer.vtkSlicerSegmentationsModuleLogic()
        logic.SetMRMLScene(slicer.vtkMRMLScene())


@contextmanager
def quiet_vtk() -> Iterator[None]:
    """Keep VTK from printing while a failure is about to be reported by an exception instead."""
    from vtkmodules.vtkCommonCore import vtkObject

    shown = vtkObject.GetGlobalWarningDisplay()
    vtkObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        vtkObject.SetGlobalWarningDisplay(shown)
