"""One image of a set: projection, beam, noise, and the masks of what is in view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..drr import Beam, Exposure, Projection, ProjectionGeometry, Scatter, Tool, display, expose, project
from ..drr.tools import random_tools
from .label_names import structure_name
from .labelled_ct import LabelledCT
from .masks import StructureMask
from .plan import PlannedImage
from .settings import SetSettings

COUNTS_PER_UNIT = 4096
"""Grey levels of the 16-bit image for one unit of attenuation: value = 4096 * -ln(intensity / open beam)."""

DISPLAY_PERCENTILES = (3.0, 99.5)
"""Of the attenuation behind the patient: what is black and what is white in the display image."""
WITHIN_FIELD = 0.7
"""Share of half the field that lies between the isocentre and the end of the scan."""
TOOL_THRESHOLD_MM = 0.1
"""Path length from which a pixel belongs to a tool: the walls of needles are thin."""
TOOL_IN_FIELD = 0.3
"""Share of a tool's surface that must lie in the field for it to be used."""
TOOL_TRIES = 8


@dataclass(frozen=True, eq=False)
class RenderedImage:
    """An image with all that is known about it.

    attenuation: float32 (H, W), -ln of the noisy detector signal over the open beam's; bone bright.
    display: uint8 (H, W), the same between two percentiles of the pixels that show something.
    masks: of the structures in alphabetic order, then of the tools; two screws have two.
    aim: the structure at the isocentre, empty for the middle of the CT.
    geometry, physics, tools: plain numbers, ready for JSON; positions in LPS mm.
    """

    planned: PlannedImage
    attenuation: np.ndarray
    display: np.ndarray
    masks: tuple[StructureMask, ...]
    aim: str
    geometry: dict
    physics: dict
    tools: list[dict]

    @property
    def counts(self) -> np.ndarray:
        """The attenuation as stored, uint16 (H, W)."""
        return np.clip(np.rint(self.attenuation * COUNTS_PER_UNIT), 0, 65535).astype(np.uint16)


def render(
    subject: LabelledCT,
    planned: PlannedImage,
    settings: SetSettings,
    threads: int | None = None,
    projector: str = "exact",
) -> RenderedImage:
    """Make one planned image of a loaded CT; the same arguments give the same bits.

    threads: default one a processor; they change nothing but the time. projector: "exact", or "gpu", which differs
    in the last digits. For a preview pass
    ``settings.resized(256)``. Raises DRRError, for instance for a source inside the patient.
    """
    aim, isocentre = _isocentre(subject, planned, settings)
    geometry = view_geometry(planned, isocentre, settings)
    tools = tools_in_view(subject, planned, geometry)
    projection = project(
        subject.ct,
        geometry,
        labels=subject.labels,
        materials=True,
        label_values=sorted({value for own in subject.structures.values() for value in own}),
        threads=threads,
        projector=projector,
        tools=tools,
    )
    exposure = Exposure(
        Beam(planned.kilovolts),
        dose_ugy=planned.dose_ugy,
        scatter=Scatter(planned.scatter_per_cm) if planned.scatter_per_cm else None,
        mtf50_per_mm=planned.mtf50_per_mm or None,
    )
    photons = exposure.beam.counted(planned.dose_ugy, geometry.pixel_mm)
    image = expose(projection, exposure, np.random.default_rng((*planned.entropy, 1)))
    # A pixel that counted nothing is as dark as half a photon.
    signal = np.maximum(image.intensity, np.float32(0.5 / photons))
    attenuation = np.maximum(-np.log(signal), 0).astype(np.float32)
    return RenderedImage(
        planned=planned,
        attenuation=attenuation,
        display=np.rint(255 * display(signal, DISPLAY_PERCENTILES)).astype(np.uint8),
        masks=(*structure_masks(subject, projection, settings), *tool_masks(projection, tools, settings)),
        aim=aim,
        geometry=described(planned, geometry, isocentre),
        physics=_physics(exposure, photons),
        tools=[
            {
                "name": tool.name,
                "structure": tool_structure(tool),
                "material": tool.material,
                "pose": [_numbers(row, 9) for row in tool.pose],
            }
            for tool in tools
        ],
    )


def tools_in_view(subject: LabelledCT, planned: PlannedImage, geometry: ProjectionGeometry) -> list[Tool]:
    """The tools of a planned image, placed at random in the patient where the field shows them."""
    if not planned.tools:
        return []
    rng = np.random.default_rng((*planned.entropy, 2))
    chosen: list[Tool] = []
    width, height = geometry.size
    for tool in random_tools(subject.ct, rng, TOOL_TRIES * planned.tools):
        x, y = geometry.project_points(tool.world_mesh.points).T
        shown = np.mean((x >= 0) & (x < width) & (y >= 0) & (y < height))
        if shown >= TOOL_IN_FIELD and len(chosen) < planned.tools:
            chosen.append(tool)
    return chosen


def view_geometry(planned: PlannedImage, isocentre: np.ndarray, settings: SetSettings) -> ProjectionGeometry:
    """The C-arm of a planned image; seen from the front it is hung as radiographs are, right on the left."""
    return ProjectionGeometry.c_arm(
        isocentre,
        primary_deg=planned.lao_deg,
        secondary_deg=planned.cra_deg,
        sdd_mm=planned.sdd_mm,
        sid_mm=planned.sid_mm,
        pixel_mm=planned.detector_mm / settings.size[0],
        size=settings.size,
        in_plane_rotation_deg=planned.rotation_deg,
        mirrored=_mirrored(planned),
    )


def structure_masks(
    subject: LabelledCT, projection: Projection, settings: SetSettings
) -> list[StructureMask]:
    """Masks of the structures in view, in alphabetic order."""
    structures = dict(sorted(subject.structures.items()))
    return list(settings.mask_rule.masks(structures, projection.label_values, projection.label_path_mm))


def tool_masks(projection: Projection, tools: list[Tool], settings: SetSettings) -> list[StructureMask]:
    """Masks of the tools in view, one a tool."""
    masks = []
    for number, tool in enumerate(tools):
        path = projection.tool_path_mm[number]
        mask = path > TOOL_THRESHOLD_MM
        if np.count_nonzero(mask) >= settings.smallest_pixels:
            masks.append(StructureMask(tool_structure(tool), mask, TOOL_THRESHOLD_MM, float(path.max())))
    return masks


def tool_structure(tool: Tool) -> str:
    """What a tool is called among the structures: "screw 2" is a screw, "nail" an intramedullary nail."""
    kind, _, number = tool.name.rpartition(" ")
    return structure_name(kind if number.isdigit() else tool.name)


def described(planned: PlannedImage, geometry: ProjectionGeometry, isocentre: np.ndarray) -> dict:
    """The pose as plain numbers: the C-arm's angles and distances, and source and detector in LPS mm."""
    return {
        "coordinates": "LPS mm",
        "primary_angle_deg": planned.lao_deg,
        "secondary_angle_deg": planned.cra_deg,
        "in_plane_rotation_deg": planned.rotation_deg,
        "mirrored": _mirrored(planned),
        "source_detector_mm": planned.sdd_mm,
        "source_isocentre_mm": planned.sid_mm,
        "isocentre": _numbers(isocentre),
        "source": _numbers(geometry.source),
        "detector_centre": _numbers(geometry.detector_centre),
        "column_axis": _numbers(geometry.column_axis, 9),
        "row_axis": _numbers(geometry.row_axis, 9),
        "pixel_mm": _numbers(geometry.pixel_mm, 9),
        "size": list(geometry.size),
        "projection_matrix": [_numbers(row, 9) for row in geometry.projection_matrix()],
    }


def _physics(exposure: Exposure, photons: float) -> dict:
    return {
        "kilovolts": exposure.beam.kilovolts,
        "aluminium_mm": exposure.beam.aluminium_mm,
        "mean_kev": round(exposure.beam.mean_kev, 3),
        "dose_ugy": exposure.dose_ugy,
        "photons_per_pixel": round(photons, 1),
        "noise": "Poisson, spread to neighbours",
        "scatter_per_cm": exposure.scatter.ratio_per_cm if exposure.scatter else 0.0,
        "mtf50_per_mm": exposure.mtf50_per_mm or 0.0,
    }


def _isocentre(subject: LabelledCT, planned: PlannedImage, settings: SetSettings) -> tuple[str, np.ndarray]:
    """What the view is aimed at, and the isocentre (3,) in LPS mm.

    Near the ends of the scan the isocentre moves along the body until most of the field shows some of it.
    """
    aim, centre = "", subject.centre
    if settings.aim == "structures":
        targets = subject.targets
        aim = targets[min(int(planned.aim * len(targets)), len(targets) - 1)]
        centre = subject.centroid(aim)
    isocentre = centre + np.array(planned.jitter_mm)
    height = planned.detector_mm * settings.size[1] / settings.size[0] * planned.sid_mm / planned.sdd_mm
    lowest, highest = subject.extent_z
    margin = min(WITHIN_FIELD * height / 2, (highest - lowest) / 2)
    isocentre[2] = np.clip(isocentre[2], lowest + margin, highest - margin)
    return aim, isocentre


def _mirrored(planned: PlannedImage) -> bool:
    return math.cos(math.radians(planned.lao_deg)) < -1e-9


def _numbers(values, digits: int = 6) -> list[float]:
    return [round(float(value), digits) + 0.0 for value in values]
