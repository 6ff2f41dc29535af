"""Tools placed in the world, and their place in a projection: metal where they are, no tissue there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from .attenuation import DENSITY, LINE_INTEGRAL_KEV, TABLES, mass_attenuation
from .compiling import compiled
from .errors import DRRError, MeshError
from .material import MATERIALS, density_table
from .mesh import Mesh, crossings
from .rays import rays
from .volume import CTVolume


@dataclass(frozen=True, eq=False)
class Tool:
    """An object of one material.

    name: unique among the tools of a projection; names its mask.
    mesh: closed surface in its own coordinates, mm.
    material: "steel" (316L), "metal" (Ti-6Al-4V), "titanium", "aluminium", "iron", "bone", "soft" and the others
        of ``mass_attenuation``.
    pose: 4x4, the mesh's coordinates to world LPS mm.
    density: g/cm3; default that of the solid material.

    Raises MeshError for what is no mesh, no material or no density.
    """

    name: str
    mesh: Mesh
    material: str = "steel"
    pose: np.ndarray = field(default_factory=lambda: np.eye(4))
    density: float | None = None

    def __post_init__(self):
        if not isinstance(self.mesh, Mesh):
            raise MeshError(f"a tool needs a Mesh, not {type(self.mesh).__name__}; see Mesh.read")
        if not isinstance(self.name, str) or not self.name.strip():
            raise MeshError("a tool needs a name")
        if self.material not in TABLES:
            raise MeshError(f"no material {self.material!r}; choose one of {', '.join(TABLES)}")
        density = DENSITY[self.material] if self.density is None else self.density
        if not isinstance(density, (int, float)) or not 0 < density < 30:
            raise MeshError(f"a tool's density must lie between 0 and 30 g/cm3, not {self.density!r}")
        object.__setattr__(self, "density", float(density))
        object.__setattr__(self, "pose", np.array(self.pose, dtype=np.float64))

    def placed(self, pose) -> Tool:
        """The tool under another pose."""
        return replace(self, pose=pose)

    @property
    def world_mesh(self) -> Mesh:
        """The surface in world LPS mm. Raises MeshError for a pose that is no affine of space."""
        return self.mesh.moved(self.pose)


def add_tools(projection, ct: CTVolume, tools: Sequence[Tool]):
    """The projection with tools in it.

    Along every ray the CT's share between entry and exit is taken out, voxel by voxel as the exact march would
    have added it, and density times the length inside takes its place; where tools overlap, the last one counts.
    In ``line_integral`` a tool attenuates as it does at the photon energy at which water attenuates 0.02 / mm.
    Label paths stay: a structure's outline does not end at a screw. ``tool_path_mm`` is each tool's own whole
    length, cut at the detector. Raises DRRError for two tools of one name, GeometryError for one at the source.
    """
    names = tuple(tool.name for tool in tools)
    if len(set(names)) < len(names):
        raise DRRError("two tools have the same name; name each differently")
    view = projection.geometry
    start, depth, which = crossings([tool.world_mesh for tool in tools], view)
    width, height = view.size
    rows, columns = np.indices((height, width))
    lengths = np.linalg.norm(view.pixel_positions(np.stack([columns, rows], -1)) - view.source, axis=-1)
    path = np.zeros((len(tools), height * width), np.float32)
    solid = np.zeros((len(tools), height * width), np.float32)
    gone = np.empty((len(depth), 2))
    gone_pixel = np.empty(len(depth), np.int64)
    fill, cut = _kernels()
    count = fill(start, depth, which, lengths.reshape(-1), path, solid, gone, gone_pixel)
    line_integral = projection.line_integral.reshape(-1).copy()
    materials = projection.area_density is not None
    density = np.zeros((3, height * width), np.float32)
    if materials:
        density = np.stack([projection.area_density[name].reshape(-1) for name in MATERIALS])
    lowest, highest = int(max(ct.hu_range[0], -1000)), int(max(ct.hu_range[1], -1000))
    cut(
        gone[:count], gone_pixel[:count], width, ct.grid.shape, *rays(ct.grid, view, 0.5), lengths.reshape(-1),
        ct.attenuating.reshape(-1), density_table(lowest, highest), lowest, materials, line_integral, density,
    )  # fmt: skip
    areas = dict(zip(MATERIALS, density.reshape(3, height, width), strict=True)) if materials else None
    for tool, inside in zip(tools, solid, strict=True):
        grams = inside * np.float32(tool.density * 0.1)
        line_integral += grams * np.float32(mass_attenuation(tool.material, LINE_INTEGRAL_KEV))
        if materials:
            grams = grams.reshape(height, width)
            areas[tool.material] = areas[tool.material] + grams if tool.material in areas else grams
    return replace(
        projection,
        line_integral=line_integral.reshape(height, width),
        area_density=areas,
        tool_path_mm=path.reshape(-1, height, width),
        tool_names=names,
    )


def _fill_paths(start, depth, which, lengths, path, solid, gone, gone_pixel):
    """Lengths inside each tool (``path``), inside it and no later one (``solid``), mm; and the pieces of rays that
    are inside any (gone (C, 2) in depths, gone_pixel). Returns the number of pieces."""
    tools = path.shape[0]
    turns = np.zeros(tools, np.int64)
    count = 0
    for pixel in range(len(start) - 1):
        first, last = start[pixel], start[pixel + 1]
        if last == first:
            continue
        for n in range(first + 1, last):
            d, w = depth[n], which[n]
            m = n
            while m > first and depth[m - 1] > d:
                depth[m], which[m] = depth[m - 1], which[m - 1]
                m -= 1
            depth[m], which[m] = d, w
        turns[:] = 0
        entered = -1.0
        for n in range(first, last):
            turns[abs(which[n]) - 1] += 1 if which[n] > 0 else -1
            top = -1
            after = depth[n + 1] if n + 1 < last else depth[n]
            for tool in range(tools):
                if turns[tool] != 0:
                    top = tool
                    path[tool, pixel] += (after - depth[n]) * lengths[pixel]
            if top >= 0:
                solid[top, pixel] += (after - depth[n]) * lengths[pixel]
                if entered < 0.0:
                    entered = depth[n]
            elif entered >= 0.0:
                if depth[n] > entered:
                    gone[count, 0], gone[count, 1] = entered, depth[n]
                    gone_pixel[count] = pixel
                    count += 1
                entered = -1.0
    return count


def _cut_pieces(
    pieces, pixels, width, shape, origin, to_column, to_row, source, lengths, hu, table, lowest, materials,
    line_integral, density,
):  # fmt: skip
    """Take what the exact march sums along pieces of rays (depth from, to) out of the images, not below zero."""
    size = (shape[2], shape[1], shape[0])
    stride = (1, shape[2], shape[2] * shape[1])
    d = np.empty(3)
    next_t = np.empty(3)
    gap = np.empty(3)
    index = np.empty(3, np.int64)
    for n in range(len(pieces)):
        pixel = pixels[n]
        row, column = pixel // width, pixel % width
        t, end = pieces[n]
        for axis in range(3):
            d[axis] = origin[axis] + column * to_column[axis] + row * to_row[axis] - source[axis]
            if abs(d[axis]) > 1e-12:
                near, far = -source[axis] / d[axis], (size[axis] - source[axis]) / d[axis]
                t, end = max(t, min(near, far)), min(end, max(near, far))
            elif source[axis] < 0.0 or source[axis] >= size[axis]:
                end = t
        if not t < end:
            continue
        for axis in range(3):
            index[axis] = min(max(int(np.floor(source[axis] + t * d[axis])), 0), size[axis] - 1)
            next_t[axis] = gap[axis] = np.inf
            if abs(d[axis]) > 1e-12:
                gap[axis] = abs(1.0 / d[axis])
                next_t[axis] = (index[axis] + (d[axis] > 0.0) - source[axis]) / d[axis]
        total, soft, bone, metal = 0.0, 0.0, 0.0, 0.0
        while t < end:
            axis = 0
            if next_t[1] < next_t[0]:
                axis = 1
            if next_t[2] < next_t[axis]:
                axis = 2
            until = min(max(next_t[axis], t), end)
            number = np.int64(hu[index[0] * stride[0] + index[1] * stride[1] + index[2] * stride[2]])
            total += (until - t) * (number + 1000)
            if materials:
                soft += (until - t) * table[number - lowest, 0]
                bone += (until - t) * table[number - lowest, 1]
                metal += (until - t) * table[number - lowest, 2]
            t = until
            next_t[axis] += gap[axis]
            index[axis] = min(max(index[axis] + (1 if d[axis] > 0.0 else -1), 0), size[axis] - 1)
        line_integral[pixel] = max(line_integral[pixel] - total * lengths[pixel] * 2e-5, 0.0)
        if materials:
            density[0, pixel] = max(density[0, pixel] - soft * lengths[pixel] * 0.1, 0.0)
            density[1, pixel] = max(density[1, pixel] - bone * lengths[pixel] * 0.1, 0.0)
            density[2, pixel] = max(density[2, pixel] - metal * lengths[pixel] * 0.1, 0.0)


@lru_cache(maxsize=1)
def _kernels():
    return compiled(_fill_paths), compiled(_cut_pieces)
