"""CTs with labels for the parts: those of --data, or the synthetic one of the CPU benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drr_speed import phantom
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume


def synthetic(dry_run: bool) -> tuple[CTVolume, LabelVolume]:
    """512 x 512 x 400 voxels with 100 labels; 32 x 32 x 24 with 12 in a dry run."""
    shape, spacing = ((24, 32, 32), (12.8, 12.8, 16.0)) if dry_run else ((400, 512, 512), (0.8, 0.8, 1.0))
    hu, labels = phantom(shape, 12 if dry_run else 100)
    return CTVolume(hu, spacing=spacing), LabelVolume(labels, spacing=spacing)


def labelled(data: Path | None, dry_run: bool, most: int = 3) -> dict:
    """``most`` CTs by name: (CTVolume, LabelVolume, structures as in ``LabelledCT``)."""
    found = {}
    folder = data / "bodies" if data else None
    if folder and folder.is_dir() and not dry_run:
        from FluoroSAMSlicerLib.dataset.quick import load_packed

        for name, packed in zip((bodies := load_packed(folder)).names, bodies, strict=True):
            body = packed.body
            found[name] = (
                CTVolume(body.hu, body.origin, body.spacing),
                LabelVolume(body.labels, body.origin, body.spacing),
                body.structures,
            )
            if len(found) == most:
                return found
    ct, labels = synthetic(dry_run)
    found["synthetic"] = ct, labels, {f"structure {value}": (int(value),) for value in labels.values}
    return found


def crossings(ct: CTVolume, view) -> float:
    """Voxels that a ray of the view which meets the CT runs through, on average (every eighth pixel)."""
    width, height = view.size
    rows, columns = np.mgrid[: height : max(1, height // 64), : width : max(1, width // 64)]
    start = ct.grid.world_to_index(view.source) + 0.5
    step = (
        ct.grid.world_to_index(view.pixel_positions(np.stack([columns, rows], -1).reshape(-1, 2)))
        + 0.5
        - start
    )
    size = np.array(ct.hu.shape[::-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        faces = np.stack([-start / step, (size - start) / step])
    entry = np.fmax.reduce(np.fmin(*faces), axis=-1).clip(0)
    leave = np.fmin.reduce(np.fmax(*faces), axis=-1).clip(None, 1)
    inside = (leave - entry).clip(0)
    return float((np.abs(step).sum(-1) * inside)[inside > 0].mean())
