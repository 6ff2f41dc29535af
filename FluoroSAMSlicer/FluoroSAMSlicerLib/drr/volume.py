"""CT and label map, each on its own grid in world LPS millimetres."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .errors import VolumeError

_LARGEST_VOXEL_COUNT = 2**33
NOTHING_HU = -1000
NEARLY_WHOLE = 1e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel grid: where index (i, j, k) lies in the world.

    shape: (K, J, I), the array's own order.
    origin: world LPS mm of the centre of voxel (0, 0, 0).
    spacing: mm along (i, j, k).
    direction: 3x3, its columns the world directions of i, j and k; any rotation, flip or obliquity.
    """

    shape: tuple[int, int, int]
    origin: np.ndarray
    spacing: np.ndarray
    direction: np.ndarray

    def __post_init__(self):
        for name, shape in (("origin", (3,)), ("spacing", (3,)), ("direction", (3, 3))):
            value = np.array(getattr(self, name), dtype=np.float64)
            if name == "direction" and value.size == 9:
                value = value.reshape(3, 3)
            if value.shape != shape or not np.isfinite(value).all():
                raise VolumeError(f"the volume's {name} must be {shape} finite numbers")
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        if (self.spacing <= 0).any():
            raise VolumeError(f"the voxel spacing must be greater than zero, not {self.spacing.tolist()}")
        if abs(np.linalg.det(self.direction)) < 1e-3:
            raise VolumeError("the volume's direction axes do not span space; check its orientation")

    @property
    def index_to_world(self) -> np.ndarray:
        """3x3 matrix taking an (i, j, k) step to a world step in mm."""
        return self.direction * self.spacing

    @property
    def centre(self) -> np.ndarray:
        """World LPS mm of the middle of the volume."""
        return self.origin + self.index_to_world @ ((np.array(self.shape[::-1]) - 1) / 2)

    def world_to_index(self, points) -> np.ndarray:
        """Continuous (i, j, k), (..., 3), of world LPS points (..., 3); voxel centres are integers."""
        return (np.asarray(points, dtype=np.float64) - self.origin) @ np.linalg.inv(self.index_to_world).T

    def coincides(self, other: Grid) -> bool:
        """Whether both grids hold the same voxels (corners agree within a thousandth of a voxel)."""
        if self.shape != other.shape:
            return False
        far = np.array(self.shape[::-1]) - 1
        corners = np.array([(a, b, c) for a in (0, far[0]) for b in (0, far[1]) for c in (0, far[2])])
        there = self.world_to_index(other.origin + corners @ other.index_to_world.T)
        return bool(np.abs(there - corners).max() < 1e-3)


@dataclass(frozen=True, eq=False)
class CTVolume:
    """A CT in Hounsfield units on an oriented grid.

    hu: (K, J, I), kept as int16; other number types are rounded to whole HU and clipped to int16.
    origin, spacing (x, y, z order), direction: as in Grid, LPS mm.

    Raises VolumeError for a shape that is not 3-D, an empty or non-finite array, or a bad grid.
    """

    hu: np.ndarray
    origin: np.ndarray = (0.0, 0.0, 0.0)
    spacing: np.ndarray = (1.0, 1.0, 1.0)
    direction: np.ndarray = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    def __post_init__(self):
        object.__setattr__(self, "hu", _hounsfield(_voxels(self.hu, "CT")))
        _normalise_grid(self, self.hu.shape)

    @classmethod
    def read(
        cls,
        path: str | Path,
        series: str | None = None,
        any_modality: bool = False,
        rescale: tuple[float, float] | None = None,
    ) -> CTVolume:
        """Read NRRD, NIfTI, MetaImage, a DICOM file of many frames, or a folder with a DICOM series.

        series: the Series Instance UID, or its end, to take where the folder holds several volumes.
        any_modality: take DICOM that is no CT. rescale: (slope, intercept) that make HU of the file's values.
        Raises VolumeError naming the file and the cause; a volume of one value throughout is no CT, nor is one of
        fractions, a mask, or one with values that no scanner writes. Values that look otherwise than HU are warned
        of (UserWarning), see `hounsfield_doubt`.
        """
        from .hounsfield import hounsfield_doubt
        from .reading import read_volume

        voxels, origin, spacing, direction = read_volume(path, series, any_modality)
        if rescale is not None:
            voxels = np.asarray(voxels, np.float64) * rescale[0] + rescale[1]
        ct = _named(cls, path, voxels, origin, spacing, direction)
        try:
            doubt = hounsfield_doubt(voxels)
            ct.require_contrast()
        except VolumeError as error:
            raise VolumeError(f"{path}: {error}") from error
        if doubt:
            warnings.warn(f"{path}: {doubt}", UserWarning, stacklevel=2)
        return ct

    @cached_property
    def grid(self) -> Grid:
        return Grid(self.hu.shape, self.origin, self.spacing, self.direction)

    @cached_property
    def hu_range(self) -> tuple[int, int]:
        """Smallest and largest HU in the volume."""
        return int(self.hu.min()), int(self.hu.max())

    @cached_property
    def attenuating(self) -> np.ndarray:
        """HU (K, J, I) int16 with nothing below -1000, the CT number of nothing; shared with ``hu`` if it can be."""
        return self.hu if self.hu_range[0] >= NOTHING_HU else np.maximum(self.hu, np.int16(NOTHING_HU))

    @cached_property
    def sideways(self) -> np.ndarray:
        """HU as (K, I, J), contiguous: what slices across the first axis are read from. Made once, as large as hu."""
        sideways = np.empty((self.hu.shape[0], self.hu.shape[2], self.hu.shape[1]), np.int16)
        for there, here in zip(sideways, self.hu, strict=True):
            for start in range(0, here.shape[1], 64):  # by blocks that stay in the cache
                there[start : start + 64] = here[:, start : start + 64].T
        return sideways

    def require_contrast(self) -> None:
        """Raise VolumeError where every voxel has the same value, which no CT of anything has."""
        lowest, highest = self.hu_range
        if lowest == highest:
            raise VolumeError(f"every voxel of the CT is {lowest} HU; choose a volume that shows something")

    @property
    def centre(self) -> np.ndarray:
        """World LPS mm of the middle of the volume."""
        return self.grid.centre


@dataclass(frozen=True, eq=False)
class LabelVolume:
    """A label map, one structure value a voxel, on an oriented grid of its own.

    labels: (K, J, I) uint16, 0 is background. origin, spacing, direction: as in Grid, LPS mm.

    Values within `NEARLY_WHOLE` of a whole number are that number, for files that scale their integers hold
    0.99997. Raises VolumeError for values that are negative, fractional, not finite or above 65535.
    """

    labels: np.ndarray
    origin: np.ndarray = (0.0, 0.0, 0.0)
    spacing: np.ndarray = (1.0, 1.0, 1.0)
    direction: np.ndarray = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    def __post_init__(self):
        object.__setattr__(self, "labels", _label_values(_voxels(self.labels, "label map")))
        _normalise_grid(self, self.labels.shape)

    @classmethod
    def read(cls, path: str | Path) -> LabelVolume:
        """Read a label map from NRRD, NIfTI or MetaImage; values within 0.001 of a whole number are that one.

        Raises VolumeError.
        """
        from .reading import read_volume

        voxels, origin, spacing, direction = read_volume(path, None, any_modality=True)
        return _named(cls, path, voxels, origin, spacing, direction)

    @cached_property
    def grid(self) -> Grid:
        return Grid(self.labels.shape, self.origin, self.spacing, self.direction)

    @cached_property
    def values(self) -> np.ndarray:
        """The label values that occur, background left out, ascending, (L,) int64."""
        present = np.zeros(int(self.labels.max()) + 1, dtype=bool)
        for plane in self.labels:
            present[plane] = True
        present[0] = False
        return np.flatnonzero(present)


def _normalise_grid(volume, shape) -> None:
    grid = Grid(shape, volume.origin, volume.spacing, volume.direction)
    for name in ("origin", "spacing", "direction"):
        object.__setattr__(volume, name, getattr(grid, name))


def _voxels(array, what: str) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim != 3:
        raise VolumeError(f"the {what} must be a 3-D array (K, J, I); this one has {array.ndim} dimensions")
    if array.size == 0:
        raise VolumeError(f"the {what} holds no voxels")
    if array.size > _LARGEST_VOXEL_COUNT:
        raise VolumeError(f"the {what} of {array.shape} voxels is too big; crop or resample it")
    if array.dtype.kind not in "iufb":
        raise VolumeError(f"the {what} must hold numbers, not {array.dtype}")
    return array


def _hounsfield(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.int16:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise VolumeError("the CT holds values that are not finite (NaN or infinite); repair it first")
        array = np.rint(array)
    limits = np.iinfo(np.int16)
    return np.ascontiguousarray(np.clip(array, limits.min, limits.max).astype(np.int16))


def _label_values(array: np.ndarray) -> np.ndarray:
    if array.dtype in (np.uint16, np.uint8, np.bool_):
        return np.ascontiguousarray(array, dtype=np.uint16)
    if array.dtype.kind == "f":
        whole = np.rint(array)
        if not np.isfinite(array).all() or np.abs(array - whole).max() > NEARLY_WHOLE:
            raise VolumeError(
                "the label map holds fractional values or NaN; is it an image, or was it interpolated?"
            )
        array = whole
    if array.min() < 0 or array.max() > 65535:
        raise VolumeError("label values must lie between 0 and 65535; this may be a CT, not a label map")
    return np.ascontiguousarray(array.astype(np.uint16))


def _named(cls, path, *arguments):
    try:
        return cls(*arguments)
    except VolumeError as error:
        raise VolumeError(f"{path}: {error}") from error
