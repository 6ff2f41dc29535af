"""Samples on disk: one safetensors file holds a few dozen, written whole or not at all.

Tensors of a shard: ``density`` float16 (N, 2, H, W), soft tissue and bone in g/cm2; ``masks`` uint8, all
masks behind each other, each ``zlib(packbits(mask))``. The header's ``index`` is a JSON list with one entry a
sample: ``{"body", "view", "pixel_mm", "geometry", "masks": [[name, offset, length], ...]}``.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .errors import DatasetError
from .sample import Sample


class ShardWriter:
    """Writes shards into ``folder``; a name that exists is complete and need not be made again."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def write(self, name: str, samples: Iterable[Sample]) -> Path:
        """Write one shard atomically. Raises :class:`DatasetError` when the disk refuses."""
        from safetensors.numpy import save

        density, blobs, index, offset = [], [], [], 0
        for sample in samples:
            entries = []
            for structure, mask in sample.masks.items():
                blob = zlib.compress(np.packbits(mask).tobytes(), 6)
                entries.append([structure, offset, len(blob)])
                blobs.append(blob)
                offset += len(blob)
            density.append(sample.density.astype(np.float16))
            index.append(
                {"body": sample.body, "view": sample.view, "geometry": sample.geometry, "masks": entries}
            )
        content = save(
            {"density": np.stack(density), "masks": np.frombuffer(b"".join(blobs), np.uint8)},
            metadata={"index": json.dumps(index, separators=(",", ":"))},
        )
        target, partial = self.path(name), self.path(name).with_suffix(f".{os.getpid()}.partial")
        try:
            partial.write_bytes(content)
            os.replace(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise DatasetError(f"{target}: cannot be written ({error.strerror or error})") from error
        return target


class ShardReader:
    """Random access to all samples of a folder of shards, in the order of the file names."""

    def __init__(self, folder: Path | str):
        from safetensors import safe_open

        self._entries: list[tuple[Path, int, dict]] = []
        for path in sorted(Path(folder).glob("*.safetensors")):
            with safe_open(path, "numpy") as shard:
                index = json.loads(shard.metadata()["index"])
            self._entries += [(path, row, entry) for row, entry in enumerate(index)]
        if not self._entries:
            raise DatasetError(
                f"{folder}: no shard (*.safetensors) in it; write some with 'fluorosam synthesize'"
            )
        self._open: dict[Path, object] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, number: int) -> dict:
        """Body, view, geometry and mask names of one sample, without touching its pixels."""
        return self._entries[number][2]

    def read(self, number: int, structures: Iterable[str] | None = None) -> Sample:
        """One sample with the masks of ``structures`` (default: all)."""
        from safetensors import safe_open

        path, row, entry = self._entries[number]
        if path not in self._open:
            shard = safe_open(path, "numpy")
            self._open[path] = (shard.get_slice("density"), shard.get_slice("masks"))
        density_slice, mask_slice = self._open[path]
        density = density_slice[row].astype(np.float32)
        wanted = None if structures is None else set(structures)
        masks = {}
        for name, offset, length in entry["masks"]:
            if wanted is None or name in wanted:
                bits = np.frombuffer(
                    zlib.decompress(mask_slice[offset : offset + length].tobytes()), np.uint8
                )
                masks[name] = (
                    np.unpackbits(bits, count=density[0].size).reshape(density.shape[1:]).astype(bool)
                )
        return Sample(density, masks, entry["body"], entry["view"], entry["geometry"])
