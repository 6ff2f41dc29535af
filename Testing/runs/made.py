"""Runs made in code: DICOM files of several frames, and pictures that move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from FluoroSAMSlicerLib.radiograph import Radiograph
from FluoroSAMSlicerLib.runs import Run
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

XA = "1.2.840.10008.5.1.4.1.1.12.1"


def dicom_run(path: Path, frames: np.ndarray, **attributes) -> Path:
    """An XA image of frames (N, H, W) uint16 with more attributes by keyword."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = XA, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.NumberOfFrames = "XA", len(frames)
    dataset.Rows, dataset.Columns = frames.shape[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = np.ascontiguousarray(frames, np.uint16).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def scene(height: int = 192, width: int = 256, seed: int = 0) -> np.ndarray:
    """Smooth structures (H, W) in [0, 1], larger than any frame that is cut from them."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 6)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


def sliding(count: int, step: tuple[int, int] = (2, 1), side: int = 128) -> list[np.ndarray]:
    """Frames (side, side) in which what is shown moves by ``step`` (x, y) pixels a frame."""
    whole = scene(side + 2 * count * abs(step[1]) + 8, side + 2 * count * abs(step[0]) + 8)
    top, left = count * abs(step[1]), count * abs(step[0])
    return [
        whole[top - k * step[1] : top - k * step[1] + side, left - k * step[0] : left - k * step[0] + side]
        for k in range(count)
    ]


def run_of(frames: list[np.ndarray], name: str = "made") -> Run:
    return Run(name, len(frames), lambda number: Radiograph(frames[number].astype(np.float32).copy()))
