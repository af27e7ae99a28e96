"""Pictures are read right, every value, or refused in words: what each file shows is known as it is made."""

from __future__ import annotations

import importlib
import io
import itertools
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from srgan.data import media, pictures
from srgan.data.metadata import png_chunk
from srgan.errors import SRGANError
from tests import inputs

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (20, 36, 3), np.uint16)
PLAIN = (DEEP >> 8).astype(np.uint8)


def tiff(path: Path, pixels: np.ndarray, **options) -> pictures.Picture:
    options = {"photometric": "rgb" if pixels.ndim == 3 and pixels.shape[2] > 2 else "minisblack", "metadata": None} | options
    tifffile.imwrite(path, pixels, **options)
    return pictures.read(path)


# TIFF ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pixels", [PLAIN, DEEP], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize(
    "options",
    [dict(tile=(16, 16)), dict(bigtiff=True), dict(byteorder=">"), dict(planarconfig="separate"), dict(compression="zlib"),
     dict(tile=(16, 32), bigtiff=True, byteorder=">", compression="zlib"), dict(rowsperstrip=3)],
    ids=str,
)  # fmt: skip
def test_however_a_tiff_is_laid_out_its_values_are_right(pixels, options, tmp_path):
    stored = np.moveaxis(pixels, 2, 0) if "planarconfig" in options else pixels
    found = tiff(tmp_path / "a.tif", stored, photometric="rgb", **options)
    assert found.frames[0].dtype == pixels.dtype and np.array_equal(found.frames[0], pixels) and not found.notes


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype, channels", itertools.product((np.uint8, np.uint16), (1, 3)))
def test_a_tiff_is_turned_once(orientation, dtype, channels, tmp_path):
    pixels = (PLAIN if dtype == np.uint8 else DEEP)[..., :channels]
    found = tiff(tmp_path / "a.tif", pixels[..., 0] if channels == 1 else pixels, extratags=[(274, "H", 1, orientation, True)])
    upright = pictures.TURNS.get(orientation, lambda a: a)(pixels)
    assert found.frames[0].dtype == dtype and np.array_equal(found.frames[0], upright)


@pytest.mark.parametrize("pixels", [PLAIN, DEEP], ids=["8 bits", "16 bits"])
def test_min_is_white_is_turned_round(pixels, tmp_path):
    most = np.iinfo(pixels.dtype).max
    assert np.array_equal(tiff(tmp_path / "a.tif", most - pixels[..., 0], photometric="miniswhite").frames[0], pixels[..., :1])


@pytest.mark.parametrize("pixels", [PLAIN, DEEP], ids=["8 bits", "16 bits"])
def test_extra_channels_are_what_they_are_said_to_be(pixels, tmp_path):
    most = np.iinfo(pixels.dtype).max
    alpha = np.full((*pixels.shape[:2], 1), most // 2, pixels.dtype)
    with_alpha = np.concatenate([pixels, alpha], 2)
    assert np.array_equal(tiff(tmp_path / "a.tif", with_alpha, extrasamples=["unassalpha"]).frames[0], with_alpha)
    premultiplied = np.concatenate([np.round(pixels * (most // 2 / most)).astype(pixels.dtype), alpha], 2)
    found = tiff(tmp_path / "b.tif", premultiplied, extrasamples=["assocalpha"]).frames[0]
    assert np.abs(found.astype(int) - with_alpha).max() <= 2
    assert np.array_equal(tiff(tmp_path / "c.tif", with_alpha, extrasamples=["unspecified"]).frames[0], pixels)
    more = tiff(tmp_path / "d.tif", np.concatenate([with_alpha, alpha], 2), extrasamples=["unassalpha", "unspecified"])
    assert np.array_equal(more.frames[0], with_alpha) and "besides colour and transparency" in more.notes[0]


def test_cmyk_of_16_bits_has_the_colours_of_that_of_8(tmp_path):
    eight = tiff(tmp_path / "a.tif", np.dstack([PLAIN, PLAIN[..., :1] // 4]), photometric="separated").frames[0]
    sixteen = tiff(tmp_path / "b.tif", np.dstack([PLAIN, PLAIN[..., :1] // 4]).astype(np.uint16) * 257, photometric="separated")
    assert sixteen.frames[0].dtype == np.uint16 and sixteen.notes == ["CMYK became sRGB"]
    assert np.abs(np.round(sixteen.frames[0] / 257) - eight).max() <= 1
    ink = 1 - np.dstack([PLAIN]) / 255.0
    assert np.abs(eight - 255 * ink * (1 - PLAIN[..., :1] // 4 / 255.0)).max() <= 1


def test_packed_depths_are_refused_in_words(tmp_path):
    inputs.packed_tiff(tmp_path / "a.tif")
    with pytest.raises(SRGANError, match=r"a\.tif cannot be read as an image"):
        pictures.read(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int16, np.uint32])
def test_numbers_that_are_no_pixels_are_refused(dtype, tmp_path):
    with pytest.raises(SRGANError, match=r"a\.tif (holds numbers of|cannot be read)"):
        tiff(tmp_path / "a.tif", PLAIN[..., 0].astype(dtype))


def test_a_thumbnail_is_not_the_picture_and_pages_are_told(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(PLAIN[::4, ::4], photometric="rgb", subfiletype=1)
        file.write(PLAIN, photometric="rgb")
        file.write(PLAIN[::-1], photometric="rgb")
    found = pictures.read(tmp_path / "a.tif")
    assert np.array_equal(found.frames[0], PLAIN) and found.notes == ["the first of 2 pages"]


# PNG ----------------------------------------------------------------------------------------------------------------


def test_one_gray_level_of_16_bits_may_be_transparent(tmp_path):
    level = int(DEEP[3, 4, 0])
    inputs.deep_png(DEEP[..., :1], (b"tRNS", struct.pack(">H", level)))(tmp_path / "a.png")
    (found,) = pictures.read(tmp_path / "a.png").frames
    assert np.array_equal(found[..., 0], DEEP[..., 0])
    assert np.array_equal(found[..., 1], np.where(DEEP[..., 0] == level, 0, 65535))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_few_bits_are_scaled(depth, tmp_path):
    levels = RNG.integers(0, 2**depth, (3, 8))
    packed = [b"\0" + bytes(np.packbits((row[:, None] >> np.arange(depth)[::-1] & 1).ravel())) for row in levels]
    inputs.write_png(tmp_path / "a.png", 8, 3, depth, 0, b"".join(packed))
    assert np.array_equal(pictures.read(tmp_path / "a.png").frames[0][..., 0], levels * 255 // (2**depth - 1))


def test_a_hidden_default_picture_is_not_played(tmp_path):
    frames = [Image.fromarray(np.roll(PLAIN, i, 1)) for i in range(3)]
    hidden = Image.new("RGB", frames[0].size, "red")
    hidden.save(tmp_path / "a.png", save_all=True, append_images=frames, default_image=True, duration=[50, 60, 70])
    found = pictures.read(tmp_path / "a.png")
    assert len(found.frames) == 3 and all(np.array_equal(a, np.asarray(b)) for a, b in zip(found.frames, frames, strict=True))
    assert found.durations == [50, 60, 70]


BROKEN = {
    "a text with a wrong checksum": (png_chunk(b"tEXt", b"a\0bcd")[:-1] + b"?", "a text of it is damaged"),
    "a text that is too long": (png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_400_000))), "a text of it is too long"),
    "a profile that is too long": (png_chunk(b"iCCP", b"a\0\0" + zlib.compress(inputs.SRGB + RNG.bytes(1_400_000))), ""),
    "a profile that is noise": (png_chunk(b"iCCP", b"a\0\0" + zlib.compress(RNG.bytes(300))), ""),
    "EXIF that is noise": (png_chunk(b"eXIf", RNG.bytes(300)), ""),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_detail_does_not_spoil_a_png(kind, tmp_path):
    Image.fromarray(PLAIN).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    chunk, words = BROKEN[kind]
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    found = pictures.read(tmp_path / "a.png")
    assert np.array_equal(found.frames[0], PLAIN) and words in str(found.notes)
    assert not found.metadata.texts and not found.metadata.exif and len(found.metadata.icc or b"") < 2**20


# JPEG, GIF, WebP, AVIF ----------------------------------------------------------------------------------------------


def with_exif(path: Path, exif: bytes) -> Path:
    image = Image.fromarray(np.asarray(inputs.PHOTO))
    image.save(path, quality=95)
    content = path.read_bytes()
    path.write_bytes(content[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(exif) + 8) + b"Exif\0\0" + exif + content[2:])
    return path


def test_broken_exif_does_not_spoil_a_jpeg(tmp_path):
    entries = [(0x0112, 3, 1, struct.pack("<HH", 6, 0)), (0xA002, 9, 1, struct.pack("<i", -5)), (0x010E, 2, 2**31, b"\xff" * 4)]
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", 3) + b"".join(struct.pack("<HHI", *e[:3]) + e[3] for e in entries) + bytes(4)
    for number, blob in enumerate((exif, b"II*\0" + RNG.bytes(60), b"", b"MM", exif[:30])):
        found = pictures.read(with_exif(tmp_path / f"{number}.jpg", blob))
        assert set(found.frames[0].shape[:2]) == {inputs.WIDTH, inputs.HEIGHT}
    assert pictures.read(tmp_path / "0.jpg").frames[0].shape[:2] == (inputs.WIDTH, inputs.HEIGHT)  # it is turned all the same


@pytest.mark.parametrize("format", ["JPEG", "GIF"])
def test_what_lacks_its_last_bytes_gives_what_is_there_but_not_to_train_on(format, tmp_path):
    path = tmp_path / "a"
    image = Image.fromarray(RNG.integers(0, 256, (80, 80, 3), np.uint8))
    image.save(path, format, **({"quality": 95} if format == "JPEG" else {}))
    whole = pictures.read(path).frames[0]
    path.write_bytes(path.read_bytes()[:-20])
    found = pictures.read(path)
    assert "its end is missing" in found.notes[0] and np.array_equal(found.frames[0][:60, :, :3], whole[:60])
    with pytest.raises(SRGANError, match="its end is missing"):
        pictures.read(path, strict=True)


def test_avif_is_read(tmp_path):
    image = pyvips.Image.new_from_array(np.asarray(inputs.PHOTO))
    image.heifsave(str(tmp_path / "a.avif"), lossless=True, compression="av1")
    assert np.abs(pictures.read(tmp_path / "a.avif").frames[0].astype(int) - np.asarray(inputs.PHOTO)).mean() < 3


def test_an_animation_tells_its_times_and_how_often_it_is_played(tmp_path):
    frames = [image.quantize(16) for image in inputs.frames()]
    for loop, expected in ((None, 1), (0, 0), (3, 3)):
        options = {} if loop is None else {"loop": loop}
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[100, 0, 20], **options)
        found = pictures.read(tmp_path / "a.gif")
        assert found.durations == [100, 0, 20] and (found.loop == expected or loop == 3)


def test_no_picture_larger_than_the_limit_is_decoded(tmp_path, monkeypatch):
    for name in ("colour.png", "colour.jpg", "colour.tif", "colour.bmp", "moving.gif", "moving.webp", "moving.png"):
        inputs.INPUTS[name][1](tmp_path / name)
        frames = 3 if name.startswith("moving") else 1
        monkeypatch.setattr(pictures, "LARGEST", inputs.WIDTH * inputs.HEIGHT * frames - 1)
        with pytest.raises(SRGANError, match="megapixels that are taken"):
            pictures.read(tmp_path / name)
        monkeypatch.setattr(pictures, "LARGEST", inputs.WIDTH * inputs.HEIGHT * frames)
        assert len(pictures.read(tmp_path / name).frames) == frames


def test_bytes_that_are_no_file_are_not_needed(tmp_path):
    """A name that looks like options of libvips is a name."""
    content = io.BytesIO()
    Image.fromarray(PLAIN).save(content, "PNG")
    (tmp_path / "a[page=3].png").write_bytes(content.getvalue())
    assert np.array_equal(pictures.read(tmp_path / "a[page=3].png").frames[0], PLAIN)


def test_cielab_becomes_srgb(tmp_path):
    image = pyvips.Image.new_from_array(DEEP, interpretation="rgb16").colourspace("lab")
    image.tiffsave(str(tmp_path / "a.tif"))
    found = pictures.read(tmp_path / "a.tif")
    assert found.notes == ["CIELAB became sRGB"] and np.abs(found.frames[0].astype(int) - DEEP).max() <= 8


def test_without_libvips_the_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvips", None)
    monkeypatch.delitem(sys.modules, "srgan.data.pictures")
    with pytest.raises(SRGANError, match="pip install pyvips pyvips-binary"):
        importlib.import_module("srgan.data.pictures")


def test_an_avif_may_say_so_in_second_place():
    assert media.picture_format(b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf") == "AVIF"
    assert media.picture_format(b"\0\0\0\x20ftypmif1\0\0\0\0mif1heicmiaf") == "HEIC"
