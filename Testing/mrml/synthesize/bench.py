"""A small labelled CT in a scene, in any orientation, for the tests of the Synthesize tab."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import slicer
import vtk
from mrml.bench import place

SHAPE = (30, 34, 40)
SPACING = (2.0, 2.5, 3.0)
ORIGIN_RAS = (40.0, 60.0, -30.0)
LPS_ROWS = ((-1, 0, 0), (0, -1, 0), (0, 0, 1))
"""RAS directions of i, j and k of an array that runs along LPS."""
COLORS = {"liver": (0.87, 0.51, 0.4), "left kidney": (0.73, 0.4, 0.2), "L3 vertebra": (0.9, 0.8, 0.55)}


def phantom() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """HU (K, J, I) of a body with a bone and two organs, and the mask of each."""
    hu = np.full(SHAPE, -1000, np.int16)
    hu[3:27, 4:30, 4:36] = 20
    masks = {name: np.zeros(SHAPE, bool) for name in COLORS}
    masks["L3 vertebra"][10:20, 20:27, 17:24] = True
    masks["liver"][12:24, 8:20, 6:18] = True
    masks["left kidney"][8:16, 14:22, 25:32] = True
    hu[masks["L3 vertebra"]] = 700
    hu[masks["liver"]] = 90
    hu[masks["left kidney"]] = 160
    return hu, masks


def directions() -> list[tuple[tuple[int, int, int], tuple[int, int, int]]]:
    """All 48 ways to lay an array along the axes: the order of its axes, and which run backwards."""
    orders, signs = itertools.permutations(range(3)), list(itertools.product((1, -1), repeat=3))
    return [(order, sign) for order in orders for sign in signs]


def ct_node(
    scene, hu: np.ndarray | None = None, name: str = "CT", order=(0, 1, 2), signs=(1, 1, 1), kind=None
):
    """The phantom as a volume node that occupies the same place in the world however its array runs.

    order: which axis (i, j, k of the plain array) each axis of the node's array is. signs: -1 runs backwards.
    """
    hu = phantom()[0] if hu is None else hu
    turned, rows, origin, spacing = turn(hu, order, signs)
    node = scene.AddNewNodeByClass(kind or "vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(turned))
    place(node, rows, origin, spacing)
    return node


def turn(array: np.ndarray, order, signs):
    """The array with its axes reordered and flipped, and the RAS directions, origin and spacing that go with it."""
    by_axis = array.transpose(2, 1, 0)
    turned = by_axis.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    rows = [tuple(sign * part for part in LPS_ROWS[axis]) for axis, sign in zip(order, signs, strict=True)]
    spacing = [SPACING[axis] for axis in order]
    origin = np.array(ORIGIN_RAS)
    for axis, sign in zip(order, signs, strict=True):
        if sign < 0:
            origin = origin + np.array(LPS_ROWS[axis]) * SPACING[axis] * (by_axis.shape[axis] - 1)
    return turned.transpose(2, 1, 0), rows, origin.tolist(), spacing


def segmentation_node(
    scene, masks: dict[str, np.ndarray], name: str = "labels", order=(0, 1, 2), signs=(1, 1, 1)
):
    """A segmentation with a layer of its own for each mask, on the grid that `ct_node` has for the same turn."""
    from vtk.util.numpy_support import numpy_to_vtk

    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    for title, mask in masks.items():
        turned, rows, origin, spacing = turn(mask, order, signs)
        k, j, i = (np.flatnonzero(turned.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
        box = (i[0], i[-1], j[0], j[-1], k[0], k[-1])
        image = slicer.vtkOrientedImageData()
        image.SetExtent(*(int(one) for one in box))
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        inside = turned[box[4] : box[5] + 1, box[2] : box[3] + 1, box[0] : box[1] + 1]
        image.GetPointData().SetScalars(numpy_to_vtk(inside.astype(np.uint8).ravel(), deep=True))
        matrix = vtk.vtkMatrix4x4()
        for column in range(3):
            for row in range(3):
                matrix.SetElement(row, column, rows[column][row] * spacing[column])
        for row in range(3):
            matrix.SetElement(row, 3, origin[row])
        image.SetImageToWorldMatrix(matrix)
        segment = slicer.vtkSegment()
        segment.SetName(title)
        segment.SetColor(*COLORS.get(title, (0.5, 0.5, 0.5)))
        segment.AddRepresentation("Binary labelmap", image)
        node.GetSegmentation().AddSegment(segment)
    return node


def labelled_ct(scene, order=(0, 1, 2), signs=(1, 1, 1)):
    """(CT volume, segmentation) of the phantom."""
    hu, masks = phantom()
    return ct_node(scene, hu, order=order, signs=signs), segmentation_node(
        scene, masks, order=order, signs=signs
    )


def label_map_node(scene, masks: dict[str, np.ndarray]):
    """The masks as a label map with a colour table that names them."""
    labels = np.zeros(SHAPE, np.int16)
    table = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "names")
    table.SetTypeToUser()
    table.SetNumberOfColors(len(masks) + 1)
    for value, (title, mask) in enumerate(masks.items(), 1):
        labels[mask] = value
        table.SetColor(value, title, *COLORS.get(title, (0.5, 0.5, 0.5)), 1.0)
    node = ct_node(scene, labels, "label map", kind="vtkMRMLLabelMapVolumeNode")
    display = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeDisplayNode")
    display.SetAndObserveColorNodeID(table.GetID())
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node


def put_under(scene, nodes, matrix: np.ndarray):
    """Put nodes under a linear transform, RAS mm."""
    made = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            made.SetElement(row, column, float(matrix[row, column]))
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(made)
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def add_patient(scene, ct: Path, labels: Path):
    """A CT file as a volume node and its label map as a segmentation with the names of LABELS.json; both nodes."""
    import SimpleITK as sitk

    def grid(node, image) -> None:
        way = np.reshape(image.GetDirection(), (3, 3)) * np.array([[-1], [-1], [1]])
        place(node, way.T.tolist(), (np.array(image.GetOrigin()) * (-1, -1, 1)).tolist(), image.GetSpacing())

    image = sitk.ReadImage(str(ct))
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", ct.name.split(".")[0])
    slicer.util.updateVolumeFromArray(volume, sitk.GetArrayFromImage(image))
    grid(volume, image)
    image = sitk.ReadImage(str(labels))
    label_map = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.util.updateVolumeFromArray(label_map, sitk.GetArrayFromImage(image).astype(np.int16))
    grid(label_map, image)
    names = json.loads(labels.with_suffix(".json").read_text(encoding="utf-8"))["labels"]
    table = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "names")
    table.SetTypeToUser()
    table.SetNumberOfColors(max(one["value"] for one in names) + 1)
    rng = np.random.default_rng(4)
    for one in names:
        table.SetColor(one["value"], one["text"], *rng.uniform(0.3, 0.95, 3).tolist(), 1.0)
    display = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeDisplayNode")
    display.SetAndObserveColorNodeID(table.GetID())
    label_map.SetAndObserveDisplayNodeID(display.GetID())
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "segmentation")
    segmentation.CreateDefaultDisplayNodes()
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(label_map, segmentation)
    scene.RemoveNode(label_map)
    return volume, segmentation
