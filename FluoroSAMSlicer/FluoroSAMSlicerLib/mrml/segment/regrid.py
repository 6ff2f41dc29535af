"""Segments and points that stay on their pixels when the image is moved or its spacing is corrected."""

from __future__ import annotations

import json

from ..nodes.segments import LABELMAP
from .record import Record

GRID = "grid"
TOLERANCE = 1e-6


def follow_volume(record: Record) -> None:
    """Put a record's segmentation and points under the volume's transform and onto its pixel grid.

    A changed grid (spacing entered by hand, a hardened transform) moves what still lies on the old one.
    """
    volume, segmentation = record.volume, record.segmentation
    for node in (*record.points_nodes(), segmentation):
        if node is not None and node.GetTransformNodeID() != volume.GetTransformNodeID():
            node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
            if node is segmentation:
                node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    now = _grid(volume.GetIJKToRASMatrix)
    stored = record.node.GetParameter(GRID)
    before = json.loads(stored) if stored else now
    if before != now and segmentation is not None:
        _move(record, before, now)
    if before != now or not stored:
        record.node.SetParameter(GRID, json.dumps(now))


def _move(record: Record, before: list[float], now: list[float]) -> None:
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    segments = record.segmentation.GetSegmentation()
    found = [segments.GetSegment(one).GetRepresentation(LABELMAP) for one in segments.GetSegmentIDs()]
    labelmaps = {labelmap for labelmap in found if labelmap is not None}
    if not all(_same(_grid(labelmap.GetImageToWorldMatrix), before) for labelmap in labelmaps):
        # Moved along already, by hardening the same transform on the segmentation and its points.
        return
    for labelmap in labelmaps:
        labelmap.SetImageToWorldMatrix(_matrix(now))
    record.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(record.volume)
    step = _matrix(before)
    step.Invert()
    vtkMatrix4x4.Multiply4x4(_matrix(now), step, step)
    for points in record.points_nodes():
        points.ApplyTransformMatrix(step)
    segments.Modified()


def _grid(read_matrix) -> list[float]:
    """The sixteen elements of the matrix that ``read_matrix`` fills in."""
    matrix = _matrix([0.0] * 16)
    read_matrix(matrix)
    return [matrix.GetElement(number // 4, number % 4) for number in range(16)]


def _matrix(values: list[float]):
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    matrix.DeepCopy(values)
    return matrix


def _same(a: list[float], b: list[float]) -> bool:
    return all(abs(x - y) <= TOLERANCE * max(1.0, abs(y)) for x, y in zip(a, b, strict=True))
