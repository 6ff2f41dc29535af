"""Pictures and one-slice volumes, and files that are neither."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from FluoroSAMSlicerLib.radiograph import RadiographError, read_radiograph
from PIL import Image

GREY = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (30, 1))


def test_every_real_chest_radiograph_reads_with_lungs_darker_than_the_rest(shared_data):
    index = json.loads(shared_data("xray/cxr_hannover/index.json").read_text())
    darker = []
    for item in index["images"]:
        radiograph = read_radiograph(shared_data(f"xray/cxr_hannover/{item['image']}"))
        assert radiograph.size == tuple(item["size"][::-1]) and radiograph.spacing is None
        lung = np.asarray(Image.open(shared_data(f"xray/cxr_hannover/{item['masks']['left lung']}"))) > 0
        inside = radiograph.pixels[lung].mean()
        height, width = radiograph.size
        middle = radiograph.pixels[height // 3 : 2 * height // 3, 9 * width // 20 : 11 * width // 20].mean()
        darker.append(inside < middle)
    assert np.mean(darker) > 0.95


def test_every_unlabelled_chest_radiograph_reads(shared_data):
    for path in sorted(shared_data("xray/cxr_hannover/unlabelled").glob("*.png")):
        radiograph = read_radiograph(path)
        with Image.open(path) as picture:
            assert np.allclose(radiograph.pixels, np.asarray(picture, np.float32) / 255, atol=1e-6)
        assert radiograph.frame_count == 1 and radiograph.spacing_source == "unknown"


def test_radiograph_from_an_encyclopedia_reads(shared_data):
    radiograph = read_radiograph(shared_data("xray/cxr_generalblockchain/images/ARDSSevere.png"))
    assert radiograph.size == (631, 790) and np.ptp(radiograph.pixels) > 0.9
    assert radiograph.photometric == "RGB" and radiograph.spacing is None


def test_every_multi_class_chest_radiograph_has_lungs_darker_than_the_heart(shared_data):
    folder = shared_data("nc/xray/cxr_generalblockchain")
    images = sorted((folder / "images").iterdir())
    assert len(images) == 24
    for path in images:
        radiograph = read_radiograph(path)
        stems = [folder / "masks" / f"{path.stem}_{name}.png" for name in ("left_lung", "right_lung")]
        lungs = np.any([np.asarray(Image.open(mask)) > 0 for mask in stems if mask.exists()], axis=0)
        heart = np.asarray(Image.open(folder / "masks" / f"{path.stem}_cardiomediastinum.png")) > 0
        assert radiograph.pixels[lungs].mean() < radiograph.pixels[heart].mean() - 0.05, path.name


@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_grey_values_survive_every_mode(tmp_path, mode, ending):
    if (mode, ending) in {("LA", "bmp"), ("RGBA", "bmp"), ("LA", "tif")}:
        pytest.skip(f"{ending} has no {mode}")
    Image.fromarray(GREY).convert(mode).save(tmp_path / f"a.{ending}")
    radiograph = read_radiograph(tmp_path / f"a.{ending}")
    assert np.allclose(radiograph.pixels, GREY / 255, atol=0.005)


SIXTEEN = (np.arange(1200, dtype=np.uint16) * 54).reshape(30, 40)


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("top", [1023, 4095, 16383, 65535])
def test_ten_to_sixteen_bits_in_sixteen_are_kept_over_their_own_range(tmp_path, ending, top):
    values = np.linspace(0, top, 1200).astype(np.uint16).reshape(30, 40)
    Image.fromarray(values).save(tmp_path / f"a.{ending}")
    radiograph = read_radiograph(tmp_path / f"a.{ending}")
    assert np.allclose(radiograph.pixels, values / top, atol=1e-5)
    assert radiograph.stored_range == (0, top) and radiograph.spacing is None


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_keeps_sixteen_bits(tmp_path, ending, channels):
    colour = sitk.GetImageFromArray(np.dstack([SIXTEEN] * channels), isVector=True)
    colour.SetSpacing((0.2, 0.2))
    sitk.WriteImage(colour, str(tmp_path / f"a.{ending}"))
    radiograph = read_radiograph(tmp_path / f"a.{ending}")
    assert np.allclose(radiograph.pixels, SIXTEEN / SIXTEEN.max(), atol=1e-5) and radiograph.spacing is None


def test_tiff_with_white_as_zero_is_shown_as_viewers_show_it(tmp_path):
    Image.fromarray(SIXTEEN).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert np.allclose(read_radiograph(tmp_path / "a.tif").pixels, 1 - SIXTEEN / SIXTEEN.max(), atol=1e-5)


def test_pages_of_a_tiff_are_frames(tmp_path):
    turned = Image.fromarray(SIXTEEN[::-1].copy())
    Image.fromarray(SIXTEEN).save(tmp_path / "a.tif", save_all=True, append_images=[turned])
    first, second = (read_radiograph(tmp_path / "a.tif", frame=n) for n in (0, 1))
    assert second.frame_count == 2 and np.array_equal(first.pixels, second.pixels[::-1])
    with pytest.raises(RadiographError, match="2 frames, numbered 1 to 2"):
        read_radiograph(tmp_path / "a.tif", frame=2)


def test_a_turn_for_viewers_is_made_and_noted(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(GREY).save(tmp_path / "a.jpg", exif=exif)
    radiograph = read_radiograph(tmp_path / "a.jpg")
    assert radiograph.size == GREY.shape[::-1] and "turn" in radiograph.notes[0]


def test_jpeg_and_inversion(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.jpg", quality=95)
    shown = read_radiograph(tmp_path / "a.jpg").pixels
    assert np.allclose(shown, GREY / 255, atol=0.03)
    assert np.allclose(read_radiograph(tmp_path / "a.jpg", invert=True).pixels, 1 - shown)


@pytest.mark.parametrize("ending", ["nrrd", "mha", "nii.gz"])
def test_one_slice_volumes_read_with_their_spacing(tmp_path, ending):
    image = sitk.GetImageFromArray(np.arange(1200, dtype=np.int16).reshape(1, 30, 40) - 300)
    image.SetSpacing((0.2, 0.3, 1))
    sitk.WriteImage(image, str(tmp_path / f"a.{ending}"))
    radiograph = read_radiograph(tmp_path / f"a.{ending}")
    assert radiograph.size == (30, 40) and radiograph.spacing == pytest.approx((0.2, 0.3))
    assert radiograph.spacing_source == "file header" and radiograph.stored_range == (-300, 899)
    assert np.allclose(radiograph.pixels.ravel(), np.arange(1200) / 1199, atol=1e-5)


def test_slice_along_another_axis_has_that_planes_spacing(tmp_path):
    image = sitk.GetImageFromArray(SIXTEEN.reshape(30, 40, 1))
    image.SetSpacing((5, 0.2, 0.3))
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    radiograph = read_radiograph(tmp_path / "a.nrrd")
    assert radiograph.size == (30, 40) and radiograph.spacing == pytest.approx((0.2, 0.3))


def test_flat_nrrd_of_two_dimensions_without_spacing(tmp_path):
    header = b"NRRD0004\ntype: ushort\ndimension: 2\nsizes: 40 30\nencoding: raw\nendian: little\n\n"
    (tmp_path / "a.nrrd").write_bytes(header + SIXTEEN.tobytes())
    radiograph = read_radiograph(tmp_path / "a.nrrd")
    assert radiograph.spacing is None and radiograph.spacing_source == "unknown"
    assert np.allclose(radiograph.pixels, SIXTEEN / SIXTEEN.max(), atol=1e-5)


@pytest.mark.parametrize("ending", ["nrrd", "mha", "nii", "nii.gz", "tif", "jpg", "bmp"])
def test_three_quarters_of_a_file_are_refused(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    noise = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(path))
    assert read_radiograph(path).size == (90, 120)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with pytest.raises(RadiographError, match=rf"a\.{ending}: is truncated"):
        read_radiograph(path)


def test_declared_size_is_refused_before_it_is_allocated(tmp_path):
    header = (
        b"NRRD0004\ntype: ushort\ndimension: 2\nsizes: 90000 90000\nencoding: gzip\nendian: little\n\n1234"
    )
    (tmp_path / "a.nrrd").write_bytes(header)
    with pytest.raises(RadiographError, match="90000 x 90000"):
        read_radiograph(tmp_path / "a.nrrd")


def test_volume_of_many_slices_is_refused_with_a_hint(tmp_path, shared_data):
    with pytest.raises(RadiographError, match="122 x 101 x 112.*DRR"):
        read_radiograph(shared_data("ct/ts_real_abdopelvis_ct.nrrd"))


def test_not_a_number_is_refused(tmp_path):
    values = np.zeros((5, 6), np.float32)
    values[2, 2] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / "a.mha"))
    with pytest.raises(RadiographError, match="NaN"):
        read_radiograph(tmp_path / "a.mha")


def broken_files(folder):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80), np.uint8)).save(folder / "whole.png")
    content = (folder / "whole.png").read_bytes()
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
    bomb += struct.pack(">I", zlib.crc32(b"IHDR" + header)) + content[33:]
    return {
        "empty.png": b"",
        "short.png": content[: len(content) // 2],
        "bomb.png": bomb,
        "letter.txt": b"Dear colleague,\nthank you for referring this patient.\n" * 20,
        "noise.dcm": np.random.default_rng(1).bytes(4000),
        "short.nrrd": b"NRRD0004\ntype: short\ndimension: 2\nsizes: 100 100\nencoding: raw\nendian: little\n\n1234",
        "page.pdf": b"%PDF-1.7\n" + b"x" * 300,
    }


@pytest.mark.parametrize(
    "name", ["empty.png", "short.png", "bomb.png", "letter.txt", "noise.dcm", "short.nrrd", "page.pdf"]
)
def test_what_is_no_image_is_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(broken_files(tmp_path)[name])
    with pytest.raises(RadiographError) as caught:
        read_radiograph(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_absent_file_and_folder_are_refused(tmp_path):
    with pytest.raises(RadiographError, match="No such file"):
        read_radiograph(tmp_path / "absent.dcm")
    with pytest.raises(RadiographError, match="folder"):
        read_radiograph(tmp_path)
    with pytest.raises(RadiographError, match="no file name"):
        read_radiograph("a\0b.png")


def test_file_without_permission_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path)

    def denied(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(path), "open", denied)
    with pytest.raises(RadiographError, match=r"a\.png: cannot be opened \(Permission denied\)"):
        read_radiograph(path)


def test_the_room_opens_without_torch():
    code = "import sys, FluoroSAMSlicerLib.radiograph; sys.exit('torch' in sys.modules or 'SimpleITK' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
