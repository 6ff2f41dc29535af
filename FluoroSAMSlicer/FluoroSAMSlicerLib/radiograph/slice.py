"""NRRD, MetaImage and NIfTI files that hold one 2-D slice."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Literal

import numpy as np

from .image import (
    Radiograph,
    RadiographError,
    cause,
    luminance,
    normalised,
    own_range,
    refuse_frame,
    refuse_size,
)
from .nrrd_header import nrrd_damage
from .quiet import itk_cause


def read_slice(path: Path, frame: int, invert: bool | None) -> Radiograph:
    """One slice over its own range of values, in the stored order of its pixels; spacing from the file's header.

    A spacing of exactly 1 x 1 mm is what these formats hold for want of one, and counts as unknown.
    """
    refuse_frame(path, frame, 1)
    values, spacing = slice_values(path)
    low, high = float(values.min()), float(values.max())
    pixels = normalised(values, *own_range(values))
    known = spacing != (1.0, 1.0) and np.isfinite(spacing).all() and min(spacing) > 0
    return Radiograph(
        1 - pixels if invert else pixels,
        spacing=spacing if known else None,
        spacing_source="file header" if known else "unknown",
        stored_range=(low, high),
        notes=("inverted as asked",) if invert else (),
    )


def slice_values(path: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Grey values (H, W) and (x, y) mm of a file that SimpleITK reads and that holds one slice along any axis."""
    import SimpleITK as sitk

    damage = nrrd_damage(path)
    if damage:
        raise RadiographError(f"{path}: {damage}")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        plane = [axis for axis, length in enumerate(size) if length > 1][:2]
        plane = sorted({*plane, *[axis for axis in (0, 1) if axis not in plane][: 2 - len(plane)]})
        depth = int(np.prod([length for axis, length in enumerate(size) if axis not in plane]))
        if depth > 1:
            raise RadiographError(
                f"{path}: is a volume of {' x '.join(map(str, size))}, not one X-ray image;"
                " render X-ray images of a CT with the DRR tools"
            )
        width, height = (size[axis] for axis in plane)
        refuse_size(path, width, height)
        if reader.GetImageIOFromFileName(str(path)) == "NiftiImageIO":
            _refuse_short_nifti(path, width * height)
        image = reader.Execute()
    except RuntimeError as error:
        raise RadiographError(
            f"{path}: is truncated, damaged or of no known kind ({itk_cause(error)})"
        ) from error
    colours = image.GetNumberOfComponentsPerPixel()
    values = sitk.GetArrayFromImage(image).reshape(height, width, -1)
    if colours > 4:
        raise RadiographError(f"{path}: has {colours} components a pixel; a grey or RGB image is needed")
    values = luminance(values) if colours >= 3 else values[..., 0]
    if not np.isfinite(values).all():
        raise RadiographError(f"{path}: holds values that are no numbers (NaN or infinity)")
    x, y = (float(image.GetSpacing()[axis]) for axis in plane)
    return values, (x, y)


def _refuse_short_nifti(path: Path, pixels: int) -> None:
    """Refuse a NIfTI file that ends before its pixels do; ITK fills the rest with zeros and says nothing."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if zipped else open)(path, "rb") as file:
            header = file.read(352)
            order: Literal["little", "big"] = (
                "little" if header[:4] in (b"\x5c\x01\0\0", b"\x1c\x02\0\0") else "big"
            )
            second = header[4:7] == b"n+2"
            bits = int.from_bytes(header[14:16] if second else header[72:74], order)
            needed = len(header) + pixels * bits // 8
            length = len(header)
            while length < needed and (chunk := file.read(1 << 20)):
                length += len(chunk)
    except (EOFError, OSError) as error:
        raise RadiographError(f"{path}: is truncated or damaged ({cause(error)})") from error
    single = header[344:347] == b"n+1" or second
    if single and length < needed:
        raise RadiographError(f"{path}: is truncated, it ends before its {pixels:,} pixels do")
