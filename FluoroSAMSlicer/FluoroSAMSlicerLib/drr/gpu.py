"""Exact projection by NVIDIA Warp: on CUDA where there is a device, else on Warp's single-threaded CPU backend.

The plain form of Siddon's march (Amanatides and Woo, 1987) in index space. Steps are summed in float64 along a ray
of float64 positions, so results agree with the CPU's exact projector to float32 rounding.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .errors import DRRError
from .geometry import ProjectionGeometry
from .material import density_table
from .projectors import rays
from .volume import CTVolume


def project_image(
    ct: CTVolume, view: ProjectionGeometry, materials: bool, device: str | None = None
) -> np.ndarray:
    """Images (1 or 4, H, W) float32: the line integral, and g/cm2 of soft tissue, bone and metal.

    device: a Warp device such as "cuda:0" or "cpu"; default CUDA where there is one. The volume stays on the
    device for the next view of the same CT. Raises DRRError where warp is not installed or the device fails.
    """
    wp, kernel = _kernel()
    try:
        device = wp.get_device(device) if device else wp.get_preferred_device()
        hu = _uploaded(wp, ct, device)
        width, height = view.size
        lowest, highest = int(max(ct.hu_range[0], -1000)), int(max(ct.hu_range[1], -1000))
        table = density_table(lowest, highest) if materials else np.zeros((1, 3), np.float32)
        out = wp.zeros((4 if materials else 1, height, width), dtype=wp.float32, device=device)
        first, to_column, to_row, source = (wp.vec3d(*values) for values in rays(ct.grid, view, 0.5))
        wp.launch(
            kernel,
            dim=(height, width),
            inputs=[
                hu,
                wp.vec3i(*ct.grid.shape[::-1]),
                first,
                to_column,
                to_row,
                source,
                wp.mat33d(*ct.grid.index_to_world.reshape(-1)),
                wp.array(table, dtype=wp.float32, device=device),
                lowest,
                int(materials),
                out,
            ],
            device=device,
        )
        return out.numpy()
    except (RuntimeError, ValueError, MemoryError) as error:
        raise DRRError(f"the GPU could not project ({error}); choose projector='fast' or 'exact'") from error


_UPLOADED: list = []


def _uploaded(wp, ct: CTVolume, device):
    """The CT's voxels on the device; the last one is kept."""
    if not (_UPLOADED and _UPLOADED[0][0] is ct and _UPLOADED[0][1] == str(device)):
        _UPLOADED[:] = []
        _UPLOADED.append(
            (ct, str(device), wp.array(ct.attenuating.reshape(-1), dtype=wp.int16, device=device))
        )
    return _UPLOADED[0][2]


@lru_cache(maxsize=1)
def _kernel():
    try:
        import warp as wp
    except ModuleNotFoundError as error:
        raise DRRError(
            "projector='gpu' needs NVIDIA Warp (pip install warp-lang); choose 'fast' or 'exact' without it"
        ) from error
    wp.config.quiet = True
    wp.init()
    from .warp_march import march

    return wp, march
