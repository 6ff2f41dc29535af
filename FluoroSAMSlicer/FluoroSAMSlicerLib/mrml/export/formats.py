"""Segments as files for other programs: NIfTI, PNG, COCO, a table of areas, and Slicer's own format.

Masks are written in the pixels of the image, row 0 at the top. Files appear complete or not at all.
Without ``segmentIds`` all segments are exported. Raises SceneError with a message for the user. Each function is an
`Export`: a panel calls its ``prepare`` and leaves the writing to a worker.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..nodes.files import prepare_segmentation
from ..nodes.image_state import SOURCE_FILE
from ..nodes.placement import image_size, matrix_array
from ..nodes.volumes import stated_spacing, take_pixels
from .coco import annotation, category
from .dicom_seg import dicomSource, exportDicomSeg
from .drafts import ExportError, draft, folder
from .exported import ExportedSegment, exported_segments
from .steps import Export

__all__ = [
    "ExportError",
    "dicomSource",
    "exportAreas",
    "exportCoco",
    "exportDicomSeg",
    "exportMasks",
    "exportNifti",
    "exportOverlay",
    "exportSegNrrd",
]

PICTURE_SIDE = 2400
"""Longest side (pixels) of an overlay picture; larger images are shrunk for it."""

COLUMNS = (
    "image",
    "segment",
    "structure",
    "area",
    "unit",
    "pixels",
    "spacing x (mm)",
    "spacing y (mm)",
    "spacing source",
    "predicted IoU",
    "low confidence",
)


@Export
def exportSegNrrd(segmentationNode, path: str | os.PathLike) -> Callable[[], Path]:
    """All segments with their names, colours, terminology and overlaps, as Slicer saves them."""
    return prepare_segmentation(segmentationNode, path)


@Export
def exportNifti(
    segmentationNode, volumeNode, folder: str | os.PathLike, segmentIds: Sequence[str] | None = None
) -> Callable[[], list[Path]]:
    """A ``.nii.gz`` file for each segment, since they overlap: one slice of 0 and 1, where the image lies."""
    spacing, origin, direction = _lps_grid(volumeNode)

    def write(segment: ExportedSegment, file: Path) -> None:
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(segment.mask()[np.newaxis].astype(np.uint8))
        image.SetSpacing(spacing)
        image.SetOrigin(origin)
        image.SetDirection(direction)
        try:
            sitk.WriteImage(image, str(file), useCompression=True)
        except RuntimeError as error:
            raise ExportError(
                f"{file.parent}: a NIfTI file cannot be written there. Is the disk full?"
            ) from error

    return _one_each(segmentationNode, volumeNode, folder, segmentIds, ".nii.gz", write)


@Export
def exportMasks(
    segmentationNode, volumeNode, folder: str | os.PathLike, segmentIds: Sequence[str] | None = None
) -> Callable[[], list[Path]]:
    """An 8-bit grey PNG file for each segment, of the size of the image: 255 inside, 0 outside."""

    def write(segment: ExportedSegment, file: Path) -> None:
        from PIL import Image

        Image.fromarray(segment.mask().astype(np.uint8) * np.uint8(255)).save(file)

    return _one_each(segmentationNode, volumeNode, folder, segmentIds, ".png", write)


@Export
def exportOverlay(
    segmentationNode, volumeNode, path: str | os.PathLike, segmentIds: Sequence[str] | None = None
) -> Callable[[], Path]:
    """A PNG picture of the image with the segments in colour and a legend."""
    segments = exported_segments(segmentationNode, volumeNode, segmentIds)
    taken, title = take_pixels(volumeNode), volumeNode.GetName() or ""

    def write() -> Path:
        from ...segmentation.overlay import Layer, overlay

        radiograph = taken.radiograph()
        step = -(-max(radiograph.pixels.shape) // PICTURE_SIDE)
        layers = [
            Layer(segment.name, segment.color, segment.mask()[::step, ::step].copy(), segment.score)
            for segment in segments
        ]
        picture = overlay(radiograph.pixels[::step, ::step], layers, title, radiograph.spacing)
        with draft(path) as file:
            picture.save(file, format="PNG")
        return Path(path)

    return write


@Export
def exportCoco(
    segmentationNode, volumeNode, path: str | os.PathLike, segmentIds: Sequence[str] | None = None
) -> Callable[[], Path]:
    """A COCO JSON file: the image, a category and an annotation (mask as run lengths) for each segment.

    Empty segments are categories without annotation.
    """
    width, height = image_size(volumeNode)
    source = volumeNode.GetAttribute(SOURCE_FILE)
    name = Path(source).name if source else volumeNode.GetName()
    about = {"description": f"Segments of {volumeNode.GetName()}, made with FluoroSAMSlicer"}
    segments = exported_segments(segmentationNode, volumeNode, segmentIds)

    def write() -> Path:
        categories, annotations = [], []
        for number, segment in enumerate(segments, 1):
            categories.append(category(number, segment))
            mask = segment.mask()
            if mask.any():
                annotations.append(annotation(len(annotations) + 1, 1, number, segment, mask))
        content = {
            "info": about,
            "images": [{"id": 1, "file_name": name, "width": width, "height": height}],
            "categories": categories,
            "annotations": annotations,
        }
        with draft(path) as file:
            file.write_text(json.dumps(content), encoding="utf-8")
        return Path(path)

    return write


@Export
def exportAreas(
    segmentationNode, volumeNode, path: str | os.PathLike, segmentIds: Sequence[str] | None = None
) -> Callable[[], Path]:
    """A CSV table of the segments' areas, in mm2 where the pixel spacing is known and in pixels elsewhere.

    What the spacing was taken from stands beside it: distances that the ImagerPixelSpacing gives are those
    at the detector, which magnifies the patient.
    """
    segments = exported_segments(segmentationNode, volumeNode, segmentIds)
    spacing, source = stated_spacing(volumeNode)
    name = volumeNode.GetName()
    area = 1.0 if spacing is None else spacing[0] * spacing[1]
    unit = "pixels" if spacing is None else "mm2"
    if source == "ImagerPixelSpacing":
        unit = "mm2 at the detector"

    def row(segment: ExportedSegment) -> tuple:
        count = int(np.count_nonzero(segment.mask()))
        return (
            name,
            segment.name,
            segment.structure.name,
            count if spacing is None else f"{count * area:.2f}",
            unit,
            count,
            *(("", "") if spacing is None else (f"{step:.6g}" for step in spacing)),
            source,
            "" if segment.score is None else f"{segment.score:.4f}",
            "yes" if segment.low_confidence else "no",
        )

    def write() -> Path:
        with draft(path) as file, file.open("w", newline="", encoding="utf-8-sig") as stream:
            table = csv.writer(stream)
            table.writerow(COLUMNS)
            for segment in segments:
                table.writerow(row(segment))
        return Path(path)

    return write


def _one_each(
    segmentation,
    volume,
    place: str | os.PathLike,
    segment_ids: Sequence[str] | None,
    suffix: str,
    write: Callable[[ExportedSegment, Path], None],
) -> Callable[[], list[Path]]:
    target = folder(place)
    image = _file_name(volume.GetName() or "image")
    segments = exported_segments(segmentation, volume, segment_ids)

    def write_all() -> list[Path]:
        written: list[Path] = []
        for segment in segments:
            name = base = f"{image}_{_file_name(segment.name)}"
            while target / (name + suffix) in written:
                name = f"{base}_{len(written) + 1}"
            path = target / (name + suffix)
            with draft(path) as file:
                write(segment, file)
            written.append(path)
        return written

    return write_all


def _file_name(name: str) -> str:
    """A name that every file system takes: letters of any script, digits, '-', '.' and '_'."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:80] or "segment"


def _lps_grid(volume) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Spacing, origin and direction of the image where it is shown, as ITK has them (LPS)."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    grid, world = vtkMatrix4x4(), vtkMatrix4x4()
    volume.GetIJKToRASMatrix(grid)
    transform = volume.GetParentTransformNode()
    if transform is not None and not transform.GetMatrixTransformToWorld(world):
        raise ExportError(
            f"{volume.GetName()} is under a warping transform. Harden or remove it, then export."
        )
    vtkMatrix4x4.Multiply4x4(world, grid, grid)
    matrix = matrix_array(grid)[:3]
    matrix[:2] *= -1
    spacing = np.linalg.norm(matrix[:, :3], axis=0)
    direction = matrix[:, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise ExportError(f"{volume.GetName()} is sheared by a transform, which NIfTI files do not keep.")
    return tuple(spacing.tolist()), tuple(matrix[:, 3].tolist()), tuple(direction.ravel().tolist())
