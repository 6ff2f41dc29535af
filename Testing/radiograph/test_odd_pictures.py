"""Pictures of the kinds that phones, scanners and image tools write."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph
from PIL import Image, ImageOps, PngImagePlugin


def ramp(dtype=np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    values = np.add.outer(np.linspace(0, 0.6, 20), np.linspace(0, 0.4, 30))
    values[0, 0], values[-1, -1] = 0, 1
    return (values * top).astype(dtype)


def png(path, rows: np.ndarray, colour_type: int, bits: int, extra: bytes = b""):
    """A PNG by hand: rows (H, W) or (H, W, C) of uint8 or uint16."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = rows.shape[:2]
    lines = b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize("alpha", [65535, 0, 300])
@pytest.mark.parametrize("colour_type", [4, 6])
def test_sixteen_bits_with_alpha_keep_their_grey(tmp_path, alpha, colour_type):
    grey = ramp(np.uint16)
    channels = [grey] * (1 if colour_type == 4 else 3) + [np.full_like(grey, alpha)]
    read = read_radiograph(png(tmp_path / "a.png", np.stack(channels, -1), colour_type, 16))
    assert np.abs(read.pixels - grey / 65535).max() < 1e-4
    assert len(np.unique(read.pixels)) > 256


@pytest.mark.parametrize("transparency", [None, 0, bytes(range(256))])
def test_palettes_with_transparency_show_their_colours(tmp_path, transparency):
    picture = Image.fromarray(255 - ramp()).convert("P")
    picture.putpalette([255 - level // 3 for level in range(768)])
    more = {} if transparency is None else {"transparency": transparency}
    picture.save(tmp_path / "p.png", **more)
    assert np.abs(read_radiograph(tmp_path / "p.png").pixels - ramp() / 255).max() < 0.01


@pytest.mark.parametrize("name", ["c.tif", "c.jpg"])
def test_cmyk_is_as_displayed(tmp_path, name):
    Image.fromarray(ramp()).convert("RGB").convert("CMYK").save(
        tmp_path / name, **({"quality": 100} if name == "c.jpg" else {})
    )
    assert np.abs(read_radiograph(tmp_path / name).pixels - ramp() / 255).max() < 0.03


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["o.jpg", "o.png", "o.tif", "o16.png"])
def test_the_turn_a_file_asks_for_is_made_and_said(tmp_path, orientation, name):
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(ramp(np.uint16)) if "16" in name else Image.fromarray(ramp())
    stored.save(tmp_path / name, exif=exif)
    read = read_radiograph(tmp_path / name)
    plain = Image.fromarray(ramp())
    plain.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(plain)) / 255
    assert read.pixels.shape == expected.shape
    assert np.abs(read.pixels - expected).max() < 0.05
    assert any("turned" in note for note in read.notes) == (orientation > 1)


@pytest.mark.parametrize(
    ("gamma", "exponent"), [(1.0, 1 / 2.2), (0.45455, 1), (0.6, 1 / 1.32), (1 / 1.8, 1.8 / 2.2)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_gamma_of_a_png_is_applied(tmp_path, gamma, exponent, dtype):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    extra = chunk(b"gAMA", struct.pack(">I", round(gamma * 100000)))
    grey = ramp(dtype)
    read = read_radiograph(png(tmp_path / "g.png", grey, 0, 8 * grey.itemsize, extra))
    assert np.abs(read.pixels - (grey / np.iinfo(dtype).max) ** exponent).max() < 0.01


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("big", [False, True])
def test_pages_of_a_tiff_are_frames_and_bigtiff_is_read(tmp_path, dtype, big):
    pages = [Image.fromarray(ramp(dtype)), Image.fromarray(ramp(dtype)[::-1].copy())]
    path = tmp_path / "t.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:], big_tiff=big)
    first, second = read_radiograph(path), read_radiograph(path, frame=1)
    assert first.frame_count == 2
    assert np.allclose(first.pixels, second.pixels[::-1])
    with pytest.raises(RadiographError, match="no frame 3; it holds 2 frames"):
        read_radiograph(path, frame=2)


def test_text_chunks_and_profiles_change_nothing(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "chest")
    Image.fromarray(ramp()).save(tmp_path / "t.png", pnginfo=info, dpi=(72, 72))
    content = io.BytesIO((tmp_path / "t.png").read_bytes())
    assert content.getbuffer().nbytes and np.allclose(
        read_radiograph(tmp_path / "t.png").pixels, ramp() / 255
    )


def tiff(path, rows: np.ndarray, photometric: int = 1, orientation: int = 1):
    """A TIFF by hand, rows (H, W) or (H, W, 3), one strip, little-endian."""
    samples, bits = rows[0, 0].size, 8 * rows.itemsize
    body = struct.pack("<HHH", bits, bits, bits).ljust(8, b"\0") + rows.tobytes()
    entries = [
        (256, 4, rows.shape[1]), (257, 4, rows.shape[0]), (258, 3, bits if samples == 1 else 8), (259, 3, 1),
        (262, 3, photometric), (273, 4, 16), (274, 3, orientation), (277, 3, samples), (278, 4, rows.shape[0]),
        (279, 4, rows.nbytes), (339, 3, 3 if rows.dtype.kind == "f" else 1),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        count = samples if tag == 258 else 1
        directory += struct.pack("<HHII", tag, kind, count, value)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + bytes(4))
    return path


def test_wide_tiff_keeps_its_range_and_sense(tmp_path):
    grey = ramp(np.uint32)
    expected = pytest.approx(grey / grey.max(), abs=1e-4)
    assert read_radiograph(tiff(tmp_path / "u.tif", grey)).pixels == expected
    dark = (1 - grey / grey.max()).astype("f4")
    assert read_radiograph(tiff(tmp_path / "w.tif", dark, photometric=0)).pixels == expected


def test_sixteen_bit_colour_tiff_is_turned_once(tmp_path):
    grey = ramp(np.uint16)
    path = tiff(tmp_path / "c.tif", np.stack([grey] * 3, -1), photometric=2, orientation=8)
    assert read_radiograph(path).pixels == pytest.approx(np.rot90(grey) / 65535, abs=0.01)
