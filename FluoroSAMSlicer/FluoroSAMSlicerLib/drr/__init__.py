"""X-ray images from CT: geometry, exact projection with labels and materials, beam and noise.

World coordinates are LPS millimetres, volumes (K, J, I), images (H, W), pixels (x, y) = (column, row)
with centres at integers.

    ct = CTVolume.read("chest.nrrd")
    view = ProjectionGeometry.c_arm(ct.centre, primary_deg=30, size=(512, 512), pixel_mm=0.8)
    projection = project(ct, view, labels=LabelVolume.read("labels.nrrd"), materials=True)
    image = display(Beam(90).intensity(projection.area_density))
"""

from .beam import Beam, add_noise, display, mass_attenuation
from .errors import BeamError, DRRError, GeometryError, VolumeError
from .geometry import ProjectionGeometry
from .projection import Projection, project
from .volume import CTVolume, Grid, LabelVolume

__all__ = [
    "Beam",
    "BeamError",
    "CTVolume",
    "DRRError",
    "GeometryError",
    "Grid",
    "LabelVolume",
    "Projection",
    "ProjectionGeometry",
    "VolumeError",
    "add_noise",
    "display",
    "mass_attenuation",
    "project",
]
