"""Real radiographs with masks as something to train on, alone or beside synthetic ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..dataset import Sample
from ..radiograph import read_radiograph
from .cases import manifest_entries, read_mask

VIEW = "radiograph"

LONGEST = 400
"""Pixels of the longest side that is kept."""

CONTRAST = 3.0
"""What the brightest pixel of a picture is taken for, as -ln(intensity / open beam)."""


class RadiographReader:
    """The radiographs of a manifest (see :func:`~.evaluation.evaluate`), read in the way that shards are.

    Only what has a mask is known of a radiograph: nothing counts as absent. Each is cut to the bounding box of
    what its ``ignore`` masks leave. Raises :class:`DatasetError` for a manifest at fault.
    """

    def __init__(self, manifest: Path | str):
        self._folder, self._read = Path(manifest).parent, {}
        self._entries = []
        for number, entry in enumerate(manifest_entries(Path(manifest))):
            masks = [[structure["text"], structure] for structure in entry["structures"]]
            about = {"body": f"radiograph {number}", "view": VIEW, "geometry": {}, "complete": False}
            self._entries.append({**about, "image": entry["image"], "masks": masks})

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, number: int) -> dict:
        return self._entries[number]

    def read(self, number: int, structures: Iterable[str] | None = None) -> Sample:
        """One radiograph with the masks of ``structures`` (default: all), kept for the next time."""
        if number not in self._read:
            self._read[number] = self._open(self._entries[number])
        sample = self._read[number]
        wanted = sample.masks.keys() if structures is None else set(structures)
        masks = {name: mask for name, mask in sample.masks.items() if name in wanted}
        return Sample(sample.density, masks, sample.body, sample.view, sample.geometry)

    def _open(self, entry: dict) -> Sample:
        pixels = read_radiograph(self._folder / entry["image"]).pixels
        masks, known = {}, np.ones(pixels.shape, bool)
        for name, structure in entry["masks"]:
            masks[name] = read_mask(self._folder / structure["mask"], pixels.shape)
            if structure.get("ignore"):
                known &= ~read_mask(self._folder / structure["ignore"], pixels.shape)
        rows, columns = known.any(1).nonzero()[0], known.any(0).nonzero()[0]
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        density = CONTRAST * shrunk(pixels[box])[None]
        masks = {name: shrunk(mask[box]) > 0.5 for name, mask in masks.items()}
        return Sample(density, masks, entry["body"], entry["view"], entry["geometry"])


def shrunk(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W) with at most ``LONGEST`` pixels a side, float32."""
    import torch
    from torch.nn import functional as F

    scale = min(1.0, LONGEST / max(picture.shape))
    size = tuple(max(1, round(side * scale)) for side in picture.shape)
    plane = torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None, None]
    return F.interpolate(plane, size, mode="bilinear", antialias=True)[0, 0].numpy()
