"""One X-ray image: reading DICOM, PNG, JPEG, TIFF, NRRD, MetaImage and NIfTI into pixels with bone bright."""

from .image import Radiograph, RadiographError
from .reading import check_kind, read_radiograph

__all__ = ["Radiograph", "RadiographError", "check_kind", "read_radiograph"]
