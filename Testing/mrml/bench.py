"""What the tests of the Segment tab's logic share: a scene as Slicer has it, images, a model that draws squares."""

from __future__ import annotations

import functools
import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import slicer
import torch
import vtk
from FluoroSAMSlicerLib.model import InputFrame
from FluoroSAMSlicerLib.mrml import volume_node
from FluoroSAMSlicerLib.mrml.segment.logic import Logic
from FluoroSAMSlicerLib.radiograph import Radiograph
from FluoroSAMSlicerLib.segmentation import Candidates, ImageEmbedding, Prediction, Prompt
from FluoroSAMSlicerLib.segmentation.embedding import image_key
from vtk.util.numpy_support import numpy_to_vtk

SIDE, GRID = 64, 32


class SquarePredictor:
    """Answers a text with a square whose place the text decides, and a click with a disc there.

    The three candidates differ in size. ``encoded``, ``asked`` and ``chosen`` remember what was wanted of it.
    """

    device = "cpu"

    def __init__(self) -> None:
        self.encoded, self.asked, self.chosen = [], [], []
        self.score = 0.9

    def encode(self, radiograph) -> ImageEmbedding:
        key = image_key(radiograph.pixels)
        self.encoded.append(key)
        frame = InputFrame.of(*radiograph.pixels.shape, SIDE)
        return ImageEmbedding(key, frame, torch.zeros(1, 1, GRID // 8, GRID // 8), "squares", "1")

    def predict(
        self, embedding, text=None, points=(), labels=(), box=None, previous=None, allow_unknown=False, looks=()
    ):
        self.asked.append((text, tuple(points), tuple(labels), box, previous))
        low_res = torch.full((3, GRID, GRID), -4.0)
        if previous is not None:
            low_res[:] = previous.low_res
        rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
        for candidate in range(3):
            if text is not None and previous is None:
                left = 4 + zlib.crc32(text.encode()) % 12
                low_res[candidate, 4 + candidate : 12, left : left + 8] = 2.0
            if box is not None:
                x1, y1, x2, y2 = (value * embedding.frame.scale / 2 for value in box)
                low_res[candidate][(columns >= x1) & (columns < x2) & (rows >= y1) & (rows < y2)] = 2.0
        for (x, y), label in zip(points, labels, strict=True):
            column, row = ((value + 0.5) * embedding.frame.scale / 2 - 0.5 for value in (x, y))
            near = (columns - column) ** 2 + (rows - row) ** 2 < 9
            low_res[:, near] = 6.0 if label else -6.0
        prompt = Prompt.of(text, points, labels, box)
        scores = (self.score, self.score - 0.1, self.score - 0.2)
        candidates = Candidates(low_res, scores, embedding.frame)
        return Prediction(prompt, None, candidates, 0, embedding.key, "squares", "1")

    def predict_names(self, embedding, texts, allow_unknown=False, closer=True):
        return [self.predict(embedding, text, allow_unknown=allow_unknown) for text in texts]

    def choose(self, embedding, prediction, candidate):
        self.chosen.append(candidate)
        return replace(prediction, chosen=candidate)


class Together(SquarePredictor):
    """Finds all names in one pass, so that their masks come together; ``passes`` are the names of each."""

    finds_together = True

    def __init__(self) -> None:
        super().__init__()
        self.passes = []

    def predict_names(self, embedding, texts, allow_unknown=False, closer=True):
        self.passes.append(list(texts))
        return super().predict_names(embedding, texts, allow_unknown, closer)


def segment_logic(scene, predictor=None) -> Logic:
    predictor = predictor or SquarePredictor()
    return Logic(scene, lambda model, device: predictor)


def noise(height: int = 120, width: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width)).astype(np.float32)


def image_node(
    scene, height: int = 120, width: int = 90, seed: int = 0, name: str = "chest", spacing=(0.2, 0.3)
):
    """A radiograph of noise in the scene."""
    source = "PixelSpacing" if spacing else "unknown"
    radiograph = Radiograph(noise(height, width, seed), spacing=spacing, spacing_source=source)
    return volume_node(scene, radiograph, name)


def place(node, directions, origin, spacing) -> None:
    """Give a volume another grid: ``directions`` are the RAS directions of i, j and k as rows."""
    matrix = vtk.vtkMatrix4x4()
    for column in range(3):
        for row in range(3):
            matrix.SetElement(row, column, directions[column][row] * spacing[column])
    for row in range(3):
        matrix.SetElement(row, 3, origin[row])
    node.SetIJKToRASMatrix(matrix)


def transform_node(scene, degrees: float = 30.0, shift=(5.0, -7.0, 11.0)):
    transform = vtk.vtkTransform()
    transform.Translate(*shift)
    transform.RotateWXYZ(degrees, 1, 2, 3)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(transform.GetMatrix())
    return node


def replace_pixels(node, pixels: np.ndarray) -> None:
    """What a filter does that writes its output into the same volume."""
    image = node.GetImageData()
    flat = np.ascontiguousarray(pixels, dtype=np.float32).ravel()
    image.GetPointData().SetScalars(numpy_to_vtk(flat, deep=True))
    image.Modified()
    node.Modified()


def drawn_by_hand(logic, volume, segment_id: str, rows: slice, columns: slice, value: int = 1) -> None:
    """Change a segment as the Segment Editor does: through the segmentation's own functions."""
    segmentation = logic.segmentationFor(volume)
    mask = mask_of(logic, volume, segment_id).astype(np.uint8)
    mask[rows, columns] = value
    image = slicer.vtkOrientedImageData()
    height, width = mask.shape
    image.SetExtent(0, width - 1, 0, height - 1, 0, 0)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(mask.ravel(), deep=True))
    grid = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(grid)
    image.SetImageToWorldMatrix(grid)
    editing = slicer.vtkSlicerSegmentationsModuleLogic
    assert editing.SetBinaryLabelmapToSegment(image, segmentation, segment_id, editing.MODE_REPLACE)


def mask_of(logic, volume, segment_id: str) -> np.ndarray:
    from FluoroSAMSlicerLib.mrml import segment_mask

    return segment_mask(logic.segmentationFor(volume), segment_id, volume)


LOGICS = ("Markups", "Segmentations", "Sequences", "Volumes")


@functools.cache
def application() -> SimpleNamespace:
    """The parts of Slicer that reading and writing scenes as bundles needs; ``kept`` for the process."""
    cache = slicer.vtkCacheManager()
    files = slicer.vtkDataIOManager()
    files.SetCacheManager(cache)
    return SimpleNamespace(cache=cache, files=files, kept=[])


def new_scene():
    """A scene with what the application puts behind it."""
    parts = application()
    scene = slicer.vtkMRMLScene()
    scene.SetCacheManager(parts.cache)
    scene.SetDataIOManager(parts.files)
    app = slicer.vtkSlicerApplicationLogic()
    app.SetMRMLScene(scene)
    parts.kept.append(app)
    for name in LOGICS:
        kinds = (f"vtkSlicer{name}ModuleLogic", f"vtkSlicer{name}Logic")
        kind = next(
            found for found in (getattr(slicer, one, None) for one in kinds) if isinstance(found, type)
        )
        logic = kind()
        logic.SetMRMLApplicationLogic(app)
        logic.SetMRMLScene(scene)
        parts.kept.append(logic)
    return scene


class Film:
    """A run of moving structures, and its browser."""

    def __init__(self, scene, frames) -> None:
        self.scene = scene
        self.logic = slicer.vtkSlicerSequencesLogic()
        self.logic.SetMRMLScene(scene)
        self.sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "run")
        self.sequence.SetIndexName("time")
        for number, pixels in enumerate(frames):
            frame = slicer.vtkMRMLScalarVolumeNode()
            slicer.util.updateVolumeFromArray(frame, np.ascontiguousarray(pixels)[np.newaxis])
            self.sequence.SetDataNodeAtValue(frame, str(number / 10))
        self.browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
        self.browser.SetAndObserveMasterSequenceNodeID(self.sequence.GetID())
        self.show(0)
        self.volume = self.browser.GetProxyNode(self.sequence)

    def show(self, number: int) -> None:
        self.browser.SetSelectedItemNumber(number)
        self.logic.UpdateProxyNodesFromSequences(self.browser)
