"""Packed bodies, read when they are first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..body import Body
from ..errors import DatasetError
from .regions import REGIONS, Place
from .skeleton import Skeleton, skeleton


@dataclass(frozen=True, eq=False)
class PackedBody:
    """A body on a coarse grid: ``body`` as in :class:`Body`, label values 1, 2, ...; and its ``places``."""

    body: Body
    places: tuple[Place, ...]

    @cached_property
    def count(self) -> int:
        """One more than the largest label value."""
        return int(self.body.labels.max()) + 1

    @cached_property
    def cuts(self) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, 3) of tissue, LPS mm, where the scan ends below and above; none where the body itself ends."""
        body, found = self.body, []
        for k in (0, body.hu.shape[0] - 1):
            where = np.argwhere(body.hu[k] > -600)
            where = where[:: max(1, len(where) // 200)]
            index = np.concatenate([where[:, ::-1], np.full((len(where), 1), k)], axis=1)
            found.append(body.origin + body.spacing * index)
        return found[0], found[1]

    @cached_property
    def skeletons(self) -> dict[str, Skeleton]:
        """By side, "left ", "right " or "", the skeletons of the sides that have joints."""
        found = {side: skeleton(self.body, side) for side in ("left ", "right ", "")}
        return {side: bones for side, bones in found.items() if bones.joints}

    def skeleton_at(self, point: np.ndarray) -> Skeleton | None:
        """The skeleton of the side on which a point (x, y, z), LPS mm, lies; None where nothing has a joint."""
        def distance(bones: Skeleton) -> float:
            return min(float(np.linalg.norm(joint.centre - point)) for joint in bones.joints)

        return min(self.skeletons.values(), key=distance, default=None)


class Bodies(Sequence):
    """The packed bodies of a folder, by number, in the order of their names.

    ``names``, ``places``, ``spacing_mm`` and ``complete`` (has all that a body shows a label, or all of which
    categories?) are known at once; voxels are read when a body is first asked for and kept. Raises
    :class:`DatasetError` for a folder without packed bodies or an archive that cannot be read.
    """

    def __init__(self, folder: Path | str):
        self.files = tuple(sorted(Path(folder).glob("[!.]*.npz")))
        if not self.files:
            raise DatasetError(f"{folder}: holds no packed bodies; make them with pack(ct_folder, folder)")
        self.names = tuple(file.stem for file in self.files)
        self.places: list[tuple[Place, ...]] = []
        self.spacing_mm: list[float] = []
        self.complete: list[bool | list[str]] = []
        for file in self.files:
            with _opened(file) as archive:
                self.places.append(_places(archive))
                self.spacing_mm.append(float(archive["spacing"].min()))
                self.complete.append(archive["complete"].tolist() if "complete" in archive else True)
        self._read: dict[int, PackedBody] = {}

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[PackedBody]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> PackedBody:
        if number not in self._read:
            with _opened(self.files[number]) as archive:
                structures: dict[str, tuple[int, ...]] = {}
                for name, value in zip(archive["names"].tolist(), archive["values"].tolist(), strict=True):
                    structures[name] = (*structures.get(name, ()), value)
                body = Body(
                    self.names[number], archive["hu"], archive["labels"].astype(np.uint16), archive["origin"],
                    archive["spacing"], structures,
                )  # fmt: skip
            self._read[number] = PackedBody(body, self.places[number])
        return self._read[number]


def load_packed(folder: Path | str) -> Bodies:
    """The packed bodies of a folder; see :class:`Bodies`."""
    return Bodies(folder)


def _opened(file: Path):
    try:
        return np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file}: cannot be read ({error}); pack the bodies anew") from error


def _places(archive) -> tuple[Place, ...]:
    numbers, names = archive["region_numbers"].tolist(), archive["regions"].tolist()
    for number, name in zip(numbers, names, strict=True):
        if number >= len(REGIONS) or REGIONS[number].name != name:
            raise DatasetError("these bodies were packed by another version; pack them anew")
    return with_jaws([Place(n, centre) for n, centre in zip(numbers, archive["centres"], strict=True)])


def with_jaws(places: Sequence[Place]) -> tuple[Place, ...]:
    """The places of a body, and those of panoramic radiographs if it was packed before there were any."""
    if any(place.region.panoramic for place in places):
        return tuple(places)
    swept = [number for number, region in enumerate(REGIONS) if region.panoramic]
    alike = [
        Place(number, place.centre) for place in places for number in swept
        if place.region.centre == REGIONS[number].centre
    ]  # fmt: skip
    return (*places, *alike)
