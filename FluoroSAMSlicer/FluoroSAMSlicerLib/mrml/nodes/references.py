"""References to nodes that do not keep them alive."""

from __future__ import annotations

from typing import Any


def weak(node) -> Any:
    """A vtkWeakReference: its ``Get()`` is the node, or None once that is gone."""
    from vtkmodules.vtkCommonCore import vtkWeakReference

    held = vtkWeakReference()
    held.Set(node)
    return held
