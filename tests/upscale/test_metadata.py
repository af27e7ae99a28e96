"""What a picture says besides its pixels goes along where the target can hold it, and is named before the work where it cannot."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from srgan.data import pictures
from srgan.data.metadata import Metadata, clean_exif, png_chunk
from srgan.upscale import files, image_files
from tests import inputs

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
FAITHFUL = (".png", ".tif", ".jpg", ".webp", ".avif")


@pytest.fixture(scope="module")
def upscaler():
    return inputs.small_network()


def upscaled(source, name, upscaler):
    told = []
    files.upscale_file(source, source.with_name(name), upscaler, say=told.append)
    return pictures.read(source.with_name(name)), told


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010E], tags[0x013B], tags[0x0112], tags[0x0110] = "a cat", "Ann", 6, "a camera"
    tags.get_ifd(0x8769)[0x9003] = "2024:05:01 12:00:00"
    tags.get_ifd(0x8769)[0xA002] = 99
    tags.get_ifd(0x8825)[1] = "N"
    tags.get_ifd(0x8825)[2] = (48.0, 8.0, 0.0)
    return tags


@pytest.mark.parametrize("suffix", FAITHFUL)
@pytest.mark.parametrize("source", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_exif_goes_along_without_the_old_size_and_turn(source, suffix, upscaler, tmp_path):
    if source == "a.tif":
        pixels = np.rot90(np.asarray(inputs.PHOTO))
        picture = pictures.Picture([pixels], "PNG", Metadata(icc=inputs.SRGB, exif=clean_exif(exif().tobytes())))
        image_files.write(tmp_path / source, [[pixels]], *pixels.shape[:2], picture)
    else:
        inputs.PHOTO.save(tmp_path / source, exif=exif(), icc_profile=inputs.SRGB)
    found, _ = upscaled(tmp_path / source, f"out{suffix}", upscaler)
    assert found.frames[0].shape[:2] == (120, 80) and found.metadata.icc
    with Image.open(tmp_path / f"out{suffix}") as image:
        tags = image.getexif()
        assert (tags[0x010E], tags[0x013B], tags[0x0110], tags.get(0x0112, 1)) == ("a cat", "Ann", "a camera", 1)
        inner = tags.get_ifd(0x8769)
        assert inner[0x9003] == "2024:05:01 12:00:00" and inner.get(0xA002, 80) == 80
        assert tags.get_ifd(0x8825)[1] == "N" and float(tags.get_ifd(0x8825)[2][0]) == 48
        if suffix in (".jpg", ".png"):
            assert not {256, 257, 273, 278, 279} & tags.keys()  # where the pixels of a TIFF lie


def test_texts_xmp_and_how_the_colours_are_meant_go_from_png_to_png(upscaler, tmp_path):
    inputs.PHOTO.save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    chunks = [
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        (b"cICP", bytes((9, 16, 0, 1))),
        (b"tEXt", b"parameters\0a cat, Steps: 20"),
        (b"zTXt", b"packed\0\0" + zlib.compress(b"words")),
        (b"iTXt", b"Title\0\0\0de\0\0" + "Kätzchen".encode()),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
    ]
    (tmp_path / "a.png").write_bytes(content[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + content[33:])
    found, told = upscaled(tmp_path / "a.png", "out.png", upscaler)
    made = (tmp_path / "out.png").read_bytes()
    assert not told and found.metadata.xmp == XMP and all(made.count(png_chunk(*chunk)) == 1 for chunk in chunks)
    _, told = upscaled(tmp_path / "a.png", "out.jpg", upscaler)
    assert told == [f"{tmp_path / 'a.png'}: JPEG cannot hold what it says of its colours, its texts: left out"]


def test_comments_and_xmp_of_jpeg_go_along(upscaler, tmp_path):
    inputs.PHOTO.save(tmp_path / "a.jpg", comment="a cat; Kätzchen".encode(), xmp=XMP, dpi=(300, 150))
    for suffix in (".jpg", ".png"):
        found, told = upscaled(tmp_path / "a.jpg", f"out{suffix}", upscaler)
        assert not told and found.metadata.xmp == XMP and np.allclose(found.metadata.dpi, (300, 150), atol=0.02)
    assert pictures.read(tmp_path / "out.jpg").metadata.comment == "a cat; Kätzchen"
    assert Image.open(tmp_path / "out.png").info["Comment"] == "a cat; Kätzchen"
    _, told = upscaled(tmp_path / "a.jpg", "out.webp", upscaler)
    assert "WEBP cannot hold its resolution, its comment" in told[0]


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_the_tags_of_a_tiff_go_along_but_for_those_of_its_layout(byteorder, upscaler, tmp_path):
    tags = {270: "Grandmother 1931", 306: "2020:01:02 03:04:05", 315: "Archive", 33432: "CC0", 305: "a scanner", 271: "Maker"}
    extra = [(number, "s", 0, text, True) for number, text in tags.items() if number not in (270, 305, 306)]
    tifffile.imwrite(tmp_path / "a.tif", np.asarray(inputs.PHOTO), photometric="rgb", description=tags[270], software=tags[305],
                     datetime=tags[306], metadata=None, extratags=extra, resolution=(600, 600), resolutionunit="INCH",
                     byteorder=byteorder, tile=(16, 16))  # fmt: skip
    found, told = upscaled(tmp_path / "a.tif", "out.tif", upscaler)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        page = file.pages[0]
        assert {number: page.tags[number].value for number in tags} == tags
        assert page.shape == (80, 120, 3) and not {322, 323, 324, 325} & {tag.code for tag in page.tags.values()}
    assert not told and found.metadata.dpi == (600, 600)
    upscaled(tmp_path / "a.tif", "out.jpg", upscaler)
    with Image.open(tmp_path / "out.jpg") as image:
        assert dict(image.getexif()).items() >= tags.items() and image.info["dpi"] == (600, 600)
        assert not {256, 257, 258, 259, 273, 277, 278, 279, 322, 324} & image.getexif().keys()


def test_what_is_too_long_for_jpeg_is_told(upscaler, tmp_path):
    tags = Image.Exif()
    tags[0x010E] = "long " * 20_000
    inputs.PHOTO.save(tmp_path / "a.tif", exif=tags)
    found, told = upscaled(tmp_path / "a.tif", "out.jpg", upscaler)
    assert "its EXIF data of more than 64 kB: left out" in told[0] and not found.metadata.exif


@pytest.mark.parametrize("dpi", [(2**32 - 1, 1), (0, 1)])
def test_an_absurd_resolution_is_left_out(dpi, upscaler, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.asarray(inputs.PHOTO), photometric="rgb", resolution=(dpi, dpi), resolutionunit="INCH")
    for suffix in (".jpg", ".tif", ".png"):
        found, _ = upscaled(tmp_path / "a.tif", f"out{suffix}", upscaler)
        assert found.metadata.dpi is None


# Animations ---------------------------------------------------------------------------------------------------------


def test_loops_and_times_are_kept(upscaler, tmp_path):
    frames = [image.quantize(16) for image in inputs.frames()]
    frames[0].save(tmp_path / "once.gif", save_all=True, append_images=frames[1:], duration=[100, 0, 500])
    found, _ = upscaled(tmp_path / "once.gif", "out.gif", upscaler)
    assert (found.durations, found.loop) == ([100, 0, 500], 1)
    assert b"NETSCAPE" not in (tmp_path / "out.gif").read_bytes()


def test_thirty_frames_a_second_are_thirty(upscaler, tmp_path):
    frames = [np.asarray(image) for image in inputs.frames()]
    picture = pictures.Picture(frames, "PNG", durations=[1000 / 30] * 3, loop=2)
    image_files.write(tmp_path / "a.png", [[frame] for frame in frames], inputs.HEIGHT, inputs.WIDTH, picture)
    found, _ = upscaled(tmp_path / "a.png", "out.png", upscaler)
    assert np.allclose(found.durations, 1000 / 30, atol=1e-6) and found.loop == 2
    with Image.open(tmp_path / "out.png") as image:
        assert image.n_frames == 3 and image.info["loop"] == 2
    for suffix, unit in ((".gif", 10), (".webp", 1)):  # no frame is off by more than half a unit, and the whole film by none
        found, _ = upscaled(tmp_path / "a.png", f"out{suffix}", upscaler)
        assert abs(sum(found.durations) - 100) <= unit / 2 and all(value % unit == 0 for value in found.durations)


def test_a_sticker_keeps_its_area(upscaler, tmp_path):
    frames = [np.dstack([np.asarray(inputs.PHOTO), np.roll(inputs.DISC, i, 1) * np.uint8(255)]) for i in range(3)]
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, disposal=2, duration=100)
    before = pictures.read(tmp_path / "a.gif")
    found, _ = upscaled(tmp_path / "a.gif", "out.gif", upscaler)
    for lr, sr in zip(before.frames, found.frames, strict=True):
        assert set(np.unique(sr[..., 3])) == {0, 255}
        assert abs((sr[..., 3] > 0).mean() / (lr[..., 3] > 0).mean() - 1) < 0.03


def test_a_gif_of_200_frames_is_an_ordinary_request(tmp_path):
    lr = np.zeros((2, 2, 3), np.uint8)
    picture = pictures.Picture([lr] * 200, "GIF", durations=[50.0] * 200)
    image_files.require(tmp_path / "a.gif", picture, 4 * 270, 4 * 480)


@pytest.mark.parametrize("name", ["gif_named.jpg", "tiff_named.png", "png_named.tif"])
def test_a_file_of_another_kind_than_its_name_has_a_target_that_can_hold_it(name, upscaler, tmp_path):
    first, *others = inputs.frames()
    kind = name.split("_")[0].upper()
    first.save(tmp_path / name, kind, **({"save_all": True, "append_images": others} if kind == "GIF" else {}))
    target = "out" + files.ending(tmp_path / name)
    found, _ = upscaled(tmp_path / name, target, upscaler)
    assert (found.format, len(found.frames)) == ({"GIF": "GIF", "TIFF": "TIFF", "PNG": "PNG"}[kind], 3 if kind == "GIF" else 1)
