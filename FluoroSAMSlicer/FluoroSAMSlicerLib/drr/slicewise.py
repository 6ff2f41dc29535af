"""Bilinear slices in torch (Joseph's method): the last resort where numba is not installed."""

from __future__ import annotations

import numpy as np

from .geometry import ProjectionGeometry
from .material import density_table
from .rays import rays
from .volume import CTVolume


def project_image(ct: CTVolume, view: ProjectionGeometry, materials: bool) -> np.ndarray:
    """Images (1 or 4, H, W) float32: the line integral, and g/cm2 of soft tissue, bone and metal.

    Every slice across the axis nearest to the central ray is sampled where each ray meets it. Slices are taken
    whole: a detector inside the volume does not end the rays. Uses CUDA where torch has it.
    """
    import torch
    from torch.nn.functional import grid_sample, pad

    device = "cuda" if torch.cuda.is_available() else "cpu"
    first, to_column, to_row, source = rays(ct.grid, view, 0.0)
    width, height = view.size
    rows, columns = np.indices((height, width))[..., None]
    directions = first + columns * to_column + rows * to_row - source
    axis = int(np.argmax(np.abs(directions.mean(axis=(0, 1)))))
    b, c = (1, 2) if axis == 0 else (0, 2) if axis == 1 else (0, 1)
    slab_mm = np.linalg.norm(directions @ ct.grid.index_to_world.T, axis=-1) / np.abs(directions[..., axis])
    slopes = torch.from_numpy((directions[..., [b, c]] / directions[..., axis, None]).astype(np.float32)).to(
        device
    )
    slices = torch.from_numpy(
        np.moveaxis(ct.attenuating, 2 - axis, 0)
    )  # then (rows along c, columns along b)
    size = torch.tensor([slices.shape[2], slices.shape[1]], dtype=torch.float32, device=device)
    start = torch.tensor(source[[b, c]], dtype=torch.float32, device=device)
    lowest, highest = int(max(ct.hu_range[0], -1000)), int(max(ct.hu_range[1], -1000))
    table = torch.from_numpy(density_table(lowest, highest)).to(device)
    total = torch.zeros((4 if materials else 1, height, width), device=device)
    for index, stored in enumerate(slices):
        hu = stored.to(device)
        planes = (hu.float() + 1000)[None]
        if materials:
            planes = torch.cat([planes, table[hu.long() - lowest].permute(2, 0, 1)])
        # An edge voxel reaches half a voxel out, undiminished: repeat it once, and cut at its border.
        at = start + slopes * float(index - source[axis])
        inside = ((at >= -0.5) & (at < size - 0.5)).all(dim=-1)
        place = (at + 1) / (size + 1) * 2 - 1
        padded = pad(planes[None], (1, 1, 1, 1), mode="replicate")
        total += grid_sample(padded, place[None], align_corners=True)[0] * inside
    scales = torch.tensor([2e-5, 0.1, 0.1, 0.1][: len(total)], device=device)[:, None, None]
    return (total * scales * torch.from_numpy(slab_mm.astype(np.float32)).to(device)).cpu().numpy()
