"""One X-ray image: reading DICOM, PNG, JPEG, TIFF, NRRD, MetaImage and NIfTI into pixels with bone bright."""

from .image import Radiograph, RadiographError
from .reading import read_radiograph

__all__ = ["Radiograph", "RadiographError", "read_radiograph"]
