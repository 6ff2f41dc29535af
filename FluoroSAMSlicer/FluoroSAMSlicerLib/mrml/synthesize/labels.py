"""Structures of a CT in the scene, found by their names with SAT, as segments of a segmentation node."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SceneError
from ..library import scene_library
from ..nodes.segments import LABELMAP, TAG_PREFIX, add_with_display
from ..segment.job import Cancel, Cancelled, Progress
from .patient import grid_of, take_patient
from .region import corners_of

if TYPE_CHECKING:
    from ...segmentation import CTLabels, Estimate, Labeller, LabelSettings

LABELS, ESTIMATE = "labels", "estimate"
OF_CT = TAG_PREFIX + "labelsOf"
"""Role of the node reference from a segmentation that was made here to its CT."""


IN_SLICER = (
    "; in Slicer's Python console: from FluoroSAMSlicerLib.sat import install_sat_checkpoint; "
    'install_sat_checkpoint("nano.pth", "nano_text_encoder.pth"). No licence is stated by the authors.'
)


@dataclass(frozen=True, eq=False)
class LabelRequest:
    """``hu`` (K, J, I) of the scene, not copied, with its index to world (4, 4) LPS mm; what to find, and how.

    ``kind`` is LABELS, or ESTIMATE to hear only what it will take.
    """

    title: str
    ct_id: str
    hu: np.ndarray
    to_world: np.ndarray
    names: tuple[str, ...]
    model: str
    settings: LabelSettings
    kind: str = LABELS
    slot: str = LABELS


@dataclass(frozen=True, eq=False)
class LabelResult:
    """``matrix`` is the index to world that the CT had when it was taken, ``doubt`` why it may be no CT."""

    labels: CTLabels
    matrix: np.ndarray
    doubt: str = ""


def installed_label_models() -> tuple[str, ...]:
    """Names of the SAT models that the user installed."""
    from ...sat import installed_sat_models

    return installed_sat_models()


def how_to_install() -> str:
    """How the user gets a model, in a few sentences."""
    from ...sat.library import HOW_TO_INSTALL

    return HOW_TO_INSTALL + IN_SLICER


def label_request(
    ct_node, text: str, model: str, plan: str = "exact", roi_node=None, kind: str = LABELS
) -> LabelRequest:
    """Ask for the structures that ``text`` names, parted by commas or semicolons, in a CT volume node.

    ``roi_node``: a region of interest that is looked at alone. Raises SceneError for a node that is no CT or an empty
    region, SatError and AnatomyError for names that cannot be asked for.
    """
    from ...sat import request
    from ...segmentation import LabelSettings

    if ct_node is None:
        raise SceneError("Choose a CT first.")
    if not text.strip():
        raise SceneError("Type the names of structures first, such as: liver, left femur, ribs.")
    patient = take_patient(ct_node)
    request([text])
    region = corners_of(roi_node) if roi_node is not None else "body" if plan == "fast" else "all"
    return LabelRequest(
        f"Structures of {patient.name}",
        ct_node.GetID(),
        patient.hu,
        patient.to_world,
        (text,),
        model,
        LabelSettings(plan, region=region),
        kind,
        kind,
    )


class LabelEngine:
    """Keeps the model and the CT's features for the next names. Called by one thread at a time."""

    def __init__(self) -> None:
        self._labeller: tuple[str, Labeller] | None = None

    def release(self) -> None:
        if self._labeller is not None:
            self._labeller[1].close()
            self._labeller = None

    def compute(
        self, asked: LabelRequest, cancelled: Cancel | None = None, progress: Progress | None = None
    ) -> LabelResult | Estimate:
        """The labels, or the estimate of a request of that kind. Raises Cancelled, SatError and its kin."""
        from ...sat import SatCancelled
        from ...segmentation import Volume

        tell = progress or (lambda fraction, text: None)
        volume = Volume(asked.hu, grid_of(asked.hu.shape, asked.to_world))
        # What cannot be is told before the model is loaded.
        doubt = volume.require_fit(asked.settings.modality)
        try:
            labeller = self._loaded(asked.model, tell)
            tell(-1, "preparing the CT")
            estimate = labeller.estimate(volume, asked.names, asked.settings)
            if asked.kind == ESTIMATE:
                return estimate
            whole = duration(estimate.seconds)

            def told(fraction: float, text: str) -> None:
                tell(fraction, f"{text}, about {whole} in all")

            labels = labeller.label(volume, asked.names, asked.settings, told, cancelled)
        except SatCancelled as error:
            raise Cancelled(str(error)) from error
        return LabelResult(labels, asked.to_world, doubt)

    def _loaded(self, model: str, tell: Progress) -> Labeller:
        from ...segmentation import Labeller

        if self._labeller is None or self._labeller[0] != model:
            self.release()
            tell(-1, "loading the model")
            self._labeller = model, Labeller.load(model)
        return self._labeller[1]


def add_labels(scene, asked: LabelRequest, result: LabelResult):
    """The found structures as segments with names, colours and terminology; the segmentation node.

    They join those that were found in the same CT before; a structure that was found before is replaced. Raises
    SceneError if the CT has gone, or nothing was found.
    """
    slicer = scene_library()
    ct_node = scene.GetNodeByID(asked.ct_id)
    if ct_node is None:
        raise SceneError("The CT is no longer in the scene.")
    found = [label for label in result.labels.labels if label.voxels]
    if not found:
        raise SceneError(
            f"Nothing was found in {ct_node.GetName()}: neither {_listed(result.labels.labels)}."
        )
    node = segmentation_of(scene, ct_node)
    if node is None:
        node = slicer.vtkMRMLSegmentationNode()
        node.SetName(f"{ct_node.GetName()} structures")
        node = add_with_display(scene, node, in_3d=True)
        node.SetAndObserveTransformNodeID(ct_node.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
        node.SetNodeReferenceID(OF_CT, ct_node.GetID())
    segments = node.GetSegmentation()
    for label in found:
        segment = slicer.vtkSegment()
        segment.SetName(label.name)
        segment.SetNameAutoGenerated(False)
        segment.SetColor(*(channel / 255 for channel in label.color))
        segment.SetColorAutoGenerated(False)
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), label.terminology)
        for tag, text in (
            ("model", result.labels.model),
            ("prompt", label.asked.prompt),
            ("trained", "yes" if label.asked.trained else "no"),
        ):
            segment.SetTag(TAG_PREFIX + tag, text.replace("|", "/"))
        segment.AddRepresentation(LABELMAP, _labelmap(ct_node, label))
        earlier = segments.GetSegmentIdBySegmentName(label.name)
        if earlier:
            segments.RemoveSegment(earlier)
        name = segments.GenerateUniqueSegmentID(re.sub(r"[^\w.-]+", "_", label.name))
        if not segments.AddSegment(segment, name):
            raise SceneError(f"The structure {label.name} cannot be added to {node.GetName()}.")
    return node


def segmentation_of(scene, ct_node):
    """The segmentation that structures of this CT went to before; None if there is none."""
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")
        if node.GetNodeReferenceID(OF_CT) == ct_node.GetID():
            return node
    return None


def told(result: LabelResult) -> str:
    """What was found and what was not, for the user."""
    found = [label for label in result.labels.labels if label.voxels]
    lost = [label for label in result.labels.labels if not label.voxels]
    parts = [f"{len(found)} structures found." if len(found) != 1 else "1 structure found."]
    if lost:
        parts.append(f"Not found: {_listed(lost)}.")
    notes = (*result.labels.notes, *([result.doubt] if result.doubt else []))
    parts += [f"{note[:1].upper()}{note[1:]}." for note in notes]
    return " ".join(parts)


def estimate_told(estimate: Estimate) -> str:
    """What a search will take, for the user."""
    windows = f"{estimate.windows} window{'s' * (estimate.windows != 1)}"
    kept = f", {estimate.kept} done before" if estimate.kept else ""
    return f"{windows}{kept}: about {duration(estimate.seconds)}"


def _labelmap(ct_node, label):
    """vtkOrientedImageData of the structure's own box, on the CT's voxels, in the CT's own coordinates."""
    slicer = scene_library()
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(matrix)
    extent = [edge for part in label.slices[::-1] for edge in (part.start, part.stop - 1)]
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*extent)
    image.GetPointData().SetScalars(
        numpy_to_vtk(np.ascontiguousarray(label.part, dtype=np.uint8).ravel(), deep=True)
    )
    image.SetImageToWorldMatrix(matrix)
    return image


def _listed(labels: Sequence, most: int = 6) -> str:
    names = [label.name for label in labels]
    return (
        ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"
    )


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
