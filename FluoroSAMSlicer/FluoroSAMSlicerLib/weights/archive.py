"""The tensors of a ``torch.save`` archive, without running anything that the archive contains.

A checkpoint is a pickle, and a pickle is a program. This reader lets it build dictionaries, lists, numbers,
strings and memory-mapped tensors, nothing else. Objects of the libraries that training checkpoints are known
to carry become empty stand-ins; any other import is refused before it happens.
"""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, UntypedStorage

from .errors import CheckpointError

LONGEST_PICKLE = 256 << 20
"""Bytes of the pickle proper, which holds no tensor data; a real one has about one per cent of this."""

STAND_INS = frozenset(
    "_codecs argparse collections copyreg datetime enum fluorosam functools hydra lightning lightning_fabric "
    "lightning_utilities monai numpy omegaconf pathlib pytorch_lightning torch torchmetrics torchvision "
    "typing".split()
)
"""Top packages whose objects are replaced by stand-ins. Nothing of them is imported."""

PYTHON_2_NAMES = {"__builtin__": "builtins", "exceptions": "builtins", "copy_reg": "copyreg"}

STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def read_archive(path: Path) -> Any:
    """The object saved in ``path``, its tensors memory-mapped from the file and on the CPU.

    Raises :class:`CheckpointError` for a file that is no such archive, is truncated, or wants to import
    anything that a checkpoint has no business with.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(path, archive).load()
    except CheckpointError:
        raise
    except (zipfile.BadZipFile, EOFError) as problem:
        raise CheckpointError(
            f"{path}: not a complete checkpoint; it is truncated, or of another kind"
        ) from problem
    except OSError as problem:
        raise CheckpointError(f"{path}: cannot be read ({problem.strerror or problem})") from problem
    # A damaged pickle can fail in any way that Python knows.
    except Exception as problem:
        reason = str(problem).strip().partition("\n")[0] or type(problem).__name__
        raise CheckpointError(f"{path}: the checkpoint is damaged ({reason})") from problem


class Inert:
    """Stands in for an object that is no tensor: takes everything a pickle does to it, and does nothing."""

    def __new__(cls, *_args, **_kwargs):
        return super().__new__(cls)

    def __init__(self, *_args, **_kwargs) -> None:
        pass

    def _ignore(self, *_args) -> None:
        pass

    __setstate__ = __setitem__ = append = extend = add = update = _ignore


@dataclass(frozen=True)
class _Storage:
    data: UntypedStorage
    dtype: torch.dtype


def _rebuild_tensor(storage: _Storage, offset: int, size: tuple, stride: tuple, *_rest) -> Tensor:
    return torch.empty(0, dtype=storage.dtype).set_(storage.data, offset, tuple(size), tuple(stride))


def _rebuild_parameter(data: Tensor, *_rest) -> Tensor:
    return data


ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}


class _Reader(pickle.Unpickler):
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._members = path, {}
        for member in archive.infolist():
            _, _, name = member.filename.partition("/")
            self._members[name] = member
        if "constants.pkl" in self._members:
            raise CheckpointError(f"{path}: holds a program (TorchScript), not a checkpoint; it was not run")
        content = self._members.get("data.pkl")
        if content is None or content.file_size > LONGEST_PICKLE:
            raise CheckpointError(f"{path}: not a checkpoint; it is a zip archive of something else")
        if "byteorder" in self._members and archive.read(self._members["byteorder"]) != b"little":
            raise CheckpointError(f"{path}: was written on a big-endian machine; convert it there first")
        self._mapped = UntypedStorage.from_file(os.fspath(path), False, path.stat().st_size)
        self._storages: dict[str, _Storage] = {}
        super().__init__(io.BytesIO(archive.read(content)), encoding="utf-8")

    def find_class(self, module: str, name: str) -> Any:
        module = PYTHON_2_NAMES.get(module, module)
        root = module.partition(".")[0]
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        if root == "torch" and name in STORAGES:
            return STORAGES[name]
        builtin_type = module == "builtins" and isinstance(getattr(builtins, name, None), type)
        if root in STAND_INS or builtin_type:
            return Inert
        raise CheckpointError(
            f"{self._path}: refused, because loading it would run {module}.{name}; nothing of it was run. "
            "Get the file from its publisher again"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("a tensor of unknown type")
        if key not in self._storages:
            size = count * dtype.itemsize
            member = self._members[f"data/{key}"]
            start = self._start(member)
            if member.compress_type != zipfile.ZIP_STORED or size > member.file_size or size < 0:
                raise pickle.UnpicklingError(f"tensor data {key} has the wrong size")
            if start + size > self._mapped.nbytes():
                raise EOFError
            self._storages[key] = _Storage(self._mapped[start : start + size], dtype)
        return self._storages[key]

    def _start(self, member: zipfile.ZipInfo) -> int:
        """Where a member's bytes begin: behind its local header, whose two variable parts may be padded."""
        with self._path.open("rb") as file:
            file.seek(member.header_offset + 26)
            name, extra = struct.unpack("<HH", file.read(4))
        return member.header_offset + 30 + name + extra
