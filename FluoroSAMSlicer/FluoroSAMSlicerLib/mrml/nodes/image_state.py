"""The image of a volume node: whether it can be segmented, which frame it shows, when it changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NotOneImage, SceneError
from ..library import scene_library
from .sequences import frame_of
from .volumes import TakenPixels, radiograph_from_volume, take_pixels, volume_node

__all__ = [
    "SOURCE_FILE",
    "SOURCE_FRAME",
    "ImageState",
    "ManySlices",
    "check_volume",
    "frame_of",
    "add_image",
    "read_image",
    "signature",
    "slice_volume",
]

if TYPE_CHECKING:
    from ...radiograph import Radiograph

SOURCE_FILE = "FluoroSAM.sourceFile"
SOURCE_FRAME = "FluoroSAM.sourceFrame"

COMPARED_PIXELS = 2**22
"""Up to this size the content of an image with new time stamps is compared with the old; that takes some 50 ms
of the main thread. Larger ones count as changed."""


class ManySlices(NotOneImage):
    """A stack of ``slices`` images; one of them can be taken out with ``slice_volume``."""

    def __init__(self, name: str, slices: int):
        self.slices = slices
        super().__init__(
            f"{name} has {slices} slices, and one X-ray image is needed. If it is a CT, make radiographs "
            "from it in the DRR tab; if it is a series of X-ray images, choose one of them."
        )


def check_volume(volume_node) -> None:
    """Raise SceneError where the volume is no single grey or colour image."""
    slicer = scene_library()
    if volume_node is None:
        raise SceneError("No image is chosen. Choose or load a radiograph.")
    name = volume_node.GetName() or "The volume"
    if not isinstance(volume_node, slicer.vtkMRMLScalarVolumeNode):
        raise NotOneImage(f"{name} is not an image volume. Choose the volume that shows the X-ray.")
    if isinstance(volume_node, slicer.vtkMRMLLabelMapVolumeNode):
        raise NotOneImage(f"{name} is a label map. Choose the volume that shows the X-ray.")
    image = volume_node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise NotOneImage(f"{name} holds no pixels. Load the X-ray image again.")
    if image.GetDimensions()[2] != 1:
        raise ManySlices(name, image.GetDimensions()[2])
    components = image.GetNumberOfScalarComponents()
    if components not in (1, 3, 4):
        raise NotOneImage(f"{name} has {components} values per pixel; grey, RGB and RGBA images can be used.")


def slice_volume(volume, index: int):
    """Slice ``index`` of a stack as a volume node of its own, where it lies in the stack.

    Its values are the stack's, so that the window of the stack serves. Raises SceneError.
    """
    slicer = scene_library()
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    image = volume.GetImageData()
    count = image.GetDimensions()[2] if image is not None else 0
    if not 0 <= index < count:
        raise SceneError(f"{volume.GetName()} has no slice {index}; it has slices 0 to {count - 1}.")
    voxels = slicer.util.arrayFromVolume(volume)[index : index + 1].copy()
    node = slicer.vtkMRMLVectorVolumeNode() if voxels.ndim == 4 else slicer.vtkMRMLScalarVolumeNode()
    node.SetName(f"{volume.GetName()} slice {index + 1}")
    slicer.util.updateVolumeFromArray(node, voxels)
    placement = vtkMatrix4x4()
    volume.GetIJKToRASMatrix(placement)
    for row, value in enumerate(placement.MultiplyPoint((0.0, 0.0, float(index), 1.0))[:3]):
        placement.SetElement(row, 3, value)
    node.SetIJKToRASMatrix(placement)
    node = volume.GetScene().AddNode(node)
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    return node


def read_image(path: str | Path, frame: int = 0) -> Radiograph:
    """A radiograph file, on any thread. Raises RadiographError."""
    from ...radiograph import read_radiograph

    return read_radiograph(Path(path), frame)


def add_image(scene, radiograph: Radiograph, path: str | Path, frame: int = 0):
    """What was read from a file as a volume node that remembers the file. Raises SceneError."""
    file = Path(path)
    node = volume_node(scene, radiograph, file.stem)
    node.SetAttribute(SOURCE_FILE, str(file.resolve()))
    node.SetAttribute(SOURCE_FRAME, str(frame))
    return node


def signature(volume_node) -> tuple:
    """Changes whenever the voxels may have changed; see `ImageState.unchanged` for whether they have."""
    image = volume_node.GetImageData()
    if image is None:
        return ()
    scalars = image.GetPointData().GetScalars()
    return image.GetDimensions(), image.GetMTime(), scalars.GetMTime() if scalars else 0


@dataclass(eq=False)
class ImageState:
    """What is known of the image that a volume shows now.

    ``taken`` holds the pixels until ``embedding`` (of ``model``) makes them superfluous; ``key`` is the
    SHA-256 of the pixels, known once they were encoded.
    """

    signature: tuple
    taken: TakenPixels | None = None
    embedding: object | None = None
    model: str = ""
    key: str = ""

    @classmethod
    def of(cls, volume_node) -> ImageState:
        check_volume(volume_node)
        return cls(signature(volume_node), take_pixels(volume_node))

    def unchanged(self, volume_node) -> bool:
        """Whether the volume shows the same pixels as then, by its time stamps or else by its content."""
        if volume_node.GetImageData() is None:
            return False
        now = signature(volume_node)
        if now != self.signature:
            if not self.key or not _has_content(volume_node, self.key):
                return False
            self.signature = now
        return True

    def pixels(self, volume_node) -> TakenPixels:
        if self.taken is None:
            self.taken = take_pixels(volume_node)
        return self.taken


def _has_content(volume_node, key: str) -> bool:
    from ...segmentation.embedding import image_key

    try:
        check_volume(volume_node)
        if volume_node.GetImageData().GetNumberOfPoints() > COMPARED_PIXELS:
            return False
        return image_key(radiograph_from_volume(volume_node).pixels) == key
    except SceneError:
        return False
