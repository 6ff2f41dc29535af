"""Small whole files of every kind that is read, made by code, for `fuzz_files.py` to damage."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import JPEG2000Lossless, RLELossless, generate_uid

LITTLE = "1.2.840.10008.1.2.1"
CR, CT, ENHANCED = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("1", "2", "2.1"))
ROWS, COLUMNS, SLICES = 32, 40, 6


def grey() -> np.ndarray:
    return (np.add.outer(np.linspace(0, 2000, ROWS), np.linspace(0, 2000, COLUMNS))).astype(np.uint16)


def body() -> tuple[np.ndarray, np.ndarray]:
    hu = np.full((SLICES, ROWS, COLUMNS), -1000, np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    hu[1:5, 4:12, 4:16], labels[1:5, 4:12, 4:10], labels[1:5, 4:12, 10:16] = 300, 1, 2
    return hu, labels


def dicom(path: Path, words: np.ndarray, sop=CR, modality="CR", syntax=LITTLE, **more) -> Path:
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID, one.file_meta.MediaStorageSOPClassUID = LITTLE, sop
    one.SOPClassUID, one.Modality, one.SeriesInstanceUID = sop, modality, "1.2.3.4"
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    one.Rows, one.Columns, one.SamplesPerPixel = *words.shape[-2:], 1
    one.PhotometricInterpretation = "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
    for keyword, value in more.items():
        setattr(one, keyword, value)
    one.PixelData = np.ascontiguousarray(words, "<u2").tobytes()
    if syntax != LITTLE:
        one.compress(syntax)
    one.save_as(path, enforce_file_format=True)
    return path


def slices(folder: Path) -> Path:
    folder.mkdir()
    for number, plane in enumerate(body()[0]):
        place = {"ImagePositionPatient": [0, 0, 3 * number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        rescale = {"PixelSpacing": [2, 2], "RescaleSlope": 1, "RescaleIntercept": -1024}
        dicom(folder / f"{number}.dcm", plane + 1024, CT, "CT", **place, **rescale)
    return folder


def frames(path: Path) -> Path:
    def items(**values):
        item = Dataset()
        for keyword, value in values.items():
            setattr(item, keyword, value)
        return [item]

    shared = items(
        PixelMeasuresSequence=items(PixelSpacing=[2, 2]),
        PlaneOrientationSequence=items(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelValueTransformationSequence=items(RescaleSlope=1, RescaleIntercept=-1024),
    )
    own = [items(PlanePositionSequence=items(ImagePositionPatient=[0, 0, 3 * n]))[0] for n in range(SLICES)]
    return dicom(
        path, body()[0] + 1024, ENHANCED, "CT", NumberOfFrames=SLICES,
        SharedFunctionalGroupsSequence=shared, PerFrameFunctionalGroupsSequence=own,
    )  # fmt: skip


def nifti(path: Path, voxels: np.ndarray) -> Path:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *voxels.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, {2: 4, 1: 2}[voxels.dtype.itemsize], 8 * voxels.dtype.itemsize)
    struct.pack_into("<8f", header, 76, 1, 2, 2, 3, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, -2, 0, 0, 0, 0, -2, 0, 0, 0, 0, 3, 0)
    header[344:348] = b"n+1\0"
    content = bytes(header) + voxels.tobytes()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def volume(path: Path, voxels: np.ndarray, **header: str) -> Path:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((2, 2, 3))
    for key, value in header.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path), useCompression=bool(header))
    return path


TABLES = {
    "names.json": json.dumps({"labels": [{"value": 1, "text": "liver"}, {"value": 2, "text": "spleen"}]}),
    "dataset.json": json.dumps({"labels": {"background": 0, "liver": [1, 2], "spleen": 2}}),
    "names.csv": "\ufeffvalue;name\r\n1;liver\r\n2;spleen\r\n",
    "names.ctbl": "# c\n0 background 0 0 0 0\n1 liver 9 9 9 255\n2 spleen 1 2 3 255\n",
    "names.txt": '0 0 0 0 0 0 0 "Clear"\n1 255 0 0 1 1 1 "liver"\n2 0 9 0 1 1 1 "spleen"\n',
}


def make(folder: Path, weights: Path | None) -> dict[str, list[tuple[str, Path]]]:
    """Files by what reads them: (reader, path) under the kind's name."""
    hu, labels = body()
    found: dict[str, list[tuple[str, Path]]] = {}

    def add(kind: str, reader: str, path: Path) -> None:
        found.setdefault(kind, []).append((reader, path))

    for name, syntax in (("plain", LITTLE), ("rle", RLELossless), ("j2k", JPEG2000Lossless)):
        add(
            "dicom",
            "radiograph",
            dicom(folder / f"{name}.dcm", grey(), syntax=syntax, WindowCenter=2000, WindowWidth=4000),
        )
    padded = {"BitsStored": 12, "HighBit": 11, "PixelPaddingValue": 0}
    add("dicom", "radiograph", dicom(folder / "padded.dcm", grey() & 0xFFF, **padded))
    add(
        "dicom",
        "radiograph",
        dicom(folder / "run.dcm", np.stack([grey()] * 3), modality="XA", NumberOfFrames=3),
    )
    add("dicom series", "ct", slices(folder / "series"))
    add("dicom frames", "ct", frames(folder / "frames.dcm"))
    picture = Image.fromarray((grey() >> 4).astype(np.uint8))
    for kind, name in (("png", "a.png"), ("jpeg", "a.jpg"), ("tiff", "a.tif")):
        picture.save(folder / name)
        add(kind, "radiograph", folder / name)
    Image.fromarray(grey()).save(folder / "deep.png")
    Image.fromarray(grey()).save(folder / "deep.tif", save_all=True, append_images=[picture])
    add("png", "radiograph", folder / "deep.png")
    add("tiff", "radiograph", folder / "deep.tif")
    add("nrrd", "ct", volume(folder / "ct.nrrd", hu))
    add("nrrd", "radiograph", volume(folder / "flat.nrrd", grey()[None]))
    add("nifti", "ct", nifti(folder / "ct.nii", hu))
    add("nifti", "ct", nifti(folder / "packed.nii.gz", hu))
    add("nifti", "labels", nifti(folder / "labels.nii", labels))
    (folder / "labels.json").write_text(TABLES["names.json"])
    segments = {"Segment0_Name": "liver", "Segment0_LabelValue": "1", "Segment0_Layer": "0"}
    segments |= {"Segment1_Name": "\u5de6", "Segment1_LabelValue": "2", "Segment1_Layer": "0"}
    add("seg.nrrd", "labels", volume(folder / "s.seg.nrrd", labels, **segments))
    for name, text in TABLES.items():
        (folder / "tables").mkdir(exist_ok=True)
        (folder / "tables" / name).write_bytes(text.encode())
        add("table", "names", folder / "tables" / name)
    add("render", "render", folder / "ct.nrrd")
    add("render", "render", folder / "packed.nii.gz")
    if weights is not None:
        add("weights", "weights", weights)
    return found
