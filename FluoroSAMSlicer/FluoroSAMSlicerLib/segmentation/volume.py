"""A volume whose structures are looked for: CT, MR or PET. torch is not needed for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..drr.errors import VolumeError
from ..drr.hounsfield import hounsfield_doubt
from ..drr.reading import read_volume
from ..drr.volume import CTVolume, Grid
from ..sat import ScanError, require_fit


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume of any kind: ``voxels`` (K, J, I) as stored; origin, spacing, direction as in Grid, LPS mm."""

    voxels: np.ndarray
    grid: Grid

    @classmethod
    def read(
        cls,
        path: str | Path,
        series: str | None = None,
        any_modality: bool = False,
        rescale: tuple[float, float] | None = None,
    ) -> Volume:
        """NRRD, NIfTI, MetaImage, a DICOM file, or a folder with a series; settings as of ``CTVolume.read``.

        Raises VolumeError.
        """
        voxels, origin, spacing, direction = read_volume(path, series, any_modality)
        if rescale is not None:
            voxels = (np.asarray(voxels, np.float64) * rescale[0] + rescale[1]).astype(np.float32)
        try:
            return cls(voxels, Grid(voxels.shape, origin, spacing, direction))
        except VolumeError as error:
            raise VolumeError(f"{path}: {error}") from error

    def require_fit(self, modality: str) -> str:
        """Why the values look otherwise than the ``modality``'s do, for the user; empty where they do not.

        Raises ScanError or VolumeError where nothing can be found in them. Takes less than a second.
        """
        require_fit(self.voxels, modality)
        return hounsfield_doubt(self.voxels) if modality == "ct" else ""

    @classmethod
    def of(cls, ct: CTVolume | Volume) -> Volume:
        """Raises ScanError for anything else, and for voxels that are not (K, J, I)."""
        if isinstance(ct, Volume):
            if ct.voxels.ndim != 3:
                size = " x ".join(map(str, ct.voxels.shape))
                raise ScanError(f"a volume of {size} voxels cannot be labelled: it must have three axes")
            return ct
        if isinstance(ct, CTVolume):
            return cls(ct.hu, ct.grid)
        raise ScanError(f"a CT is needed, not {type(ct).__name__}: read one by CTVolume.read(path)")

    @property
    def image(self) -> np.ndarray:
        """The voxels as (I, J, K), a view."""
        return self.voxels.transpose(2, 1, 0)

    @property
    def placement(self) -> np.ndarray:
        """4x4 from (i, j, k) to world RAS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.grid.index_to_world
        matrix[:3, 3] = self.grid.origin
        matrix[:2] *= -1
        return matrix
