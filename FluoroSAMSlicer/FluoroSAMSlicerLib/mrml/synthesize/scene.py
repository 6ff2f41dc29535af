"""A rendered view in the scene: an image volume, its true masks as a segmentation, its geometry as attributes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SceneError
from ..nodes.masks import TakenMask
from ..nodes.naming import structure_for
from ..nodes.segments import one_modification, segmentation_node, set_segment, take_mask
from ..nodes.volumes import volume_node

if TYPE_CHECKING:
    from .job import RenderedView

GEOMETRY, PHYSICS, VIEW, WINDOW = (f"FluoroSAM.{name}" for name in ("geometry", "physics", "view", "window"))
TRUTH = "FluoroSAM.truth"
"""Role of the node reference from a rendered image to the segmentation of its true masks."""


def add_rendered(scene, rendered: RenderedView):
    """Add an image with its masks; the volume node. `truth_of` gives the segmentation.

    Attributes of the volume, all JSON: ``FluoroSAM.geometry`` (angles, distances, source and detector in LPS mm,
    projection matrix, as in the records of a training set), ``FluoroSAM.physics``, ``FluoroSAM.view`` (what the tab
    sets), ``FluoroSAM.window`` (attenuation at 0 and 1). The spacing is that of the detector.
    """
    from ...radiograph import Radiograph

    radiograph = Radiograph(
        rendered.pixels, spacing=(rendered.pixel_mm, rendered.pixel_mm), spacing_source="ImagerPixelSpacing"
    )
    volume = volume_node(scene, radiograph, scene.GenerateUniqueName(rendered.name))
    for name, content in (
        (GEOMETRY, rendered.geometry),
        (PHYSICS, rendered.physics),
        (VIEW, rendered.view.to_json()),
        (WINDOW, list(rendered.window)),
    ):
        volume.SetAttribute(name, json.dumps(content))
    if rendered.masks:
        truth = segmentation_node(scene, volume, f"{volume.GetName()} truth")
        display = truth.GetDisplayNode()
        # Outlines: what the model draws stays visible inside them.
        display.SetVisibility2DFill(False)
        volume.SetNodeReferenceID(TRUTH, truth.GetID())
        with one_modification(truth):
            for name, one in rendered.masks.items():
                color = tuple(round(255 * channel) for channel in one.color)
                tags = {"pathThreshold": one.threshold_mm}
                set_segment(truth, volume, replace(structure_for(name), color=color), one.mask, tags)
    return volume


def truth_of(volume):
    """The segmentation with the true masks of a rendered image; None for another image."""
    return volume.GetNodeReference(TRUTH) if volume is not None else None


def true_masks(volume) -> dict[str, np.ndarray]:
    """Masks, bool (H, W), by segment name. Raises SceneError for an image that was not rendered with labels."""
    return {name: taken.mask() for name, taken in taken_masks(volume).items()}


def taken_masks(volume) -> dict[str, TakenMask]:
    """What `true_masks` are made of, for making them on another thread. Raises SceneError."""
    truth = truth_of(volume)
    if truth is None:
        name = volume.GetName() if volume is not None else "The image"
        raise SceneError(f"{name} has no true masks. Render it from a CT with labels.")
    segments = truth.GetSegmentation()
    return {
        segments.GetSegment(one).GetName(): take_mask(truth, one, volume) for one in segments.GetSegmentIDs()
    }


def geometry_of(volume) -> dict | None:
    """The geometry of a rendered image; None for another image."""
    stored = volume.GetAttribute(GEOMETRY)
    return json.loads(stored) if stored else None
