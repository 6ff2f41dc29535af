"""Render the bundled sample radiograph: a chest of the TotalSegmentator data set as a DX image.

    python Resources/Tools/render_sample.py CT LABELS OUTPUT.dcm

CT and LABELS are subject s0011 of the TotalSegmentator data set (CC BY 4.0, Wasserthal et al. 2023,
doi 10.5281/zenodo.6802613) with synthetic Hounsfield values. The body is deformed first, so that the picture is
of nobody and of none of the training images. A small picture for Slicer's Sample Data module is written beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pydicom
from FluoroSAMSlicerLib.dataset import Body, Warp
from FluoroSAMSlicerLib.dataset.generation import random_tissue
from FluoroSAMSlicerLib.drr import CTVolume, ProjectionGeometry, project
from PIL import Image, ImageOps
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from scipy.ndimage import gaussian_filter

SEED = 78
SIZE = 800
PIXEL_MM = 0.5
SOURCE_DETECTOR_MM = 1800.0
SOURCE_PATIENT_MM = 1620.0
HARMONISATION = 0.6
"""Share of the slowly varying part that is taken away, as vendors' processing does."""
THUMBNAIL = (260, 280)
UID_ROOT = "1.2.826.0.1.3680043.10.1554."


def exposure(body: Body) -> np.ndarray:
    """Attenuation (H, W) of a postero-anterior chest exposure, bone high."""
    rng = np.random.default_rng(SEED)
    warp = Warp.random(body, rng, mirror=False)
    gain, shift = random_tissue(body, rng)
    warped = warp.apply(body, 1.2, shift, gain)
    lungs = [
        warped.bounds(name)
        for name in ("left lung upper lobe", "right lung lower lobe", "left lung lower lobe")
    ]
    centre = (np.min([b[0] for b in lungs], 0) + np.max([b[1] for b in lungs], 0)) / 2
    view = ProjectionGeometry(
        source=centre + [0, SOURCE_PATIENT_MM, 0],
        detector_centre=centre - [0, SOURCE_DETECTOR_MM - SOURCE_PATIENT_MM, 0],
        column_axis=(1, 0, 0),
        row_axis=(0, 0, -1),
        pixel_mm=(PIXEL_MM, PIXEL_MM),
        size=(SIZE, SIZE),
    )
    ct = CTVolume(warped.hu, origin=warped.origin, spacing=warped.spacing)
    density = project(ct, view, materials=True).area_density
    primary = np.exp(-(0.19 * density["soft"] + 0.26 * (density["bone"] + density["metal"])))
    intensity = primary + 0.25 * gaussian_filter(primary, 60)
    counts = rng.poisson(intensity * 40_000) / 40_000
    attenuation = gaussian_filter(-np.log(counts + 1e-4), 0.8)
    return attenuation - HARMONISATION * gaussian_filter(attenuation, 40)


def dicom(attenuation: np.ndarray) -> FileDataset:
    """The attenuation as a 12-bit MONOCHROME2 DX image, ready for presentation."""
    low, high = np.percentile(attenuation, [1, 99.9])
    stored = np.clip((attenuation - low) / (high - low) * 3600 + 200, 0, 4095).astype("<u2")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = UID_ROOT + "1.1.1"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    d.SOPClassUID, d.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    d.StudyInstanceUID, d.SeriesInstanceUID = UID_ROOT + "1", UID_ROOT + "1.1"
    d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = (
        "Sample^Synthetic chest",
        "FLUOROSAM-1",
        "",
        "",
    )
    d.StudyDate = d.SeriesDate = d.ContentDate = "20261122"
    d.StudyTime = d.ContentTime = "120000"
    d.AccessionNumber = d.StudyID = d.ReferringPhysicianName = ""
    d.SeriesNumber = d.InstanceNumber = "1"
    d.Manufacturer, d.ManufacturerModelName = "FluoroSAMSlicer", "digitally reconstructed radiograph"
    d.Modality, d.PresentationIntentType, d.ImageLaterality = "DX", "FOR PRESENTATION", "U"
    d.BodyPartExamined, d.ViewPosition, d.PatientOrientation = "CHEST", "PA", ["L", "F"]
    d.ImageType = ["DERIVED", "PRIMARY", ""]
    d.DerivationDescription = "Rendered from the label map of TotalSegmentator subject s0011, CC BY 4.0"
    d.ImageComments = "Synthetic image; Wasserthal et al. 2023, doi 10.5281/zenodo.6802613. Not of a patient."
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.Rows, d.Columns = stored.shape
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
    d.PixelIntensityRelationship, d.PixelIntensityRelationshipSign = "LOG", -1
    d.PresentationLUTShape, d.RescaleIntercept, d.RescaleSlope, d.RescaleType = "IDENTITY", "0", "1", "US"
    d.BurnedInAnnotation, d.LossyImageCompression = "NO", "00"
    d.WindowCenter, d.WindowWidth = "2048", "4096"
    d.ImagerPixelSpacing = [str(PIXEL_MM)] * 2
    d.DistanceSourceToDetector, d.DistanceSourceToPatient = str(SOURCE_DETECTOR_MM), str(SOURCE_PATIENT_MM)
    d.PixelData = stored.tobytes()
    return d


def thumbnail(dataset: FileDataset) -> Image.Image:
    """The middle of the image as a picture of the size that Sample Data shows."""
    grey = Image.fromarray((dataset.pixel_array >> 4).astype(np.uint8))
    return ImageOps.fit(grey, THUMBNAIL)


def main(ct: str, labels: str, output: str) -> None:
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    dataset = dicom(exposure(Body.read(ct, labels)))
    pydicom.dcmwrite(output, dataset, enforce_file_format=True)
    thumbnail(dataset).save(Path(output).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
