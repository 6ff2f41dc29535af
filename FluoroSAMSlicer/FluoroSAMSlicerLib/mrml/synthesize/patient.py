"""A CT and its labels out of the scene: nodes of any orientation, under any linear transform, to what is projected.

Taking is light and happens on the main thread; what takes time, such as resampling and telling overlapping
segments apart, is done by `PatientStore` wherever the work is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...drr import Grid
from ..errors import SceneError
from ..library import scene_library
from ..nodes.placement import matrix_array
from ..nodes.segments import LABELMAP

LARGEST_LABEL = 65535
UNNAMED = re.compile(r"(label[ _]?)?[0-9]*", re.IGNORECASE)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class LabelChoice:
    """A segment, or a label of a label map, that can be projected. ``color`` is RGB in 0 to 1."""

    id: str
    name: str
    color: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class TakenLayer:
    """Labels (K, J, I) that do not overlap, their index to world (4, 4) LPS mm, and names by value."""

    labels: np.ndarray
    to_world: np.ndarray
    names: Mapping[int, str]


@dataclass(frozen=True, eq=False)
class TakenPatient:
    """Arrays of the scene, not copied: ``hu`` (K, J, I) of any number type, ``layers`` of labels.

    ``ct_key`` and ``labels_key`` are equal as long as the nodes hold the same. ``colors``: RGB 0 to 1 by structure.
    """

    name: str
    hu: np.ndarray
    to_world: np.ndarray
    layers: tuple[TakenLayer, ...]
    colors: Mapping[str, tuple[float, float, float]]
    ct_key: tuple
    labels_key: tuple = ()


def take_patient(ct_node, labels_node=None, chosen: Iterable[str] | None = None) -> TakenPatient:
    """What can be projected of a CT volume node and a segmentation or label map node.

    chosen: ids of the segments (or labels) wanted; default all. Raises SceneError for nodes that hold no CT or no
    labels, and for warping transforms.
    """
    voxels = _ct_voxels(ct_node)
    to_world = index_to_world(ct_node)
    key = (ct_node.GetID(), ct_node.GetImageData().GetMTime(), to_world.tobytes())
    name = ct_node.GetName() or "CT"
    if labels_node is None:
        return TakenPatient(name, voxels, to_world, (), {}, key)
    wanted = None if chosen is None else set(chosen)
    all_choices = label_choices(labels_node)
    choices = [one for one in all_choices if wanted is None or one.id in wanted]
    if not all_choices:
        raise SceneError(
            f"{labels_node.GetName()} holds no labels. Segment the CT first, or choose another segmentation."
        )
    if not choices:
        raise SceneError(
            f"No structure of {labels_node.GetName()} is chosen. Tick the ones that shall have a mask."
        )
    layers = tuple(_layers(ct_node, labels_node, choices))
    if not layers:
        raise SceneError(f"{labels_node.GetName()} holds no labelled voxel. Segment the CT first.")
    colors: dict[str, tuple[float, float, float]] = {}
    for one in choices:
        colors.setdefault(structure_of(one.name), one.color)
    places = tuple(layer.to_world.tobytes() for layer in layers)
    labels_key = (
        labels_node.GetID(),
        _label_time(labels_node),
        places,
        tuple((one.id, one.name) for one in choices),
    )
    return TakenPatient(name, voxels, to_world, layers, colors, key, labels_key)


def label_choices(labels_node) -> list[LabelChoice]:
    """The segments of a segmentation node, or the labels that occur in a label map node, in their order."""
    slicer = scene_library()
    if isinstance(labels_node, slicer.vtkMRMLSegmentationNode):
        segments = labels_node.GetSegmentation()
        found = [(one, segments.GetSegment(one)) for one in segments.GetSegmentIDs()]
        return [LabelChoice(one, segment.GetName() or one, segment.GetColor()) for one, segment in found]
    if not isinstance(labels_node, slicer.vtkMRMLLabelMapVolumeNode):
        raise SceneError(f"{labels_node.GetName()} is neither a segmentation nor a label map.")
    display = labels_node.GetDisplayNode()
    table = display.GetColorNode() if display is not None else None
    choices = []
    beside: dict[int, str] | None = None
    for value in _values(_label_voxels(labels_node), labels_node.GetName()):
        color, name = [0.8, 0.8, 0.8, 1.0], ""
        if table is not None and value < table.GetNumberOfColors():
            table.GetColor(value, color)
            name = (table.GetColorName(value) or "").strip()
        if is_unnamed(name):
            beside = _names_of_file(labels_node) if beside is None else beside
            name = beside.get(value) or f"label {value}"
        choices.append(LabelChoice(str(value), name, tuple(color[:3])))
    return choices


def is_unnamed(name: str) -> bool:
    """Whether this is a number, as Slicer's own colour tables have it, and says nothing of a structure."""
    return UNNAMED.fullmatch(name.strip()) is not None


def _names_of_file(labels_node) -> dict[int, str]:
    """Names by value from the header of the label map's file or the table beside it; empty where neither is."""
    from ...dataset import DatasetError
    from ...dataset.label_names import names_beside, names_in_header, read_names

    storage = labels_node.GetStorageNode()
    path = Path((storage.GetFileName() if storage is not None else None) or "")
    if not path.is_file():
        return {}
    try:
        table = names_beside(path)
        return read_names(table) if table is not None else names_in_header(path)
    except DatasetError:
        return {}


def index_to_world(volume_node) -> np.ndarray:
    """Voxel index (i, j, k, 1) to world LPS mm of a volume node, (4, 4), its parent transforms included.

    Raises SceneError for a warping transform.
    """
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return LPS @ to_world(volume_node) @ matrix_array(matrix)


def to_world(node) -> np.ndarray:
    """A node's own coordinates to the world's, (4, 4) RAS mm. Raises SceneError for a warping transform."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    slicer, matrix = scene_library(), vtkMatrix4x4()
    parent = node.GetParentTransformNode()
    if not slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(parent, None, matrix):
        raise SceneError(
            f"{node.GetName()} is under a warping transform. Harden it in the Transforms module, or take it away."
        )
    return matrix_array(matrix)


def grid_of(shape: tuple[int, int, int], matrix: np.ndarray) -> Grid:
    """The grid of an array (K, J, I) by its index to world (4, 4), LPS mm."""
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.isfinite(matrix).all() or (spacing <= 0).any():
        raise SceneError("The volume has no proper spacing or orientation. Correct it in the Volumes module.")
    return Grid(tuple(shape), matrix[:3, 3], spacing, matrix[:3, :3] / spacing)


def _ct_voxels(ct_node) -> np.ndarray:
    slicer = scene_library()
    name = ct_node.GetName() or "the volume"
    if isinstance(ct_node, slicer.vtkMRMLLabelMapVolumeNode) or not isinstance(
        ct_node, slicer.vtkMRMLScalarVolumeNode
    ):
        raise SceneError(f"{name} is no CT. Choose a volume in Hounsfield units.")
    image = ct_node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise SceneError(f"{name} holds no voxels. Load the CT again.")
    voxels = slicer.util.arrayFromVolume(ct_node)
    if voxels.ndim != 3:
        raise SceneError(f"{name} is a colour image. Choose a volume in Hounsfield units.")
    if voxels.shape[0] == 1:
        raise SceneError(f"{name} is a single slice. Choose a CT with all its slices.")
    return voxels


def _label_voxels(labels_node) -> np.ndarray:
    slicer = scene_library()
    image = labels_node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise SceneError(f"{labels_node.GetName()} holds no voxels. Choose another label map.")
    return slicer.util.arrayFromVolume(labels_node)


def _values(voxels: np.ndarray, name: str) -> list[int]:
    lowest, highest = float(voxels.min()), float(voxels.max())
    if lowest < 0 or highest > LARGEST_LABEL:
        raise SceneError(
            f"{name} has values from {lowest:g} to {highest:g}; labels lie between 0 and {LARGEST_LABEL}."
        )
    present = np.zeros(int(highest) + 1, bool)
    for plane in voxels:
        present[plane.astype(np.intp, copy=False)] = True
    present[0] = False
    return np.flatnonzero(present).tolist()


def _layers(ct_node, labels_node, choices: list[LabelChoice]) -> Iterable[TakenLayer]:
    slicer = scene_library()
    if isinstance(labels_node, slicer.vtkMRMLLabelMapVolumeNode):
        names = {int(one.id): one.name for one in choices}
        yield TakenLayer(_label_voxels(labels_node), index_to_world(labels_node), names)
        return
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    segmentation = labels_node.GetSegmentation()
    _require_labelmaps(ct_node, labels_node)
    world = LPS @ to_world(labels_node)
    for number in range(segmentation.GetNumberOfLayers(LABELMAP)):
        image = segmentation.GetLayerDataObject(number, LABELMAP)
        names = {
            segmentation.GetSegment(one.id).GetLabelValue(): one.name
            for one in choices
            if segmentation.GetLayerIndex(one.id, LABELMAP) == number
        }
        scalars = (
            image.GetPointData().GetScalars() if image is not None and image.GetNumberOfPoints() else None
        )
        if not names or scalars is None:
            continue
        matrix = vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        first = np.eye(4)
        extent = image.GetExtent()
        first[:3, 3] = extent[0::2]
        shape = [last - begin + 1 for begin, last in zip(extent[4::-2], extent[5::-2], strict=True)]
        yield TakenLayer(vtk_to_numpy(scalars).reshape(shape), world @ matrix_array(matrix) @ first, names)


def _require_labelmaps(ct_node, labels_node) -> None:
    segmentation = labels_node.GetSegmentation()
    if segmentation.ContainsRepresentation(LABELMAP):
        return
    labels_node.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    if not labels_node.CreateBinaryLabelmapRepresentation():
        raise SceneError(
            f"The segments of {labels_node.GetName()} are {segmentation.GetSourceRepresentationName()}. Create their "
            f"'{LABELMAP}' representation in the Segmentations module."
        )


def _label_time(labels_node) -> tuple[int, ...]:
    slicer = scene_library()
    if isinstance(labels_node, slicer.vtkMRMLLabelMapVolumeNode):
        return (labels_node.GetImageData().GetMTime(),)
    segmentation = labels_node.GetSegmentation()
    layers = [
        segmentation.GetLayerDataObject(n, LABELMAP) for n in range(segmentation.GetNumberOfLayers(LABELMAP))
    ]
    return tuple(layer.GetMTime() for layer in layers if layer is not None)


def structure_of(name: str) -> str:
    """The canonical name of what a segment is called, or its own."""
    from ...dataset.label_names import structure_name

    return structure_name(name.strip())
