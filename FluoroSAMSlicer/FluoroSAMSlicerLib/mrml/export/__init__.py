"""Segments as files for other programs. A function a format, called as the panel and scripts call it."""

from __future__ import annotations

from .dicom_seg import dicomSource, exportDicomSeg
from .drafts import ExportError
from .formats import exportAreas, exportCoco, exportMasks, exportNifti, exportOverlay, exportSegNrrd

__all__ = [
    "ExportError",
    "dicomSource",
    "exportAreas",
    "exportCoco",
    "exportDicomSeg",
    "exportMasks",
    "exportNifti",
    "exportOverlay",
    "exportSegNrrd",
]
