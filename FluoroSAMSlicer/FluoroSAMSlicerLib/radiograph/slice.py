"""NRRD, MetaImage and NIfTI files that hold one 2-D slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .image import Radiograph, RadiographError, luminance, normalised, refuse_frame, refuse_size


def read_slice(path: Path, frame: int, invert: bool | None) -> Radiograph:
    """One slice over its own range of values, in the order of its pixels; spacing from the file's header."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        depth = int(np.prod(size[2:])) if len(size) > 2 else 1
        if depth > 1:
            raise RadiographError(
                f"{path}: is a volume of {size[0]} x {size[1]} x {depth}, not one X-ray image;"
                " render X-ray images of a CT with the DRR tools"
            )
        refuse_size(path, size[0], size[1])
        refuse_frame(path, frame, 1)
        image = reader.Execute()
    except RuntimeError as error:
        cause = str(error).strip().splitlines()[-1].removeprefix("ITK ERROR: ")
        raise RadiographError(
            f"{path}: is truncated, damaged or of no known kind ({cause[-160:]})"
        ) from error
    values = sitk.GetArrayFromImage(image)
    colours = image.GetNumberOfComponentsPerPixel()
    values = values.reshape(size[1], size[0], colours) if colours > 1 else values.reshape(size[1], size[0])
    if colours in (3, 4):
        values = luminance(values)
    elif colours > 1:
        raise RadiographError(f"{path}: has {colours} components a pixel; a grey or RGB image is needed")
    if not np.isfinite(values).all():
        raise RadiographError(f"{path}: holds values that are no numbers (NaN or infinity)")
    low, high = float(values.min()), float(values.max())
    pixels = normalised(values, low, high)
    spacing = tuple(float(step) for step in image.GetSpacing()[:2])
    return Radiograph(
        1 - pixels if invert else pixels,
        spacing=spacing,
        spacing_source="file header",
        stored_range=(low, high),
        notes=("inverted as asked",) if invert else (),
    )
