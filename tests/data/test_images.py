"""Images: what a file of each kind becomes, the degradation by its formula, and pictures laid side by side."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import skimage.io
from PIL import Image

from srgan.data import images, pictures
from srgan.errors import SRGANError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (5, 7, 3), np.uint8)  # 5 high, 7 wide, no two pixels alike


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


# Degradation --------------------------------------------------------------------------------------------------------


def shrinking_matrix(length: int) -> np.ndarray:
    """(length / 4, length): Keys's cubic convolution (1981, a = -1/2) stretched by 4, over the pixels that exist."""
    rows = np.empty((length // 4, length))
    for i in range(length // 4):
        x = np.abs((np.arange(length) + 0.5) / 4 - (i + 0.5))
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        rows[i] = np.where(x < 1, near, np.where(x < 2, far, 0))
    return rows / rows.sum(1, keepdims=True)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket", "chelsea"])
def test_degrading_a_photo_is_antialiased_cubic_convolution(name):
    hr = getattr(skimage.data, name)()[100:292, 60:316] // 2 + 64  # in the middle of the range: nothing is clipped
    lr = images.degrade(hr)
    expected = np.tensordot(shrinking_matrix(192), shrinking_matrix(256) @ hr.astype(float), 1)
    assert lr.shape == (48, 64, 3) and lr.dtype == np.uint8
    # Half a level of the last rounding, and what is left of the rounding between Pillow's two passes.
    assert np.abs(lr - expected).max() < 1.1
    assert np.abs(lr - expected).mean() < 0.35


@pytest.mark.parametrize("hr", [skimage.data.astronaut()[100:292, 60:316], RNG.choice(np.array([0, 255], np.uint8), (64, 96, 3))],
                         ids=["photo", "noise"])  # fmt: skip
def test_degrading_rounds_and_clips_after_each_direction(hr):
    rows, columns = shrinking_matrix(hr.shape[0]), shrinking_matrix(hr.shape[1])
    across = np.clip(np.floor(columns @ hr.astype(float) + 0.5), 0, 255)
    # Pillow's weights are fixed-point numbers: a value halfway between two levels may go to the other one in the first
    # pass, which the second pass multiplies by its largest weight at most.
    slack = 0.51 + rows.max()
    assert slack < 0.79 and np.abs(images.degrade(hr) - np.clip(np.tensordot(rows, across, 1), 0, 255)).max() < slack


def test_degrading_clips_where_the_kernel_overshoots():
    hr = np.zeros((64, 64, 3), np.uint8)
    hr[:, 32:] = 255
    exact = shrinking_matrix(64) @ hr[0, :, 0]
    assert exact.min() < -3 and exact.max() > 258
    assert np.abs(images.degrade(hr) - np.clip(exact, 0, 255)[None, :, None]).max() < 0.51


def test_degrading_leaves_no_trace_of_detail_that_lr_cannot_show():
    hr = np.full((64, 64, 3), 0, np.uint8)
    hr[:, ::2] = 255
    inside = images.degrade(hr)[3:-3, 3:-3]
    assert inside.min() >= 126 and inside.max() <= 129  # plain bicubic, not antialiased, gives 0 or 255


def test_an_lr_pixel_lies_in_the_middle_of_its_four_hr_pixels():
    hr = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None], (32, 64, 3))
    inside = images.degrade(np.ascontiguousarray(hr))[4, 2:-2, 0]
    assert np.abs(inside - (4 * np.arange(2, 14) + 1.5)).max() <= 0.5


def test_resizing_by_nearest_neighbour_repeats_pixels():
    assert (images.resize(COLOUR, 15, 14, Image.Resampling.NEAREST) == COLOUR.repeat(3, 0).repeat(2, 1)).all()


# Numbers ------------------------------------------------------------------------------------------------------------


def test_every_level_survives_the_generators_range_and_half_a_level_of_noise():
    levels = np.arange(256)
    for noise in (-0.49, 0.0, 0.49):
        output = ((levels + noise) / 127.5 - 1).astype(np.float32)
        assert images.to_uint8(output).tolist() == levels.tolist()


def test_what_the_generator_gives_beyond_its_range_is_clipped():
    found = images.to_uint8(np.array([-1e9, -1.5, -1.0, 1.0, 1.003, 1.5, 1e9]))
    assert found.tolist() == [0, 0, 0, 255, 255, 255, 255] and found.dtype == np.uint8


def test_lr_comes_to_the_generator_between_zero_and_one():
    found = images.to_float(np.array([[0, 51, 255]], np.uint8))
    assert found.dtype == np.float32 and np.allclose(found, [[0, 0.2, 1]], rtol=0, atol=1e-7)


@pytest.mark.parametrize(("height", "width", "expected"), [(8, 12, (8, 12)), (11, 13, (8, 12)), (4, 7, (4, 4)), (9, 3, (8, 0))])
def test_cropping_to_the_scale_takes_from_the_bottom_and_the_right(height, width, expected):
    hr = RNG.integers(0, 256, (height, width, 3), np.uint8)
    found = images.crop_to_scale(hr)
    assert found.shape[:2] == expected
    assert all((found[y, x] == hr[y, x]).all() for y in range(expected[0]) for x in range(expected[1]))


@pytest.mark.parametrize(("height", "width", "size"), [(10, 14, 4), (9, 14, 4), (4, 4, 4), (5, 8, 4)])
def test_the_centre_crop_has_as_much_on_each_side(height, width, size):
    y, x = np.mgrid[:height, :width]
    crop = images.centre_crop(np.stack([y, x, 0 * x], -1), size)
    assert crop.shape == (size, size, 3)
    above, left = crop[0, 0, 0], crop[0, 0, 1]
    below, right = height - 1 - crop[-1, -1, 0], width - 1 - crop[-1, -1, 1]
    assert 0 <= below - above <= 1 and 0 <= right - left <= 1


# Reading ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".bmp", ".png", ".tif", ".tiff", ".webp"])
def test_an_rgb_file_is_read_pixel_for_pixel(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    found = images.read_image(saved(tmp_path / f"x{suffix}", Image.fromarray(COLOUR), **options))
    assert found.dtype == np.uint8 and (found == COLOUR).all()


def test_a_photo_is_read_as_scikit_image_reads_it():
    folder = Path(skimage.data.__file__).parent
    for name in ("chelsea.png", "rocket.jpg"):
        assert (images.read_image(folder / name) == skimage.io.imread(folder / name)).all()


# What the viewer must do with the stored pixels, by the EXIF 2.3 standard, 4.6.4 A.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_photo_is_turned_upright_as_its_exif_data_say(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"x{suffix}", Image.fromarray(COLOUR), exif=exif)
    expected = UPRIGHT[orientation](COLOUR)
    found = images.read_image(path)
    assert found.shape == expected.shape and (found == expected).all()


def test_a_jpeg_of_a_phone_held_upright_is_read_upright(tmp_path):
    scene = np.zeros((32, 16, 3), np.uint8)
    scene[:8] = 255  # a bright sky
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(scene)))  # lying on its side, sky to the left
    found = images.read_image(saved(tmp_path / "x.jpg", stored, exif=exif, quality=95))
    assert found.shape == (32, 16, 3) and found[:7].min() > 240 and found[9:].max() < 15


def test_gray_becomes_three_equal_channels(tmp_path):
    gray = COLOUR[..., 0]
    found = images.read_image(saved(tmp_path / "x.png", Image.fromarray(gray)))
    assert (found == gray[..., None].repeat(3, 2)).all()


def test_one_bit_becomes_black_and_white(tmp_path):
    bits = RNG.random((5, 7)) < 0.5
    found = images.read_image(saved(tmp_path / "x.png", Image.fromarray(bits)))
    assert (found == np.where(bits, 255, 0)[..., None]).all()


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opacity = alpha[..., None] / 255
    return colour * opacity + 255 * (1 - opacity)


def test_transparency_is_laid_over_white(tmp_path):
    alpha = RNG.integers(0, 256, (5, 7), np.uint8)
    alpha[0, :3] = 0, 128, 255
    found = images.read_image(saved(tmp_path / "x.png", Image.fromarray(np.dstack([COLOUR, alpha]))))
    assert np.abs(found - over_white(COLOUR, alpha)).max() <= 1
    assert (found[0, 0] == 255).all() and (found[0, 2] == COLOUR[0, 2]).all()


def test_gray_with_transparency_is_laid_over_white(tmp_path):
    gray, alpha = COLOUR[..., :1], COLOUR[..., 1]
    found = images.read_image(saved(tmp_path / "x.png", Image.fromarray(COLOUR[..., :2], "LA")))
    assert np.abs(found - over_white(gray.repeat(3, 2), alpha)).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".gif"])
@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_is_looked_up_and_its_transparent_entry_is_white(tmp_path, suffix, transparent):
    indices = RNG.integers(0, 4, (5, 7), np.uint8)
    colours = np.array([[10, 20, 30], [200, 0, 0], [0, 250, 5], [1, 2, 255]], np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(colours.tobytes())
    found = images.read_image(saved(tmp_path / f"x{suffix}", image, **({"transparency": 2} if transparent else {})))
    if transparent:
        colours[2] = 255
    assert (found == colours[indices]).all()


def test_a_palette_with_degrees_of_transparency_is_laid_over_white(tmp_path):
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    image = Image.fromarray(indices, "P")
    colours, alpha = np.array([[0, 0, 0], [200, 100, 0], [40, 80, 120]], np.uint8), np.array([0, 51, 255], np.uint8)
    image.putpalette(colours.tobytes())
    found = images.read_image(saved(tmp_path / "x.png", image, transparency=alpha.tobytes()))
    assert np.abs(found - over_white(colours[indices], alpha[indices])).max() <= 1


def test_the_colour_that_a_png_declares_transparent_is_white(tmp_path):
    key = tuple(int(value) for value in COLOUR[2, 3])
    found = images.read_image(saved(tmp_path / "x.png", Image.fromarray(COLOUR), transparency=key))
    expected = COLOUR.copy()
    expected[2, 3] = 255
    assert (found == expected).all()


def test_inks_become_light(tmp_path):
    inks = RNG.integers(0, 256, (5, 7, 4), np.uint8)
    found = images.read_image(saved(tmp_path / "x.tif", Image.fromarray(inks, "CMYK")))
    light = 255 - inks.astype(float)
    assert np.abs(found - light[..., :3] * light[..., 3:] / 255).max() <= 1


def test_a_jpeg_of_inks_is_not_read_as_its_negative(tmp_path):
    inks = np.broadcast_to(np.array([0, 255, 255, 0], np.uint8), (16, 16, 4))  # magenta and yellow ink: red
    found = images.read_image(saved(tmp_path / "x.jpg", Image.fromarray(np.ascontiguousarray(inks), "CMYK"), quality=95))
    assert found[..., 0].min() > 240 and found[..., 1:].max() < 15


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_gray_of_16_bits_is_its_upper_8(tmp_path, name):
    found = images.read_image(saved(tmp_path / name, Image.fromarray(np.array([[0, 255, 256, 65535]], np.uint16))))
    assert found[0, :, 0].tolist() == [0, 0, 1, 255] and found.shape == (1, 4, 3)


@pytest.mark.parametrize("pixels", [np.array([[0, 70000]], np.int32), np.array([[0.0, 1.0]], np.float32)])
def test_numbers_that_are_no_pixels_are_refused_with_what_to_do(tmp_path, pixels):
    path = saved(tmp_path / "x.tif", Image.fromarray(pixels))
    with pytest.raises(SRGANError, match=f"^{path} holds numbers of .*Save it with 8 or 16 bits a channel"):
        images.read_image(path)


def encoded(format: str, **options) -> bytes:
    photo = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()[:40, 180:228]).save(photo, format, **options)
    return photo.getvalue()


@pytest.mark.filterwarnings("ignore")  # Pillow warns of the end of the file as well
@pytest.mark.parametrize("format", ["BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("part", [0.0, 0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused_by_name(tmp_path, format, part):
    whole = encoded(format)
    path = tmp_path / f"x.{format.lower()}"
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(SRGANError, match=f"^{path} (cannot be read as|is no) image|^{path} cannot be read as an image"):
        images.read_image(path)


@pytest.mark.parametrize("make", [lambda path: path.write_text("words, not pixels"), Path.mkdir, lambda path: None])
def test_text_a_folder_and_nothing_are_refused_by_name(tmp_path, make):
    make(tmp_path / "x.jpg")
    with pytest.raises(SRGANError, match=str(tmp_path / "x.jpg")):
        images.read_image(tmp_path / "x.jpg")


def test_a_picture_that_would_fill_the_memory_is_refused_by_name(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", Image.fromarray(COLOUR))
    monkeypatch.setattr(pictures, "LARGEST", 5 * 7 - 1)
    with pytest.raises(SRGANError, match=f"^{path} has more than the 0 megapixels that are taken"):
        images.read_image(path)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged EXIF data
@pytest.mark.parametrize("format", ["BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_a_damaged_file_is_an_image_or_refused_by_name_and_nothing_else(tmp_path, format):
    rng = np.random.default_rng(1)
    whole, path, refused = np.frombuffer(encoded(format), np.uint8), tmp_path / "x", 0
    for _ in range(120):
        damaged = whole.copy()
        damaged[rng.integers(min(len(whole), 400), size=3)] = rng.integers(0, 256, 3)  # where the headers are
        path.write_bytes(damaged.tobytes())
        try:
            found = images.read_image(path)
            assert found.ndim == 3 and found.shape[2] == 3 and found.dtype == np.uint8
        except SRGANError as error:
            assert str(error).startswith(str(path))
            refused += 1
    assert refused > 0


def test_a_failure_of_any_kind_inside_a_decoder_is_told_by_name(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", Image.fromarray(COLOUR))
    failure = TypeError("'IFDRational' object cannot be interpreted as an integer")
    monkeypatch.setattr(pictures, "_by_vips", lambda *_: (_ for _ in ()).throw(failure))
    with pytest.raises(SRGANError, match=f"^{path} cannot be read as an image.*IFDRational"):
        images.read_image(path)


# Laying out ---------------------------------------------------------------------------------------------------------


def test_a_strip_shows_each_image_enlarged_under_its_name():
    small, large = RNG.integers(0, 200, (2, 3, 3), np.uint8), RNG.integers(0, 200, (8, 12, 3), np.uint8)
    sheet = np.asarray(images.strip({"LR": small, "HR": large}))
    assert sheet.shape == (22 + 8 + 6, 6 + 12 + 6 + 12 + 6, 3)
    assert (sheet[22:30, 6:18] == small.repeat(4, 0).repeat(4, 1)).all()
    assert (sheet[22:30, 24:36] == large).all()
    for left, right in ((0, 6), (18, 24), (36, 42)):
        assert (sheet[22:, left:right] == 255).all()
    assert (sheet[30:] == 255).all()
    for left in (6, 24):  # a name above each
        assert (sheet[:22, left : left + 12] < 100).any()


def test_a_strip_is_as_high_as_wanted():
    small, large = RNG.integers(0, 200, (2, 3, 3), np.uint8), RNG.integers(0, 200, (4, 4, 3), np.uint8)
    sheet = np.asarray(images.strip({"a": small, "b": large}, height=16))
    assert sheet.shape == (22 + 16 + 6, 6 + 24 + 6 + 16 + 6, 3)
    assert (sheet[22:38, 6:30] == small.repeat(8, 0).repeat(8, 1)).all()
    assert (sheet[22:38, 36:52] == large.repeat(4, 0).repeat(4, 1)).all()


def test_sheets_are_stacked_from_the_left_on_white():
    above, below = RNG.integers(0, 200, (2, 5, 3), np.uint8), RNG.integers(0, 200, (3, 4, 3), np.uint8)
    stacked = np.asarray(images.stack([Image.fromarray(above), Image.fromarray(below)]))
    assert stacked.shape == (5, 5, 3)
    assert (stacked[:2] == above).all() and (stacked[2:, :4] == below).all() and (stacked[2:, 4:] == 255).all()


@pytest.mark.parametrize("kind", [lambda pixels: pixels, Image.fromarray], ids=["array", "image"])
def test_a_png_holds_the_pixels_it_was_given(tmp_path, kind):
    images.save_png(tmp_path / "deep" / "x.png", kind(COLOUR))
    assert (skimage.io.imread(tmp_path / "deep" / "x.png") == COLOUR).all()


def test_a_png_without_room_leaves_the_old_one(tmp_path, full_disk):
    images.save_png(tmp_path / "x.png", COLOUR)
    with full_disk(after=60), pytest.raises(SRGANError, match=r"x\.png could not be written"):
        images.save_png(tmp_path / "x.png", 255 - COLOUR)
    assert (skimage.io.imread(tmp_path / "x.png") == COLOUR).all()
    assert os.listdir(tmp_path) == ["x.png"]
