"""Segmentations in ``.seg.nrrd`` files, as Slicer's own storage node writes and reads them.

A file appears complete or not at all: it is written under a temporary name in its own folder, checked,
and only then given its name.
"""

from __future__ import annotations

import os
import secrets
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SegmentationFileError
from ..library import quiet_vtk, scene_library
from .nrrd import compress, has_sound_header, holds_labels, is_complete
from .segment_layers import stand_in, take_segments
from .segments import add_with_display, segmentation_node, set_segment
from .volumes import volume_node

if TYPE_CHECKING:
    import numpy as np

    from ...anatomy import Structure
    from ...radiograph import Radiograph

SUFFIX = ".seg.nrrd"


def write_segmentation(
    path: str | os.PathLike,
    radiograph: Radiograph,
    segments: Iterable[tuple[Structure, np.ndarray, Mapping[str, object]]],
) -> Path:
    """Write masks of one radiograph to a ``.seg.nrrd`` file, through a scene of its own.

    ``segments`` holds (structure, bool mask (H, W), tags); see ``set_segment``. Returns the path.
    Raises SceneError; no partial file is left.
    """
    slicer = scene_library()
    target = Path(path)
    scene = slicer.vtkMRMLScene()
    volume = volume_node(scene, radiograph, radiograph.path.stem if radiograph.path else "radiograph")
    node = segmentation_node(scene, volume, target.name.removesuffix(SUFFIX))
    for structure, mask, tags in segments:
        set_segment(node, volume, structure, mask, tags)
    return save_segmentation(node, target)


def save_segmentation(node, path: str | os.PathLike) -> Path:
    """Write a segmentation node to ``path`` (must end in ``.seg.nrrd``), replacing an older file.

    Raises SegmentationFileError with the cause (folder absent or not writable, disk full); nothing is left.
    """
    return prepare_segmentation(node, path)()


def prepare_segmentation(node, path: str | os.PathLike) -> Callable[[], Path]:
    """`save_segmentation` in two steps: what is needed is taken from the node, with a draft beside ``path``; what is
    returned writes the file on any thread. A draft that nobody finishes goes away.

    Slicer's storage node writes the draft: names and tags alone for segments of one slice, whose voxels are copied;
    of any others all, plain, which is compressed later. The node is not touched: Slicer merges the layers of what it
    saves, so a copy is saved.
    """
    slicer = scene_library()
    target = Path(path)
    if not target.name.endswith(SUFFIX) or target.name == SUFFIX:
        raise SegmentationFileError(f"{target}: a segmentation file is named something{SUFFIX}.")
    draft = target.with_name(f".{secrets.token_hex(6)}{SUFFIX}")
    taken = take_segments(node)
    if taken is not None:
        copy = stand_in(node)
    else:
        copy = slicer.vtkMRMLSegmentationNode()
        copy.GetSegmentation().DeepCopy(node.GetSegmentation())
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(draft))
    storage.SetUseCompression(False)

    def finish() -> Path:
        packed = draft.with_name(f".{secrets.token_hex(6)}{SUFFIX}")
        with _removed(draft, packed), _told(target):
            _check_written(is_complete(draft), target)
            if taken is not None:
                taken.write(draft, packed)
            else:
                compress(draft, packed)
            _check_written(is_complete(packed), target)
            _flush(packed)
            os.replace(packed, target)
        return target

    weakref.finalize(finish, _remove, draft)
    try:
        with _told(target):
            draft.touch(exist_ok=False)
            with quiet_vtk():
                written = storage.WriteData(copy)
            _check_written(written, target)
    except SegmentationFileError:
        _remove(draft)
        raise
    return finish


def _check_written(done: bool, target: Path) -> None:
    if not done:
        raise SegmentationFileError(
            f"{target}: the segmentation could not be written completely; is the disk full?"
        )


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """Errors of the system as SegmentationFileError."""
    try:
        yield
    except OSError as error:
        raise SegmentationFileError(f"{target}: cannot be written: {error.strerror or error}.") from error


@contextmanager
def _removed(*files: Path) -> Iterator[None]:
    """These files are gone at the end, if they were there."""
    try:
        yield
    finally:
        for file in files:
            _remove(file)


def _remove(file: Path) -> None:
    # On a read-only or vanished folder this fails, after the error that matters.
    with suppress(OSError):
        file.unlink(missing_ok=True)


def load_segmentation(scene, path: str | os.PathLike, volume_node=None):
    """Read a segmentation file into ``scene`` and return its vtkMRMLSegmentationNode.

    Files keep the reference geometry but not the reference volume; pass ``volume_node`` to tie the
    segmentation to it, and to its transform, again. Raises SegmentationFileError.
    """
    slicer = scene_library()
    source = Path(path)
    if not source.is_file():
        raise SegmentationFileError(f"{source}: there is no such file.")
    node = slicer.vtkMRMLSegmentationNode()
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(source))
    try:
        with quiet_vtk():
            # Slicer reads an image of fractions as a segmentation without segments.
            whole = is_complete(source) and holds_labels(source) and has_sound_header(source)
            loaded = whole and storage.ReadData(node)
    except OSError as error:
        raise SegmentationFileError(f"{source}: cannot be read: {error.strerror or error}.") from error
    if not loaded:
        raise SegmentationFileError(f"{source}: this is no segmentation file, or it is damaged or cut off.")
    node.SetName(source.name.removesuffix(SUFFIX))
    node = add_with_display(scene, node, in_3d=False)
    if volume_node is not None:
        # The geometry is stored relative to the segmentation's transform, which so must be there before.
        node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    return node


def _flush(path: Path) -> None:
    """Have the system store the file now, so that a late failure is noticed before the rename."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
