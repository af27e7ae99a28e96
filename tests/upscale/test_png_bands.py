from __future__ import annotations

import io
import struct
import weakref
import zlib

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from srgan.errors import SRGANError
from srgan.upscale import png_bands as png

PHOTO = skimage.data.astronaut()[100:171, 150:233]  # (71, 83, 3)
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def with_channels(count: int) -> np.ndarray:
    return np.concatenate([PHOTO, PHOTO[::-1, :, :1]], axis=2)[:, :, :count]


def cut(image: np.ndarray, heights: list[int]) -> list[np.ndarray]:
    return np.split(image, np.cumsum(heights)[:-1])


@pytest.mark.parametrize("heights", [[71], [1] * 71, [16, 16, 39], [70, 1], [0, 30, 0, 41]])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pillow_reads_back_what_was_written(channels, heights, tmp_path):
    image = with_channels(channels)
    png.write(tmp_path / "a.png", 83, 71, cut(image, heights))
    with Image.open(tmp_path / "a.png") as read:
        read.verify()
    with Image.open(tmp_path / "a.png") as read:
        assert read.mode == MODES[channels]
        np.testing.assert_array_equal(np.asarray(read).reshape(image.shape), image)


def test_sixteen_bits_are_kept(tmp_path):
    image = np.random.default_rng(0).integers(0, 2**16, (9, 7, 1), np.uint16)
    png.write(tmp_path / "a.png", 7, 9, [image])
    with Image.open(tmp_path / "a.png") as read:
        assert read.mode.startswith("I;16") or read.mode == "I"
        np.testing.assert_array_equal(np.asarray(read).astype(np.uint16)[..., None], image)


def screenful() -> np.ndarray:
    """Lines of text, which repeat where a photo does not."""
    screen = Image.new("RGB", (800, 600), "white")
    for y in range(0, 600, 20):
        ImageDraw.Draw(screen).text((5, y), "the quick brown fox jumps over the lazy dog " * 3, "black", ImageFont.load_default(14))
    return np.asarray(screen)


@pytest.mark.parametrize(
    "image", [skimage.data.coffee(), screenful(), np.zeros((300, 400, 3), np.uint8)], ids=["photo", "screen", "black"]
)
def test_photos_and_screens_are_packed_about_as_well_as_by_pillow(image, tmp_path):
    png.write(tmp_path / "a.png", image.shape[1], image.shape[0], [image])
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    assert (tmp_path / "a.png").stat().st_size < 1.05 * len(buffer.getvalue()) + 1000


@pytest.mark.parametrize("strip", [1, 1000, 3000, 2**19])
def test_strips_packed_apart_are_one_stream_with_its_checksum(strip, tmp_path, monkeypatch):
    monkeypatch.setattr(png, "STRIP", strip)
    image = np.random.default_rng(0).integers(0, 256, (71, 83, 3), np.uint8)
    image[20:40] = 7
    png.write(tmp_path / "a.png", 83, 71, cut(image, [30, 1, 40]))
    packed, content = b"", (tmp_path / "a.png").read_bytes()[8:]
    while content:
        length, kind = struct.unpack(">I4s", content[:8])
        assert zlib.crc32(content[4 : 8 + length]) == int.from_bytes(content[8 + length : 12 + length], "big")
        packed += content[8 : 8 + length] if kind == b"IDAT" else b""
        content = content[12 + length :]
    reader = zlib.decompressobj()
    assert len(reader.decompress(packed)) == 71 * (1 + 3 * 83)  # raises if the Adler-32 is wrong
    assert reader.eof and not reader.unused_data
    with Image.open(tmp_path / "a.png") as read:
        np.testing.assert_array_equal(np.asarray(read), image)


def test_the_next_band_is_asked_for_only_when_the_last_but_one_is_written(tmp_path):
    """So two bands are in memory at most, however fast they are made."""
    alive = []

    def bands():
        for i in range(6):
            assert sum(reference() is not None for reference in alive) <= 1
            band = np.full((50, 83, 3), i, np.uint8)
            alive.append(weakref.ref(band))
            yield band
            del band

    png.write(tmp_path / "a.png", 83, 300, bands())
    with Image.open(tmp_path / "a.png") as read:
        np.testing.assert_array_equal(np.asarray(read)[:, 0, 0], np.repeat(np.arange(6), 50))


def test_chunks_are_written_before_the_pixels(tmp_path):
    png.write(tmp_path / "a.png", 83, 71, [PHOTO], [(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))])
    with Image.open(tmp_path / "a.png") as read:
        assert read.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("bands, said", [
    ([], "the first one is not"),
    ([PHOTO[:, :, 0]], "the first one is not"),
    ([PHOTO.astype(float)], "the first one is not"),
    ([np.zeros((71, 83, 5), np.uint8)], "the first one is not"),
    ([PHOTO[:30]], "bands have 30 rows and not 71"),
    ([PHOTO, PHOTO], "bands have 142 rows and not 71"),
    ([PHOTO[:30], PHOTO[30:, :50]], r"band of shape \(41, 50, 3\)"),
    ([PHOTO[:30], PHOTO[30:].astype(np.uint16)], "uint16 does not belong"),
])  # fmt: skip
def test_bands_that_are_not_the_announced_image_leave_no_file(bands, said, tmp_path):
    with pytest.raises(SRGANError, match=said):
        png.write(tmp_path / "a.png", 83, 71, bands)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_maker_of_bands_leaves_the_old_file(tmp_path):
    def failing():
        yield PHOTO[:30]
        raise MemoryError("the network is too large")

    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(MemoryError):
        png.write(tmp_path / "a.png", 83, 71, failing())
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"old")]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, full_disk):
    with full_disk(after=2000), pytest.raises(SRGANError, match=r"a\.png could not be written"):
        png.write(tmp_path / "a.png", 83, 71, [PHOTO])
    assert list(tmp_path.iterdir()) == []


def test_impossible_sizes_are_refused(tmp_path):
    with pytest.raises(SRGANError, match="PNG of 0x5 pixels cannot be"):
        png.write(tmp_path / "a.png", 0, 5, [])
