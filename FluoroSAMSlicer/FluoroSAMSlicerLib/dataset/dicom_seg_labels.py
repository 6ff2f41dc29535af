"""DICOM SEG as labels of a CT: one mask a segment, on the grid that its frames lie on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..drr import Grid, VolumeError
from ..drr.slices import stacked
from ..radiograph.dicom_prefix import is_dicom
from .errors import DatasetError
from .label_names import usable_name

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"


def dicom_seg_in(path: Path) -> Path | None:
    """The DICOM SEG that ``path`` is, or that is alone in the folder ``path``; None where it is none.

    Raises DatasetError for DICOM that holds no labels (a CT, an RT structure set) and for several SEG.
    """
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.is_file() and is_dicom(file)]
        segs = [file for file in files if _class(file) in (SEGMENTATION, LABEL_MAP)]
        if len(segs) > 1:
            raise DatasetError(f"{path}: holds {len(segs)} DICOM SEG files; give the one that is meant")
        return segs[0] if segs else None
    if not path.is_file() or not is_dicom(path):
        return None
    kind = _class(path)
    if kind in (SEGMENTATION, LABEL_MAP):
        return path
    if kind == STRUCTURE_SET:
        raise DatasetError(f"{path}: is an RT structure set (contours); export it as label map or DICOM SEG")
    raise DatasetError(f"{path}: is DICOM without labels; give a label map or a DICOM SEG of the CT")


def segment_names(path: Path) -> tuple[str, ...]:
    return tuple(_names(_read(path, pixels=False)).values())


def read_dicom_seg(path: Path) -> Iterator[tuple[np.ndarray, Grid, str]]:
    """(mask uint16 (K, J, I), grid, label) of each segment. Slices that no frame describes are empty.

    Standard: PS3.3 A.51 and C.8.20. Fractional segments count from half of their maximum on. Raises
    DatasetError.
    """
    dataset = _read(path, pixels=True)
    names = _names(dataset)
    try:
        positions, grid, slices, segments = _placed(dataset)
        pixels = dataset.pixel_array
    except VolumeError as error:
        raise DatasetError(f"{path}: {error}") from error
    except Exception as error:
        raise DatasetError(
            f"{path}: its frames cannot be read ({' '.join(str(error).split())[:200]})"
        ) from error
    pixels = pixels.reshape(-1, *pixels.shape[-2:])
    if len(pixels) != len(positions):
        raise DatasetError(f"{path}: has {len(pixels)} frames and describes {len(positions)}; export it anew")
    least = 1
    if str(dataset.get("SegmentationType")) == "FRACTIONAL":
        least = max(1, int(dataset.get("MaximumFractionalValue") or 255) // 2 + 1)
    for number, name in names.items():
        mask = np.zeros(grid.shape, np.uint16)
        for frame, place in enumerate(slices):
            if segments is None:
                mask[place] |= pixels[frame] == number
            elif segments[frame] == number:
                mask[place] |= pixels[frame] >= least
        yield mask, grid, name


def _placed(dataset):
    """Positions of the frames, the grid of all slices, the slice of each frame and its segment (None: label map)."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []

    def item(group, name):
        found = group.get(name) or (shared.get(name) if shared is not None else None)
        if not found:
            raise VolumeError(f"its frames have no {name}, so that their place is not known")
        return found[0]

    positions = np.array(
        [[float(x) for x in item(g, "PlanePositionSequence").ImagePositionPatient] for g in own]
    )
    turns = [[float(x) for x in item(g, "PlaneOrientationSequence").ImageOrientationPatient] for g in own]
    measures = [item(g, "PixelMeasuresSequence") for g in own]
    if not len(positions):
        raise VolumeError("has no frames")
    spacings = [[float(x) for x in one.PixelSpacing] for one in measures]
    normal = np.cross(turns[0][:3], turns[0][3:])
    heights = positions @ normal
    _, first, level = np.unique(np.round(heights, 3), return_index=True, return_inverse=True)
    steps = np.diff(heights[first])
    between = measures[0].get("SpacingBetweenSlices") or 0.0
    if not between and len(steps) < 2:
        between = measures[0].get("SliceThickness") or 0.0
    between = between or (steps.min() if len(steps) else 1.0)  # slices may be thinner than their distance
    step = float(min(steps.min(), float(between)) if len(steps) and float(between) > 0 else between)
    if len(steps):
        # Slices without any segment are often left out: the lattice of the smallest step fills the gaps.
        step = float(steps.min()) if np.abs(steps / step - np.rint(steps / step)).max() > 0.05 else step
    index = np.rint((heights[first] - heights[first[0]]) / step).astype(int)
    direction = (positions[first[-1]] - positions[first[0]]) / index[-1] if index[-1] else normal * step
    everywhere = positions[first[0]] + np.arange(max(index[-1] + 1, 2))[:, None] * direction
    if np.abs(everywhere[index] - positions[first]).max() > 0.05 * step + 0.02:
        raise VolumeError("its frames lie unevenly; export it on the slices of the CT")
    count = len(everywhere)
    stack = stacked(everywhere, [turns[0]] * count, [spacings[0]] * count, "frames")
    if np.abs(np.array(turns) - turns[0]).max() > 2e-3:
        raise VolumeError("its frames are turned against each other; export it on the slices of the CT")
    grid = Grid(
        (count, int(dataset.Rows), int(dataset.Columns)), stack.origin, stack.spacing, stack.direction
    )
    slices = index[level.ravel()]
    if str(dataset.SOPClassUID) == LABEL_MAP or str(dataset.get("SegmentationType")) == "LABELMAP":
        return positions, grid, slices, None
    segments = [int(item(g, "SegmentIdentificationSequence").ReferencedSegmentNumber) for g in own]
    return positions, grid, slices, segments


def _names(dataset) -> dict[int, str]:
    found = {}
    for item in dataset.get("SegmentSequence") or []:
        number = int(item.get("SegmentNumber") or 0)
        meaning = (item.get("SegmentedPropertyTypeCodeSequence") or [{}])[0].get("CodeMeaning")
        label = item.get("SegmentLabel") or meaning
        if number > 0 or (label and str(label).lower() != "background"):
            found[number] = usable_name(label, number)
    if not found:
        raise DatasetError("the DICOM SEG describes no segments")
    return found


def _read(path: Path, pixels: bool):
    import pydicom

    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except Exception as error:
        raise DatasetError(f"{path}: is truncated or damaged DICOM ({error})") from error


def _class(path: Path) -> str:
    import pydicom

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except Exception:
        return ""
    return str(header.get("SOPClassUID") or "")
