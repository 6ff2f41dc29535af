"""Make a labelled CT with synthetic Hounsfield values from surfaces of bones.

    python Resources/Tools/body_of_meshes.py MESHES NAMES.json OUTPUT [--spacing MM] [--cut above]

MESHES is a folder of closed surfaces (.stl, .obj, .ply, .vtp), mm, of one body. NAMES.json says for every file what
it is, by its name without the ending: ``{"femur_r": "right femur"}``, or with the flesh around it
``{"femur_r": {"name": "right femur", "flesh_mm": {"front": 40, "back": [20, 60]}}}``. The sides are right, left,
front, back, below and above (LPS: x to the patient's left, y to the back, z up); a list runs from the lower end of
the bone to the upper one; a side that is not given has 8 mm. What no entry names is left out.

Writes OUTPUT_ct_synthetic.nrrd, OUTPUT_labels.nrrd and OUTPUT_labels.json. Flesh, skin and Hounsfield values are
invented: cortical bone thick at the middle of long bones and thin elsewhere, spongy bone, marrow, muscle with fat
between its fibres, a rim of fat, skin. ``--cut`` ends the body at its last bone there, as a scan ends.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flesh_and_bone import SIDES, fleshed, painted
from FluoroSAMSlicerLib.drr import Mesh, MeshError

ENDINGS = (".stl", ".obj", ".ply", ".vtp")
FLESH_MM = 8.0
MARGIN_MM = 12.0
"""Air around the flesh."""


class MeshBodyError(ValueError):
    """Input that no body can be made of; the message says what to change."""


@dataclass(frozen=True, eq=False)
class Bone:
    """A surface (points LPS mm), the structure it is, and mm of flesh by side, from its lower to its upper end."""

    file: Path
    name: str
    mesh: Mesh
    flesh: dict[str, list[float]]


@dataclass(frozen=True, eq=False)
class Frame:
    """A grid: ``origin`` (x, y, z) LPS mm, ``shape`` (K, J, I), ``spacing`` mm."""

    origin: np.ndarray
    shape: tuple[int, int, int]
    spacing: float


def read_bones(folder: Path, names: Path, space: str = "LPS") -> list[Bone]:
    """The named meshes, in the order of the names. Raises MeshBodyError for names or files that do not fit."""
    try:
        entries = json.loads(names.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeshBodyError(f"{names}: cannot be read ({error}); give a JSON file of names") from error
    if not isinstance(entries, dict) or not entries:
        raise MeshBodyError(f'{names}: must be like {{"file name without ending": "structure"}}')
    bones = []
    for stem, entry in entries.items():
        entry = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"].strip():
            raise MeshBodyError(f"{names}: {stem!r} needs the name of a structure")
        files = [folder / f"{stem}{ending}" for ending in ENDINGS if (folder / f"{stem}{ending}").is_file()]
        if len(files) != 1:
            count = "several files" if files else "no file"
            raise MeshBodyError(f"{folder}: {count} for {stem!r} of {names.name}")
        try:
            mesh = Mesh.read(files[0], space)
        except MeshError as error:
            raise MeshBodyError(str(error)) from error
        if not 3 < np.ptp(mesh.points, axis=0).max() < 2500:
            raise MeshBodyError(
                f"{files[0]}: {np.ptp(mesh.points, axis=0).max():.3g} mm long is no bone; coordinates must be mm"
            )
        bones.append(Bone(files[0], entry["name"].strip(), mesh, _flesh(entry.get("flesh_mm", {}), stem, names)))
    if len({bone.name for bone in bones}) < len(bones):
        raise MeshBodyError(f"{names}: two files have the same structure; each needs its own")
    return bones


def make(
    meshes: Path, names: Path, output: Path, spacing: float = 1.25, space: str = "LPS", cut: Sequence[str] = (),
    seed: int = 0,
) -> tuple[Path, Path, Path]:  # fmt: skip
    """Write the three files of a body and return their paths; see above. Raises MeshBodyError."""
    if not 0.2 <= spacing <= 5:
        raise MeshBodyError(f"a spacing of {spacing:g} mm makes no body; choose 0.2 to 5")
    bones = read_bones(meshes, names, space)
    frame = frame_of(bones, spacing, cut)
    labels = voxelised(bones, frame)
    depth, far = fleshed([(bone.mesh.points, bone.flesh) for bone in bones], labels, frame.origin, spacing)
    hu = painted(labels, depth, far, spacing, seed)
    solid = [np.flatnonzero((depth > -MARGIN_MM / 2).any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(slice(one[0], one[-1] + 1) for one in solid)
    origin = frame.origin + spacing * np.array([one[0] for one in solid[::-1]])
    return write(bones, hu[box], labels[box], origin, spacing, output)


def write(
    bones: list[Bone], hu: np.ndarray, labels: np.ndarray, origin: np.ndarray, spacing: float, output: Path
) -> tuple[Path, Path, Path]:
    """OUTPUT_ct_synthetic.nrrd, OUTPUT_labels.nrrd and OUTPUT_labels.json; each whole or not at all."""
    import SimpleITK

    ends = ("_ct_synthetic.nrrd", "_labels.nrrd", "_labels.json")
    ct, label_map, names = files = tuple(output.with_name(output.name + end) for end in ends)
    count = np.bincount(labels.ravel(), minlength=len(bones) + 1)
    entries = [
        {"value": value, "name": bone.name.replace(" ", "_"), "text": bone.name, "tissue": "bone",
         "voxels": int(count[value]), "volume_ml": round(float(count[value]) * spacing**3 / 1000, 2),
         "source_mesh": bone.file.name}
        for value, bone in enumerate(bones, 1)
    ]  # fmt: skip
    about = {
        "name": output.name, "image": ct.name, "labelmap": label_map.name,
        "image_kind": "SYNTHETIC HU made from voxelised bone meshes (no scan); soft tissue outline invented",
        "spacing_mm": [spacing] * 3, "size": list(labels.shape[::-1]), "labels": entries,
    }  # fmt: skip
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for path, array in ((ct, hu), (label_map, labels)):
            image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array))
            image.SetOrigin([float(at) for at in origin])
            image.SetSpacing([spacing] * 3)
            partial = path.with_name(f".partial_{path.name}")
            SimpleITK.WriteImage(image, str(partial), useCompression=True)
            os.replace(partial, path)
        partial = names.with_name(f".partial_{names.name}")
        partial.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, names)
    except (OSError, RuntimeError) as error:
        raise MeshBodyError(f"{output}: cannot be written ({error})") from error
    return files


def _flesh(given, stem: str, names: Path) -> dict[str, list[float]]:
    sides = ", ".join(SIDES)
    wrong = MeshBodyError(f"{names}: flesh_mm of {stem!r} must give mm, 0 to 300, for sides out of {sides}")
    if not isinstance(given, dict) or set(given) - set(SIDES):
        raise wrong
    try:
        flesh = {side: np.atleast_1d(np.array(mm, float)) for side, mm in given.items()}
    except (TypeError, ValueError) as error:
        raise wrong from error
    if any(mm.ndim > 1 or not mm.size or not (0 <= mm.min() <= mm.max() <= 300) for mm in flesh.values()):
        raise wrong
    return {side: list(flesh.get(side, [FLESH_MM])) for side in SIDES}


def frame_of(bones: list[Bone], spacing: float, cut: Sequence[str]) -> Frame:
    """The grid around the bones and the flesh they ask for; no margin on the sides that are cut."""
    boxes = [(bone.mesh.points.min(axis=0), bone.mesh.points.max(axis=0), bone.flesh) for bone in bones]
    lower, upper = np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)
    for axis in range(3):
        below, above = SIDES[2 * axis : 2 * axis + 2]
        if below not in cut:
            lower[axis] = min(low[axis] - max(flesh[below]) for low, _, flesh in boxes) - MARGIN_MM
        if above not in cut:
            upper[axis] = max(high[axis] + max(flesh[above]) for _, high, flesh in boxes) + MARGIN_MM
    shape = np.ceil((upper - lower) / spacing).astype(int)[::-1] + 1
    millions = np.prod(shape, dtype=float) / 1e6
    if millions > 200:
        raise MeshBodyError(f"{millions:.0f} million voxels are too many; choose a coarser spacing")
    return Frame(lower, tuple(int(n) for n in shape), spacing)


def voxelised(bones: list[Bone], frame: Frame) -> np.ndarray:
    """Labels uint16 (K, J, I): 1, 2, ... in the order of the bones; where two overlap the first one stays."""
    labels = np.zeros(frame.shape, np.uint16)
    for value, bone in enumerate(bones, 1):
        start = np.maximum(np.floor((bone.mesh.points.min(0) - frame.origin) / frame.spacing).astype(int) - 1, 0)
        stop = np.ceil((bone.mesh.points.max(0) - frame.origin) / frame.spacing).astype(int) + 2
        box = tuple(slice(a, b) for a, b in zip(start[::-1], np.minimum(stop[::-1], frame.shape), strict=True))
        part = labels[box]
        inside = _filled(bone.mesh, frame.origin + frame.spacing * start, part.shape, frame.spacing)
        part[inside & (part == 0)] = value
        if not (part == value).any():
            raise MeshBodyError(f"{bone.file}: fills no voxel of its own; it is too small or lies in another bone")
    return labels


def _filled(mesh: Mesh, origin: np.ndarray, shape: tuple[int, ...], spacing: float) -> np.ndarray:
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy

    surface, points, cells = vtk.vtkPolyData(), vtk.vtkPoints(), vtk.vtkCellArray()
    points.SetData(numpy_to_vtk(mesh.points, deep=True))
    corners = numpy_to_vtkIdTypeArray(mesh.triangles.astype(np.int64).ravel(), deep=True)
    cells.SetData(numpy_to_vtkIdTypeArray(np.arange(0, mesh.triangles.size + 1, 3), deep=True), corners)
    surface.SetPoints(points)
    surface.SetPolys(cells)
    cutter, filler = vtk.vtkPolyDataToImageStencil(), vtk.vtkImageStencilToImage()
    cutter.SetInputData(surface)
    cutter.SetOutputOrigin(*origin)
    cutter.SetOutputSpacing(spacing, spacing, spacing)
    cutter.SetOutputWholeExtent(0, shape[2] - 1, 0, shape[1] - 1, 0, shape[0] - 1)
    filler.SetInputConnection(cutter.GetOutputPort())
    filler.SetInsideValue(1)
    filler.SetOutputScalarTypeToUnsignedChar()
    filler.Update()
    return vtk_to_numpy(filler.GetOutput().GetPointData().GetScalars()).reshape(shape) > 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("meshes", type=Path, help="folder of .stl, .obj, .ply or .vtp files, mm")
    parser.add_argument("names", type=Path, help="JSON file: what each file is")
    parser.add_argument("output", type=Path, help="folder and beginning of the names of the files to write")
    parser.add_argument("--spacing", type=float, default=1.25, help="voxel size, mm (%(default)s)")
    parser.add_argument("--space", choices=("LPS", "RAS"), default="LPS", help="that of the files' points")
    parser.add_argument("--cut", choices=SIDES, action="append", default=[], help="end the body at its bones there")
    parser.add_argument("--seed", type=int, default=0, help="of what is random in the tissue (%(default)s)")
    given = parser.parse_args(arguments)
    try:
        files = make(
            given.meshes, given.names, given.output, given.spacing, given.space, given.cut, given.seed
        )
    except MeshBodyError as error:
        print(error, file=sys.stderr)
        return 1
    print(*files, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
