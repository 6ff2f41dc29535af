"""A labelled body: a CT, its label map on the same grid, and what each label is called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy import vocabulary
from ..drr import VolumeError
from ..drr.reading import read_image
from .errors import DatasetError
from .label_names import read_pairs


@dataclass(frozen=True)
class Body:
    """One CT with labels on the same axis-aligned LPS grid.

    ``hu`` int16 and ``labels`` uint16 are (K, J, I) = (z, y, x); ``origin`` and ``spacing`` are
    (x, y, z) in LPS mm. ``structures`` maps a canonical structure name to its label values.
    """

    name: str
    hu: np.ndarray
    labels: np.ndarray
    origin: np.ndarray
    spacing: np.ndarray
    structures: dict[str, tuple[int, ...]]

    @classmethod
    def read(
        cls, ct: Path | str, labels: Path | str, names: Path | str | None = None, own_names: bool = False
    ) -> Body:
        """Read a CT and its label map (any SimpleITK format).

        ``names`` is a table as :func:`read_pairs` reads it; by default the label map's own name with the
        ending ``.json``. Labels whose text is no known structure are kept as tissue but not named. Names are
        taken as those of the training bodies, parts of a structure for the whole ("hippocampus" for brain),
        unless they are the user's ``own_names``. Raises :class:`DatasetError`.
        """
        import SimpleITK as sitk

        labels = Path(labels)
        names = Path(names) if names else labels.with_name(labels.name.split(".")[0] + ".json")
        try:
            image, label_image = read_image(Path(ct)), read_image(labels)
            entries = read_pairs(names)
        except (VolumeError, DatasetError) as error:
            raise DatasetError(f"{ct} with labels {labels}: cannot be read ({error})") from error
        image, label_image = sitk.DICOMOrient(image, "LPS"), sitk.DICOMOrient(label_image, "LPS")
        if image.GetSize() != label_image.GetSize():
            raise DatasetError(
                f"{labels}: its grid {label_image.GetSize()} differs from the CT's {image.GetSize()};"
                " resample the labels onto the CT first"
            )
        structures: dict[str, list[int]] = {}
        understood = vocabulary().named_structure if own_names else vocabulary().label_structure
        for value, text in entries:
            name = understood(text)
            if name in vocabulary():
                structures.setdefault(name, []).append(value)
        return cls(
            name=Path(ct).name.split(".")[0],
            hu=np.clip(sitk.GetArrayFromImage(image), -1024, 3071).astype(np.int16),
            labels=sitk.GetArrayFromImage(label_image).astype(np.uint16),
            origin=np.array(image.GetOrigin()),
            spacing=np.array(image.GetSpacing()),
            structures={name: tuple(values) for name, values in structures.items()},
        )

    def bounds(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (x, y, z) in LPS mm of one structure's voxels."""
        k, j, i = np.nonzero(np.isin(self.labels[::2, ::2, ::2], self.structures[name]))
        if not len(k):
            k, j, i = np.nonzero(np.isin(self.labels, self.structures[name]))
        else:
            k, j, i = 2 * k, 2 * j, 2 * i
        if not len(k):
            raise DatasetError(f"{self.name}: no voxel is labelled {name!r}")
        index = np.stack([i, j, k], axis=1)
        return self.origin + self.spacing * index.min(0), self.origin + self.spacing * index.max(0)

    def junction(self, first: str, second: str) -> np.ndarray:
        """Mid-point (x, y, z), LPS mm, of the closest approach of two structures: where the joint is."""
        from scipy.spatial import cKDTree

        clouds = []
        for name in (first, second):
            k, j, i = np.nonzero(np.isin(self.labels[::2, ::2, ::2], self.structures[name]))
            clouds.append(self.origin + 2 * self.spacing * np.stack([i, j, k], axis=1))
        distance, nearest = cKDTree(clouds[1]).query(clouds[0])
        close = np.argsort(distance)[: max(20, len(distance) // 50)]
        return (clouds[0][close].mean(0) + clouds[1][nearest[close]].mean(0)) / 2
