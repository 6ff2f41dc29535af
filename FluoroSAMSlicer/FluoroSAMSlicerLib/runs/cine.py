"""What a DICOM header says of a run: when its frames were taken, its shutter, what shall be subtracted.

Attributes: PS3.3 C.7.6.5 (cine), C.7.6.6 (multi-frame), C.7.6.10 (mask), C.7.6.11 (display shutter).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FRAME_TIME, FRAME_TIME_VECTOR = 0x00181063, 0x00181065


@dataclass(frozen=True)
class Subtraction:
    """``masks`` are the frames whose mean is subtracted from ``frames``, all counted from 0; ``operation`` is
    AVG_SUB, TID or REV_TID."""

    operation: str
    masks: tuple[int, ...]
    frames: tuple[int, ...]


def frame_times(header, count: int) -> tuple[float, ...]:
    """Seconds from the first frame, one a frame; empty where the header does not say.

    The Frame Increment Pointer says which attribute tells them; where it points to nothing usable, what there is
    does: the vector, the time, the rates.
    """
    pointer = header.get("FrameIncrementPointer")
    pointers = [] if pointer is None else pointer if hasattr(pointer, "__len__") else [pointer]
    order = [int(tag) for tag in pointers if int(tag) in (FRAME_TIME, FRAME_TIME_VECTOR)]
    for tag in [*order, FRAME_TIME_VECTOR, FRAME_TIME]:
        steps = _numbers(header.get(tag).value if tag in header else None)
        if tag == FRAME_TIME_VECTOR and len(steps) == count and np.isfinite(steps).all() and min(steps) >= 0:
            return tuple((np.cumsum([0.0, *steps[1:]]) / 1000).tolist())
        if tag == FRAME_TIME and len(steps) == 1 and 0 < steps[0] < np.inf:
            return tuple((np.arange(count) * steps[0] / 1000).tolist())
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        rate = _numbers(header.get(keyword))
        if len(rate) == 1 and 0 < rate[0] < np.inf:
            return tuple((np.arange(count) / rate[0]).tolist())
    return ()


def shutter(header, height: int, width: int) -> np.ndarray | None:
    """Bool (H, W), False behind the shutter; None without one, or where it would hide everything or nothing.

    Edges and vertices count from 1 and (row, column); the pixels of an edge are shown.
    """
    kinds = header.get("ShutterShape") or ()
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    row, column = np.mgrid[1 : height + 1, 1 : width + 1]
    shown = np.ones((height, width), bool)
    try:
        if "RECTANGULAR" in kinds:
            shown &= (column >= int(header.ShutterLeftVerticalEdge)) & (
                column <= int(header.ShutterRightVerticalEdge)
            )
            shown &= (row >= int(header.ShutterUpperHorizontalEdge)) & (
                row <= int(header.ShutterLowerHorizontalEdge)
            )
        if "CIRCULAR" in kinds:
            y, x = (float(value) for value in header.CenterOfCircularShutter)
            shown &= (row - y) ** 2 + (column - x) ** 2 <= float(header.RadiusOfCircularShutter) ** 2
        if "POLYGONAL" in kinds:
            shown &= _polygon(header.VerticesOfThePolygonalShutter, height, width)
    except (AttributeError, TypeError, ValueError):
        return None
    return shown if shown.any() and not shown.all() else None


def subtractions(header, count: int) -> tuple[Subtraction, ...]:
    """What the mask module asks to subtract; items without mask frames of this run are left out."""
    found = []
    for item in header.get("MaskSubtractionSequence") or ():
        ranges = [int(one) - 1 for one in _numbers(item.get("ApplicableFrameRange"))] or [0, count - 1]
        pairs = zip(ranges[::2], ranges[1::2], strict=False)
        frames = tuple(n for first, last in pairs for n in range(max(first, 0), min(last, count - 1) + 1))
        masks = tuple(int(one) - 1 for one in _numbers(item.get("MaskFrameNumbers")))
        masks = tuple(one for one in masks if 0 <= one < count)
        operation = str(item.get("MaskOperation") or "").strip().upper()
        if masks or operation in ("TID", "REV_TID"):
            found.append(Subtraction(operation, masks, frames))
    return tuple(found)


def _polygon(vertices, height: int, width: int) -> np.ndarray:
    from PIL import Image, ImageDraw

    numbers = [int(value) for value in vertices]
    corners = [(x - 1, y - 1) for y, x in zip(numbers[::2], numbers[1::2], strict=True)]
    picture = Image.new("1", (width, height))
    ImageDraw.Draw(picture).polygon(corners, fill=1, outline=1)
    return np.array(picture, dtype=bool)


def _numbers(value) -> list[float]:
    if value is None or value == "":
        return []
    values = value if hasattr(value, "__len__") and not isinstance(value, str) else [value]
    try:
        return [float(one) for one in values]
    except (TypeError, ValueError):
        return []
