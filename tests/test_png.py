from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import skimage.data
from PIL import Image

from srgan import png
from srgan.errors import SRGANError

PHOTO = skimage.data.astronaut()[100:171, 150:233]  # (71, 83, 3)
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def with_channels(count: int) -> np.ndarray:
    return np.concatenate([PHOTO, PHOTO[::-1, :, :1]], axis=2)[:, :, :count]


def cut(image: np.ndarray, heights: list[int]) -> list[np.ndarray]:
    return np.split(image, np.cumsum(heights)[:-1])


@pytest.mark.parametrize("heights", [[71], [1] * 71, [16, 16, 39], [70, 1]])
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


def test_a_photo_is_packed_about_as_well_as_by_pillow(tmp_path):
    photo = skimage.data.coffee()
    png.write(tmp_path / "a.png", photo.shape[1], photo.shape[0], [photo])
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, format="PNG")
    assert (tmp_path / "a.png").stat().st_size < 1.05 * len(buffer.getvalue())


def test_chunks_are_written_before_the_pixels(tmp_path):
    png.write(tmp_path / "a.png", 83, 71, [PHOTO], [(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))])
    with Image.open(tmp_path / "a.png") as read:
        assert read.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("bands, said", [
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
