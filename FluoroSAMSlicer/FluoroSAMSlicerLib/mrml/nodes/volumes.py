"""A radiograph as a one-slice volume node, and back.

World placement: pixel (column i, row j) lies at RAS = (-i * sx, -j * sy, 0), so that the axial slice
view shows row 0 at the top and column 0 at the left; in LPS the image starts at the origin and runs
along +x and +y. Spacing is in mm per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import NotOneImage
from ..library import scene_library

if TYPE_CHECKING:
    from ...radiograph import Radiograph

SPACING_SOURCE = "FluoroSAM.spacingSource"

# ITU-R BT.709 luma weights.
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def volume_node(scene, radiograph: Radiograph, name: str):
    """Add a radiograph to a scene.

    ``radiograph.pixels`` (H, W) becomes a vtkMRMLScalarVolumeNode of (1, H, W) float32 voxels shown
    with a window that covers [0, 1]. Unknown spacing becomes 1 mm; the node's attribute
    ``FluoroSAM.spacingSource`` then reads "unknown".
    """
    slicer = scene_library()
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    pixels = np.asarray(radiograph.pixels, dtype=np.float32)
    if pixels.ndim != 2 or pixels.size == 0:
        raise NotOneImage(f"The image {name!r} has shape {pixels.shape}; a radiograph is rows x columns.")
    known = radiograph.spacing is not None
    sx, sy = radiograph.spacing if known else (1.0, 1.0)

    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(name)
    slicer.util.updateVolumeFromArray(node, pixels[np.newaxis])
    ijk_to_ras = vtkMatrix4x4()
    ijk_to_ras.SetElement(0, 0, -sx)
    ijk_to_ras.SetElement(1, 1, -sy)
    node.SetIJKToRASMatrix(ijk_to_ras)
    node.SetAttribute(SPACING_SOURCE, radiograph.spacing_source if known else "unknown")
    node = scene.AddNode(node)

    display = slicer.vtkMRMLScalarVolumeDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.AutoWindowLevelOff()
    display.SetWindowLevel(1.0, 0.5)
    display = scene.AddNode(display)
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node


@dataclass(frozen=True, eq=False)
class TakenPixels:
    """A copy of one image's voxels, (J, I) or (J, I, components) of any type, and what its node says of them.

    Taking them is a plain copy; what takes longer, `radiograph`, may be done on another thread.
    """

    name: str
    plane: np.ndarray
    spacing: tuple[float, float] | None
    spacing_source: str
    normalized: bool
    frame: int
    frame_count: int

    def radiograph(self) -> Radiograph:
        """Bone bright, in [0, 1]. Raises NotOneImage for values that are no intensities."""
        from ...radiograph import Radiograph

        pixels = _intensities(self.plane, self.name)
        if not self.normalized or pixels.min() < 0 or pixels.max() > 1:
            pixels = _stretched(pixels)
        return Radiograph(
            pixels=pixels,
            spacing=self.spacing,
            spacing_source=self.spacing_source,
            path=None,
            frame=self.frame,
            frame_count=self.frame_count,
            modality=None,
        )


def radiograph_from_volume(volume_node, frame: int | None = None) -> Radiograph:
    """The radiograph in a volume node, from the voxel array alone (row 0 of the array on top).

    Orientation and parent transforms do not matter here: masks come back through the same array.
    Colour becomes luminance, alpha is dropped. ``frame`` picks the slice of a stack; a stack without
    it raises NotOneImage. Values that a node of ``volume_node`` holds are kept, others are stretched
    so that the lowest becomes 0 and the highest 1. No polarity is guessed: Slicer's DICOM reader has
    already turned MONOCHROME1 bone bright.
    """
    return take_pixels(volume_node, frame).radiograph()


def take_pixels(volume_node, frame: int | None = None, plane: np.ndarray | None = None) -> TakenPixels:
    """What `radiograph_from_volume` is made of, for making it elsewhere; ``plane`` are its voxels where somebody
    has them already, which saves a copy. Raises NotOneImage."""
    name = volume_node.GetName() or "the volume"
    voxels = _voxels(volume_node, name)
    count = voxels.shape[0]
    if frame is None and count > 1:
        raise NotOneImage(
            f"{name} is a stack of {count} slices, not one X-ray image. Choose one of its slices, or "
            "load the image as a single file."
        )
    index = 0 if frame is None else frame
    if not 0 <= index < count:
        raise NotOneImage(f"{name} has no slice {index}; it has slices 0 to {count - 1}.")
    normalized = volume_node.GetAttribute(SPACING_SOURCE) is not None
    spacing, source = stated_spacing(volume_node)
    plane = voxels[index].copy() if plane is None else plane
    return TakenPixels(name, plane, spacing, source, normalized, index, count)


def stated_spacing(volume_node) -> tuple[tuple[float, float] | None, str]:
    """Spacing (x, y) in mm, None where it is not known, and what it was taken from."""
    source = volume_node.GetAttribute(SPACING_SOURCE)
    sx, sy, _ = volume_node.GetSpacing()
    if source is None:
        # Slicer gives 1 mm to files that state no spacing.
        source = "unknown" if (sx, sy) == (1.0, 1.0) else "file header"
    return (None if source == "unknown" else (sx, sy)), source


def _voxels(volume_node, name: str) -> np.ndarray:
    """(K, J, I) or (K, J, I, components) voxels of an intensity volume."""
    slicer = scene_library()
    if not isinstance(volume_node, slicer.vtkMRMLScalarVolumeNode):
        raise NotOneImage(f"{name} is not an image volume. Choose the volume that shows the X-ray.")
    if isinstance(volume_node, slicer.vtkMRMLLabelMapVolumeNode):
        raise NotOneImage(f"{name} is a label map. Choose the volume that shows the X-ray.")
    image = volume_node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise NotOneImage(f"{name} holds no pixels. Load the X-ray image again.")
    return slicer.util.arrayFromVolume(volume_node)


def _intensities(plane: np.ndarray, name: str) -> np.ndarray:
    """(J, I) float32 intensities of a grey or colour plane; a new array, finite everywhere."""
    if plane.ndim == 3:
        components = plane.shape[2]
        if components not in (1, 3, 4):
            raise NotOneImage(
                f"{name} has {components} values per pixel; grey, RGB and RGBA images can be used."
            )
        plane = plane[..., 0] if components == 1 else plane[..., :3].astype(np.float32) @ LUMINANCE
    pixels = np.array(plane, dtype=np.float32)
    finite = np.isfinite(pixels)
    if not finite.any():
        raise NotOneImage(f"{name} holds no finite pixel value.")
    if not finite.all():
        pixels[~finite] = pixels[finite].min()
    return pixels


def _stretched(pixels: np.ndarray) -> np.ndarray:
    low, high = float(pixels.min()), float(pixels.max())
    return (pixels - low) / (high - low) if high > low else np.zeros_like(pixels)
