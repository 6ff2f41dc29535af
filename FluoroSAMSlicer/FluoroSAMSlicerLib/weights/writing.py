"""Safetensors written tensor by tensor, so that a large model never stands in memory twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from .errors import ModelError

PIECE = 8 << 20
"""Bytes that are written between two calls of ``written``."""


def stored_size(tensors: Mapping[str, Tensor]) -> int:
    """Bytes that :func:`write_weights` needs for the values of ``tensors``."""
    return sum(4 * tensor.numel() for tensor in tensors.values())


def write_weights(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    written: Callable[[int], None] | None = None,
) -> str:
    """Write ``tensors`` as float32 to a new file, on disk when this returns; its SHA-256, hexadecimal.

    ``written(count)`` hears how many bytes more are done, and may raise to stop. Raises
    :class:`ModelError` for values that are not finite and OSError for a file that cannot be written. The
    format: eight bytes of header length, the JSON header, the values
    (https://huggingface.co/docs/safetensors).
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for key, tensor in tensors.items():
        begin, end = end, end + 4 * tensor.numel()
        header[key] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with path.open("xb") as file:

        def put(piece: bytes | memoryview) -> None:
            file.write(piece)
            digest.update(piece)

        put(len(text).to_bytes(8, "little"))
        put(text)
        for key, tensor in tensors.items():
            values = tensor.detach().to("cpu", torch.float32).contiguous().view(-1)
            for part in values.split(PIECE // 4) if values.numel() else ():
                if not bool(torch.isfinite(part).all()):
                    raise ModelError(f"{key} holds values that are not finite; the file is damaged")
                put(memoryview(part.numpy()).cast("B"))
                if written is not None:
                    written(4 * part.numel())
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
