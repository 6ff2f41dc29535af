"""Volume files to arrays with their grid: DICOM and NIfTI by readers of this house, the rest by SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .errors import VolumeError


def read_volume(path: str | Path, series: str | None = None, any_modality: bool = False):
    """(voxels (K, J, I), origin, spacing, direction 3x3), LPS mm, of a file or a DICOM folder.

    DICOM: place and order come from position and orientation of every slice or frame; tilt and shear are kept.
    Localizers are left out. Of several series the only volume is taken (of modality CT, if one is); ``series``
    chooses by Series Instance UID or its end. What is no CT is refused unless ``any_modality``. NIfTI keeps
    shear and what is not a number. Raises VolumeError with the path and the cause.
    """
    path = Path(path)
    if not path.exists():
        raise VolumeError(f"{path}: no such file or folder")
    if path.is_file() and not path.stat().st_size:
        raise VolumeError(f"{path}: the file is empty")
    from ..radiograph.dicom_prefix import is_dicom
    from .dicom_volume import read_dicom_volume
    from .nifti import is_nifti, read_nifti

    try:
        if path.is_dir() or is_dicom(path):
            return read_dicom_volume(path, series, any_modality)
        if is_nifti(path):
            return read_nifti(path)
    except VolumeError:
        raise
    except MemoryError as error:
        raise VolumeError(f"{path}: there is not enough memory to read it") from error
    except Exception as error:  # damaged headers fail in as many ways as they have fields
        raise VolumeError(
            f"{path}: is damaged and cannot be read ({' '.join(str(error).split())[:200]})"
        ) from error
    image = read_image(path)
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise VolumeError(
            f"{path}: has {image.GetNumberOfComponentsPerPixel()} values a voxel (colour or overlapping "
            "segments); export one layer as a label map"
        )
    import SimpleITK as sitk

    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        raise VolumeError(f"{path}: is {image.GetDimension()}-D; a 3-D volume is needed")
    direction = np.array(image.GetDirection()).reshape(3, 3)
    return sitk.GetArrayFromImage(image), image.GetOrigin(), image.GetSpacing(), direction


def read_image(path: Path):
    """A SimpleITK image of a file; ITK's own warnings stay silent. Raises VolumeError."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    from ..radiograph.nrrd_header import nrrd_damage
    from ..radiograph.quiet import itk_cause, libraries_silent

    damage = nrrd_damage(path)
    if damage:
        raise VolumeError(f"{path}: not a readable volume ({damage})")
    try:
        with libraries_silent():
            return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise VolumeError(f"{path}: not a readable volume ({itk_cause(error)})") from error
