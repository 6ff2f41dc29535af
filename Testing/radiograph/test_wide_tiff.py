"""TIFF of more than 8 bits in the forms that detectors, microscopes and image tools write."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph
from PIL import Image, ImageOps

TYPES = {"H": 3, "I": 4, "Q": 16}


def ramp(dtype="u2") -> np.ndarray:
    values = np.add.outer(np.linspace(0, 0.6, 20), np.linspace(0, 0.4, 30))
    values[0, 0], values[-1, -1] = 0, 1
    top = 1.0 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return (values * top).astype(dtype)


def tiff(path, samples, order="<", big=False, tile=None, apart=False, packed=False, predictor=1, **tags):
    """A TIFF by hand of samples (H, W, S); ``tile`` is (rows, columns), strips of 7 rows otherwise."""
    height, width, count = samples.shape
    stored = samples.dtype.newbyteorder(order)
    down, across = tile or (7, width)
    blocks = []
    for plane in np.split(samples, count, axis=2) if apart else [samples]:
        for top in range(0, height, down):
            for left in range(0, width, across):
                block = plane[top : top + down, left : left + across]
                if tile:
                    missing = (down - block.shape[0], across - block.shape[1])
                    block = np.pad(block, ((0, missing[0]), (0, missing[1]), (0, 0)))
                if predictor == 2:
                    block = np.diff(block, axis=1, prepend=block[:, :1] * 0).astype(samples.dtype)
                body = block.astype(stored).tobytes()
                if predictor == 3:
                    planes = block.astype(">" + samples.dtype.str[1:]).view(np.uint8)
                    planes = planes.reshape(len(block), -1, samples.itemsize).swapaxes(1, 2)
                    planes = planes.reshape(len(block), -1, block.shape[2])
                    body = np.diff(planes, axis=1, prepend=planes[:, :1] * 0).astype(np.uint8).tobytes()
                blocks.append(zlib.compress(body) if packed else body)
    starts = np.cumsum([16, *map(len, blocks)])[:-1].tolist()
    sizes = [len(block) for block in blocks]
    entries = {
        256: ("I", [width]), 257: ("I", [height]), 258: ("H", [8 * samples.itemsize] * count),
        259: ("H", [8 if packed else 1]), 262: ("H", [tags.get("photometric", 1)]),
        274: ("H", [tags.get("orientation", 1)]), 277: ("H", [count]), 284: ("H", [2 if apart else 1]),
        317: ("H", [predictor]), 339: ("H", [{"u": 1, "i": 2, "f": 3}[samples.dtype.kind]] * count),
    }  # fmt: skip
    place = "Q" if big else "I"
    if tile:
        entries |= {322: ("H", [across]), 323: ("H", [down]), 324: (place, starts), 325: ("I", sizes)}
    else:
        entries |= {278: ("H", [down]), 273: (place, starts), 279: ("I", sizes)}
    body = bytearray(16)
    body += b"".join(blocks)
    directory = struct.pack(order + ("Q" if big else "H"), len(entries))
    for tag, (kind, values) in sorted(entries.items()):
        content = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(content) > (8 if big else 4):
            content, body = struct.pack(order + place, len(body)), body + content
        head = struct.pack(f"{order}HH{place}", tag, TYPES[kind], len(values))
        directory += head + content.ljust(8 if big else 4, b"\0")
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if big else 42)
    start += struct.pack(f"{order}HHQ", 8, 0, len(body)) if big else struct.pack(f"{order}I", len(body))
    body[: len(start)] = start
    path.write_bytes(bytes(body) + directory + bytes(8))
    return path


def error_of(path, expected=None) -> float:
    expected = ramp() / 65535 if expected is None else expected
    read = read_radiograph(path).pixels
    assert read.shape == expected.shape
    return float(np.abs(read - expected).max())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    "form",
    [
        {}, {"tile": (16, 16)}, {"packed": True}, {"packed": True, "predictor": 2},
        {"packed": True, "tile": (16, 16)}, {"apart": True},
    ],
)  # fmt: skip
def test_grey_with_alpha_in_any_layout(tmp_path, order, big, form):
    pixels = np.stack([ramp(), ramp()[::-1] // 2], -1)
    assert error_of(tiff(tmp_path / "a.tif", pixels, order, big, **form)) < 1e-4


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "i4", "f4", "f8", "f2"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_any_kind_of_number_in_either_sense(tmp_path, order, dtype, photometric):
    pixels = ramp(dtype)
    if photometric == 0:
        pixels = pixels.max() - pixels
    path = tiff(tmp_path / "k.tif", pixels[..., None], order, photometric=photometric)
    assert error_of(path) < 2e-3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_turn_is_made_once(tmp_path, orientation, big, samples):
    pixels = np.stack([ramp()] * samples, -1)
    path = tiff(
        tmp_path / "o.tif", pixels, big=big, orientation=orientation, photometric=2 if samples == 3 else 1
    )
    plain = Image.fromarray((ramp() >> 8).astype(np.uint8))
    plain.getexif()[274] = orientation
    assert error_of(path, np.asarray(ImageOps.exif_transpose(plain)) / 255) < 0.01
    assert len(np.unique(read_radiograph(path).pixels)) > 256


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_with_their_predictor(tmp_path, dtype, order):
    path = tiff(tmp_path / "p.tif", ramp(dtype)[..., None], order, packed=True, predictor=3)
    assert error_of(path) < 1e-4


@pytest.mark.parametrize("apart", [False, True])
def test_wide_colours_become_luminance(tmp_path, apart):
    assert error_of(tiff(tmp_path / "c.tif", np.stack([ramp()] * 3, -1), photometric=2, apart=apart)) < 1e-4
    none = np.zeros_like(ramp())
    ink = np.stack([none, none, none, 65535 - ramp()], -1)
    assert error_of(tiff(tmp_path / "k.tif", ink, ">", photometric=5, apart=apart)) < 1e-4


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_deflate", None])
def test_what_pillow_packs_is_unpacked(tmp_path, compression):
    Image.fromarray(ramp()).save(tmp_path / "p.tif", compression=compression)
    assert error_of(tmp_path / "p.tif") < 1e-4


def test_signed_bytes_are_not_taken_for_unsigned(tmp_path):
    signed = (ramp("u1").astype("i2") - 128).astype("i1")
    assert error_of(tiff(tmp_path / "s.tif", signed[..., None]), ramp("u1") / 255) < 0.01


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"photometric": 6}, "TIFF of photometric kind 6 with 16 bits.*save it as 16-bit grey"),
        ({"cut": True}, "truncated or damaged"),
        ({"nan": True}, "no numbers"),
    ],
)
def test_what_is_not_read_is_refused_in_one_line_of_ours(tmp_path, change, reason, capfd):
    pixels = ramp("f8" if change.pop("nan", False) else "u2")
    if pixels.dtype.kind == "f":
        pixels[3, 3] = np.nan
    cut = change.pop("cut", False)
    path = tiff(tmp_path / "r.tif", pixels[..., None], **change)
    if cut:  # the directory stays whole, the last strip lies beyond the end
        content = path.read_bytes()
        path.write_bytes(content.replace(struct.pack("<I", 16 + 60 * 14), struct.pack("<I", 10**6)))
    with pytest.raises(RadiographError, match=reason) as caught:
        read_radiograph(path)
    assert "itk" not in str(caught.value).lower() and "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
