"""Any size: what is made is what the network makes, shrunk; what cannot be made is told in words."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import pyvips
from PIL import Image

from srgan.__main__ import main
from srgan.data import pictures
from srgan.errors import SRGANError
from srgan.upscale import files, resampling, size, targets, video
from srgan.upscale.network import nearest
from srgan.upscale.size import FOUR_TIMES, Size, wanted
from tests import clips, inputs

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def upscaler():
    return inputs.small_network()


def made(source: Path, upscaler, size: Size, name: str = "out.png") -> pictures.Picture:
    files.upscale_file(source, source.with_name(name), upscaler, size=size)
    return pictures.read(source.with_name(name))


def shrunk(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image as a whole, by the same filter, in the words of libvips's own call."""
    whole = pyvips.Image.new_from_array(np.ascontiguousarray(image))
    return whole.resize(width / image.shape[1], vscale=height / image.shape[0], kernel="cubic", gap=0).numpy()


# Pixels -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["colour.png", "gray.png", "alpha.png", "deep_alpha.png", "one_pixel.png"])
@pytest.mark.parametrize("scale", [1, 1.5, 2, 3])
def test_a_scale_below_four_is_what_the_network_makes_shrunk(name, scale, upscaler, tmp_path):
    inputs.INPUTS[name][1](tmp_path / name)
    given = pictures.read(tmp_path / name).frames[0]
    four = made(tmp_path / name, upscaler, FOUR_TIMES, "four.png").frames[0]
    less = made(tmp_path / name, upscaler, Size(scale)).frames[0]
    height, width = (round(scale * side) for side in given.shape[:2])
    assert less.shape == (height, width, four.shape[2]) and less.dtype == four.dtype
    assert np.abs(less.astype(int) - shrunk(four, height, width).reshape(less.shape)).max() <= 1


def test_the_filter_is_antialiased_and_that_of_training():
    """Stripes too fine for the result become gray; a picture becomes what Pillow's bicubic, which makes LR, makes of it."""
    lr = np.zeros((16, 16, 3), np.uint8)
    stripes = np.tile(np.array([0, 255], np.uint8)[None, :, None], (64, 32, 3))
    (band,) = resampling.resampled([stripes], lr, 16, 16)
    assert np.abs(band[:, 3:-3].astype(int) - 127.5).max() < 3
    photo = np.asarray(inputs.PHOTO.resize((240, 160), Image.Resampling.BICUBIC))
    (band,) = resampling.resampled([photo], np.zeros((40, 60, 3), np.uint8), 80, 120)
    difference = np.abs(band.astype(int) - np.asarray(Image.fromarray(photo).resize((120, 80), Image.Resampling.BICUBIC)))
    assert difference.max() <= 3 and difference.mean() < 0.5  # libvips rounds between rows and columns


@pytest.mark.parametrize("scale", [6, 8, 16])
def test_more_than_four_times_is_the_network_twice(scale):
    lr = RNG.integers(0, 256, (10, 13, 3), np.uint8)
    seen = []

    def enlarge(image):
        seen.append(image)
        yield nearest(image)

    sr = np.concatenate(list(resampling.enlarged_to(10 * scale, 13 * scale, lr, enlarge)))
    assert sr.shape == (10 * scale, 13 * scale, 3) and len(seen) == 2
    assert seen[1].shape[:2] == size.between(10 * scale, 13 * scale)
    np.testing.assert_array_equal(seen[1], shrunk(nearest(lr), *seen[1].shape[:2]))


@pytest.mark.parametrize("cut", [(1, 99), (7, 8, 9), (50,)])
def test_bands_in_and_bands_out_are_the_whole_image(cut, monkeypatch):
    monkeypatch.setattr(resampling, "BAND", 3000)
    image = RNG.integers(0, 65_536, (400, 120, 4), np.uint16)
    bands = [band for band in np.split(image, np.cumsum(cut)) if len(band)]
    out = list(resampling.resampled(bands, np.zeros((100, 30, 4), np.uint16), 233, 77))
    assert len(out) > 20
    np.testing.assert_array_equal(np.concatenate(out), shrunk(image, 233, 77))


def test_neither_the_large_image_nor_the_result_is_ever_whole_in_memory():
    taken, made, most = 0, 0, 0

    def bands():
        nonlocal taken
        for _ in range(100):
            taken += 40
            yield np.zeros((40, 4000, 3), np.uint8)

    for band in resampling.resampled(bands(), np.zeros((1000, 1000, 3), np.uint8), 2000, 2000):
        made += len(band)
        most = max(most, len(band))
        assert taken <= 2 * made + 400
    assert made == 2000 and most < 200


def test_a_failure_between_bands_is_that_failure_and_not_one_of_libvips():
    def bands(failure):
        yield np.zeros((40, 80, 3), np.uint8)
        raise failure

    for failure in (KeyboardInterrupt(), SRGANError("no memory")):
        with pytest.raises(type(failure)):
            list(resampling.resampled(bands(failure), np.zeros((20, 20, 3), np.uint8), 40, 40))


@pytest.mark.parametrize("kind", ["moving.gif", "moving.webp", "moving.png"])
def test_animations_move_at_any_size(kind, upscaler, tmp_path):
    inputs.INPUTS[kind][1](tmp_path / kind)
    given = pictures.read(tmp_path / kind)
    out = made(tmp_path / kind, upscaler, Size(1.5), f"out_{kind}")
    assert out.durations == given.durations and len(out.frames) == len(given.frames) and out.loop == given.loop
    assert {frame.shape[:2] for frame in out.frames} == {tuple(round(1.5 * side) for side in given.frames[0].shape[:2])}


@pytest.mark.parametrize("target", ["out.jpg", "out.tif", "out.png", "out.bmp", "out.webp"])
def test_no_file_tells_of_another_size_than_it_has(target, upscaler, tmp_path):
    exif = Image.Exif()
    exif[0x0131] = "a camera"
    exif.get_ifd(0x8769).update({0xA002: inputs.WIDTH, 0xA003: inputs.HEIGHT, 0x9003: "2024:05:01 12:00:00"})
    inputs.PHOTO.save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    made(tmp_path / "a.jpg", upscaler, Size(1.5), target)
    with Image.open(tmp_path / target) as image:
        width, height = round(1.5 * inputs.WIDTH), round(1.5 * inputs.HEIGHT)
        inner = image.getexif().get_ifd(0x8769)
        assert image.size == (width, height) == (inner.get(0xA002, width), inner.get(0xA003, height))
        if target.endswith(("jpg", "tif", "png")):
            assert inner[0x9003] == "2024:05:01 12:00:00"
            assert [round(float(number)) for number in image.info["dpi"]] == [300, 300]


# Sizes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named, given, result", [
    (Size(2), (333, 500), (666, 1000)),
    (Size(1.5), (333, 500), (500, 750)),
    (Size(width=1920), (600, 800), (1440, 1920)),
    (Size(height=1080), (600, 800), (1080, 1440)),
    (Size(width=1000, height=1000), (600, 800), (750, 1000)),
    (Size(width=1000, height=1000), (800, 600), (1000, 750)),
    (Size(16), (10, 10), (160, 160)),
])  # fmt: skip
def test_a_size_is_a_scale_or_what_the_picture_must_fit_into(named, given, result):
    assert named.of(*given, Path("a.png")) == result


@pytest.mark.parametrize("named, given, words", [
    (Size(width=100), (333, 500), "100x67 would be smaller than it is"),
    (Size(width=10_000), (333, 500), "20 times as wide, and 16 times is the most"),
    (Size(8), (9000, 9000), "more than the 100 megapixels that are taken"),
])  # fmt: skip
def test_a_size_that_a_picture_cannot_have_is_told(named, given, words):
    with pytest.raises(SRGANError, match=f"a.png.*{words}"):
        named.of(*given, Path("a.png"))


@pytest.mark.parametrize("named, words", [
    (dict(scale=0), "between 1 and 16; 0 does not"),
    (dict(scale=-2), "between 1 and 16; -2 does not"),
    (dict(scale=float("nan")), "between 1 and 16; nan does not"),
    (dict(scale=float("inf")), "between 1 and 16; inf does not"),
    (dict(scale=17), "between 1 and 16"),
    (dict(width=0), "A width is a number of pixels, 1 or more; 0 is none"),
    (dict(height=-5), "A height is a number of pixels, 1 or more; -5 is none"),
    (dict(scale=2, width=100), "are two sizes: give one of them"),
    (dict(scale=2, width=100, height=100), "are two sizes: give one of them"),
])  # fmt: skip
def test_sizes_that_are_none_are_told(named, words):
    with pytest.raises(SRGANError, match=words):
        wanted(**named)


def test_names_tell_sizes_apart_and_are_known_again():
    sizes = (FOUR_TIMES, Size(1.5), Size(2), Size(width=1920), Size(height=1080), Size(width=1920, height=1080))
    names = [named.suffix for named in sizes]
    assert names == ["_x4", "_x1.5", "_x2", "_w1920", "_h1080", "_w1920_h1080"]
    assert {targets.RESULT.sub("", "photo" + name) for name in names} == {"photo"}
    assert {targets.RESULT.sub("", f"photo{name}_preview") for name in names} == {"photo"}
    assert all(targets.RESULT.sub("", name) == name for name in ("photo_2", "x4", "photo_1920x1080", "_x4"))


# The command --------------------------------------------------------------------------------------------------------


@pytest.fixture
def shell(upscaler, monkeypatch):
    monkeypatch.setattr(files, "open_model", lambda *options: upscaler)
    return lambda *arguments: main(["upscale", *map(str, arguments)])


def sizes(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path in sorted(folder.rglob("*_*.*")):
        with Image.open(path) as image:
            found[path.relative_to(folder).as_posix()] = image.size
    return found


def test_another_scale_is_another_result_and_the_same_is_done(shell, tmp_path, capsys):
    inputs.PHOTO.save(tmp_path / "a.png")
    width, height = inputs.PHOTO.size
    four, two = {"a_x4.png": (4 * width, 4 * height)}, {"a_x2.png": (2 * width, 2 * height)}
    assert shell(tmp_path) == 0 and sizes(tmp_path) == four
    assert shell(tmp_path, "--scale", "2") == 0 and sizes(tmp_path) == four | two
    assert f"{width}x{height} to {2 * width}x{2 * height}" in capsys.readouterr().out
    for scale in ("2", "4"):
        assert shell(tmp_path, "--scale", scale) == 0 and "a.png: done earlier" in capsys.readouterr().out
    (tmp_path / targets.RECORD).unlink()
    assert shell(tmp_path, "--width", 3 * width) == 0  # results are no inputs, by their names too
    assert sizes(tmp_path) == four | two | {f"a_w{3 * width}.png": (3 * width, 3 * height)}


def test_a_result_of_another_scale_under_the_same_name_is_not_taken_for_done(shell, tmp_path, capsys):
    inputs.PHOTO.save(tmp_path / "a.png")
    for force in ((), ("--force",)):
        assert shell(tmp_path / "a.png", "-o", tmp_path / "b.png", *force) == 0
        assert shell(tmp_path / "a.png", "-o", tmp_path / "b.png", "--scale", "3") == 1
        assert "is there already" in capsys.readouterr().err
        assert shell(tmp_path / "a.png", "-o", tmp_path / "b.png", "--scale", "3", "--force") == 0
        assert Image.open(tmp_path / "b.png").size == tuple(3 * side for side in inputs.PHOTO.size)


@pytest.mark.parametrize("arguments, words", [
    (("--scale", "nan"), "A scale lies between 1 and 16"),
    (("--scale", "2", "--width", "9"), "give one of them"),
    (("--width", "3"), "would be smaller than it is"),
    (("--scale", "2", "--panels", "lr,sr"), "leave out the size"),
])  # fmt: skip
def test_errors_are_told_in_words(arguments, words, shell, tmp_path, capsys):
    inputs.PHOTO.save(tmp_path / "a.png")
    assert shell(tmp_path / "a.png", *arguments) == 1 and words in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_result_larger_than_its_kind_of_file_can_be_is_told(upscaler, tmp_path):
    Image.new("RGB", (2000, 2)).save(tmp_path / "a.png")
    with pytest.raises(SRGANError, match="WEBP holds at most 16,383 pixels a side, not 32000x32"):
        made(tmp_path / "a.png", upscaler, Size(16), "b.webp")


# Films --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named, result, told", [
    (Size(2), (96, 64), 0), (Size(1.5), (72, 48), 0), (Size(6), (288, 192), 0), (Size(width=101), (100, 68), 1),
])  # fmt: skip
def test_a_film_of_any_size_keeps_times_sound_and_shape(named, result, told, tmp_path):
    aspect = {"sample_aspect_ratio": Fraction(4, 3)}
    source = clips.write(tmp_path / "clip.mp4", audio="aac", tags=aspect)
    target = video.default_target(source, named)
    assert target.name == f"clip{named.suffix}.mp4"
    film = video.upscale(source, target, nearest, size=named)
    with av.open(str(target)) as container:
        shown = container.streams.video[0]
        assert (shown.width, shown.height) == result and shown.sample_aspect_ratio == Fraction(4, 3)
        assert container.streams.audio[0].rate == clips.SOUND_RATE
    assert [clips.number_of(image) for image in clips.pictures(target)] == list(range(10))
    assert clips.stamps(target) == clips.stamps(source) and clips.packets(target, "audio") == clips.packets(source, "audio")
    assert len(film.remarks) == told and all("a film's sides are even" in remark for remark in film.remarks)
