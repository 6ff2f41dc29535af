"""Closed triangle surfaces, and where the rays of a view enter and leave them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from .errors import GeometryError, MeshError
from .geometry import ProjectionGeometry

_READERS = {
    ".stl": "vtkSTLReader",
    ".vtp": "vtkXMLPolyDataReader",
    ".obj": "vtkOBJReader",
    ".ply": "vtkPLYReader",
}


@dataclass(frozen=True, eq=False)
class Mesh:
    """A closed surface of triangles.

    points: (N, 3) float64, mm; world LPS unless a pose says otherwise.
    triangles: (M, 3) int32 into points; neighbours must run through their common edge in opposite directions.

    Points at the same place count as one. Raises MeshError for numbers that are not finite, indices outside of
    the points, a surface without triangles, with holes, or whose triangles disagree about the outside.
    """

    points: np.ndarray
    triangles: np.ndarray

    def __post_init__(self):
        points = np.asarray(self.points, dtype=np.float64)
        triangles = np.asarray(self.triangles)
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise MeshError("the mesh's points must be finite numbers (N, 3), mm")
        if (
            triangles.ndim != 2
            or triangles.shape[1] != 3
            or triangles.dtype.kind not in "iu"
            or not len(triangles)
        ):
            raise MeshError("the mesh holds no triangles")
        if triangles.min() < 0 or triangles.max() >= len(points):
            raise MeshError("the mesh's triangles refer to points that it does not have")
        points, where = np.unique(points, axis=0, return_inverse=True)
        triangles = where.reshape(-1)[triangles].astype(np.int32)
        a, b, c = triangles.T
        triangles = triangles[(a != b) & (b != c) & (c != a)]
        _require_closed(triangles, len(points))
        object.__setattr__(self, "points", np.ascontiguousarray(points))
        object.__setattr__(self, "triangles", np.ascontiguousarray(triangles))

    @classmethod
    def read(cls, path: str | Path, space: str = "LPS") -> Mesh:
        """Read STL, VTP, OBJ or PLY. space: "LPS" (what Slicer writes) or "RAS", that of the file's points.

        Triangles are turned to one sense where they disagree. Raises MeshError naming the file and the cause.
        """
        path = Path(path)
        if path.suffix.lower() not in _READERS:
            raise MeshError(f"{path}: not a mesh file; choose one of {', '.join(_READERS)}")
        if space not in ("LPS", "RAS"):
            raise MeshError(f"the mesh's space must be LPS or RAS, not {space!r}")
        if not path.is_file():
            raise MeshError(f"{path}: no such file")
        try:
            mesh = _read_with_vtk(path)
            return cls(mesh[0] * (-1, -1, 1) if space == "RAS" else mesh[0], mesh[1])
        except MeshError as error:
            raise MeshError(f"{path}: {error}") from error

    @cached_property
    def volume_mm3(self) -> float:
        """Enclosed volume; parts that face inwards count as hollow."""
        a, b, c = self.points[self.triangles].transpose(1, 0, 2)
        return abs(float((a * np.cross(b, c)).sum())) / 6

    def moved(self, pose) -> Mesh:
        """The mesh under a 4x4 affine. Raises MeshError for a matrix that flattens it or is not finite."""
        pose = np.asarray(pose, dtype=np.float64)
        if pose.shape != (4, 4) or not np.isfinite(pose).all() or abs(np.linalg.det(pose[:3, :3])) < 1e-9:
            raise MeshError(
                "a pose must be a 4x4 matrix of finite numbers that keeps space three-dimensional"
            )
        return Mesh(self.points @ pose[:3, :3].T + pose[:3, 3], self.triangles)


def joined(meshes) -> Mesh:
    """Several closed surfaces as one; where they overlap the inside counts once."""
    meshes = list(meshes)
    starts = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
    triangles = [mesh.triangles + start for mesh, start in zip(meshes, starts[:-1], strict=True)]
    return Mesh(np.concatenate([mesh.points for mesh in meshes]), np.concatenate(triangles))


def crossings(meshes: list[Mesh], view: ProjectionGeometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays cross the surfaces: (start (H * W + 1,), depth (C,), which (C,)).

    The crossings of pixel p are start[p]..start[p + 1] - 1, unsorted; depth is the share of the way from the
    source to the pixel, not above 1; which is mesh + 1, negative where the ray leaves and the mesh's triangles
    turn the usual way. Each ray crosses a closed surface as often inwards as outwards, also through edges and
    points: which of two triangles owns a common edge is decided as rasterisers do it (top-left rule), from edge
    functions that both compute alike.

    Raises GeometryError for a mesh that reaches behind the source.
    """
    width, height = view.size
    matrix = view.projection_matrix()
    flat, corners, owner = [], [], []
    for number, mesh in enumerate(meshes):
        seen = mesh.points @ matrix[:, :3].T + matrix[:, 3]
        if seen[:, 2].min() <= 1e-6:
            raise GeometryError(
                "a tool reaches to the X-ray source or behind it; move it towards the detector or the source away"
            )
        order = mesh.triangles
        flat.append((seen[:, :2] / seen[:, 2:])[order])
        corners.append(mesh.points[order] - view.source)
        owner.append(np.full(len(order), number + 1, np.int32))
    flat, corners, owner = np.concatenate(flat), np.concatenate(corners), np.concatenate(owner)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    heights = (normals * corners[:, 0]).sum(axis=1)
    rays = np.array(
        [
            view.first_pixel - view.source,
            view.column_axis * view.pixel_mm[0],
            view.row_axis * view.pixel_mm[1],
        ]
    )
    scan = _kernel()
    counts = np.zeros(width * height + 1, np.int64)
    nothing_d, nothing_w = np.zeros(1), np.zeros(1, np.int32)
    scan(flat, normals, heights, owner, rays, width, height, counts, nothing_d, nothing_w, False)
    start = np.concatenate([[0], np.cumsum(counts[:-1])])
    depth, which = np.empty(start[-1]), np.empty(start[-1], np.int32)
    scan(flat, normals, heights, owner, rays, width, height, start[:-1].copy(), depth, which, True)
    return start, np.minimum(depth, 1.0), which


def _scan_triangles(flat, normals, heights, owner, rays, width, height, cursor, depth, which, fill):
    """Visit the pixels inside every triangle: count them in cursor, or write crossings there and move it on."""
    for n in range(len(flat)):
        ax, ay = flat[n, 0]
        bx, by = flat[n, 1]
        cx, cy = flat[n, 2]
        turn = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if turn == 0.0:
            continue
        if turn < 0.0:
            bx, by, cx, cy = cx, cy, bx, by
        left = max(0, int(np.ceil(min(ax, bx, cx))))
        right = min(width - 1, int(np.floor(max(ax, bx, cx))))
        top = max(0, int(np.ceil(min(ay, by, cy))))
        bottom = min(height - 1, int(np.floor(max(ay, by, cy))))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                inside = True
                for edge in range(3):
                    px, py, qx, qy = ax, ay, bx, by
                    if edge == 1:
                        px, py, qx, qy = bx, by, cx, cy
                    elif edge == 2:
                        px, py, qx, qy = cx, cy, ax, ay
                    if (px < qx) or (px == qx and py < qy):
                        side = (qx - px) * (y - py) - (qy - py) * (x - px)
                    else:
                        side = -((px - qx) * (y - qy) - (py - qy) * (x - qx))
                    if side < 0.0 or (side == 0.0 and not (qy < py or (qy == py and qx > px))):
                        inside = False
                        break
                if not inside:
                    continue
                pixel = y * width + x
                if fill:
                    across = 0.0
                    for axis in range(3):
                        across += normals[n, axis] * (rays[0, axis] + x * rays[1, axis] + y * rays[2, axis])
                    at = cursor[pixel]
                    depth[at] = heights[n] / across if across != 0.0 else 1.0
                    which[at] = owner[n] if turn > 0.0 else -owner[n]
                cursor[pixel] += 1


@lru_cache(maxsize=1)
def _kernel():
    from .compiling import compiled

    return compiled(_scan_triangles)


def _require_closed(triangles: np.ndarray, count: int) -> None:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(
        np.int64
    )
    forth = np.sort(edges[:, 0] * count + edges[:, 1])
    back = np.sort(edges[:, 1] * count + edges[:, 0])
    if len(forth) and np.array_equal(forth, back):
        return
    low, high = edges.min(axis=1), edges.max(axis=1)
    _, uses = np.unique(low * count + high, return_counts=True)
    open_edges = int((uses % 2 == 1).sum())
    if open_edges:
        raise MeshError(
            f"the surface has holes ({open_edges} open edges); close it, as by Surface Toolbox's fill holes"
        )
    raise MeshError(
        "the surface's triangles disagree about which side is outside; make its normals consistent"
    )


def _read_with_vtk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        import vtk
        from vtk.util.numpy_support import vtk_to_numpy
    except ModuleNotFoundError as error:
        raise MeshError("reading meshes needs vtk (pip install vtk); Slicer brings it") from error
    vtk.vtkObject.GlobalWarningDisplayOff()
    reader = getattr(vtk, _READERS[path.suffix.lower()])()
    reader.SetFileName(str(path))
    try:
        steps = [vtk.vtkTriangleFilter(), vtk.vtkCleanPolyData(), vtk.vtkPolyDataNormals()]
        steps[0].PassLinesOff()
        steps[0].PassVertsOff()
        steps[2].SplittingOff()
        steps[2].ConsistencyOn()
        source = reader
        for step in steps:
            step.SetInputConnection(source.GetOutputPort())
            source = step
        source.Update()
    finally:
        vtk.vtkObject.GlobalWarningDisplayOn()
    surface = source.GetOutput()
    if surface.GetNumberOfPolys() == 0:
        raise MeshError("holds no triangles, or is not a mesh of that format")
    points = vtk_to_numpy(surface.GetPoints().GetData()).astype(np.float64)
    return points, vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
