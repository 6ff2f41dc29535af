"""NIfTI-1 and -2 volumes, read as they are: with their shear, their scaling and what is not a number."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from .errors import VolumeError

KINDS = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
"""Data types of nifti1.h that are one number a voxel."""
LARGEST_BYTES = 2**35
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


def is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(path: Path):
    """(voxels (K, J, I), origin, spacing, direction), LPS mm, of a .nii or .nii.gz file.

    Other readers turn NaN into 0 (water) and refuse axes that are not at right angles; here both reach the
    caller. The place is the sform's where its code is above 0, else the qform's, else the spacing's alone, as
    nifti1.h says; scl_slope and scl_inter are applied in double precision. Raises VolumeError.
    """
    content = _content(path)
    if len(content) < 348:
        raise VolumeError(f"{path}: not a readable volume (shorter than a NIfTI header)")
    order, second = _order(path, content)

    def field(kind: str, start: int, count: int = 1):
        values = np.frombuffer(content, np.dtype(kind).newbyteorder(order), count, start)
        return values if count > 1 else values[0]

    at = _SECOND if second else _FIRST
    dims = field("i8" if second else "i2", at["dim"], 8).astype(np.int64)
    code = int(field("i2", at["datatype"]))
    real = "f8" if second else "f4"
    pixdim = field(real, at["pixdim"], 8).astype(np.float64)
    start = int(field("i8" if second else "f4", at["vox_offset"]))
    slope, inter = float(field(real, at["scl_slope"])), float(field(real, at["scl_inter"]))
    qcode, scode = (int(field("i4" if second else "i2", at[name])) for name in ("qform_code", "sform_code"))
    shape = _shape(path, dims)
    if code not in KINDS:
        raise VolumeError(f"{path}: has colour or complex voxels (NIfTI type {code}); save it as numbers")
    kind = np.dtype(KINDS[code]).newbyteorder(order)
    count = int(np.prod(shape))
    if count * kind.itemsize > LARGEST_BYTES or start < 0:
        raise VolumeError(f"{path}: its header is damaged (declares {' x '.join(map(str, shape))} voxels)")
    if len(content) < start + count * kind.itemsize:
        raise VolumeError(f"{path}: is truncated, it ends before its {count:,} voxels do")
    voxels = np.frombuffer(content, kind, count, start).reshape(shape[::-1]).astype(kind.newbyteorder("="))
    if np.isfinite([slope, inter]).all() and slope != 0 and (slope != 1 or inter != 0):
        voxels = voxels * slope + inter
    if scode > 0:
        matrix = np.array(
            [field(real, at["srow"] + row * 4 * np.dtype(real).itemsize, 4) for row in range(3)]
        )
        matrix = matrix.astype(np.float64)
    elif qcode > 0:
        size = np.dtype(real).itemsize
        matrix = _from_quaternion(
            field(real, at["quatern"], 3), field(real, at["quatern"] + 3 * size, 3), pixdim
        )
    else:
        matrix = np.hstack([np.diag(pixdim[1:4]), np.zeros((3, 1))])
    steps, origin = matrix[:, :3] * RAS_TO_LPS[:, None], matrix[:, 3] * RAS_TO_LPS
    spacing = np.linalg.norm(steps, axis=0)
    if not np.isfinite(matrix).all() or (spacing <= 0).any():
        raise VolumeError(f"{path}: states no usable position (its sform or qform is zero or not finite)")
    return voxels, origin, spacing, steps / spacing


_FIRST = {
    "dim": 40, "datatype": 70, "pixdim": 76, "vox_offset": 108, "scl_slope": 112, "scl_inter": 116,
    "qform_code": 252, "sform_code": 254, "quatern": 256, "srow": 280,
}  # fmt: skip
_SECOND = {
    "dim": 16, "datatype": 12, "pixdim": 104, "vox_offset": 168, "scl_slope": 176, "scl_inter": 184,
    "qform_code": 344, "sform_code": 348, "quatern": 352, "srow": 400,
}  # fmt: skip
"""Byte offsets of the header's fields, of nifti1.h and nifti2.h."""


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with (gzip.open if zipped else open)(path, "rb") as file:
            parts, length = [], 0
            while length < LARGEST_BYTES and (part := file.read(1 << 24)):
                parts.append(part)
                length += len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)
    except (EOFError, OSError, zlib.error) as error:
        raise VolumeError(f"{path}: not a readable volume, truncated or damaged ({error})") from error


def _order(path: Path, content: bytes) -> tuple[str, bool]:
    for order in "<>":
        size = int(np.frombuffer(content, f"{order}i4", 1)[0])
        if size == 348 and content[344:347] == b"n+1":
            return order, False
        if size == 540 and content[4:7] == b"n+2" and len(content) >= 540:
            return order, True
    if content[344:347] == b"ni1":
        raise VolumeError(f"{path}: is the header of a pair of files; save it as one .nii file")
    raise VolumeError(f"{path}: not a readable volume (its NIfTI header is damaged)")


def _shape(path: Path, dims: np.ndarray) -> tuple[int, int, int]:
    number = int(dims[0])
    if not 1 <= number <= 7 or (dims[1 : number + 1] < 1).any():
        raise VolumeError(f"{path}: its NIfTI header is damaged (dimensions {dims.tolist()})")
    shape = dims[1 : number + 1].tolist()
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) != 3:
        raise VolumeError(f"{path}: is {len(shape)}-D; a 3-D volume is needed")
    return tuple(shape)


def _from_quaternion(quaternion: np.ndarray, offset: np.ndarray, pixdim: np.ndarray) -> np.ndarray:
    """The 3x4 qform matrix, by nifti1.h's method 2."""
    b, c, d = (float(value) for value in quaternion)
    a = np.sqrt(max(0.0, 1 - (b * b + c * c + d * d)))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    sizes = pixdim[1:4] * np.array([1, 1, -1.0 if pixdim[0] < 0 else 1.0])
    return np.hstack([turn * sizes, np.asarray(offset, np.float64)[:, None]])
