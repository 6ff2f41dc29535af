"""Usual views with their distances and where those come from.

>>> view = presets.view("chest PA", ct.centre, pixels=1024)
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import GeometryError
from .geometry import ProjectionGeometry

_EUROPEAN = "European guidelines on quality criteria for diagnostic radiographic images, EUR 16260 EN (1996)"
_MOBILE = "DeepDRR's mobile C-arm, after the Siemens Cios Fusion data sheet: 1536 x 1536 pixels of 0.194 mm"


@dataclass(frozen=True)
class Preset:
    """A usual view.

    sdd_mm: source to detector. object_mm: isocentre (the middle of the part) to detector.
    field_mm: detector (x, y). primary_deg, secondary_deg: DICOM angles. mirrored: hung as from the front.
    kilovolts: usual tube voltage. source: where distance and voltage come from; field and object distance are
    those of common equipment and of an adult.
    """

    sdd_mm: float
    object_mm: float
    field_mm: tuple[float, float]
    primary_deg: float
    secondary_deg: float
    mirrored: bool
    kilovolts: int
    source: str


PRESETS = {
    "mobile C-arm": Preset(1020, 490, (298, 298), 0, 0, False, 70, _MOBILE),
    "mobile C-arm lateral": Preset(1020, 490, (298, 298), 90, 0, False, 70, _MOBILE),
    "chest PA": Preset(1800, 150, (430, 430), 0, 0, False, 125, _EUROPEAN + ": 180 (140-200) cm, 125 kV"),
    "chest AP": Preset(1000, 150, (430, 430), 180, 0, True, 90, "usual practice at the bedside: 100 cm, 90 kV"),
    "chest lateral": Preset(1800, 200, (350, 430), 90, 0, False, 125, _EUROPEAN + ": 180 (140-200) cm, 125 kV"),
    "pelvis AP": Preset(1150, 170, (430, 430), 180, 0, True, 80, _EUROPEAN + ": 115 (100-150) cm, 75-90 kV"),
    "abdomen AP": Preset(1150, 170, (350, 430), 180, 0, True, 80, _EUROPEAN + ": 115 (100-150) cm, 75-90 kV"),
    "lumbar spine lateral": Preset(1150, 230, (240, 430), 90, 0, False, 90, _EUROPEAN + ": 115 (100-150) cm"),
    "skull PA": Preset(1150, 130, (240, 300), 0, 0, False, 80, _EUROPEAN + ": 115 (100-150) cm, 70-85 kV"),
    "skull lateral": Preset(1150, 110, (300, 240), 90, 0, False, 70, _EUROPEAN + ": 115 (100-150) cm, 70-85 kV"),
    "extremity table-top": Preset(1000, 60, (240, 300), 180, 0, True, 60, "usual practice: 100 cm"),
}  # fmt: skip


def view(
    name: str,
    isocentre,
    pixels: int = 768,
    in_plane_rotation_deg: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.0),
) -> ProjectionGeometry:
    """The preset's view about a point, world LPS mm.

    pixels: along the longer side of the detector; pixels are square. The other arguments as in
    ``ProjectionGeometry.c_arm``. Raises GeometryError for unknown names and sizes below one pixel.
    """
    if name not in PRESETS:
        raise GeometryError(f"no preset {name!r}; choose one of {', '.join(PRESETS)}")
    if isinstance(pixels, bool) or not isinstance(pixels, int) or pixels < 1:
        raise GeometryError(f"the image needs at least one pixel a side, not {pixels!r}")
    preset = PRESETS[name]
    pitch = max(preset.field_mm) / pixels
    return ProjectionGeometry.c_arm(
        isocentre,
        preset.primary_deg,
        preset.secondary_deg,
        sdd_mm=preset.sdd_mm,
        sid_mm=preset.sdd_mm - preset.object_mm,
        pixel_mm=pitch,
        size=tuple(max(1, round(side / pitch)) for side in preset.field_mm),
        in_plane_rotation_deg=in_plane_rotation_deg,
        offset=offset,
        mirrored=preset.mirrored,
    )
