"""X-ray images from CT: geometry, projectors, labels, materials, tools, beam, scatter, blur and noise.

World coordinates are LPS millimetres, volumes (K, J, I), images (H, W), pixels (x, y) = (column, row)
with centres at integers.

    ct = CTVolume.read("chest.nrrd")
    view = ProjectionGeometry.c_arm(ct.centre, primary_deg=30, size=(512, 512), pixel_mm=0.8)
    projection = project(ct, view, labels=LabelVolume.read("labels.nrrd"), materials=True)
    image = display(Beam(90).intensity(projection.area_density))
"""

from . import presets, tools
from .attenuation import mass_attenuation
from .beam import KILOVOLTS, Beam
from .errors import BeamError, DRRError, GeometryError, MeshError, VolumeError
from .exposure import Exposure, Scatter, XRay, expose
from .geometry import ProjectionGeometry
from .images import add_noise, display
from .mesh import Mesh
from .placement import Tool
from .projection import Projection, project
from .projectors import PROJECTORS
from .volume import CTVolume, Grid, LabelVolume

__all__ = [
    "KILOVOLTS",
    "PROJECTORS",
    "Beam",
    "BeamError",
    "CTVolume",
    "DRRError",
    "Exposure",
    "GeometryError",
    "Grid",
    "LabelVolume",
    "Mesh",
    "MeshError",
    "Projection",
    "ProjectionGeometry",
    "Scatter",
    "Tool",
    "VolumeError",
    "XRay",
    "add_noise",
    "display",
    "expose",
    "mass_attenuation",
    "presets",
    "project",
    "tools",
]
