"""Read a training set: images, masks by name, geometry."""

from __future__ import annotations

import csv
import functools
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy import AnatomyError, resolve, vocabulary
from .errors import DatasetError
from .run_length import decode


@dataclass(frozen=True, eq=False)
class SetImage:
    """One image of a set. Positions in ``geometry`` are LPS mm.

    attenuation: float32 (H, W), -ln(intensity / open beam), bone bright; display: uint8 (H, W).
    record: all that the set says about the image; ``names``: the structures in view.
    """

    attenuation: np.ndarray
    display: np.ndarray
    record: dict

    @property
    def number(self) -> int:
        return self.record["number"]

    @property
    def ct(self) -> str:
        return self.record["ct"]

    @property
    def split(self) -> str:
        return self.record["split"]

    @property
    def geometry(self) -> dict:
        return self.record["geometry"]

    @property
    def physics(self) -> dict:
        return self.record["physics"]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(mask["structure"] for mask in self.record["masks"]))

    def mask(self, name: str) -> np.ndarray:
        """The mask of a structure by any of its names, bool (H, W).

        Of a group ("lungs"), or of a whole that is labelled in parts, the union of what is in view. Raises
        DatasetError when nothing of it is.
        """
        wanted = {name}
        if name not in self.names:
            try:
                wanted.update(vocabulary().constituents(resolve(name).name))
            except AnatomyError as error:
                raise DatasetError(f"image {self.number}: {error}") from error
        found = [decode(mask["rle"]) for mask in self.record["masks"] if mask["structure"] in wanted]
        if not found:
            raise DatasetError(
                f"image {self.number}: {name!r} is not in view; there are {', '.join(self.names)}"
            )
        return functools.reduce(np.logical_or, found)

    @functools.cached_property
    def masks(self) -> dict[str, np.ndarray]:
        """All masks, bool (H, W), by structure; several tools of one kind are one mask."""
        masks: dict[str, np.ndarray] = {}
        for entry in self.record["masks"]:
            mask = decode(entry["rle"])
            masks[entry["structure"]] = (
                masks[entry["structure"]] | mask if entry["structure"] in masks else mask
            )
        return masks


class TrainingSet(Sequence):
    """The images of a finished set, in the order of ``images.csv``; each is read when asked for.

    ``structures``: names and synonyms, category, code and colour by structure.
    """

    def __init__(self, folder: Path, structures: dict[str, dict], rows: list[dict[str, str]]):
        self.folder, self.structures, self._rows = folder, structures, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> SetImage:
        row = self._rows[place]
        with self._reading(row):
            read = json.loads(self._content(row, "record"))
            image, display = (self._content(row, kind) for kind in ("image", "display"))
            scale = np.float32(1 / read["image"]["counts_per_unit"])
            return SetImage(_pixels(image).astype(np.float32) * scale, _pixels(display), read)

    def record(self, place: int) -> dict:
        """What the set says about an image, without reading its pixels."""
        row = self._rows[place]
        with self._reading(row):
            return json.loads(self._content(row, "record"))

    def split(self, name: str) -> TrainingSet:
        """The images for "train" or "val"."""
        return TrainingSet(self.folder, self.structures, [row for row in self._rows if row["split"] == name])

    def ct(self, place: int) -> str:
        return self._rows[place]["ct"]

    def names_of(self, structure: str) -> tuple[str, ...]:
        """What people call a structure of the set, its canonical name first."""
        return tuple(self.structures[structure]["names"])

    @contextmanager
    def _reading(self, row: dict[str, str]) -> Iterator[None]:
        try:
            yield
        except (OSError, KeyError, ValueError, tarfile.TarError) as error:
            raise DatasetError(
                f"{self.folder}: image {row['number']} is damaged ({error}); make it again"
            ) from error

    def _content(self, row: dict[str, str], kind: str) -> bytes:
        if not row["archive"]:
            return (self.folder / row[kind]).read_bytes()
        offset, size = _members(self.folder / row["archive"])[row[kind]]
        with (self.folder / row["archive"]).open("rb") as file:
            file.seek(offset)
            return file.read(size)


def read_set(folder: Path | str) -> TrainingSet:
    """Open a set that `fluorosam synthesize` wrote. Raises DatasetError for another folder or an unfinished set."""
    folder = Path(folder)
    if not (folder / "set.json").is_file():
        raise DatasetError(
            f"{folder}: holds no training set (no set.json); make one with 'fluorosam synthesize'"
        )
    try:
        structures = json.loads((folder / "structures.json").read_text(encoding="utf-8"))
        rows = list(csv.DictReader((folder / "images.csv").read_text(encoding="utf-8").splitlines()))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{folder}: the set is not finished; run the same 'fluorosam synthesize' again to complete it"
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder}: cannot be read ({error})") from error
    return TrainingSet(folder, structures, rows)


@functools.lru_cache(maxsize=256)
def _members(archive: Path) -> dict[str, tuple[int, int]]:
    """Where each file of an archive begins and how long it is."""
    with tarfile.open(archive) as tar:
        return {entry.name: (entry.offset_data, entry.size) for entry in tar}


def _pixels(content: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)
