"""A C-arm view and its exposure as a user sets them, and what they are called in words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SceneError

if TYPE_CHECKING:
    from ...drr import Exposure, ProjectionGeometry

PREVIEW_PIXELS = 256
DEFAULT_PIXELS = 768
FIRST_PRESET = "mobile C-arm"
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class ViewSettings:
    """Where the C-arm stands and how it exposes.

    primary_deg: DICOM Positioner Primary Angle, LAO positive, RAO negative. secondary_deg: Positioner Secondary
        Angle, CRA positive, CAU negative. rotation_deg: of the detector about the central ray.
    sdd_mm, sid_mm: source to detector and source to isocentre. isocentre: world RAS mm, as the scene has it.
    size: pixels (W, H); pixel_mm: their pitch on the detector.
    kilovolts: one of ``drr.KILOVOLTS``. dose_ugy: air kerma at the detector, microgray; 0 takes no noise.
    scatter, blur: whether scattered radiation and the detector's blur are added. seed: of the noise.

    A view whose detector is behind the patient is hung as from the front, right side on the image's left.
    """

    primary_deg: float = 0.0
    secondary_deg: float = 0.0
    rotation_deg: float = 0.0
    sdd_mm: float = 1020.0
    sid_mm: float = 530.0
    isocentre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    size: tuple[int, int] = (DEFAULT_PIXELS, DEFAULT_PIXELS)
    pixel_mm: float = 0.388
    kilovolts: int = 90
    dose_ugy: float = 2.5
    scatter: bool = True
    blur: bool = True
    seed: int = 0

    @property
    def mirrored(self) -> bool:
        return math.cos(math.radians(self.primary_deg)) < -1e-9

    @property
    def words(self) -> str:
        """Both angles as they are spoken: "LAO 30°, CRA 10°", "PA", "AP, CAU 5°"."""
        primary = {"0° (PA)": "PA", "180° (AP)": "AP"}
        spoken = primary_words(self.primary_deg)
        secondary = secondary_words(self.secondary_deg)
        return primary.get(spoken, spoken) + (f", {secondary}" if secondary != "0°" else "")

    def geometry(self) -> ProjectionGeometry:
        """The view in LPS mm. Raises GeometryError for distances, sizes and angles that describe none."""
        from ...drr import ProjectionGeometry

        return ProjectionGeometry.c_arm(
            np.array(self.isocentre, float) * RAS_TO_LPS,
            primary_deg=self.primary_deg,
            secondary_deg=self.secondary_deg,
            sdd_mm=self.sdd_mm,
            sid_mm=self.sid_mm,
            pixel_mm=self.pixel_mm,
            size=self.size,
            in_plane_rotation_deg=self.rotation_deg,
            mirrored=self.mirrored,
        )

    def preview(self, pixels: int = PREVIEW_PIXELS) -> ProjectionGeometry:
        """The same field of view with ``pixels`` on its longer side."""
        geometry = self.geometry()
        scale = pixels / max(self.size)
        return geometry.resized(tuple(max(1, round(side * scale)) for side in self.size))

    def exposure(self) -> Exposure:
        """Beam, dose, scatter and blur. Raises BeamError for values that no tube or detector has."""
        from ...drr import Beam, Exposure, Scatter

        return Exposure(
            Beam(int(self.kilovolts)),
            dose_ugy=self.dose_ugy if self.dose_ugy != 0 else None,
            scatter=Scatter() if self.scatter else None,
            mtf50_per_mm=Exposure.mtf50_per_mm if self.blur else None,
        )

    def photons(self) -> float:
        """Photons a pixel of the open beam that the noise is that of; infinite without noise."""
        if self.dose_ugy == 0:
            return math.inf
        return self.exposure().beam.counted(self.dose_ugy, (self.pixel_mm, self.pixel_mm))

    def turned_to(self, source) -> ViewSettings:
        """The view from a source in this direction, world RAS mm; the distances stay."""
        to_detector = (np.array(self.isocentre, float) - np.asarray(source, float)) * RAS_TO_LPS
        length = float(np.linalg.norm(to_detector))
        if not math.isfinite(length) or length < 1e-6:
            return self
        x, y, z = to_detector / length
        secondary = math.degrees(math.asin(min(max(z, -1.0), 1.0)))
        primary = math.degrees(math.atan2(x, -y)) if math.hypot(x, y) > 1e-6 else self.primary_deg
        return replace(self, primary_deg=round(primary, 1), secondary_deg=round(secondary, 1))

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict) -> ViewSettings:
        """What ``to_json`` gave; names of other versions are left out."""
        known = {field.name for field in fields(cls)} & content.keys()
        values = {name: content[name] for name in known}
        return cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        )


def preset_names() -> tuple[str, ...]:
    from ...drr.presets import PRESETS

    return tuple(PRESETS)


def preset_view(name: str, view: ViewSettings | None = None, pixels: int | None = None) -> ViewSettings:
    """A usual view about the isocentre of ``view``, whose dose, scatter and blur stay.

    pixels: on the detector's longer side, default as many as there are. Raises SceneError for unknown names.
    """
    from ...drr import KILOVOLTS
    from ...drr.presets import PRESETS

    if name not in PRESETS:
        raise SceneError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    preset, view = PRESETS[name], view or ViewSettings()
    pixels = pixels or max(view.size)
    pitch = max(preset.field_mm) / pixels
    return replace(
        view,
        primary_deg=float(preset.primary_deg),
        secondary_deg=float(preset.secondary_deg),
        rotation_deg=0.0,
        sdd_mm=float(preset.sdd_mm),
        sid_mm=float(preset.sdd_mm - preset.object_mm),
        size=tuple(max(1, round(side / pitch)) for side in preset.field_mm),
        pixel_mm=round(pitch, 4),
        kilovolts=min(KILOVOLTS, key=lambda known: abs(known - preset.kilovolts)),
    )


def primary_words(degrees: float) -> str:
    """DICOM's primary angle in words: "LAO 30°", "RAO 15°", "0° (PA)", "180° (AP)"."""
    if abs(degrees) < 0.05:
        return "0° (PA)"
    if abs(abs(degrees) - 180) < 0.05:
        return "180° (AP)"
    return f"{'LAO' if degrees > 0 else 'RAO'} {abs(degrees):g}°"


def secondary_words(degrees: float) -> str:
    """DICOM's secondary angle in words: "CRA 10°", "CAU 20°"."""
    if abs(degrees) < 0.05:
        return "0°"
    return f"{'CRA' if degrees > 0 else 'CAU'} {abs(degrees):g}°"
