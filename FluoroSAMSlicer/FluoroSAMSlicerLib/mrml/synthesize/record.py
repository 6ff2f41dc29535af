"""What is told of images and runs: pose and exposure as plain numbers, progress in words."""

from __future__ import annotations

import math

import numpy as np

from .view import RAS_TO_LPS, ViewSettings


def described(view: ViewSettings, geometry) -> dict:
    """The pose as plain numbers, by the names that the records of a set use; positions in LPS mm."""
    return {
        "coordinates": "LPS mm",
        "primary_angle_deg": view.primary_deg,
        "secondary_angle_deg": view.secondary_deg,
        "in_plane_rotation_deg": view.rotation_deg,
        "mirrored": view.mirrored,
        "source_detector_mm": view.sdd_mm,
        "source_isocentre_mm": view.sid_mm,
        "isocentre": _plain(np.array(view.isocentre) * RAS_TO_LPS),
        "source": _plain(geometry.source),
        "detector_centre": _plain(geometry.detector_centre),
        "column_axis": _plain(geometry.column_axis),
        "row_axis": _plain(geometry.row_axis),
        "pixel_mm": _plain(geometry.pixel_mm),
        "size": list(geometry.size),
        "projection_matrix": [_plain(row) for row in geometry.projection_matrix()],
    }


def physics(view: ViewSettings, exposure) -> dict:
    """The exposure as plain numbers, by the names that the records of a set use."""
    photons = view.photons()
    return {
        "kilovolts": exposure.beam.kilovolts,
        "aluminium_mm": exposure.beam.aluminium_mm,
        "mean_kev": round(exposure.beam.mean_kev, 3),
        "dose_ugy": view.dose_ugy,
        "photons_per_pixel": round(photons, 1) if math.isfinite(photons) else None,
        "scatter_per_cm": exposure.scatter.ratio_per_cm if exposure.scatter else 0.0,
        "mtf50_per_mm": exposure.mtf50_per_mm or 0.0,
        "seed": view.seed,
    }


def progress_words(state) -> str:
    """A set's progress in a line: "120 of 1000, 2.5 a second, 6 min left"."""
    text = f"{state.done} of {state.total}"
    if state.per_second:
        text += f", {state.per_second:.2g} a second, {duration(state.seconds_left)} left"
    return text


def duration(seconds: float | None) -> str:
    """How long something takes, in words: "40 s", "6 min", "2 h 5 min"."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown time"
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def _plain(values) -> list[float]:
    return [round(float(value), 9) + 0.0 for value in values]
