"""LR as photos suffer: each part does what it says, pixels stay at their place, and the batch of a step stays the same."""

from __future__ import annotations

import dataclasses
import itertools
import sys

import numpy as np
import pytest
from skimage import data

from srgan.config import SCALE, settings
from srgan.data import degradation, h264, images
from srgan.data.dataset import Dataset
from srgan.data.degradation import Chain
from srgan.data.preparation import prepare
from srgan.errors import SRGANError
from srgan.runs.paths import Paths
from srgan.train import held_out

PHOTO = images.crop_to_scale(data.astronaut())[:256, 64:320]
SURE = Chain(clean=0, blur=1, between=1, noise=1, first_jpeg=1, jpeg=1)  # every part takes its turn
FILMED = dataclasses.replace(SURE, h264=1)
QUIET = dataclasses.replace(SURE, strength=0)  # nothing but resizing


def shift(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """By how many pixels (down, right) `image` lies beside `reference`: least squares over its slopes."""
    image, reference = (each.astype(float).mean(axis=2)[4:-4, 4:-4] for each in (image, reference))
    slopes = np.stack([slope.ravel() for slope in np.gradient(reference)], axis=1)
    return -np.linalg.lstsq(slopes, (image - reference).ravel(), rcond=None)[0]


def deviations(image: np.ndarray) -> np.ndarray:
    return image.reshape(-1, 3).astype(float).std(axis=0)


def test_the_measure_of_a_shift_finds_one():
    moved = np.roll(PHOTO, 2, axis=1)
    np.testing.assert_allclose(shift(images.degrade(moved), images.degrade(PHOTO)), (0, 2 / SCALE), atol=0.1)


@pytest.mark.parametrize("resize", degradation.RESIZES.values(), ids=degradation.RESIZES)
def test_resizing_by_way_of_any_size_keeps_each_pixel_at_its_place(resize):
    for side in (51, 64, 77, 128, 161):
        lr = resize(resize(PHOTO, side, side + 3), 64, 64)
        assert np.abs(shift(lr, images.degrade(PHOTO))).max() < 0.03


def test_blur_and_jpeg_keep_each_pixel_at_its_place():
    lr = images.degrade(PHOTO)
    for down, right in itertools.product((0, 3, 8, 13), repeat=2):
        assert np.abs(shift(degradation.jpeg(lr, 60, shift=(down, right)), lr)).max() < 0.03
    for angle in np.linspace(0, np.pi, 5):
        assert np.abs(shift(degradation.blur(lr, 0.7, 2.0, angle), lr)).max() < 0.03


# A film at a high CRF may leave a frame where the one before had it; in the mean nothing moves.
@pytest.mark.parametrize("chain, most", [(SURE, 0.1), (FILMED, 0.4)], ids=["photo", "video"])
def test_whole_chains_move_nothing(chain, most):
    reference = images.degrade(PHOTO)
    found = np.array([shift(degradation.lr_of(PHOTO, chain, np.random.default_rng(i)), reference) for i in range(120)])
    assert np.abs(found).max() < most and np.abs(found.mean(axis=0)).max() < 0.02


def test_h264_gives_back_the_last_frame_at_its_place_and_worse_with_a_higher_crf():
    clip = [images.degrade(np.roll(PHOTO, 8 * ago, axis=1))[:51, :47] for ago in (2, 1, 0)]
    fine, coarse = (h264.last_frame(clip, crf, (5, 12)) for crf in (12, 36))
    assert fine.shape == clip[-1].shape
    errors = [np.square(frame.astype(float) - clip[-1]).mean() for frame in (fine, coarse)]
    assert errors[0] < 40 < errors[1] and np.abs(shift(fine, clip[-1])).max() < 0.03
    alone, after = (h264.last_frame(frames, 36) for frames in (clip[2:], clip))
    assert (alone != after).any()  # a frame is told by those before it


def test_a_patch_is_degraded_as_the_photo_around_it_and_clean_ones_are_what_is_prepared():
    clean, lr = dataclasses.replace(SURE, clean=1.0), images.degrade(PHOTO)
    for top, left in itertools.product((0, 4, 64, 160), repeat=2):
        patch = degradation.lr_of_patch(PHOTO, top, left, 96, clean, np.random.default_rng(1))
        np.testing.assert_array_equal(patch, lr[top // 4 : top // 4 + 24, left // 4 : left // 4 + 24])
        assert degradation.lr_of_patch(PHOTO, top, left, 96, SURE, np.random.default_rng(1)).shape == (24, 24, 3)


def test_area_takes_the_mean_of_what_a_pixel_covers():
    line = np.repeat(np.array([[[0], [90], [30]]], np.uint8), 3, axis=2)
    np.testing.assert_array_equal(degradation.area(line, 1, 2)[0, :, 0], (30, 50))
    np.testing.assert_array_equal(degradation.area(PHOTO, 64, 64), np.rint(PHOTO.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))))


def test_blur_is_a_gaussian_of_the_width_and_direction_asked_for():
    dot = np.zeros((65, 65, 3), np.uint8)
    dot[30:35, 30:35] = 255
    spread = degradation.blur(dot, 2.0, 5.0, np.pi / 2)[..., 0].astype(float)  # along: downwards
    places = np.arange(65) - 32
    down, right = ((spread.sum(axis=axis) @ places**2 / spread.sum()) ** 0.5 for axis in (1, 0))
    assert down == pytest.approx((5**2 + 2) ** 0.5, rel=0.03) and right == pytest.approx((2**2 + 2) ** 0.5, rel=0.03)
    np.testing.assert_array_equal(degradation.blur(PHOTO, 0.0, 0.0), PHOTO)
    slanted = degradation.blur(dot, 1.0, 5.0, np.pi / 4)[..., 0].astype(float)
    assert slanted[26, 26] > 50 * slanted[38, 26] + 5  # from the upper left to the lower right


@pytest.mark.parametrize("noise", [degradation.gaussian_noise, degradation.poisson_noise])
def test_noise_has_the_strength_asked_for_and_gray_noise_is_equal_in_all_channels(noise):
    flat, rng = np.full((200, 200, 3), 120, np.uint8), np.random.default_rng(3)
    expected = 10 * (120 / 255) ** 0.5 if noise is degradation.poisson_noise else 10
    np.testing.assert_allclose(deviations(noise(flat, 10, False, rng)), expected, rtol=0.03)
    gray = noise(flat, 10, True, rng)
    assert np.ptp(gray, axis=2).max() == 0 and deviations(gray)[0] == pytest.approx(expected, rel=0.03)
    np.testing.assert_array_equal(noise(flat, 0, False, rng), flat)


def test_jpeg_draws_blocks_where_its_shift_puts_them():
    edges = np.zeros(8)
    image = degradation.jpeg(PHOTO, 10, degradation.FULL_COLOUR, (3, 5)).astype(float)
    steps = np.abs(np.diff(image, axis=1)).mean(axis=(0, 2))
    for column in range(8):
        edges[column] = steps[column::8].mean()
    assert edges.argmax() == 8 - 5 - 1 and edges.max() > 1.5 * np.median(edges)


def test_strength_turns_the_chain_up_and_down():
    reference = images.degrade(PHOTO).astype(float)

    def error(chain: Chain) -> float:
        return float(
            np.mean([np.square(degradation.lr_of(PHOTO, chain, np.random.default_rng(i)) - reference).mean() for i in range(12)])
        )

    assert (
        error(QUIET) < error(dataclasses.replace(SURE, strength=0.5)) < error(SURE) < error(dataclasses.replace(SURE, strength=2))
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("degradation")
    for i in range(3):
        images.save_png(home / "photos" / f"{i}.png", PHOTO[: 128 + 32 * i])
    return home


def opened(folder, **changes) -> Dataset:
    values = {"dataset": f"folder:{folder / 'photos'}", "hr_size": 48, "batch_size": 4, "run": "r"} | changes
    return prepare(settings(**values), Paths(folder, "r"))


@pytest.mark.parametrize("name", ["photo", "video"])
def test_the_batch_of_a_step_is_always_the_same_and_holds_the_same_hr_as_without_degradation(folder, name):
    plain, photo, again = opened(folder), opened(folder, degradation=name), opened(folder, degradation=name)
    assert photo.key == plain.key  # nothing is prepared anew
    for step in (0, 1, 7):
        lr, hr = photo.batch(step)
        np.testing.assert_array_equal(hr, plain.batch(step)[1])
        np.testing.assert_array_equal(lr, again.batches(step, 2)[0][0])
        assert (lr != plain.batch(step)[0]).any()
    assert (photo.batch(0)[0] != opened(folder, degradation=name, seed=2).batch(0)[0]).any()


def test_the_share_of_clean_patches_is_what_the_setting_says(folder):
    plain, photo = opened(folder, batch_size=50), opened(folder, batch_size=50, degradation="photo", clean_share=0.7)
    same = [(a == b).all() for step in range(4) for a, b in zip(plain.batch(step)[0], photo.batch(step)[0], strict=True)]
    assert 0.6 < np.mean(same) < 0.8


def test_centre_crops_and_held_out_crops_suffer_too_always_alike(folder):
    plain, photo = (opened(folder, sampling="centre", degradation=name) for name in ("bicubic", "photo"))
    assert any((photo.batch(step)[0] != plain.batch(step)[0]).any() for step in range(3))
    clean, crops, again = (list(held_out.crops(opened(folder, **changes), 2)) for changes in (
        {}, {"degradation": "photo", "clean_share": 0}, {"degradation": "photo", "clean_share": 0, "seed": 1}))  # fmt: skip
    for (lr, hr), (same_lr, same_hr), (clean_lr, clean_hr) in zip(crops, again, clean, strict=True):
        assert (lr == same_lr).all() and (hr == same_hr).all() and (hr == clean_hr).all()
        assert lr.shape == clean_lr.shape and (lr != clean_lr).any()
        np.testing.assert_array_equal(clean_lr, images.degrade(hr))


def test_video_without_pyav_is_told_before_the_first_batch(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "srgan.data.h264")
    monkeypatch.delattr("srgan.data.h264")
    with pytest.raises(SRGANError, match=r"H\.264 needs the package PyAV: pip install av"):
        opened(folder, degradation="video")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"degradation": "phone"}, "degradation must be one of bicubic, photo, video, not 'phone'"),
        ({"degradation": "photo", "degradation_strength": -1}, "degradation_strength must not be negative"),
        ({"degradation": "photo", "clean_share": 1.0}, "clean_share must be 0 or more and less than 1"),
        ({"degradation_strength": 2.0}, 'degradation "bicubic" has no strength'),
        ({"degradation": "photo", "teacher": "srresnet", "gan_steps": 0}, "A teacher sees LR as it is prepared"),
    ],
)
def test_what_does_not_go_together_is_told_in_words(changes, message):
    with pytest.raises(SRGANError, match=message):
        settings(**changes)
