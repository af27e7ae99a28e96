"""Files upscaled into files: what the network makes of each kind of pixel, where results go, and what failures cost."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image, ImageOps

from srgan.__main__ import main
from srgan.data import images, pictures
from srgan.data.metadata import ORIENTATION
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.presets import preset
from srgan.runs import weights
from srgan.upscale import batch, files, image_files, network
from srgan.upscale.border import Bordered
from srgan.upscale.targets import plan
from tests import inputs

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def upscaler() -> network.Network:
    return inputs.small_network()


@pytest.fixture(scope="module")
def own_weights(tmp_path_factory):
    config = preset("quick", blocks=1, filters=8)
    path = tmp_path_factory.mktemp("weights") / "mine.weights.h5"
    weights.save(path, networks.generator(config), config, {"stage": "srresnet", "step": 1})
    return path


def result(source, upscaler, name="out.png"):
    target = source.with_name(name)
    files.upscale_file(source, target, upscaler)
    return target


# Pixels -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_and_upscaled_by_the_network(orientation, upscaler, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    inputs.PHOTO.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    out = result(tmp_path / "a.png", upscaler)
    np.testing.assert_array_equal(np.asarray(Image.open(out)), upscaler(upright))
    assert ORIENTATION not in Image.open(out).getexif()


def test_gray_is_the_gray_of_what_the_network_makes_of_three_equal_channels(upscaler, tmp_path):
    gray = inputs.PHOTO.convert("L")
    gray.save(tmp_path / "a.png")
    sr = upscaler(np.asarray(gray.convert("RGB")))
    out = np.asarray(Image.open(result(tmp_path / "a.png", upscaler))).astype(int)
    assert np.abs(out - np.asarray(Image.fromarray(sr).convert("L"))).max() <= 1 and out.std() > 5


def test_transparency_is_bicubic_and_what_is_hidden_does_not_bleed(upscaler, tmp_path):
    image = np.asarray(inputs.cut_out()).copy()
    image[~inputs.DISC, :3] = (0, 255, 0)
    black = image.copy()
    black[~inputs.DISC, :3] = 0
    outs = []
    for name, pixels in (("green", image), ("black", black)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        outs.append(np.asarray(Image.open(result(tmp_path / f"{name}.png", upscaler, f"{name}_out.png"))))
    np.testing.assert_array_equal(outs[0], outs[1])
    alpha = Image.fromarray(image[..., 3].astype(np.float32)).resize(
        (4 * inputs.WIDTH, 4 * inputs.HEIGHT), Image.Resampling.BICUBIC
    )
    assert np.abs(outs[0][..., 3] - np.clip(alpha, 0, 255)).max() <= 0.5
    seen = outs[0][..., 3] > 128
    assert outs[0][seen][:, 1].astype(int).mean() < upscaler(image[..., :3])[seen][:, 1].astype(int).mean() + 5


def test_sixteen_bits_are_sixteen_bits(upscaler, tmp_path):
    """Against the generator's own floating-point output, and finer than 8 bits."""
    inputs.deep_png(inputs.DEEP)(tmp_path / "a.png")
    sr = pictures.read(result(tmp_path / "a.png", upscaler)).frames[0]
    bordered = Bordered(inputs.DEEP)
    lr = (bordered[:, :] / 65535)[None].astype(np.float32)
    float_sr = next(bordered.removed([upscaler._generator(lr, training=False).numpy()[0]]))
    assert sr.dtype == np.uint16 and np.abs(sr - np.clip((float_sr + 1) * 32767.5, 0, 65535)).max() < 1.5
    assert len(np.unique(sr)) > 256
    tif = result(tmp_path / "a.png", upscaler, "out.tif")
    np.testing.assert_array_equal(pictures.read(tif).frames[0], sr)


def test_sixteen_bits_in_tiles_are_the_whole_image(upscaler):
    lr = RNG.integers(0, 65536, (70, 60, 3), np.uint16)
    whole = upscaler(lr).astype(int)
    with mock.patch("srgan.upscale.tiles.SMALLEST", 0):
        tiled = network.Network(upscaler._generator, 10**5)(lr)
    assert tiled.dtype == np.uint16 and np.abs(tiled - whole).max() <= 16


def test_a_picture_in_bands_is_the_same_as_whole(upscaler):
    frame = RNG.integers(0, 256, (90, 40, 4), np.uint8)
    whole = np.concatenate(list(files.enlarged(frame, upscaler)))
    with mock.patch("srgan.upscale.tiles.SMALLEST", 0):
        bands = list(files.enlarged(frame, network.Network(upscaler._generator, 10**5)))
    assert len(bands) > 1 and np.abs(np.concatenate(bands).astype(int) - whole).max() <= 1


def test_frames_keep_their_times_and_their_place(upscaler, tmp_path):
    for name in ("moving.gif", "moving.webp", "moving.png"):
        inputs.INPUTS[name][1](tmp_path / name)
        picture = pictures.read(tmp_path / name)
        assert picture.durations == [50, 60, 70] and len(picture.frames) == 3
        out = pictures.read(result(tmp_path / name, upscaler, f"out_{name}"))
        assert out.durations == picture.durations and out.loop == picture.loop
        for sr, lr in zip(out.frames, picture.frames, strict=True):
            difference = np.abs(sr[..., :3].astype(int) - upscaler(lr[..., :3]))
            assert difference.mean() < (20 if name.endswith("gif") else 1)  # GIF has 256 colours


# Kinds of files that cannot hold it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("source, target, words", [
    ("alpha.png", "a.jpg", "JPEG has no transparency"),
    ("deep.png", "a.jpg", "JPEG has 8 bits a channel"),
    ("moving.gif", "a.tif", "TIFF does not move"),
    ("colour.png", "a.xyz", 'files of the kind ".xyz" are not written'),
])  # fmt: skip
def test_what_a_kind_of_file_cannot_hold_is_told_before_anything_is_computed(source, target, words, tmp_path):
    inputs.INPUTS[source][1](tmp_path / source)
    with pytest.raises(SRGANError, match=words):
        files.upscale_file(tmp_path / source, tmp_path / target, upscaler=None)
    assert os.listdir(tmp_path) == [source]


def test_sides_that_are_too_long_for_a_kind_of_file_are_told():
    picture = pictures.Picture([np.zeros((1, 1, 3), np.uint8)], "PNG")
    with pytest.raises(SRGANError, match="WEBP holds at most 16,383 pixels a side"):
        image_files.require(Path("a.webp"), picture, 100, 20_000)
    with pytest.raises(SRGANError, match="too many for BMP"):
        image_files.require(Path("a.bmp"), picture, 30_000, 30_000)
    image_files.require(Path("a.png"), picture, 40_000, 40_000)


# Files --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    photos = tmp_path / "my photos"
    (photos / "trip").mkdir(parents=True)
    for name in ("a.png", "trip/ü.jpg", ".hidden.png"):
        inputs.PHOTO.save(photos / name)
    (photos / "notes.txt").write_text("words")
    (photos / "trip" / "circle").symlink_to(photos)
    return photos


def places(inputs_, out=None):
    found, _ = batch.find(inputs_)
    return {job.source: job.target for job in plan(found, out and str(out), files.ending, lambda source: "")}


def test_results_lie_beside_the_inputs_or_below_the_folder_named(folder, tmp_path):
    a, u = folder / "a.png", folder / "trip" / "ü.jpg"
    assert places([folder]) == {a: folder / "a_x4.png", u: folder / "trip" / "ü_x4.png"}
    out = tmp_path / "out"
    assert places([folder], out) == {a: out / "a_x4.png", u: out / "trip" / "ü_x4.png"}
    assert places([a], tmp_path / "b.webp") == {a: tmp_path / "b.webp"}
    assert places([a], out) == {a: out / "a_x4.png"}
    inputs.PHOTO.save(folder / "a.jpg")
    assert places([folder / "a.jpg", a]) == {folder / "a.jpg": folder / "a_x4.png", a: folder / "a_png_x4.png"}


def test_earlier_results_are_not_upscaled_again(folder):
    inputs.PHOTO.save(folder / "a_x4.png")
    inputs.PHOTO.save(folder / "alone_x4.png")
    assert {path.name for path in places([folder])} == {"a.png", "ü.jpg", "alone_x4.png"}


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(SRGANError, match="holds no image and no video"):
        batch.find([tmp_path])


def test_nothing_is_overwritten_unless_it_is_said(folder, upscaler):
    target = folder / "a_x4.png"
    target.write_bytes(b"mine")
    with pytest.raises(SRGANError, match=r"is there already.*--force"):
        files.upscale_file(folder / "a.png", target, upscaler)
    with pytest.raises(SRGANError, match="over itself"):
        files.upscale_file(folder / "a.png", folder / "a.png", upscaler, force=True)
    assert target.read_bytes() == b"mine"
    files.upscale_file(folder / "a.png", target, upscaler, force=True)
    assert Image.open(target).size == (120, 80)


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.tif"])
def test_a_full_disk_leaves_nothing_half_written(name, folder, upscaler, full_disk):
    before = sorted(os.listdir(folder))
    with full_disk(after=200), pytest.raises(SRGANError, match="could not be written"):
        files.upscale_file(folder / "a.png", folder / name, upscaler)
    assert sorted(os.listdir(folder)) == before


# The command --------------------------------------------------------------------------------------------------------


def test_a_batch_goes_on_after_a_failure_and_tells_all_of_them(folder, own_weights, tmp_path, capsys):
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("words")
    assert main(["upscale", str(folder), str(tmp_path / "gone.png"), "-o", str(tmp_path / "out"), "--model", str(own_weights)]) == 1
    told = capsys.readouterr()
    assert "3 of 5 failed" in told.err
    for words in ("empty.png is no image", "text.jpg is no image", "There is no file"):
        assert words in told.err
    assert "30x20 to 120x80" in told.out
    expected = network.load(own_weights)(images.read_image(folder / "a.png"))
    np.testing.assert_array_equal(images.read_image(tmp_path / "out" / "a_x4.png"), expected)
    assert sorted(path.name for path in (tmp_path / "out").rglob("[!.]*.*")) == ["a_x4.png", "ü_x4.png"]


@pytest.mark.parametrize("panels", ["hr", "lr,sr,hr", "lr,bicubic,nearest,sr"])
def test_panels_stand_side_by_side_in_the_order_named(panels, folder, own_weights, tmp_path):
    target = tmp_path / "sheet.png"
    arguments = ["upscale", str(folder / "a.png"), "-o", str(target), "--model", str(own_weights), "--panels", panels]
    assert main(arguments) == 0
    photo = images.read_image(folder / "a.png")
    photo = images.crop_to_scale(photo) if "hr" in panels else photo
    lr = images.degrade(photo) if "hr" in panels else photo
    sr = network.load(own_weights)(lr)
    shown = {"lr": lr, "bicubic": network.bicubic(lr), "nearest": network.nearest(lr), "sr": sr, "hr": photo}
    names = {"lr": "LR", "hr": "HR", "sr": own_weights.name}
    expected = images.strip({names.get(name, name): shown[name] for name in panels.split(",")}, height=4 * lr.shape[0])
    np.testing.assert_array_equal(np.asarray(Image.open(target)), np.asarray(expected))


def test_two_models_are_compared_in_panels(folder, own_weights, tmp_path, capsys):
    other = tmp_path / "other.weights.h5"
    config = preset("quick", blocks=2, filters=4)
    weights.save(other, networks.generator(config), config, {"stage": "srresnet", "step": 1})
    arguments = ["upscale", str(folder / "a.png"), "-o", str(tmp_path / "c.png"), "--compare", str(own_weights), str(other)]
    assert main([*arguments, "--panels", "bicubic,sr"]) == 0
    assert Image.open(tmp_path / "c.png").width > 3 * 120
    assert main([*arguments, "--panels", "bicubic,sharp"]) == 1
    assert "There is no panel sharp. There are: lr, nearest, bicubic, sr, hr." in capsys.readouterr().err


def test_weights_from_a_stranger_are_refused_and_run_no_code(folder, tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "b.weights.h5").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "b.json").write_text('{"sha256": "' + weights.sha256(tmp_path / "b.weights.h5") + '", "network": {"blocks": 1}}')
    (tmp_path / "c.weights.h5").write_bytes(b"random")
    for name, words in (("a.pkl", "is no file of weights of this project"), ("b.weights.h5", "is not a card of weights"),
                        ("c.weights.h5", "There are no weights at"), ("huge", "There are no weights named huge")):  # fmt: skip
        model = name if name == "huge" else str(tmp_path / name)
        assert main(["upscale", str(folder / "a.png"), "--model", model]) == 1
        assert words in capsys.readouterr().err, name
    assert not (tmp_path / "trapped").exists()


def test_a_video_goes_to_the_video_module(folder, own_weights, capsys):
    pytest.importorskip("av")
    (folder / "clip.mp4").write_bytes(b"no video at all")
    assert main(["upscale", str(folder / "clip.mp4"), "--model", str(own_weights)]) == 1
    assert "clip.mp4" in capsys.readouterr().err

    def made(source, target, upscaler, **options):
        target.write_bytes(b"film")
        return mock.Mock(frames=12)

    with mock.patch("srgan.upscale.video.upscale", side_effect=made) as called:
        assert main(["upscale", str(folder / "clip.mp4"), "--model", str(own_weights), "--preview"]) == 0
    (source, target, _), options = called.call_args
    assert (source, target.name) == (folder / "clip.mp4", "clip_x4_preview.mp4")
    assert options["preview"] and not options["force"]
    assert "12 frames" in capsys.readouterr().out
