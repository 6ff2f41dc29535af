"""From the words of DICOM pixel data to samples: which bits count, which sign they have, which are padding."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

OVERLAY_GROUPS = range(0x6000, 0x6020, 2)


def samples(words: np.ndarray, header: Dataset) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples (H, W) of decoded words (H, W), and where they are padding, bool (H, W), None if nowhere.

    Whatever the transfer syntax, a sample is the Bits Stored bits that end at High Bit, with the sign of Pixel
    Representation (PS3.5 8.1.1); the other bits may hold overlays (PS3.3 C.9.2, retired) or nothing. Headers
    that contradict the words are overruled by them: words that all fit into Bits Stored bits are not shifted
    for a High Bit above, and words beyond Bits Stored are kept where no overlay is declared and cutting them
    tears the picture. Padding is compared as stored bits, whatever the sign of its VR: see `padded`.
    """
    allocated = int(header.get("BitsAllocated") or 8 * words.dtype.itemsize)
    stored = int(header.get("BitsStored") or allocated)
    if words.dtype.kind not in "iu" or words.ndim != 2 or not 1 < stored <= allocated <= 32:
        return words, None
    high = int(header.get("HighBit", stored - 1))
    high = high if stored - 1 <= high < allocated else stored - 1
    signed = header.get("PixelRepresentation") == 1
    padding = padded(words, header, allocated)
    if stored == allocated:
        return words, padding
    image = words if padding is None else words[~padding]
    shift = high + 1 - stored
    fits = _fits(image, stored, allocated, signed)
    if shift and not fits:
        values = _cut(words, shift, stored, signed)
    elif fits or not (_overlay_in_words(header) or _cutting_is_smoother(words, padding, stored, signed)):
        values = words
    else:
        values = _cut(words, 0, stored, signed)
    return values, padding if padding is not None else padded(values, header, stored)


def padded(values: np.ndarray, header: Dataset, bits: int) -> np.ndarray | None:
    """Where values (H, W) hold Pixel Padding Value, or lie in its range up to the Range Limit (PS3.3 C.7.5.1.1.2).

    Value and limit are taken as ``bits`` bits, signed or unsigned, whichever makes the range shorter: -1
    written as SS is 65535 of unsigned pixels. None where nothing is padding, or everything.
    """
    first = _whole(header.get("PixelPaddingValue"))
    if first is None or values.dtype.kind not in "iu":
        return None
    last = _whole(header.get("PixelPaddingRangeLimit"))
    last = first if last is None else last
    mask, half = (1 << bits) - 1, 1 << (bits - 1)
    words = values.astype(np.int64) & mask
    ends = sorted((first & mask, last & mask))
    turned = sorted(((first + half) & mask, (last + half) & mask))
    if turned[1] - turned[0] < ends[1] - ends[0]:
        words, ends = (words + half) & mask, turned
    padding = (words >= ends[0]) & (words <= ends[1])
    return padding if padding.any() and not padding.all() else None


def _whole(value) -> int | None:
    """A padding value as a number, whatever its VR: US, SS, several of them, UN (bytes) or a string."""
    if isinstance(value, bytes):
        return int.from_bytes(value[:4], "little") if value else None
    if not isinstance(value, (int, float, str)) and hasattr(value, "__len__"):
        value = value[0] if len(value) else None
    try:
        return None if value is None else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _fits(image: np.ndarray, stored: int, allocated: int, signed: bool) -> bool:
    """Whether all words are numbers of ``stored`` bits as they stand."""
    if not image.size:
        return True
    low, high = int(image.min()), int(image.max())
    if signed:
        half = 1 << (stored - 1)
        return -half <= low and high < half
    return low >= 0 and high < 1 << stored


def _cut(words: np.ndarray, shift: int, stored: int, signed: bool) -> np.ndarray:
    values = (words.astype(np.int64) >> shift) & ((1 << stored) - 1)
    if signed:
        half = 1 << (stored - 1)
        values = (values ^ half) - half
    return values.astype(np.int32 if stored > 16 or not signed else words.dtype)


def _overlay_in_words(header: Dataset) -> bool:
    return any(
        (group, 0x0102) in header and (group, 0x3000) not in header and header[group, 0x0102].value
        for group in OVERLAY_GROUPS
    )


def _cutting_is_smoother(words: np.ndarray, padding: np.ndarray | None, stored: int, signed: bool) -> bool:
    """Whether neighbours differ less without the bits beyond Bits Stored: lines drawn in them do not count."""
    if not signed and words.dtype.kind == "i":
        words = words.astype(np.int64) & 0xFFFFFFFF
    beside = np.ones((words.shape[0], words.shape[1] - 1), bool)
    if padding is not None:
        beside &= ~(padding[:, 1:] | padding[:, :-1])
    if not beside.any():
        return True

    def roughness(values: np.ndarray) -> float:
        return float(np.abs(np.diff(values.astype(np.int64), axis=1))[beside].mean())

    return roughness(_cut(words, 0, stored, signed)) <= roughness(words)
