"""Regions of interest of a scene: which part of a CT is looked at."""

from __future__ import annotations

from ..errors import SceneError

Corners = tuple[tuple[float, float, float], tuple[float, float, float]]


def corners_of(roi_node) -> Corners:
    """Two corners, world LPS mm, of the upright box that holds a region of interest, its transforms included.

    Raises SceneError for a region that was not placed yet.
    """
    bounds = [0.0] * 6
    roi_node.GetRASBounds(bounds)
    low, high = bounds[0::2], bounds[1::2]
    if not all(first < last for first, last in zip(low, high, strict=True)):
        raise SceneError(f"{roi_node.GetName()} is empty. Place it around what shall be looked at.")
    return (-high[0], -high[1], low[2]), (-low[0], -low[1], high[2])


def fit_region(roi_node, ct_node) -> None:
    """Put a new region of interest around all of the CT, for the user to make it smaller."""
    bounds = [0.0] * 6
    ct_node.GetRASBounds(bounds)
    roi_node.CreateDefaultDisplayNodes()
    pairs = list(zip(bounds[0::2], bounds[1::2], strict=True))
    roi_node.SetCenter(*((low + high) / 2 for low, high in pairs))
    roi_node.SetSize(*(high - low for low, high in pairs))
