"""A set as something to train on, read in the way that shards are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..anatomy import vocabulary
from .errors import DatasetError
from .reading import read_set
from .sample import Sample
from .shards import ShardReader

VIEW = "set"
"""The view of images that were drawn from a range of angles and are of no named view."""


class SetReader:
    """The images of a set that are for training (all, if none is), as samples of one plane each.

    Only what has a name in the vocabulary can be asked for; images that show nothing else are left out. Nobody
    knows whether all of a CT is labelled, so no entry is ``complete``. Raises :class:`DatasetError` for an
    unfinished set, and for one without a name that is known.
    """

    def __init__(self, folder: Path | str):
        images = read_set(folder)
        self._images = images.split("train") or images
        self._shown: list[tuple[int, dict]] = []
        for place in range(len(self._images)):
            record = self._images.record(place)
            names = dict.fromkeys(mask["structure"] for mask in record["masks"])
            if any(name in vocabulary() for name in names):
                entry = {
                    "body": record["ct"],
                    "view": VIEW,
                    "geometry": record["geometry"],
                    "complete": False,
                }
                self._shown.append((place, {**entry, "masks": [[name] for name in names]}))
        if not self._shown:
            raise DatasetError(
                f"{folder}: none of its structures has a name that can be asked for; name them as 'fluorosam"
                " anatomy search' shows and write the set again"
            )

    def __len__(self) -> int:
        return len(self._shown)

    def entry(self, number: int) -> dict:
        """CT, view, geometry and mask names of one image, without touching its pixels."""
        return self._shown[number][1]

    def read(self, number: int, structures: Iterable[str] | None = None) -> Sample:
        """One image with the masks of ``structures`` (default: all)."""
        place, entry = self._shown[number]
        image, wanted = self._images[place], None if structures is None else set(structures)
        masks = {name: mask for name, mask in image.masks.items() if wanted is None or name in wanted}
        return Sample(image.attenuation[None], masks, entry["body"], entry["view"], entry["geometry"])


def open_training_images(folder: Path | str) -> ShardReader | SetReader:
    """What ``fluorosam synthesize`` wrote into ``folder``, be it a set or shards, ready to be trained on.

    Raises :class:`DatasetError` for any other folder.
    """
    folder = Path(folder)
    if (folder / "set.json").is_file():
        return SetReader(folder)
    if any(folder.glob("*.safetensors")):
        return ShardReader(folder)
    raise DatasetError(
        f"{folder}: holds nothing to train on, neither a set (set.json) nor shards (*.safetensors); write some"
        " with 'fluorosam synthesize'"
    )
