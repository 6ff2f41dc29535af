"""Cone-beam geometry: one X-ray source, one flat detector, in world LPS millimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .errors import GeometryError

_LARGEST_DETECTOR = 2**28
_ORTHOGONAL = 1e-4


@dataclass(frozen=True, eq=False)
class ProjectionGeometry:
    """Where the X-rays start and where they are measured.

    All positions are world LPS millimetres, as float64 (3,).

    source: focal spot.
    detector_centre: the middle of the detector, at pixel ((W - 1) / 2, (H - 1) / 2).
    column_axis: unit vector along which the column x grows (image left to right).
    row_axis: unit vector along which the row y grows (image top to bottom).
    pixel_mm: pitch (x, y) on the detector.
    size: (W, H) in pixels.

    Pixel centres lie at integer (x, y). The detector may be tilted to the central ray. Axes are
    normalised; they must be perpendicular to each other, in either handedness.

    Raises GeometryError for non-finite numbers, zero sizes or pitches, axes that are zero or not
    perpendicular, and a source that lies in the detector plane.
    """

    source: np.ndarray
    detector_centre: np.ndarray
    column_axis: np.ndarray
    row_axis: np.ndarray
    pixel_mm: tuple[float, float] = (1.0, 1.0)
    size: tuple[int, int] = (512, 512)

    def __post_init__(self):
        for name in ("source", "detector_centre"):
            object.__setattr__(self, name, _vector(getattr(self, name), name))
        for name in ("column_axis", "row_axis"):
            object.__setattr__(self, name, _unit(_vector(getattr(self, name), name), name))
        object.__setattr__(self, "pixel_mm", _pitch(self.pixel_mm))
        object.__setattr__(self, "size", _detector_size(self.size))
        if abs(float(self.column_axis @ self.row_axis)) > _ORTHOGONAL:
            raise GeometryError("the detector's column and row axes must be perpendicular to each other")
        if self.source_detector_mm < 1e-3:
            raise GeometryError("the X-ray source lies in the detector plane; move it off the detector")

    @classmethod
    def c_arm(
        cls,
        isocentre,
        primary_deg: float = 0.0,
        secondary_deg: float = 0.0,
        sdd_mm: float = 1020.0,
        sid_mm: float = 530.0,
        pixel_mm: float | tuple[float, float] = 1.0,
        size: int | tuple[int, int] = 256,
        in_plane_rotation_deg: float = 0.0,
        offset: tuple[float, float] = (0.0, 0.0),
        mirrored: bool = False,
    ) -> ProjectionGeometry:
        """A C-arm view by its DICOM angles.

        isocentre: world LPS mm, met by the central ray.
        primary_deg: DICOM Positioner Primary Angle (0018,1510): LAO positive, RAO negative. +90 puts
            the detector at the patient's left.
        secondary_deg: DICOM Positioner Secondary Angle (0018,1511): CRA positive, CAU negative. The
            primary turn is about the patient's long axis; the secondary then tilts towards the head.
        sdd_mm: source to detector; sid_mm: source to isocentre (both along the central ray).
        pixel_mm, size: a number, or (x, y).
        in_plane_rotation_deg: turns the detector about the central ray; the anatomy then appears
            turned by the same angle clockwise.
        offset: shift (x, y) mm of the detector in its own plane, along column and row axis.
        mirrored: flip the columns. A view from behind (primary near 180, an AP radiograph) shows the
            patient's right on the image's right as seen from the detector; mirrored, it hangs as
            radiographs are hung.

        At 0/0 the source is behind (posterior of) the patient and the detector faces the chest, as
        PS3.3 C.8.7.5.1.2 defines it; the image shows the patient's right on its left, head up.
        """
        numbers = _numbers(
            (primary_deg, secondary_deg, sdd_mm, sid_mm, in_plane_rotation_deg, *_pair(offset))
        )
        if len(numbers) != 7 or not all(math.isfinite(number) for number in numbers):
            raise GeometryError("the view has an angle, a distance or an offset that is not a finite number")
        primary_deg, secondary_deg, sdd_mm, sid_mm, in_plane_rotation_deg, *offset = numbers
        if sid_mm <= 0 or sdd_mm <= 0:
            raise GeometryError("source-detector and source-isocentre distance must be greater than zero")
        if sdd_mm < sid_mm:
            raise GeometryError(
                f"the detector ({sdd_mm:g} mm from the source) lies in front of the isocentre "
                f"({sid_mm:g} mm); make the source-detector distance the larger one"
            )
        p, s = math.radians(primary_deg), math.radians(secondary_deg)
        towards_detector = np.array([math.sin(p) * math.cos(s), -math.cos(p) * math.cos(s), math.sin(s)])
        right = np.array([math.cos(p), math.sin(p), 0.0])
        up = np.array([-math.sin(p) * math.sin(s), math.cos(p) * math.sin(s), math.cos(s)])
        turn = math.radians(in_plane_rotation_deg)
        column = math.cos(turn) * right + math.sin(turn) * up
        row = math.sin(turn) * right - math.cos(turn) * up
        source = _vector(isocentre, "isocentre") - sid_mm * towards_detector
        centre = source + sdd_mm * towards_detector + offset[0] * column + offset[1] * row
        view = cls(source, centre, column, row, _pair(pixel_mm), _pair(size))
        return view.mirrored() if mirrored else view

    @property
    def source_detector_mm(self) -> float:
        """Distance of the source from the detector plane, mm."""
        return abs(float((self.detector_centre - self.source) @ self.normal))

    @property
    def normal(self) -> np.ndarray:
        """Unit normal of the detector plane (3,), column axis x row axis."""
        normal = np.cross(self.column_axis, self.row_axis)
        return normal / np.linalg.norm(normal)

    @property
    def first_pixel(self) -> np.ndarray:
        """World position (3,) of the centre of pixel (0, 0)."""
        return self.pixel_positions(np.zeros(2))

    def mirrored(self) -> ProjectionGeometry:
        """The same view with its columns in reverse order."""
        return replace(self, column_axis=-self.column_axis)

    def resized(self, size: int | tuple[int, int]) -> ProjectionGeometry:
        """The same field of view sampled with another (W, H)."""
        size = _detector_size(_pair(size))
        pixel = tuple(
            pitch * old / new for pitch, old, new in zip(self.pixel_mm, self.size, size, strict=True)
        )
        return replace(self, pixel_mm=pixel, size=size)

    def pixel_positions(self, pixels) -> np.ndarray:
        """World positions (..., 3) of pixel coordinates (..., 2) in (x, y) order."""
        pixels = np.asarray(pixels, dtype=np.float64)
        shift = (pixels - (np.array(self.size) - 1) / 2) * self.pixel_mm
        return self.detector_centre + shift[..., :1] * self.column_axis + shift[..., 1:] * self.row_axis

    def projection_matrix(self) -> np.ndarray:
        """The 3x4 matrix P with P @ (x, y, z, 1) = w * (column, row, 1), world LPS mm to pixels.

        Scaled so that w is the depth of the point from the source, as a fraction of the source's
        distance to the detector plane: between 0 and 1 lies what an X-ray can meet.
        """
        to_detector = np.linalg.inv(
            np.column_stack(
                [
                    self.column_axis * self.pixel_mm[0],
                    self.row_axis * self.pixel_mm[1],
                    self.first_pixel - self.source,
                ]
            )
        )
        return np.hstack([to_detector, -(to_detector @ self.source)[:, None]])

    @property
    def principal_point(self) -> np.ndarray:
        """Pixel (x, y) where the perpendicular from the source meets the detector plane, (2,) float64."""
        foot = (self.source - self.detector_centre) @ np.stack([self.column_axis, self.row_axis], axis=1)
        return foot / self.pixel_mm + (np.array(self.size) - 1) / 2

    def intrinsic_matrix(self) -> np.ndarray:
        """3x3 camera matrix in pixels: focal lengths on the diagonal, the principal point in the last column."""
        matrix = np.diag([*(self.source_detector_mm / np.array(self.pixel_mm)), 1.0])
        matrix[:2, 2] = self.principal_point
        return matrix

    def extrinsic_matrix(self) -> np.ndarray:
        """4x4 world LPS mm to camera: x along columns, y along rows, z from the source to the detector plane.

        ``intrinsic_matrix() @ extrinsic_matrix()[:3]`` is ``projection_matrix()`` times the source's distance.
        The determinant is -1 for images hung as one sees the patient from the detector, as ``c_arm`` makes them,
        and 1 for images as the source sees them, as computer vision has it; ``mirrored`` changes one to the other.
        """
        z = self.normal * np.sign((self.detector_centre - self.source) @ self.normal)
        matrix = np.eye(4)
        matrix[:3, :3] = [self.column_axis, self.row_axis, z]
        matrix[:3, 3] = -matrix[:3, :3] @ self.source
        return matrix

    def rays(self, pixels) -> tuple[np.ndarray, np.ndarray]:
        """(source (3,), unit directions (..., 3)) of the rays to pixels (..., 2) in (x, y) order, world LPS."""
        directions = self.pixel_positions(pixels) - self.source
        return self.source, directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    def project_points(self, points) -> np.ndarray:
        """Pixel coordinates (N, 2) as (x, y) of world LPS points (N, 3); NaN at or behind the source."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        matrix = self.projection_matrix()
        projected = points @ matrix[:, :3].T + matrix[:, 3]
        depth = np.where(projected[:, 2:] > 1e-9, projected[:, 2:], np.nan)
        return projected[:, :2] / depth


def _vector(value, name: str) -> np.ndarray:
    try:
        vector = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.empty(0)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise GeometryError(f"{name} must be three finite numbers (LPS mm), not {value!r}")
    vector.flags.writeable = False
    return vector


def _unit(vector: np.ndarray, name: str) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    if length < 1e-9:
        raise GeometryError(f"{name} has no length; give the direction in which the pixels run")
    vector = vector / length
    vector.flags.writeable = False
    return vector


def _pair(value) -> tuple:
    return (value, value) if np.ndim(value) == 0 else tuple(value)


def _numbers(value) -> tuple[float, ...]:
    """The numbers of a scalar or a sequence as floats; empty where something is no number."""
    try:
        return tuple(float(number) for number in _pair(value))
    except (TypeError, ValueError):
        return ()


def _pitch(value) -> tuple[float, float]:
    pitch = _numbers(value)
    if len(pitch) != 2 or not all(math.isfinite(number) and number > 0 for number in pitch):
        raise GeometryError(f"pixel_mm must be two numbers greater than zero, not {value!r}")
    return pitch


def _detector_size(value) -> tuple[int, int]:
    pair = _numbers(value)
    if len(pair) != 2 or not all(number.is_integer() and number > 0 for number in pair):
        raise GeometryError(f"the detector size must be two whole numbers greater than zero, not {value!r}")
    size = (int(pair[0]), int(pair[1]))
    if size[0] * size[1] > _LARGEST_DETECTOR:
        raise GeometryError(f"a detector of {size[0]} x {size[1]} pixels is too big; choose a coarser pixel")
    return size
