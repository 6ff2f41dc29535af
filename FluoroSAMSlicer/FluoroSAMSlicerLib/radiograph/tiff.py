"""TIFF pages of wide or signed samples, which Pillow and ITK read in part, in the wrong sense or not at all."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .image import RadiographError, luminance, refuse_frame, refuse_size

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIPS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_SIZES = 273, 274, 277, 278, 279
PLANAR, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES, SAMPLE_FORMAT = (
    284,
    317,
    322,
    323,
    324,
    325,
    339,
)
"""Tags of TIFF 6.0."""
NUMBERS = {1: "u1", 3: "u2", 4: "u4", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
"""Types of a tag's values (TIFF 6.0 section 2, BigTIFF), those that are whole numbers."""
KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK, LINEAR_RAW = 0, 1, 2, 5, 34892
PLAIN = 1
PACKED = (5, 8, 32773, 32946, 34925, 50000)
"""LZW, Deflate, PackBits, Deflate (old), LZMA, Zstandard: what libtiff unpacks without knowing what a sample is."""
MOST_PAGES = 10_000

Entries = dict[int, tuple[int, int, int]]


@dataclass(frozen=True)
class TiffPage:
    """Grey values (H, W) in stored order, white high; ``kind`` in words; ``orientation`` of 1 to 8."""

    values: np.ndarray
    kind: str
    orientation: int
    count: int


def directories(content: bytes | bytearray) -> Iterator[Entries]:
    """Of each page of a TIFF or BigTIFF, tag to (type, number of values, place of the value field)."""
    order, big = _form(content)
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    number, entry, following = (f"{order}Q", 20, f"{order}Q") if big else (f"{order}H", 12, f"{order}I")
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MOST_PAGES:
        seen.add(at)
        (count,) = struct.unpack_from(number, content, at)
        start = at + struct.calcsize(number)
        if start + count * entry > len(content):
            return
        entries = {}
        for place in range(start, start + count * entry, entry):
            tag, kind, values = struct.unpack_from(f"{order}HH{'Q' if big else 'I'}", content, place)
            entries[tag] = (kind, values, place + entry - (8 if big else 4))
        yield entries
        if start + count * entry + struct.calcsize(following) > len(content):
            return
        (at,) = struct.unpack_from(following, content, start + count * entry)


def read_wide_page(path: Path, frame: int, any_width: bool = False) -> TiffPage | None:
    """One page of a TIFF of more than 8 bits or signed samples; None for others, unless ``any_width``.

    Integers of any number of bits and floats, either byte order, strips or tiles, samples together or apart,
    LZW, Deflate, PackBits, LZMA and Zstandard with either predictor. Of grey with more samples (alpha) the
    first counts; RGB and CMYK become luminance. Raises :class:`RadiographError` for what is not read here.
    """
    content = path.read_bytes()
    pages = list(directories(content))
    refuse_frame(path, frame, len(pages))
    page = _Page(path, content, pages[frame])
    if not any_width and max(page.bits) <= 8 and page.kind != "i":
        return None
    return page.read(len(pages))


class _Page:
    def __init__(self, path: Path, content: bytes, entries: Entries):
        self.path, self.content, self.entries = path, content, entries
        self.order, self.big = _form(content)
        self.samples = self._one(SAMPLES, 1)
        self.bits = tuple(self._many(BITS)) or (1,)
        self.format = self._one(SAMPLE_FORMAT, 1)
        self.kind = KINDS.get(self.format, "")

    def read(self, count: int) -> TiffPage:
        width, height, photometric = self._one(WIDTH, 0), self._one(HEIGHT, 0), self._one(PHOTOMETRIC, 1)
        refuse_size(self.path, width, height)
        bits, colours = self.bits[0], {RGB: 3, CMYK: 4}.get(photometric, 1)
        if (
            photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK, LINEAR_RAW)
            or len(set(self.bits)) > 1
        ):
            raise self._refused(f"of photometric kind {photometric} with {bits} bits")
        floats = self.kind == "f"
        if not self.kind or not 1 <= bits <= (64 if floats else 32) or floats and bits not in (16, 32, 64):
            raise self._refused(f"with samples of {bits} bits, format {self.format}")
        if not colours <= self.samples <= 16:
            raise self._refused(f"with {self.samples} samples a pixel")
        values = self._values(width, height, colours)
        if photometric == CMYK:
            top = np.float32((1 << bits) - 1)
            values = (top - values[..., :3]) * ((top - values[..., 3:]) / top)
        values = luminance(values) if colours > 1 else values[..., 0]
        if photometric == WHITE_IS_ZERO:
            values = (
                values.dtype.type((1 << bits) - 1) - values if self.kind == "u" else values.max() - values
            )
        shade = "colour" if colours > 1 else "grey with alpha" if self.samples > 1 else "grey"
        return TiffPage(values, f"{bits}-bit {shade}", self._one(ORIENTATION, 1), count)

    def _values(self, width: int, height: int, colours: int) -> np.ndarray:
        """Samples (H, W, ``colours``) in the machine's byte order."""
        apart = self._one(PLANAR, 1) == 2
        together = 1 if apart else self.samples
        tiled = TILES in self.entries
        across = self._one(TILE_WIDTH, 0) if tiled else width
        down = self._one(TILE_HEIGHT, 0) if tiled else min(self._one(ROWS_PER_STRIP, height), height)
        refuse_size(self.path, across, down)
        places = self._many(TILES if tiled else STRIPS)
        sizes = self._many(TILE_SIZES if tiled else STRIP_SIZES)
        planes: list[np.ndarray] = []
        number = 0
        for _ in range(colours if apart else 1):
            plane = np.empty((height, width, 0))
            for top in range(0, height, down):
                rows = down if tiled else min(down, height - top)
                for left in range(0, width, across):
                    if number >= len(places):
                        raise self._damaged()
                    size = sizes[number] if number < len(sizes) else len(self.content)
                    data = self.content[places[number] : places[number] + size]
                    block = self._block(data, rows, across, together)[..., :colours]
                    if not plane.shape[2]:
                        plane = np.empty((height, width, block.shape[2]), block.dtype)
                    piece = block[: height - top, : width - left]
                    plane[top : top + rows, left : left + across] = piece
                    number += 1
            planes.append(plane)
        return np.concatenate(planes, axis=2)

    def _block(self, data: bytes, rows: int, width: int, samples: int) -> np.ndarray:
        """Samples (rows, width, samples) of one strip or tile."""
        bits = self.bits[0]
        length = (width * samples * bits + 7) // 8
        raw = self._unpacked(data, rows, length)
        predictor = self._one(PREDICTOR, 1) if self._one(COMPRESSION, PLAIN) != PLAIN else 1
        if bits % 8 or bits == 24:
            singles = np.unpackbits(raw, axis=1)[:, : width * samples * bits].reshape(
                rows, width, samples, bits
            )
            whole: np.ndarray = np.zeros((rows, width, samples), np.uint32)
            for place in range(bits):
                whole = whole << 1 | singles[..., place]
            half = 1 << bits - 1
            return (whole.astype(np.int64) ^ half) - half if self.kind == "i" else whole
        if predictor == 3:
            raw = np.add.accumulate(raw.reshape(rows, -1, samples), axis=1, dtype=np.uint8)
            raw = np.ascontiguousarray(raw.reshape(rows, bits // 8, -1).swapaxes(1, 2)).reshape(rows, -1)
        stored = np.dtype(f"{'>' if predictor == 3 else self.order}{self.kind}{bits // 8}")
        values = raw.view(stored).reshape(rows, width, samples).astype(stored.newbyteorder("="))
        return np.add.accumulate(values, axis=1, dtype=values.dtype) if predictor == 2 else values

    def _unpacked(self, data: bytes, rows: int, length: int) -> np.ndarray:
        """Bytes (rows, length): libtiff unpacks them as if each were a pixel."""
        compression = self._one(COMPRESSION, PLAIN)
        if compression != PLAIN:
            if compression not in PACKED:
                raise self._refused(f"of compression {compression} with {self.bits[0]} bits")
            tags = {WIDTH: length, HEIGHT: rows, BITS: 8, COMPRESSION: compression, PHOTOMETRIC: 1}
            tags |= {STRIPS: 8, SAMPLES: 1, ROWS_PER_STRIP: rows, STRIP_SIZES: len(data)}
            directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
            head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
            file = io.BytesIO(head + data + struct.pack("<H", len(tags)) + directory + bytes(4))
            with Image.open(file) as picture:
                return np.ascontiguousarray(picture)
        if len(data) < rows * length:
            raise self._damaged()
        return np.frombuffer(data, np.uint8, rows * length).reshape(rows, length)

    def _many(self, tag: int) -> list[int]:
        kind, count, place = self.entries.get(tag, (4, 0, 0))
        if kind not in NUMBERS:
            raise self._damaged()
        dtype = np.dtype(self.order + NUMBERS[kind])
        if count * dtype.itemsize > (8 if self.big else 4):
            (place,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), self.content, place)
        if place + count * dtype.itemsize > len(self.content):
            raise self._damaged()
        return np.frombuffer(self.content, dtype, count, place).tolist()

    def _one(self, tag: int, default: int) -> int:
        return next(iter(self._many(tag)), default)

    def _damaged(self) -> RadiographError:
        return RadiographError(f"{self.path}: is truncated or damaged (its pixels are not where it says)")

    def _refused(self, what: str) -> RadiographError:
        return RadiographError(
            f"{self.path}: is a TIFF {what}, which is not read here; save it as 16-bit grey"
        )


def _form(content: bytes | bytearray) -> tuple[str, bool]:
    """The byte order, as numpy and struct write it, and whether it is a BigTIFF."""
    return "<" if content[:2] == b"II" else ">", content[2:4] in (b"+\0", b"\0+")
